import type { KernelMemory } from './kernel-memory.ts'

/**
 * Orders row numbers by key and by a number, without touching the rows: the two steps before a sweep. No allocation per
 * row; the row numbers are sorted in place.
 */

/** Row numbers grouped by key: those of key `k` stand in `rows[starts[k]] … rows[starts[k + 1] - 1]`. */
export interface KeyGroups {
  readonly rows: Int32Array
  readonly starts: Int32Array
}

/** Row numbers by key, ascending within each, by counting; ids outside `[fromId, toId)` are left out. */
export function groupByKey(ids: Int32Array, count: number, fromId: number, toId: number): KeyGroups {
  const starts = new Int32Array(toId - fromId + 1)
  for (let row = 0; row < count; row++) {
    const key = ids[row]! - fromId
    if (key >= 0 && ids[row]! < toId) starts[key + 1]!++
  }
  for (let key = 1; key < starts.length; key++) starts[key]! += starts[key - 1]!
  const rows = new Int32Array(starts[starts.length - 1]!)
  const next = starts.slice()
  for (let row = 0; row < count; row++) {
    const key = ids[row]! - fromId
    if (key >= 0 && ids[row]! < toId) rows[next[key]!++] = row
  }
  return { rows, starts }
}

/** Rows grouped by key, with their times beside them. */
export interface KeyTimes extends KeyGroups {
  /** Event and created time of `rows[i]`: `times[2 * i]` and `times[2 * i + 1]`, in microseconds. */
  readonly times: Float64Array
}

/**
 * As {@link groupByKey}, and the times of one key's rows lie side by side: in the history, each may be a cache line away.
 *
 * @param memory the groups lie in it, until it is used again
 */
export function groupTimes(
  history: {
    readonly rows: number
    readonly keyIds: Int32Array
    readonly e: Float64Array
    readonly c: Float64Array
  },
  fromId: number,
  toId: number,
  memory: KernelMemory,
): KeyTimes {
  const { rows: count, keyIds, e, c } = history
  const starts = memory.int32('starts', toId - fromId + 1).fill(0)
  for (let row = 0; row < count; row++) {
    const key = keyIds[row]! - fromId
    if (key >= 0 && keyIds[row]! < toId) starts[key + 1]!++
  }
  for (let key = 1; key < starts.length; key++) starts[key]! += starts[key - 1]!
  const size = starts[starts.length - 1]!
  const rows = memory.int32('rows', size)
  const times = memory.float64('times', 2 * size)
  const next = memory.int32('next', starts.length)
  next.set(starts)
  for (let row = 0; row < count; row++) {
    const key = keyIds[row]! - fromId
    if (key < 0 || keyIds[row]! >= toId) continue
    const place = next[key]!++
    rows[place] = row
    times[2 * place] = e[row]!
    times[2 * place + 1] = c[row]!
  }
  return { rows, starts, times }
}

/** Longest run that insertion sort takes. */
const INSERTION_ROWS_MAX = 24

/**
 * Sorts `rows[from..to)` by `values[row]`, ascending and stable. Runs that are in order cost one look at each row.
 *
 * @param scratch at least as long as `rows`
 */
export function sortByNumber(
  rows: Int32Array,
  from: number,
  to: number,
  values: Float64Array,
  scratch: Int32Array,
): void {
  let sorted = true
  for (let i = from + 1; i < to && sorted; i++) sorted = values[rows[i - 1]!]! <= values[rows[i]!]!
  if (sorted) return
  for (let start = from; start < to; start += INSERTION_ROWS_MAX) {
    insertionSort(rows, start, Math.min(start + INSERTION_ROWS_MAX, to), values)
  }
  for (let width = INSERTION_ROWS_MAX; width < to - from; width *= 2) {
    for (let start = from; start + width < to; start += 2 * width) {
      mergeRuns(rows, start, start + width, Math.min(start + 2 * width, to), values, scratch)
    }
  }
}

function insertionSort(rows: Int32Array, from: number, to: number, values: Float64Array): void {
  for (let i = from + 1; i < to; i++) {
    const row = rows[i]!
    const value = values[row]!
    let hole = i
    for (; hole > from && values[rows[hole - 1]!]! > value; hole--) rows[hole] = rows[hole - 1]!
    rows[hole] = row
  }
}

/** Merges `rows[from..middle)` and `rows[middle..to)`, both in order, by way of a copy of the first. */
function mergeRuns(
  rows: Int32Array,
  from: number,
  middle: number,
  to: number,
  values: Float64Array,
  scratch: Int32Array,
): void {
  if (values[rows[middle - 1]!]! <= values[rows[middle]!]!) return
  for (let i = from; i < middle; i++) scratch[i] = rows[i]!
  let left = from
  let right = middle
  let out = from
  while (left < middle && right < to) {
    rows[out++] = values[scratch[left]!]! <= values[rows[right]!]! ? scratch[left++]! : rows[right++]!
  }
  while (left < middle) rows[out++] = scratch[left++]!
}
