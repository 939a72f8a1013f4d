import { allocateColumn } from '@asof/core'
import type { Column, FeatureType, Value } from '@asof/core'
import type { DuckDBMaterializedResult } from '@duckdb/node-api'
import { readColumn } from './vectors.ts'

/** All rows of a finished result as one column each; the result's columns are `sqlType(type)` in this order. */
export async function fetchColumns(
  result: DuckDBMaterializedResult,
  types: readonly FeatureType[],
): Promise<{ readonly rows: number; readonly columns: readonly Column[] }> {
  const rows = result.rowCount
  const columns = types.map((type) => allocateColumn(type, rows))
  const whole = types.map(() => true)
  let at = 0
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (let index = 0; index < columns.length; index++) {
      const { values, valid } = readColumn(chunk.getColumnVector(index), types[index]!)
      const into = columns[index]!
      if (Array.isArray(into.values)) {
        for (let row = 0; row < values.length; row++) into.values[at + row] = values[row] as Value
      } else {
        into.values.set(values as never, at)
      }
      if (valid === undefined) into.valid.fill(1, at, at + values.length)
      else {
        into.valid.set(valid, at)
        whole[index] = false
      }
    }
    at += chunk.rowCount
  }
  return {
    rows,
    columns: columns.map(({ type, values, valid }, index) => ({
      type,
      values,
      valid: whole[index]! ? undefined : valid,
    })),
  }
}
