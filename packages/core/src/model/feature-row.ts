import type { Instant } from '../clock/instant.ts'
import type { KeyValues, Value } from './value.ts'

/** The total order of rows: event time, created time, sequence. */
export interface Stamp {
  /** When the fact was true. */
  readonly e: Instant
  /** The first instant at which a read could have returned it. */
  readonly c: Instant
  /** Log position; unique within a group version; negative for imported history. */
  readonly s: number
}

/** One row of a group version: a whole row, or a tombstone. */
export interface FeatureRow extends Stamp {
  readonly key: KeyValues
  /** The declared features in their order; a tombstone has none. */
  readonly values: readonly (Value | null)[]
  readonly deleted: boolean
}

/** Less than 0, 0 or more than 0, by `(e, c, s)`. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.e - b.e || a.c - b.c || a.s - b.s
}
