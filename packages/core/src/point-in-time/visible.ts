import type { Stamp } from '../model/feature-row.ts'
import { MICROS } from '../clock/instant.ts'

/** What of a group's definition decides which row answers. Times in microseconds. */
export interface Visibility {
  /** Undefined: for ever. */
  readonly ttl: number | undefined
  /** `r.e < T` instead of `r.e <= T`. */
  readonly exclusive: boolean
  /** `as-known` (the default) demands `r.c <= T`; `event-time` does not. */
  readonly knowledge: 'as-known' | 'event-time'
}

/** The least instant at which a row is visible: from then on it is a candidate, until its ttl ends. */
export function visibleFrom(row: Pick<Stamp, 'e' | 'c'>, rule: Visibility): number {
  const e = rule.exclusive ? row.e + 1 : row.e
  return rule.knowledge === 'event-time' ? e : Math.max(e, row.c)
}

/** What the newest visible row answers at `T`, given its event time and whether it is a tombstone. */
export function answerOf(e: number, deleted: boolean, at: number, ttl: number | undefined): 'row' | 'expired' | 'not_found' {
  if (deleted) return 'not_found'
  if (ttl === undefined || e >= at - ttl) return 'row'
  return e >= at - ttl - Math.max(ttl, MICROS.day) ? 'expired' : 'not_found'
}

/** A row that has become visible, held against the best so far: the greater stamp wins. */
export function isNewer(row: Stamp, than: Stamp): boolean {
  return row.e !== than.e ? row.e > than.e : row.c !== than.c ? row.c > than.c : row.s > than.s
}
