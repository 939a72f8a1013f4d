import { columnValue } from '@asof/core'
import type { FeatureType, Value, WrittenFile } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { run } from './database.ts'
import { identifier } from './sql-text.ts'
import { readBatch } from './vectors.ts'
import type { TypedColumn } from './vectors.ts'

/** What a file's rows say of it: exact, as they are counted and not taken from a footer. */
export type Statistics = Pick<WrittenFile, 'rows' | 'min' | 'max' | 'nulls'>

/**
 * Counts rows and nulls and finds the least and greatest value of each column of `from` (a table, or a condition on one).
 * There are none of bytes and of nested columns, nor of a column that holds NaN, which has no place in an order.
 */
export async function statisticsOf(
  connection: DuckDBConnection,
  from: string,
  columns: readonly TypedColumn[],
): Promise<Statistics> {
  const asked: { readonly name: string; readonly type: FeatureType; readonly sql: string }[] = [
    { name: 'rows', type: { kind: 'int64' }, sql: 'count(*)' },
  ]
  for (const [at, { name, type }] of columns.entries()) {
    const column = identifier(name)
    asked.push({ name: `nulls${at}`, type: { kind: 'int64' }, sql: `count(*) - count(${column})` })
    if (!hasBounds(type)) continue
    const sane =
      type.kind === 'float32' || type.kind === 'float64' ? `count(*) FILTER (isnan(${column})) = 0` : 'true'
    asked.push({ name: `min${at}`, type, sql: `CASE WHEN ${sane} THEN min(${column}) END` })
    asked.push({ name: `max${at}`, type, sql: `CASE WHEN ${sane} THEN max(${column}) END` })
  }
  const select = asked.map(({ name, sql }) => `${sql} AS ${identifier(name)}`).join(', ')
  const chunk = await (await run(connection, `SELECT ${select} FROM ${from}`)).fetchChunk()
  if (chunk === null) return { rows: 0, min: {}, max: {}, nulls: {} }
  const answers = readBatch(chunk, asked).columns
  const answer = (name: string): Value | null => {
    const column = answers[name]
    return column === undefined ? null : columnValue(column, 0)
  }
  const min: Record<string, number | string | bigint | boolean> = {}
  const max: Record<string, number | string | bigint | boolean> = {}
  const nulls: Record<string, number> = {}
  for (const [at, { name }] of columns.entries()) {
    nulls[name] = Number(answer(`nulls${at}`))
    const least = answer(`min${at}`)
    const greatest = answer(`max${at}`)
    if (isBound(least)) min[name] = least
    if (isBound(greatest)) max[name] = greatest
  }
  return { rows: Number(answer('rows')), min, max, nulls }
}

function hasBounds(type: FeatureType): boolean {
  return !['bytes', 'vector', 'list', 'map', 'struct'].includes(type.kind)
}

function isBound(value: Value | null): value is number | string | bigint | boolean {
  return value !== null && typeof value !== 'object'
}
