/**
 * Files by path, as S3 or a folder keeps them. Paths are relative, parts joined by `/`; no part is empty, `.` or `..`.
 *
 * - **put** is atomic: readers see nothing or the whole body, also after a crash, and it is durable when it returns.
 *   With `ifAbsent` exactly one of several callers wins; the others get `false`. This is the step that a Delta commit
 *   rests on.
 * - **get** answers undefined for a miss.
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
