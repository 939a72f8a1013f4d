import type { Column } from '../model/column.ts'
import { KernelMemory } from './kernel-memory.ts'
import type { LabelOrder, LatestPicks } from './latest-kernel.ts'

/** A column that is being filled. */
export type OpenColumn = Column & { readonly valid: Uint8Array }

/**
 * The row that answers each label, -1 for none. The sweep meets labels by key, so this is the one place where memory is
 * written out of order: the columns are then filled from the first label to the last.
 *
 * @param labels how many there are
 * @param memory the answer lies in it, until it is used again
 */
export function rowsByLabel(
  order: LabelOrder,
  { from, to, picked }: LatestPicks,
  labels: number,
  memory: KernelMemory = new KernelMemory(),
): Int32Array {
  const rowOf = memory.int32('rowOf', labels).fill(-1)
  for (let i = from; i < to; i++) rowOf[order.rows[i]!] = picked[i - from]!
  return rowOf
}

/** 1 for each label that a row answers: what `valid` is for a feature without nulls. */
export function answeredLabels(rowOf: Int32Array, memory: KernelMemory = new KernelMemory()): Uint8Array {
  const answered = memory.bytes('answered', rowOf.length)
  for (let label = 0; label < rowOf.length; label++) answered[label] = rowOf[label]! < 0 ? 0 : 1
  return answered
}

/**
 * Copies one feature's values into their labels. Labels without a row keep what they have; where they have nothing yet, what
 * stands there means nothing.
 *
 * @param source the feature in the history that the rows are of
 * @param rowOf of {@link rowsByLabel}
 * @param answered of {@link answeredLabels}
 * @param used how many labels a row answers
 * @param into one value per label, of the same type
 * @returns how many values were copied: rows with a null are not among them
 */
export function gatherColumn(
  source: Column,
  rowOf: Int32Array,
  answered: Uint8Array,
  used: number,
  into: OpenColumn,
): number {
  if (used === 0) return 0
  // Another range of keys may have answered labels before.
  const isFirst = !into.valid.includes(1)
  const copied = source.valid === undefined ? used : gatherValid(source.valid, rowOf, into.valid)
  if (source.valid === undefined) markAnswered(answered, isFirst, into.valid)
  const out = into.values
  const values = source.values
  // One loop per kind of array, so that each sees arrays of one kind alone. What is copied at a null means nothing.
  if (isFirst && values instanceof Float64Array && out instanceof Float64Array) {
    // Which labels have a row cannot be guessed: copying any value is faster than asking.
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      out[label] = values[row < 0 ? 0 : row]!
    }
  } else if (values instanceof Float64Array && out instanceof Float64Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row >= 0) out[label] = values[row]!
    }
  } else if (values instanceof Float32Array && out instanceof Float32Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row >= 0) out[label] = values[row]!
    }
  } else if (values instanceof BigInt64Array && out instanceof BigInt64Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row >= 0) out[label] = values[row]!
    }
  } else {
    const source = values as readonly unknown[]
    const target = out as unknown[]
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row >= 0) target[label] = source[row]!
    }
  }
  return copied
}

/** Marks labels whose row has a value; answers how many. */
function gatherValid(valid: Uint8Array, rowOf: Int32Array, into: Uint8Array): number {
  let copied = 0
  for (let label = 0; label < rowOf.length; label++) {
    const row = rowOf[label]!
    if (row < 0 || valid[row] === 0) continue
    into[label] = 1
    copied++
  }
  return copied
}

function markAnswered(answered: Uint8Array, isFirst: boolean, into: Uint8Array): void {
  if (isFirst) into.set(answered)
  else for (let label = 0; label < into.length; label++) into[label]! |= answered[label]!
}

/** Copies the picks' statuses into the rows of their labels. */
export function gatherStatus(order: LabelOrder, picks: LatestPicks, into: Uint8Array): void {
  for (let i = picks.from; i < picks.to; i++) into[order.rows[i]!] = picks.status[i - picks.from]!
}

/** Copies the answering rows' event times, in microseconds, into their labels; the others are left as they are. */
export function gatherEventTime(e: Float64Array, rowOf: Int32Array, into: Float64Array): void {
  for (let label = 0; label < rowOf.length; label++) {
    const row = rowOf[label]!
    if (row >= 0) into[label] = e[row]!
  }
}
