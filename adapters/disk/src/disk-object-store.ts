import { randomBytes } from 'node:crypto'
import { constants, lstatSync, realpathSync } from 'node:fs'
import { copyFile, link, lstat, mkdir, open, readdir, realpath, rename, unlink } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { AsofError, checkObjectPath, invalid, isAsofError, notFound, TEMPORARY_PREFIX } from '@asof/core'
import type { ObjectEntry, ObjectStore } from '@asof/core'

/**
 * Files below a folder as an object store.
 *
 * A body is written to a temporary file in the folder of its path, synced, and then given its name: by `link` where it
 * must not be there yet (which fails where the name is taken; `rename` would overwrite), by `rename` otherwise. The
 * folder is synced before the call returns. Symbolic links below the folder are refused, wherever they lead. The first write
 * into a folder removes temporary files there that a process which died left behind: an hour old, of a process that is gone.
 *
 * @param folder made on the first write
 * @throws {AsofError} `invalid_path`; `disk_failed` (retryable) when the disk is full or read-only, or fails
 * @example
 * ```ts
 * const objects = diskObjectStore('objects')
 * const body = new TextEncoder().encode('{}')
 * await objects.put('t/_delta_log/00000000000000000000.json', body, { ifAbsent: true }) // true
 * await objects.put('t/_delta_log/00000000000000000000.json', body, { ifAbsent: true }) // false
 * ```
 */
export function diskObjectStore(
  folder: string,
  options: {
    /** Milliseconds since 1970, by which the age of a temporary file is told. */
    readonly now?: () => number
  } = {},
): ObjectStore {
  const root = resolve(folder)
  const tidied = new Set<string>()

  async function tidy(at: string): Promise<void> {
    if (tidied.has(at)) return
    tidied.add(at)
    await removeOrphans(at, (options.now ?? Date.now)())
  }

  async function get(path: string, range?: { from: number; to: number }): Promise<Uint8Array | undefined> {
    const file = await inside(root, path)
    const handle = await open(file, constants.O_RDONLY | NO_FOLLOW).catch((error: unknown) => {
      if (isMiss(error)) return undefined
      throw failed('read', path, error)
    })
    if (handle === undefined) return undefined
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) return undefined
      if (range === undefined) {
        const body = await handle.readFile()
        return new Uint8Array(body.buffer, body.byteOffset, body.length)
      }
      const length = Math.max(0, Math.min(range.to, stat.size) - range.from)
      const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, range.from)
      return buffer.subarray(0, bytesRead)
    } catch (error) {
      throw failed('read', path, error)
    } finally {
      await handle.close()
    }
  }

  async function put(path: string, body: Uint8Array, options?: { ifAbsent?: boolean }): Promise<boolean> {
    const file = await inside(root, path)
    const temporary = temporaryBeside(file)
    try {
      await makeFolder(dirname(file))
      await tidy(dirname(file))
      await writeSynced(temporary, body)
      if (options?.ifAbsent === true) {
        if (!(await linkIfAbsent(temporary, file))) return false
        await unlink(temporary)
      } else {
        await rename(temporary, file)
      }
      await syncFolder(dirname(file))
      return true
    } catch (error) {
      await unlink(temporary).catch(() => undefined)
      throw failed('write', path, error)
    }
  }

  async function adopt(localFile: string, path: string): Promise<void> {
    const file = await inside(root, path)
    try {
      await makeFolder(dirname(file))
      await tidy(dirname(file))
      await syncFile(localFile).catch((error: unknown) => {
        throw isMiss(error)
          ? notFound('file_not_found', 'there is no such local file', { file: localFile })
          : error
      })
      await rename(localFile, file).catch(async (error: unknown) => {
        if (codeOf(error) !== 'EXDEV') throw error
        await moveAcrossDisks(localFile, file)
      })
      await syncFolder(dirname(file))
    } catch (error) {
      throw failed('write', path, error)
    }
  }

  return {
    get,
    put,
    adopt,
    async *list(prefix, options) {
      const start = prefix === '' ? root : await inside(root, prefix)
      if (prefix !== '') refuseLinks(root, prefix)
      yield* walk(start, prefix === '' ? '' : `${prefix}/`, options?.after)
    },
    async delete(path) {
      const file = await inside(root, path)
      try {
        await unlink(file)
        await syncFolder(dirname(file))
      } catch (error) {
        if (!isMiss(error)) throw failed('delete', path, error)
      }
    },
    localPath(path) {
      const file = join(root, ...checkObjectPath(path).split('/'))
      refuseLinks(root, path)
      return file
    },
  }
}

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
const WINDOWS_SEPARATORS = sep === '\\' ? /[\\:]/ : undefined

