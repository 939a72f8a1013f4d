import type { FeatureRow, KeyValues, NaiveValue, ScalarValue } from '@asof/core'

const DAY = 86_400_000_000

/**
 * The value of a latest-value group as SEMANTICS section 2 says it, in as few words as that: filter first, then pick.
 * Reads every row for every question; nothing that is fast may differ from it.
 *
 * @param rows any rows of the group, in any order
 */
export const naiveValue: NaiveValue = (rows, key, at, rule) => {
  const { ttl, boundary, knowledge } = rule
  const known = rows
    .filter((r) => sameKey(r.key, key))
    .filter((r) => (boundary === 'exclusive' ? r.e < at : r.e <= at))
    .filter((r) => knowledge === 'event-time' || r.c <= at)

  const picked = greatest(known.filter((r) => ttl === undefined || r.e >= at - ttl))
  if (picked !== undefined) return picked.deleted ? { status: 'not_found' } : { status: 'row', row: picked }

  const newest = greatest(known)
  if (newest === undefined || newest.deleted || ttl === undefined) return { status: 'not_found' }
  return { status: newest.e >= at - ttl - Math.max(ttl, DAY) ? 'expired' : 'not_found' }
}

function greatest(rows: readonly FeatureRow[]): FeatureRow | undefined {
  return [...rows].sort((a, b) => a.e - b.e || a.c - b.c || a.s - b.s).at(-1)
}

/** Typed equality: 1 is not "1", and a null part equals nothing, not even null. */
function sameKey(a: KeyValues, b: KeyValues): boolean {
  return a.length === b.length && a.every((part, at) => sameKeyPart(part, b[at] ?? null))
}

function sameKeyPart(a: ScalarValue | null, b: ScalarValue | null): boolean {
  if (a === null || b === null) return false
  if (a instanceof Uint8Array && b instanceof Uint8Array)
    return a.length === b.length && a.every((x, i) => x === b[i])
  return a === b
}
