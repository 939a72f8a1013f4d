import type { Instant } from '../clock/instant.ts'

/**
 * The truth: an ordered, durable, replayable log with a clock. Bodies are bytes.
 *
 * - **append** is acknowledged when durable. Each entry takes `span` positions (a batch as many as it has rows) and the
 *   clock's next instant; in one partition positions and instants rise together.
 * - A **producer** numbers its entries; an entry whose sequence is at or below the producer's last is a duplicate: it is
 *   answered with `duplicate: true`, takes nothing and changes nothing. `after` makes the append conditional: unless the
 *   producer's last sequence is exactly `after` (undefined: none), the append fails with conflict `sequence_moved`.
 *   Entries of one call are appended all or none.
 * - **reserve** takes positions without writing a record, for a batch whose files must carry them.
 * - **read** gives records in order from a position (inclusive), at most `limit`; fewer means the end was reached.
 * - Followers keep their own position by name: `position`/`advance`, durable when `advance` returns.
 * - **lease**: of several processes on one log, one holds the lease of a name; its `epoch` rises with each owner. A lease
 *   not renewed for `ttlMs` passes on.
 */
export interface EventLog extends AsyncDisposable {
  append(
    entries: readonly LogEntry[],
    options?: { readonly after?: number | undefined; readonly conditional?: boolean },
  ): Promise<Appended[]>
  reserve(span: number): Promise<number>
  read(from: number, limit: number): Promise<LogRecord[]>
  /** The position that the next record would take. */
  end(): Promise<number>
  /** The last sequence of a producer; undefined when it has never appended. */
  lastSequence(producer: string): Promise<number | undefined>
  /** Now, by this log's clock: nothing is ever appended at or below an instant that it has given. */
  now(): Instant
  /** Raises the clock to at least `at`: a reader that has applied a row becomes as late as the row. */
  observe(at: Instant): void
  /** Where a follower stands: the first position that it has not done; 0 when it is new. */
  position(follower: string): Promise<number>
  advance(follower: string, to: number): Promise<void>
  /** Takes or renews the lease; undefined while another holds it. */
  lease(name: string, owner: string, ttlMs: number): Promise<{ readonly epoch: number } | undefined>
  /** Gives a lease back, when `owner` holds it. */
  release(name: string, owner: string): Promise<void>
}

/** One entry to append. */
export interface LogEntry {
  readonly producer: string
  /** Whole, rising per producer. */
  readonly sequence: number
  /** How many positions it takes, at least 1. */
  readonly span: number
  readonly body: Uint8Array
}

/** The answer for one entry. */
export interface Appended {
  readonly duplicate: boolean
  /** First position taken; for a duplicate, that of the producer's last record. */
  readonly position: number
  /** Instant of append: the created time of the entry's rows. */
  readonly at: Instant
}

/** One record of the log. */
export interface LogRecord extends LogEntry {
  readonly position: number
  readonly at: Instant
}
