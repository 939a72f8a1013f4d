import { allocateColumn } from '@asof/core'
import type { Column, ColumnValues, FeatureType, Value } from '@asof/core'
import type { DuckDBMaterializedResult, DuckDBVector } from '@duckdb/node-api'
import { readColumn, readValidity } from '../vectors.ts'

/**
 * All rows of a finished result as one column each; the result's columns are `sqlType(type)` in this order.
 *
 * @param spare arrays that nobody uses any more, to be filled again: fresh memory costs as much as what is copied into it
 */
export async function fetchColumns(
  result: DuckDBMaterializedResult,
  types: readonly FeatureType[],
  spare: ColumnValues[] = [],
): Promise<{ readonly rows: number; readonly columns: readonly Column[] }> {
  const rows = result.rowCount
  const values = types.map((type) => takeValues(type, rows, spare))
  const valid: (Uint8Array | undefined)[] = types.map(() => undefined)
  let at = 0
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (let index = 0; index < types.length; index++) {
      const part = copyInto(values[index]!, types[index]!, at, chunk.getColumnVector(index))
      if (part === undefined) continue
      const whole = (valid[index] ??= new Uint8Array(rows).fill(1))
      whole.set(part, at)
    }
    at += chunk.rowCount
  }
  return {
    rows,
    columns: types.map((type, index) => ({ type, values: values[index]!, valid: valid[index] })),
  }
}

/** An array for `rows` values of a type; a longer one may do. */
function takeValues(type: FeatureType, rows: number, spare: ColumnValues[]): ColumnValues {
  const fresh = allocateColumn(type, 0).values
  const place = spare.findIndex((array) => array.constructor === fresh.constructor && array.length >= rows)
  const [found] = place < 0 || Array.isArray(fresh) ? [] : spare.splice(place, 1)
  return found ?? allocateColumn(type, rows).values
}

/** Copies a vector's values into a column; answers which rows have one, undefined for all. */
function copyInto(
  values: ColumnValues,
  type: FeatureType,
  at: number,
  vector: DuckDBVector,
): Uint8Array | undefined {
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'timestamp': {
      // Straight from DuckDB's memory: a copy in between would cost as much again.
      const { items } = vector as unknown as { readonly items: Float64Array }
      ;(values as Float64Array).set(items, at)
      return readValidity(vector, vector.itemCount)
    }
    default: {
      const read = readColumn(vector, type)
      if (Array.isArray(values)) {
        for (let row = 0; row < vector.itemCount; row++) values[at + row] = read.values[row] as Value
      } else {
        values.set(read.values as never, at)
      }
      return read.valid
    }
  }
}
