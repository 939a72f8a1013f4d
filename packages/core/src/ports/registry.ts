import type { Instant } from '../clock/instant.ts'

/**
 * Keeps the definitions as a chain of immutable revisions over content-addressed objects. Knows bytes only.
 *
 * - `put` before `commit`: an object that is not referenced by a revision is harmless.
 * - `commit` is the one atomic step: it succeeds for exactly one of several callers that name the same parent, and
 *   is durable when it returns. Revision numbers are contiguous from 1.
 * - Readers in other processes see a committed revision at their next `head`.
 *
 * Legal: two processes `put` the same object; both succeed. Illegal: `commit` with a parent that is not the head; it
 * answers `undefined` and nothing has changed.
 */
export interface Registry extends AsyncDisposable {
  /** The newest revision; undefined when nothing was ever committed. */
  head(): Promise<Revision | undefined>
  /** One revision by number; undefined when there is none. */
  revision(number: number): Promise<Revision | undefined>
  /** Stores bytes under the hash that the caller computed. Storing them again changes nothing. */
  put(objects: readonly { readonly hash: string; readonly body: Uint8Array }[]): Promise<void>
  /** The bytes under each hash, in the order asked; undefined for a miss. */
  get(hashes: readonly string[]): Promise<(Uint8Array | undefined)[]>
  /** Appends a revision after `parent` (0 for the first); undefined when `parent` is no longer the head. */
  commit(parent: number, revision: Omit<Revision, 'number'>): Promise<Revision | undefined>
}

/** One state of all definitions. */
export interface Revision {
  readonly number: number
  /** Hash of the root object. */
  readonly root: string
  readonly at: Instant
  readonly author: string
  readonly message: string
}
