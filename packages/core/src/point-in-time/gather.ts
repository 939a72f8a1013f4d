import type { Column } from '../model/column.ts'
import type { LabelOrder, LatestPicks } from './latest-kernel.ts'

/** A column that is being filled. */
export type OpenColumn = Column & { readonly valid: Uint8Array }

/**
 * Copies the picked rows' values of one feature into the rows of their labels. Labels without a row are left as they are.
 *
 * @param source the feature in the history that the picks point into
 * @param into one value per label, of the same type
 * @returns how many values were copied: rows with a null are not among them
 */
export function gatherColumn(
  source: Column,
  order: LabelOrder,
  picks: LatestPicks,
  into: OpenColumn,
): number {
  const { from, to, picked } = picks
  const labels = order.rows
  const valid = source.valid
  const intoValid = into.valid
  const out = into.values
  const values = source.values
  let copied = 0
  // One loop per kind of array, so that each sees arrays of one kind alone.
  if (values instanceof Float64Array && out instanceof Float64Array) {
    for (let i = from; i < to; i++) {
      const row = picked[i - from]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[labels[i]!] = values[row]!
      intoValid[labels[i]!] = 1
      copied++
    }
  } else if (values instanceof Float32Array && out instanceof Float32Array) {
    for (let i = from; i < to; i++) {
      const row = picked[i - from]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[labels[i]!] = values[row]!
      intoValid[labels[i]!] = 1
      copied++
    }
  } else if (values instanceof BigInt64Array && out instanceof BigInt64Array) {
    for (let i = from; i < to; i++) {
      const row = picked[i - from]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      out[labels[i]!] = values[row]!
      intoValid[labels[i]!] = 1
      copied++
    }
  } else {
    const source = values as readonly unknown[]
    const target = out as unknown[]
    for (let i = from; i < to; i++) {
      const row = picked[i - from]!
      if (row < 0 || (valid !== undefined && valid[row] === 0)) continue
      target[labels[i]!] = source[row]!
      intoValid[labels[i]!] = 1
      copied++
    }
  }
  return copied
}

/** Copies the picks' statuses into the rows of their labels. */
export function gatherStatus(order: LabelOrder, picks: LatestPicks, into: Uint8Array): void {
  for (let i = picks.from; i < picks.to; i++) into[order.rows[i]!] = picks.status[i - picks.from]!
}

/** Copies the picked rows' event times, in microseconds, into the rows of their labels; the others are left as they are. */
export function gatherEventTime(
  order: LabelOrder,
  picks: LatestPicks,
  e: Float64Array,
  into: Float64Array,
): void {
  for (let i = picks.from; i < picks.to; i++) {
    const row = picks.picked[i - picks.from]!
    if (row >= 0) into[order.rows[i]!] = e[row]!
  }
}
