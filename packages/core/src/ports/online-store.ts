/**
 * Keeps, per table and key, the bytes with the greatest stamp. Knows bytes only: what they mean is above it.
 *
 * - **write** compares and sets each row on its own: a row replaces what is stored when its stamp is greater, byte by
 *   byte; an equal or smaller stamp changes nothing. So writing again, or in another order, ends in the same state.
 *   A call is durable when it returns; rows of one call need not become visible together, but each row does whole.
 * - **read** answers in the order asked, one round trip a call, undefined for a miss; the same request twice is
 *   answered twice. The returned arrays are the caller's: no later call changes them.
 * - **scan** walks keys in byte order, from `from` (inclusive) to `to` (exclusive), over a state no older than the call.
 * - **remove** takes keys out whatever their stamp; an unknown key changes nothing.
 *
 * Legal: `write` of an older stamp; it is counted as superseded. Illegal: `read` of a table that was not provisioned;
 * it is refused with `table_not_found`.
 */
export interface OnlineStore extends AsyncDisposable {
  /**
   * Makes a table ready; one that is there already stays as it is. Rows of tables made with `together` are mostly read with rows
   * of others whose keys begin alike, and hardly ever scanned: a store may lay them side by side.
   */
  provision(table: string, options?: { readonly together?: boolean }): Promise<void>
  /** The stored payload of each request, in order. One round trip. */
  read(requests: readonly OnlineRead[]): Promise<(Uint8Array | undefined)[]>
  /** Compare-and-sets rows of one table; answers how many changed something. Of equal keys in one call, the greatest stamp stays. */
  write(table: string, rows: readonly OnlineRow[]): Promise<{ readonly applied: number }>
  /** Rows of a table by key, in byte order. */
  scan(
    table: string,
    range?: { from?: Uint8Array; to?: Uint8Array; limit?: number },
  ): AsyncIterable<OnlineRow>
  /** Takes keys out. */
  remove(table: string, keys: readonly Uint8Array[]): Promise<void>
  /** Forgets a table and all its rows. */
  drop(table: string): Promise<void>
  /** The tables, in order of name. */
  tables(): Promise<readonly string[]>
}

/** One question. */
export interface OnlineRead {
  readonly table: string
  readonly key: Uint8Array
}

/** One stored row. `payload` begins with its `stamp` (24 bytes, compared as bytes). */
export interface OnlineRow {
  readonly key: Uint8Array
  readonly stamp: Uint8Array
  readonly payload: Uint8Array
}
