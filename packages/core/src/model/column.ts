import type { FeatureType } from './feature-type.ts'
import type { Value } from './value.ts'

/**
 * The values of one column over many rows, in the form that loops like: a typed array where the type has one.
 *
 * | type | `values` |
 * |---|---|
 * | bool | `Uint8Array` of 0 and 1 |
 * | int32 / float32 / float64 | `Int32Array` / `Float32Array` / `Float64Array` |
 * | int64, timestamp | `BigInt64Array` |
 * | all others | array of values (`null` where not valid) |
 *
 * `valid[i]` is 1 where row `i` has a value; a missing `valid` means that all rows have one. What stands in a typed
 * array at a row without a value means nothing.
 */
export interface Column {
  readonly type: FeatureType
  readonly values: ColumnValues
  readonly valid: Uint8Array | undefined
}

/** See {@link Column}. */
export type ColumnValues =
  | Uint8Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | (Value | null)[]

/** Rows by columns. All columns have `rows` values. */
export interface ColumnBatch {
  readonly rows: number
  readonly columns: Readonly<Record<string, Column>>
}

/** An empty, writable column of `rows` rows, all null. */
export function allocateColumn(type: FeatureType, rows: number): Column & { readonly valid: Uint8Array } {
  return { type, values: allocateValues(type, rows), valid: new Uint8Array(rows) }
}

function allocateValues(type: FeatureType, rows: number): ColumnValues {
  switch (type.kind) {
    case 'bool':
      return new Uint8Array(rows)
    case 'int32':
      return new Int32Array(rows)
    case 'float32':
      return new Float32Array(rows)
    case 'float64':
      return new Float64Array(rows)
    case 'int64':
    case 'timestamp':
      return new BigInt64Array(rows)
    default:
      return Array.from<Value | null>({ length: rows }).fill(null)
  }
}

/** The value in row `row`, or null. */
export function columnValue(column: Column, row: number): Value | null {
  if (column.valid !== undefined && column.valid[row] === 0) return null
  const value = column.values[row]
  if (value === undefined || value === null) return null
  return column.type.kind === 'bool' ? value === 1 : value
}

/** Puts a value, or null, into row `row` of a column made by {@link allocateColumn}. */
export function setColumnValue(
  column: Column & { readonly valid: Uint8Array },
  row: number,
  value: Value | null,
): void {
  column.valid[row] = value === null ? 0 : 1
  if (value === null) return
  ;(column.values as (Value | null)[])[row] = column.type.kind === 'bool' ? (value ? 1 : 0) : value
}

/** A column of the given values. */
export function columnOf(type: FeatureType, values: readonly (Value | null)[]): Column {
  const column = allocateColumn(type, values.length)
  for (let row = 0; row < values.length; row++) setColumnValue(column, row, values[row] ?? null)
  return column
}
