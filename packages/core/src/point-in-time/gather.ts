import type { Column } from '../model/column.ts'
import type { LabelOrder, LatestPicks } from './latest-kernel.ts'

/** A column that is being filled. */
export type OpenColumn = Column & { readonly valid: Uint8Array }

/**
 * The row that answers each label, -1 for none. The sweep meets labels by key, so this is the one place where memory is
 * written out of order: the columns are then filled from the first label to the last.
 *
 * @param labels how many there are
 */
export function rowsByLabel(
  order: LabelOrder,
  { from, to, picked }: LatestPicks,
  labels: number,
): Int32Array {
  const rowOf = new Int32Array(labels).fill(-1)
  for (let i = from; i < to; i++) rowOf[order.rows[i]!] = picked[i - from]!
  return rowOf
}

/**
 * Copies one feature's values into their labels. Labels without a row are left as they are.
 *
 * @param source the feature in the history that the rows are of
 * @param rowOf of {@link rowsByLabel}
 * @param into one value per label, of the same type
 * @returns how many values were copied: rows with a null are not among them
 */
export function gatherColumn(source: Column, rowOf: Int32Array, into: OpenColumn): number {
  const valid = source.valid
  const intoValid = into.valid
  const out = into.values
  const values = source.values
  let copied = 0
  // One loop per kind of array, so that each sees arrays of one kind alone.
  if (values instanceof Float64Array && out instanceof Float64Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[label] = values[row]!
      intoValid[label] = 1
      copied++
    }
  } else if (values instanceof Float32Array && out instanceof Float32Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[label] = values[row]!
      intoValid[label] = 1
      copied++
    }
  } else if (values instanceof BigInt64Array && out instanceof BigInt64Array) {
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[label] = values[row]!
      intoValid[label] = 1
      copied++
    }
  } else {
    const source = values as readonly unknown[]
    const target = out as unknown[]
    for (let label = 0; label < rowOf.length; label++) {
      const row = rowOf[label]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      target[label] = source[row]!
      intoValid[label] = 1
      copied++
    }
  }
  return copied
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
