/**
 * Local files on their way into a table: written once, read by both sinks, then removed.
 *
 * A name is what a log record carries; it stays good over restarts and other processes on the same store.
 */
export interface Staging {
  /** A fresh name; nothing is there yet. */
  create(): string
  /** The local path of a name. */
  localPath(name: string): string
  /** Makes a file durable: after this a log record may name it. */
  sync(name: string): Promise<void>
  /** A second, independent name of the same bytes, which a table may take over. */
  share(name: string): Promise<string>
  exists(name: string): Promise<boolean>
  /** Removes a file; one that is not there changes nothing. */
  remove(name: string): Promise<void>
  /** All names, for removing what no record names any more, with the time of last change in milliseconds. */
  list(): Promise<readonly { readonly name: string; readonly modifiedMs: number }[]>
}
