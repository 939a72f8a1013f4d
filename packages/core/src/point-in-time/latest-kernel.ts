import { STATUS_CODE } from '../model/status.ts'
import { KernelMemory } from './kernel-memory.ts'
import type { KeyGroups } from './order.ts'
import { groupByKey, groupTimes, sortByNumber } from './order.ts'
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
 *
 * @param memory the picks lie in it, until it is used again
 */
export function pickLatest(
  order: LabelOrder,
  history: LatestHistory,
  rule: Visibility,
  fromId: number,
  toId: number,
  memory: KernelMemory = new KernelMemory(),
): LatestPicks {
  const { c, s } = history
  const { rows, starts, times } = groupTimes(history, fromId, toId, memory)
  const shift = rule.exclusive ? 1 : 0
  const asKnown = rule.knowledge === 'as-known'
  const scratch = new Scratch()
  const from = order.starts[fromId]!
  const to = order.starts[toId]!
  const picked = memory.int32('picked', to - from).fill(-1)
  const status = memory.bytes('status', to - from).fill(STATUS_CODE.not_found)
  const deleted = history.deleted.subarray(0, history.rows).includes(1) ? history.deleted : undefined
  const ttl = rule.ttl
  let used = 0
  let expired = 0
  let eventLead = Number.NEGATIVE_INFINITY
  let createdLead = Number.NEGATIVE_INFINITY

  for (let id = fromId; id < toId; id++) {
    const start = starts[id - fromId]!
    const end = starts[id - fromId + 1]!
    const firstLabel = order.starts[id]!
    const lastLabel = order.starts[id + 1]!
    if (start === end || firstLabel === lastLabel) continue
    let sorted = true
    let last = Number.NEGATIVE_INFINITY
    for (let i = start; i < end && sorted; i++) {
      const v = visibleAt(times, i, shift, asKnown)
      sorted = last <= v
      last = v
    }
    if (!sorted) scratch.sort(rows, times, start, end, shift, asKnown)
    let next = start
    let best = -1
    let bestEvent = 0
    let bestCreated = 0
    for (let i = firstLabel; i < lastLabel; i++) {
      const at = order.at[i]!
      for (; next < end && visibleAt(times, next, shift, asKnown) <= at; next++) {
        const event = times[2 * next]!
        const row = rows[next]!
        if (best >= 0 && event < bestEvent) continue
        if (best >= 0 && event === bestEvent && !stampIsGreater(c, s, row, best)) continue
        best = row
        bestEvent = event
        bestCreated = times[2 * next + 1]!
      }
      if (best < 0) continue
      const answer = answerOf(bestEvent, deleted !== undefined && deleted[best] === 1, at, ttl)
      if (answer === 'row') {
        picked[i - from] = best
        status[i - from] = STATUS_CODE.present
        used++
        if (bestEvent - at > eventLead) eventLead = bestEvent - at
        if (bestCreated - at > createdLead) createdLead = bestCreated - at
      } else if (answer === 'expired') {
        status[i - from] = STATUS_CODE.expired
        expired++
      }
    }
  }
  return { from, to, picked, status, used, expired, eventLead, createdLead }
}

/** The instant from which on a row is visible, by its place in the groups. */
function visibleAt(times: Float64Array, place: number, shift: number, asKnown: boolean): number {
  const event = times[2 * place]! + shift
  const created = times[2 * place + 1]!
  return asKnown && created > event ? created : event
}

/** Of two rows with one event time: whether `a` is the greater by `(c, s)`. */
function stampIsGreater(c: Float64Array, s: Float64Array, a: number, b: number): boolean {
  if (c[a] !== c[b]) return c[a]! > c[b]!
  return s[a]! > s[b]!
}

/** What it takes to put the rows of one key in order. */
class Scratch {
  #rows = new Int32Array(0)
  #order = new Int32Array(0)
  #merge = new Int32Array(0)
  #times = new Float64Array(0)
  #visible = new Float64Array(0)

  /** Sorts the rows at `[start, end)`, and their times with them, by the instant from which on they are visible. */
  sort(
    rows: Int32Array,
    times: Float64Array,
    start: number,
    end: number,
    shift: number,
    asKnown: boolean,
  ): void {
    const count = end - start
    if (this.#rows.length < count) {
      this.#rows = new Int32Array(2 * count)
      this.#order = new Int32Array(2 * count)
      this.#merge = new Int32Array(2 * count)
      this.#times = new Float64Array(4 * count)
      this.#visible = new Float64Array(2 * count)
    }
    for (let i = 0; i < count; i++) {
      this.#order[i] = i
      this.#rows[i] = rows[start + i]!
      this.#visible[i] = visibleAt(times, start + i, shift, asKnown)
    }
    this.#times.set(times.subarray(2 * start, 2 * end))
    sortByNumber(this.#order, 0, count, this.#visible, this.#merge)
    for (let i = 0; i < count; i++) {
      const from = this.#order[i]!
      rows[start + i] = this.#rows[from]!
      times[2 * (start + i)] = this.#times[2 * from]!
      times[2 * (start + i) + 1] = this.#times[2 * from + 1]!
    }
  }
}
