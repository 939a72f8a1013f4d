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
  const { rows, starts } = groupByKey(keyIds, history.rows, fromId, toId)
  const shift = rule.exclusive ? 1 : 0
  const asKnown = rule.knowledge === 'as-known'
  const scratch = new Scratch(rows.length)
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
    const start = starts[id - fromId]!
    const count = starts[id - fromId + 1]! - start
    const firstLabel = order.starts[id]!
    const lastLabel = order.starts[id + 1]!
    if (count === 0 || firstLabel === lastLabel) continue
    scratch.grow(count)
    // The times of one key's rows lie side by side here; in the history each may be a cache line away.
    const { visible, events } = scratch
    let sorted = true
    for (let i = 0; i < count; i++) {
      const row = rows[start + i]!
      const event = e[row]!
      const known = c[row]!
      const v = asKnown && known > event + shift ? known : event + shift
      events[i] = event
      visible[i] = v
      if (i > 0 && v < visible[i - 1]!) sorted = false
    }
    if (!sorted) scratch.sort(rows, start, count, e, history.rows)
    let next = 0
    let best = -1
    let bestEvent = 0
    for (let i = firstLabel; i < lastLabel; i++) {
      const at = order.at[i]!
      for (; next < count && visible[next]! <= at; next++) {
        const event = events[next]!
        if (best >= 0 && event < bestEvent) continue
        const row = rows[start + next]!
        if (best >= 0 && event === bestEvent && !stampIsGreater(c, s, row, best)) continue
        best = row
        bestEvent = event
      }
      if (best < 0) continue
      const answer = answerOf(bestEvent, deleted[best] === 1, at, ttl)
      if (answer === 'row') {
        picked[i - from] = best
        status[i - from] = STATUS_CODE.present
        used++
        if (bestEvent - at > eventLead) eventLead = bestEvent - at
        if (c[best]! - at > createdLead) createdLead = c[best]! - at
      } else if (answer === 'expired') {
        status[i - from] = STATUS_CODE.expired
        expired++
      }
    }
  }
  return { from, to, picked, status, used, expired, eventLead, createdLead }
}

/** Of two rows with one event time: whether `a` is the greater by `(c, s)`. */
function stampIsGreater(c: Float64Array, s: Float64Array, a: number, b: number): boolean {
  if (c[a] !== c[b]) return c[a]! > c[b]!
  return s[a]! > s[b]!
}

/** The rows of one key, and what it takes to put them in order. */
class Scratch {
  /** Instants from which on the rows are visible, ascending once they are sorted. */
  visible = new Float64Array(64)
  /** Event times, in the same order. */
  events = new Float64Array(64)
  readonly #rows: number
  #order: { readonly visible: Float64Array; readonly rows: Int32Array } | undefined

  constructor(rows: number) {
    this.#rows = rows
  }

  grow(count: number): void {
    if (count <= this.visible.length) return
    this.visible = new Float64Array(2 * count)
    this.events = new Float64Array(2 * count)
  }

  /** Sorts `rows[start..start + count)` by `visible`, and with them what stands here. */
  sort(rows: Int32Array, start: number, count: number, e: Float64Array, historyRows: number): void {
    this.#order ??= { visible: new Float64Array(historyRows), rows: new Int32Array(this.#rows) }
    const order = this.#order
    for (let i = 0; i < count; i++) order.visible[rows[start + i]!] = this.visible[i]!
    sortByNumber(rows, start, start + count, order.visible, order.rows)
    for (let i = 0; i < count; i++) {
      const row = rows[start + i]!
      this.visible[i] = order.visible[row]!
      this.events[i] = e[row]!
    }
  }
}
