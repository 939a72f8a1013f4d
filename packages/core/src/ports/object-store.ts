import { invalid } from '../errors/asof-error.ts'

/**
 * Files by path, as S3 or a folder keeps them. Paths are relative, parts joined by `/`; no part is empty, `.` or `..`.
 *
 * - **put** is atomic: readers see nothing or the whole body, also after a crash, and it is durable when it returns.
 *   With `ifAbsent` exactly one of several callers wins; the others get `false`. This is the step that a Delta commit
 *   rests on.
 * - **get** answers undefined for a miss. Of a range, `to` is exclusive, and what lies beyond the end is left out.
 * - **list** gives what is directly or further below `prefix`, in byte order of path, strictly after `after`; files
 *   being written do not show.
 * - **delete** of what is not there changes nothing.
 *
 * Legal: `put('a/b', x)` when `a/c` exists. Illegal: `get('../x')`, refused with `invalid_path`.
 */
export interface ObjectStore {
  get(path: string, range?: { readonly from: number; readonly to: number }): Promise<Uint8Array | undefined>
  /** Answers whether the body was stored: always true without `ifAbsent`. */
  put(path: string, body: Uint8Array, options?: { readonly ifAbsent?: boolean }): Promise<boolean>
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<ObjectEntry>
  delete(path: string): Promise<void>
  /** A local path from which an engine may read the object, or undefined for a store that has none. */
  localPath(path: string): string | undefined
  /**
   * Takes a finished local file in as an object, without copying where the store can; the local file is gone after.
   */
  adopt(localFile: string, path: string): Promise<void>
}

/** One object of a listing. */
export interface ObjectEntry {
  readonly path: string
  readonly bytes: number
  /** Last change, in milliseconds since 1970. */
  readonly modifiedMs: number
}

/**
 * Checks a path of an object store: relative, of parts that are not empty, `.` or `..`, without NUL, lone surrogates or a name
 * that a store uses for files being written.
 *
 * @throws {AsofError} `invalid_path`
 * @example
 * ```ts
 * checkObjectPath('flights/_delta_log/0.json') // 'flights/_delta_log/0.json'
 * checkObjectPath('../flights') // throws: invalid_path
 * ```
 */
export function checkObjectPath(path: string): string {
  const parts = path.split('/')
  const bad = parts.some(
    (part) => part === '' || part === '.' || part === '..' || part.startsWith(TEMPORARY_PREFIX),
  )
  if (bad || path.includes('\0') || !path.isWellFormed()) {
    throw invalid('invalid_path', 'a path is relative, of parts joined by / that are not empty, . or ..', {
      path: path.slice(0, 200),
    })
  }
  return path
}

/** How names of files that a store is still writing begin; no object may be called so. */
export const TEMPORARY_PREFIX = '.asof-tmp-'
