import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { AsofError, conflict, invalid, MANIFEST_FILE } from '@asof/core'
import type { TrainingFiles } from '@asof/core'

/**
 * Training sets as folders of a local disk. What is being built lies beside its place, under a name that begins with a
 * dot; a process that dies leaves no more than that. Only a training set is ever replaced, never a folder of something else.
 */
export function diskTrainingFiles(): TrainingFiles {
  /** Those of the folders being built that may replace what is at their place. */
  const replacing = new Set<string>()
  return {
    async begin(folder, { overwrite = false } = {}) {
      if (!isAbsolute(folder)) {
        throw invalid('invalid_path', 'a training set needs the absolute path of its folder', { folder })
      }
      await checkPlace(folder, overwrite)
      const building = join(dirname(folder), `.${basename(folder)}.${randomUUID()}.building`)
      await mkdir(building, { recursive: true }).catch((cause: unknown) => {
        const text = 'the folder cannot be made; look at its path, the space and the rights'
        const reason = (cause as NodeJS.ErrnoException).code
        throw new AsofError('unavailable', 'disk_failed', text, { folder, reason }, { cause })
      })
      if (overwrite) replacing.add(building)
      return building
    },

    async finish(building, folder) {
      const entries = await readdir(building, { recursive: true, withFileTypes: true })
      await Promise.all(entries.map(async (entry) => await sync(join(entry.parentPath, entry.name))))
      await sync(building)
      // Someone else may have put something there since the beginning.
      const overwrite = replacing.delete(building)
      await checkPlace(folder, overwrite)
      // A folder that is not empty cannot be renamed over: what may be replaced steps aside first, and nothing else does.
      const aside = overwrite && (await exists(folder)) ? `${building}.old` : undefined
      if (aside !== undefined) await rename(folder, aside)
      await rename(building, folder).catch((cause: unknown) => {
        throw isOccupied(cause) ? outputExists(folder) : cause
      })
      await sync(dirname(folder))
      if (aside !== undefined) await rm(aside, { recursive: true, force: true })
    },

    async discard(building) {
      replacing.delete(building)
      await rm(building, { recursive: true, force: true })
    },

    async makeFolder(path) {
      await mkdir(path, { recursive: true })
    },

    async writeText(path, text) {
      await writeFile(path, text)
    },

    async readText(path) {
      return await unlessMissing(async () => await readFile(path, 'utf8'))
    },

    async describe(path) {
      return await unlessMissing(async () => {
        const hash = createHash('sha256')
        const { size } = await stat(path)
        for await (const part of createReadStream(path, { highWaterMark: READ_BYTES }))
          hash.update(part as Uint8Array)
        return { bytes: size, sha256: hash.digest('hex') }
      })
    },

    exists,
  }
}

/** Bytes read at once for a hash. */
const READ_BYTES = 1024 * 1024

/** Refuses a place where something is that must not be replaced. */
async function checkPlace(folder: string, overwrite: boolean): Promise<void> {
  const there = await entriesOf(folder)
  if (there !== undefined && (there.length === 0 || (overwrite && there.includes(MANIFEST_FILE)))) return
  if (there === undefined && !(await exists(folder))) return
  if (!overwrite) throw outputExists(folder)
  const text =
    'what is there is no training set, so it is not overwritten: choose another folder, or remove it'
  throw conflict('output_not_a_set', text, { folder })
}

function outputExists(folder: string): AsofError {
  return conflict('output_exists', 'something is there already: remove it, or overwrite it', { folder })
}

/** Whether a rename met something at its place; an empty folder is none on most systems. */
function isOccupied(error: unknown): boolean {
  const codes = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM']
  return codes.includes(String((error as NodeJS.ErrnoException).code))
}

/** Names of a folder's entries; undefined where there is no folder. */
async function entriesOf(folder: string): Promise<string[] | undefined> {
  return await unlessMissing(async () => await readdir(folder))
}

async function exists(path: string): Promise<boolean> {
  return (await unlessMissing(async () => (await access(path), true))) ?? false
}

async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isMiss(error)) return undefined
    throw error
  }
}

function isMiss(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