/** The file of a path, once its folders are known to be no symbolic links. */
async function inside(root: string, path: string): Promise<string> {
  const parts = checkObjectPath(path).split('/')
  if (WINDOWS_SEPARATORS?.test(path) === true) throw invalid('invalid_path', 'no \\ or : in a path', { path })
  const file = join(root, ...parts)
  const folder = dirname(file)
  if (folder === root) return file
  const real = await realpath(folder).catch(() => undefined)
  // A folder that is not there yet is looked at part by part, as one above it may be a link.
  if (real === undefined) refuseLinks(root, parts.slice(0, -1).join('/'))
  else if (real !== join(await realpath(root), ...parts.slice(0, -1))) throw linked(path)
  return file
}

function refuseLinks(root: string, path: string): void {
  const file = join(root, ...path.split('/'))
  try {
    if (realpathSync.native(file) === join(realpathSync.native(root), ...path.split('/'))) return
    throw linked(path)
  } catch (error) {
    if (isAsofError(error)) throw error
  }
  let at = root
  for (const part of path.split('/')) {
    at = join(at, part)
    const stat = statOf(at)
    if (stat === undefined) return
    if (stat.isSymbolicLink()) throw linked(path)
  }
}

/** What stands at a place; undefined for nothing, also where a part above it is a file. */
function statOf(file: string): ReturnType<typeof lstatSync> {
  try {
    return lstatSync(file, { throwIfNoEntry: false })
  } catch (error) {
    if (isMiss(error)) return undefined
    throw error
  }
}

function linked(path: string): AsofError {
  return invalid('invalid_path', 'the path goes through a symbolic link; use the place itself', { path })
}

/** Files below a folder in byte order of path; whole folders at or before `after` are passed over. */
async function* walk(folder: string, prefix: string, after: string | undefined): AsyncGenerator<ObjectEntry> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMiss(error)) return []
    throw failed('list', prefix, error)
  })
  const start = after === undefined ? undefined : Buffer.from(after)
  const sorted = entries
    .filter((entry) => (entry.isFile() || entry.isDirectory()) && !entry.name.startsWith(TEMPORARY_PREFIX))
    // A folder sorts as its files do: `a.b` comes before `a/x`, as `.` comes before `/`.
    .map((entry) => ({ entry, key: Buffer.from(prefix + entry.name + (entry.isDirectory() ? '/' : '')) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  for (const { entry, key } of sorted) {
    const before = start !== undefined && Buffer.compare(key, start) <= 0
    const path = prefix + entry.name
    if (entry.isDirectory()) {
      if (before && !start.subarray(0, key.length).equals(key)) continue
      yield* walk(join(folder, entry.name), `${path}/`, after)
    } else if (!before) {
      const stat = await lstat(join(folder, entry.name)).catch(() => undefined)
      if (stat !== undefined) yield { path, bytes: stat.size, modifiedMs: Math.floor(stat.mtimeMs) }
    }
  }
}

/** A temporary file so old belongs to nobody that lives. */
const TEMPORARY_AGE_MS = 3_600_000
const TEMPORARY_NAME = /^\.asof-tmp-(\d+)-[0-9a-f]+$/

/** Removes temporary files of processes that are gone. What cannot be removed stays: it is in nobody's way. */
async function removeOrphans(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = TEMPORARY_NAME.exec(name)?.[1]
    if (pid === undefined) continue
    const file = join(folder, name)
    const stat = await lstat(file).catch(() => undefined)
    if (stat?.isFile() !== true || now - stat.mtimeMs < TEMPORARY_AGE_MS || isAlive(Number(pid))) continue
    await unlink(file).catch(() => undefined)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

function temporaryBeside(file: string): string {
  return join(dirname(file), `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(8).toString('hex')}`)
}

async function writeSynced(file: string, body: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(body)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function linkIfAbsent(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    await unlink(temporary)
    return false
  }
}

async function moveAcrossDisks(from: string, to: string): Promise<void> {
  const temporary = temporaryBeside(to)
  try {
    await copyFile(from, temporary, constants.COPYFILE_EXCL)
    await syncFile(temporary)
    await rename(temporary, to)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await unlink(from)
}

/** Makes a folder, and its name in the folder above durable. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at))
}

async function syncFile(file: string): Promise<void> {
  // Windows syncs only what was opened for writing; elsewhere that would keep read-only files out.
  const handle = await open(file, sep === '\\' ? 'r+' : 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no way to sync a folder; its file system journals names by itself.
  if (sep === '\\') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function isMiss(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error))
}

function failed(what: string, path: string, error: unknown): AsofError {
  if (isAsofError(error)) return error
  const code = codeOf(error)
  if (['ELOOP', 'ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY'].includes(code)) {
    return new AsofError(
      'invalid',
      'invalid_path',
      'no such path is possible on this disk',
      { path, reason: code },
      { cause: error },
    )
  }
  return new AsofError(
    'unavailable',
    'disk_failed',
    `the disk could not ${what}; look at its space and rights`,
    { path, reason: code },
    { cause: error },
  )
}
