import { STATUS_CODE } from '../model/status.ts'
import type { KeyGroups } from './order.ts'
import { groupByKey, sortByNumber } from './order.ts'
import type { Visibility } from './visible.ts'
import { answerOf } from './visible.ts'

/**
 * The point-in-time kernel: for each label, the row of history that answers at its time.
 *
 * A row is visible from `v = max(e, c)` on (SEMANTICS section 2; `e + 1` where the boundary is exclusive, `c` left out in
 * event-time mode). Per key one sweep meets labels by time and rows by `v`, and keeps the greatest `(e, c, s)` met so
 * far; ttl and tombstones are decided at the end, on that one row. This is right because a row that is greater
 * than another, once visible, stays so: what ttl takes away from the greatest row it has taken from all smaller ones.
 */

/** Labels in the order of the sweep: grouped by key, by time within each. Made once per key set. */
export interface LabelOrder extends KeyGroups {
  /** Label times in microseconds: `at[i]` is that of label `rows[i]`. */
  readonly at: Float64Array
}

/** Orders labels for {@link pickLatest}. A label without a key (id -1) is in no group. */
export function orderLabels(ids: Int32Array, at: Float64Array, keys: number): LabelOrder {
  const groups = groupByKey(ids, ids.length, 0, keys)
  const scratch = new Int32Array(groups.rows.length)
  for (let key = 0; key < keys; key++) {
    sortByNumber(groups.rows, groups.starts[key]!, groups.starts[key + 1]!, at, scratch)
  }
  const sorted = new Float64Array(groups.rows.length)
  for (let i = 0; i < sorted.length; i++) sorted[i] = at[groups.rows[i]!]!
  return { ...groups, at: sorted }
}

/** Rows of history by columns; only the first `rows` of each array count. Times in microseconds. */
export interface LatestHistory {
  readonly rows: number
  readonly keyIds: Int32Array
  readonly e: Float64Array
  readonly c: Float64Array
  readonly s: Float64Array
  /** 1 for a tombstone. */
  readonly deleted: Uint8Array
}

/** What the kernel answers for labels `order.rows[from..to)`: `picked[i - from]` belongs to label `order.rows[i]`. */
export interface LatestPicks {
  readonly from: number
  readonly to: number
  /** The history row that answers, or -1. */
  readonly picked: Int32Array
  /** `STATUS_CODE` of the row as a whole: present, not_found or expired. */
  readonly status: Uint8Array
  /** Labels answered by a row. */
  readonly used: number
  /** Labels whose newest row has expired. */
  readonly expired: number
  /** Largest `e - T` and `c - T` over rows that answer, in microseconds; -Infinity when none does. */
  readonly eventLead: number
  readonly createdLead: number
}

/**
 * Picks the answering row for every label whose key id lies in `[fromId, toId)`; `history` holds rows of those keys, in
 * any order.
 */
export function pickLatest(
  order: LabelOrder,
  history: LatestHistory,
  rule: Visibility,
  fromId: number,
  toId: number,
): LatestPicks {
  const { keyIds, e, c, s, deleted } = history
  const groups = groupByKey(keyIds, history.rows, fromId, toId)
  const { rows } = groups
  const visible = new Float64Array(history.rows)
  const shift = rule.exclusive ? 1 : 0
  const asKnown = rule.knowledge === 'as-known'
  const scratch = new Int32Array(rows.length)
  const from = order.starts[fromId]!
  const to = order.starts[toId]!
  const picked = new Int32Array(to - from).fill(-1)
  const status = new Uint8Array(to - from).fill(STATUS_CODE.not_found)
  const ttl = rule.ttl
  let used = 0
  let expired = 0
  let eventLead = Number.NEGATIVE_INFINITY
  let createdLead = Number.NEGATIVE_INFINITY

  for (let id = fromId; id < toId; id++) {
    const start = groups.starts[id - fromId]!
    const end = groups.starts[id - fromId + 1]!
    if (start === end) continue
    for (let next = start; next < end; next++) {
      const row = rows[next]!
      const v = e[row]! + shift
      visible[row] = asKnown && c[row]! > v ? c[row]! : v
    }
    sortByNumber(rows, start, end, visible, scratch)
    let next = start
    let best = -1
    for (let i = order.starts[id]!; i < order.starts[id + 1]!; i++) {
      const at = order.at[i]!
      for (; next < end && visible[rows[next]!]! <= at; next++) {
        const row = rows[next]!
        if (best < 0 || stampIsGreater(e, c, s, row, best)) best = row
      }
      if (best < 0) continue
      const answer = answerOf(e[best]!, deleted[best] === 1, at, ttl)
      if (answer === 'row') {
        picked[i - from] = best
        status[i - from] = STATUS_CODE.present
        used++
        if (e[best]! - at > eventLead) eventLead = e[best]! - at
        if (c[best]! - at > createdLead) createdLead = c[best]! - at
      } else if (answer === 'expired') {
        status[i - from] = STATUS_CODE.expired
        expired++
      }
    }
  }
  return { from, to, picked, status, used, expired, eventLead, createdLead }
}

function stampIsGreater(e: Float64Array, c: Float64Array, s: Float64Array, a: number, b: number): boolean {
  if (e[a] !== e[b]) return e[a]! > e[b]!
  if (c[a] !== c[b]) return c[a]! > c[b]!
  return s[a]! > s[b]!
}
