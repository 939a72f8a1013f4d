import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AsofError } from '@asof/core'
import type { TrainingFiles } from '@asof/core'

/**
 * Training sets as folders of a local disk. What is being built lies beside its place, under a name that begins with a
 * dot; a process that dies leaves no more than that.
 */
export function diskTrainingFiles(): TrainingFiles {
  return {
    async begin(folder, { overwrite = false } = {}) {
      if (!overwrite && !(await isFree(folder))) {
        throw new AsofError(
          'conflict',
          'output_exists',
          'something is there already: remove it, or overwrite it',
          { folder },
        )
      }
      await mkdir(dirname(folder), { recursive: true })
      const building = join(dirname(folder), `.${basename(folder)}.${randomUUID()}.building`)
      await mkdir(building)
      return building
    },

    async finish(building, folder) {
      for (const entry of await readdir(building, { recursive: true, withFileTypes: true })) {
        await sync(join(entry.parentPath, entry.name))
      }
      await sync(building)
      // A folder that is not empty cannot be renamed over: what is there steps aside first.
      const aside = `${building}.old`
      const replaces = await exists(folder)
      if (replaces) await rename(folder, aside)
      await rename(building, folder)
      await sync(dirname(folder))
      if (replaces) await rm(aside, { recursive: true, force: true })
    },

    async discard(building) {
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

async function isFree(folder: string): Promise<boolean> {
  return ((await unlessMissing(async () => await readdir(folder))) ?? []).length === 0
}

async function exists(path: string): Promise<boolean> {
  return (await unlessMissing(async () => (await access(path), true))) ?? false
}

async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
