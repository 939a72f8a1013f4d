/** What is known about one value of an answer. */
export type Status = 'present' | 'null' | 'not_found' | 'expired' | 'error'

/** The statuses by their code in columns and frames: `STATUSES[code]`. */
export const STATUSES: readonly Status[] = ['present', 'null', 'not_found', 'expired', 'error']

/** The code of each status. */
export const STATUS_CODE = { present: 0, null: 1, not_found: 2, expired: 3, error: 4 } as const

/** What is said beside a status. */
export interface Flags {
  /** The pipeline behind the group is later than its freshness promise. */
  readonly stale?: true
  /** The declared default stands in for `not_found` or `expired`. */
  readonly defaulted?: true
  /** A part of the key was null. */
  readonly null_key?: true
}
