import { allocateColumn } from '@asof/core'
import type { Column, ColumnValues, FeatureType } from '@asof/core'
import type { FlatArray, FlatType } from '@asof/parquet'

const ARRAYS: Readonly<Record<FlatType, new (buffer: SharedArrayBuffer) => FlatArray>> = {
  bool: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
  timestamp: BigInt64Array,
}
const WIDTH: Readonly<Record<FlatType, number>> = {
  bool: 1,
  int32: 4,
  int64: 8,
  float32: 4,
  float64: 8,
  timestamp: 8,
}

/** Bytes of one value of a flat type in memory. */
export function flatWidth(type: FlatType): number {
  return WIDTH[type]
}

/** The flat type of a feature type; undefined for one whose values have no fixed width. */
export function flatTypeOf({ kind }: FeatureType): FlatType | undefined {
  return Object.hasOwn(ARRAYS, kind) ? (kind as FlatType) : undefined
}

/**
 * Columns in memory that threads share, handed out again once they are written: fresh memory costs as much as what is put into
 * it.
 */
export class ColumnPool {
  readonly #free: FlatArray[] = []

  /** All null; what stands there means nothing. */
  take(type: FeatureType, rows: number): Column & { readonly valid: Uint8Array } {
    const flat = flatTypeOf(type)
    if (flat === undefined) return allocateColumn(type, rows)
    return { type, values: this.#array(flat, rows), valid: (this.#array('bool', rows) as Uint8Array).fill(0) }
  }

  /** Takes back arrays that nobody uses any more. */
  give({ values, valid }: Column): void {
    for (const array of [values, valid]) if (isShared(array)) this.#free.push(array)
  }

  #array(type: FlatType, rows: number): FlatArray {
    const kind = ARRAYS[type]
    const found = this.#free.findIndex((array) => array.constructor === kind && array.length === rows)
    if (found >= 0) return this.#free.splice(found, 1)[0]!
    return new kind(new SharedArrayBuffer(rows * WIDTH[type]))
  }
}

/** Whether an array lies in memory that threads share. */
export function isShared(array: ColumnValues | undefined): array is FlatArray {
  return array !== undefined && !Array.isArray(array) && array.buffer instanceof SharedArrayBuffer
}
