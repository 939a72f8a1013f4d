import type { Instant } from '../clock/instant.ts'
import { MICROS } from '../clock/instant.ts'
import type { FeatureRow, Stamp } from '../model/feature-row.ts'
import type { KeyValues } from '../model/value.ts'

/** Whether a row may answer only from its created time on (the default), or from its event time on. */
export type Knowledge = 'as-known' | 'event-time'

/** What of a group's definition decides which row answers. Times in microseconds. */
export interface Visibility {
  /** Undefined: for ever. */
  readonly ttl: number | undefined
  /** `r.e < T` instead of `r.e <= T`. */
  readonly exclusive: boolean
  /** `as-known` (the default) demands `r.c <= T`; `event-time` does not. */
  readonly knowledge: Knowledge
}

/** What the rows of a group answer for one key at one instant. */
export type RowAnswer = 'row' | 'expired' | 'not_found'

/** The least instant at which a row is visible: from then on it is a candidate, until its ttl ends. */
export function visibleFrom(row: Pick<Stamp, 'e' | 'c'>, rule: Visibility): number {
  const e = rule.exclusive ? row.e + 1 : row.e
  return rule.knowledge === 'event-time' ? e : Math.max(e, row.c)
}

/** What the newest visible row answers at `T`, given its event time and whether it is a tombstone. */
export function answerOf(e: number, deleted: boolean, at: number, ttl: number | undefined): RowAnswer {
  if (deleted) return 'not_found'
  if (ttl === undefined || e >= at - ttl) return 'row'
  return e >= expiredFrom(at, ttl) ? 'expired' : 'not_found'
}

/** The least event time that still makes a difference at `T`: an older newest row answers as if there were none. */
export function expiredFrom(at: number, ttl: number): number {
  return at - ttl - Math.max(ttl, MICROS.day)
}

/** A row that has become visible, held against the best so far: the greater stamp wins. */
export function isNewer(row: Stamp, than: Stamp): boolean {
  return row.e !== than.e ? row.e > than.e : row.c !== than.c ? row.c > than.c : row.s > than.s
}

/** The rule in the words of SEMANTICS section 2, as an independent implementation takes it. */
export interface NaiveRule {
  /** Microseconds; undefined: for ever. */
  readonly ttl: number | undefined
  readonly boundary: 'inclusive' | 'exclusive'
  readonly knowledge: Knowledge
}

/** An implementation of SEMANTICS section 2 that shares nothing with the kernel: what `verify` recomputes with. */
export type NaiveValue = (
  rows: readonly FeatureRow[],
  key: KeyValues,
  at: Instant,
  rule: NaiveRule,
) => { readonly status: RowAnswer; readonly row?: FeatureRow }
