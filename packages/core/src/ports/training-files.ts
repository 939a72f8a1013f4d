/**
 * The folders of training sets: a set appears whole or not at all.
 *
 * - **begin** makes an empty folder beside `folder`, on the same disk, in which the set is built. It refuses with
 *   `output_exists` when something other than an empty folder stands at `folder`. With `overwrite` a training set may be there,
 *   which is replaced; anything else is refused with `output_not_a_set`.
 * - **finish** makes what was built durable and puts it at `folder` in one step, in place of what was there; it refuses as
 *   `begin` does when that has changed.
 * - **discard** removes what was built; what is not there changes nothing.
 *
 * Paths are absolute and local; `finish` is only called with what `begin` answered.
 */
export interface TrainingFiles {
  begin(folder: string, options?: { readonly overwrite?: boolean }): Promise<string>
  finish(building: string, folder: string): Promise<void>
  discard(building: string): Promise<void>
  /** Makes a folder inside one that is being built. */
  makeFolder(path: string): Promise<void>
  writeText(path: string, text: string): Promise<void>
  /** Undefined for a miss. */
  readText(path: string): Promise<string | undefined>
  /** Size and SHA-256 (64 hexadecimal digits) of a file; undefined for a miss. */
  describe(path: string): Promise<{ readonly bytes: number; readonly sha256: string } | undefined>
  exists(path: string): Promise<boolean>
}
