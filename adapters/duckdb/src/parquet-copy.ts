import { rename, rm, stat } from 'node:fs/promises'
import type { FeatureType, LongCall, ScalarType } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { queryRow, run } from './database.ts'
import { identifier, literal } from './sql-text.ts'
import type { TypedColumn } from './vectors.ts'

/** Rows of a row group: what a reader skips or takes as a whole. */
const ROW_GROUP_ROWS = 122_880

/** What becomes a Parquet file. */
export interface ParquetCopy {
  /** A table, view or parenthesised SELECT; it is read twice where a column may hold a negative zero. */
  readonly from: string
  /** Columns of the file, in order. */
  readonly columns: readonly TypedColumn[]
  /** A condition on rows. */
  readonly where?: string
  /** SQL expressions; without them the rows keep their order. */
  readonly orderBy?: readonly string[]
}

/**
 * Writes a Parquet file (snappy), which appears at `localPath` whole or not at all.
 *
 * DuckDB's writer holds a dictionary in which -0 and 0 are one value, whichever came first
 * (https://github.com/duckdb/duckdb/issues/25781), so a file with a -0 in it is written without dictionaries.
 *
 * @returns the number of rows and of bytes
 */
export async function copyParquet(
  connection: DuckDBConnection,
  localPath: string,
  copy: ParquetCopy,
  call: LongCall = {},
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const where = copy.where === undefined ? '' : ` WHERE ${copy.where}`
  const order =
    copy.orderBy === undefined || copy.orderBy.length === 0 ? '' : ` ORDER BY ${copy.orderBy.join(', ')}`
  const names = copy.columns.map(({ name }) => identifier(name)).join(', ')
  const zeros = copy.columns.map(({ name, type }) => holdsNegativeZero(identifier(name), type)).filter(isText)
  const signal = call.signal === undefined ? {} : { signal: call.signal }
  const signed =
    zeros.length > 0 &&
    (
      await queryRow(
        connection,
        `SELECT bool_or(${zeros.join(' OR ')}) AS found FROM ${copy.from}${where}`,
        signal,
      )
    )['found'] === true
  const options = `FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${ROW_GROUP_ROWS}${signed ? ', DICTIONARY_SIZE_LIMIT 0' : ''}`
  const temporary = `${localPath}.writing`
  try {
    const result = await run(
      connection,
      `COPY (SELECT ${names} FROM ${copy.from}${where}${order}) TO ${literal(temporary)} (${options})`,
      call,
    )
    const rows = Number((await result.getRowsJS())[0]?.[0])
    const { size } = await stat(temporary)
    await rename(temporary, localPath)
    return { rows, bytes: size }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * A SQL condition that is true where a value is or holds a negative zero; undefined for a type that cannot.
 *
 * @example
 * ```ts
 * holdsNegativeZero('x', { kind: 'float64' }) // 'coalesce(x = 0 AND signbit(x), false)'
 * ```
 */
export function holdsNegativeZero(expression: string, type: FeatureType): string | undefined {
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return `coalesce(${expression} = 0 AND signbit(${expression}), false)`
    case 'vector':
      return anyNegativeZero(expression)
    case 'list':
      return isFloat(type.element) ? anyNegativeZero(expression) : undefined
    case 'map':
      return isFloat(type.value) ? anyNegativeZero(`map_values(${expression})`) : undefined
    case 'struct': {
      const fields = Object.entries(type.fields)
        .map(([name, field]) => holdsNegativeZero(`${expression}.${identifier(name)}`, field))
        .filter(isText)
      return fields.length === 0 ? undefined : `(${fields.join(' OR ')})`
    }
    default:
      return undefined
  }
}

function anyNegativeZero(list: string): string {
  return `coalesce(list_bool_or(list_transform(${list}, lambda v: v = 0 AND signbit(v))), false)`
}

function isFloat(type: ScalarType): boolean {
  return type.kind === 'float32' || type.kind === 'float64'
}

function isText(text: string | undefined): text is string {
  return text !== undefined
}
