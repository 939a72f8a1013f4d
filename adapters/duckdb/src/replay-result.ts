import { invalid } from '@asof/core'
import type { FeatureType, GroupColumns, ScalarType, TimeColumn } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { convertSql } from './convert-sql.ts'
import type { Converted, ConvertOptions } from './convert-sql.ts'
import type { PhysicalColumn } from './relation-sql.ts'
import { freePrefix, SCHEMA } from './replay-names.ts'
import { rowJson } from './row-json.ts'
import { identifier, literal } from './sql-text.ts'
import { timeSql } from './time-sql.ts'

/** Dated before what its run reads: not appended, as part of its input was cut off. */
export const CUT = 'cut'

/** What the runs of a group give, before it is checked. */
export interface ResultOptions extends ConvertOptions {
  /** Columns of a run's result. */
  readonly columns: readonly PhysicalColumn[]
  readonly group: GroupColumns
  /** How rows are dated: a column of the result, or microseconds that are known to be right; the interval's end without. */
  readonly dated: TimeColumn | { readonly micros: string } | undefined
  /** Columns of the result that are neither keys nor features, and known. */
  readonly known: readonly string[]
}

/**
 * SQL over `replay.results`, which holds the result of many runs as it is, behind the number of the run, with `replay.runs`:
 * the rows in the declared types and whether they can be appended. Its columns:
 *
 * - `run`, then those of `rowNames`; a tombstone has no features, every NaN is the quiet one;
 * - `ok`; where that is false, `reason` and `at_fault` say why: the first of a key that does not convert or is null, a time
 *   that is none, a date outside of what the run may answer for, a feature that does not convert exactly;
 * - `row_json`, every column of the result.
 *
 * @param table name of the column with the number of the run, see {@link runColumn}
 * @throws {AsofError} `missing_column`, `unknown_column`; as {@link convertSql} and {@link timeSql}
 */
export async function checkedRows(connection: DuckDBConnection, options: ResultOptions): Promise<string> {
  const { columns, group, dated } = options
  const find = (name: string): PhysicalColumn | undefined =>
    columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
  checkNames(options, find)
  const convert = (name: string, type: FeatureType): Converted => convertSql(find(name)!, type, options)
  const keys = group.keys.map(({ column, type }) => ({ column, ...convert(column, type) }))
  const features = group.features.map(({ name, type }) => ({ name, type, ...convert(name, type) }))
  const mark = find('_deleted') === undefined ? undefined : convert('_deleted', { kind: 'bool' })
  const deleted = mark === undefined ? 'false' : `coalesce(${mark.value}, false)`

  const prefix = freePrefix(columns)
  const [from, end]: [string, string] = [`${prefix}from`, `${prefix}end`]
  const cases: (readonly [fault: string, reason: string, column?: string | undefined])[] = []
  for (const { column, value, fits } of keys) {
    if (fits !== 'true') cases.push([`NOT ${fits}`, 'invalid_value', column])
    cases.push([`${value} IS NULL`, 'null_key', column])
  }
  let e = end
  if (dated !== undefined && 'micros' in dated) e = dated.micros
  else if (dated !== undefined) {
    const time = await timeSql(connection, options, dated)
    e = `CASE WHEN ${time.isNull} THEN ${end} ELSE ${time.micros} END`
    cases.push([`(${e}) IS NULL`, 'invalid_event_time', dated.column])
  }
  if (dated !== undefined) {
    const column = 'column' in dated ? dated.column : undefined
    cases.push([`(${e}) < ${from}`, CUT], [`(${e}) > ${end}`, 'after_interval', column])
  }
  if (mark !== undefined && mark.fits !== 'true')
    cases.push([`NOT ${mark.fits}`, 'invalid_value', '_deleted'])
  for (const { name, fits } of features) {
    if (fits !== 'true') cases.push([`NOT ${fits} AND NOT ${deleted}`, 'invalid_value', name])
  }

  const ok =
    cases.length === 0 ? 'true' : `coalesce(NOT (${cases.map(([fault]) => fault).join(' OR ')}), false)`
  const pick = (value: (at: number) => string): string =>
    cases.length === 0
      ? 'NULL::VARCHAR'
      : `CASE ${cases.map(([fault], at) => `WHEN ${fault} THEN ${value(at)}`).join(' ')} END`
  const row = [
    `${prefix}run AS run`,
    ...keys.map(({ value }, at) => `${value} AS k${at}`),
    `${e} AS e`,
    `${deleted} AS deleted`,
    ...features.map(({ type, value }, at) => {
      const kept = quietNaN(value, type)
      return `${mark === undefined ? kept : `CASE WHEN NOT ${deleted} THEN ${kept} END`} AS f${at}`
    }),
    `${ok} AS ok`,
    `${pick((at) => literal(cases[at]![1]))} AS reason`,
    `${pick((at) => (cases[at]![2] === undefined ? 'NULL' : literal(cases[at]![2])))} AS at_fault`,
    `${rowJson(columns)} AS row_json`,
  ]
  return `SELECT ${row.join(', ')} FROM ${SCHEMA}.results JOIN (
    SELECT run AS ${prefix}run, reads_from AS ${from}, reads_to AS ${end} FROM ${SCHEMA}.runs) USING (${prefix}run)`
}

/** Column of `replay.results` with the number of the run. */
export function runColumn(columns: readonly PhysicalColumn[]): string {
  return `${freePrefix(columns)}run`
}

function checkNames(
  { columns, group, known }: ResultOptions,
  find: (name: string) => PhysicalColumn | undefined,
): void {
  const wanted = [...group.keys.map(({ column }) => column), ...group.features.map(({ name }) => name)]
  const names = columns.map(({ name }) => name).join(', ')
  for (const column of wanted) {
    if (find(column) !== undefined) continue
    throw invalid('missing_column', 'the query or source gives no such column', { column, columns: names })
  }
  if (group.unknownColumns === 'additive') return
  const declared = new Set([...wanted, ...known, '_deleted'].map((name) => name.toLowerCase()))
  const unknown = columns.find(({ name }) => !declared.has(name.toLowerCase()))
  if (unknown === undefined) return
  throw invalid(
    'unknown_column',
    'the group does not declare this column: declare it, leave it out, or allow unknown ones',
    {
      column: unknown.name,
    },
  )
}

/** A value in which every NaN is the quiet one without sign and payload. */
function quietNaN(x: string, type: FeatureType): string {
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return quietFloat(x, type)
    case 'vector':
      return `list_transform(${x}, lambda each: ${quietFloat('each', { kind: 'float32' })})`
    case 'list':
      return isFloat(type.element)
        ? `list_transform(${x}, lambda each: ${quietFloat('each', type.element)})`
        : x
    case 'map': {
      const values = `list_transform(map_values(${x}), lambda each: ${quietFloat('each', type.value)})`
      return isFloat(type.value) ? `CASE WHEN ${x} IS NOT NULL THEN map(map_keys(${x}), ${values}) END` : x
    }
    case 'struct': {
      if (!Object.values(type.fields).some(isFloat)) return x
      const fields = Object.entries(type.fields).map(([name, field]) => {
        const value = `(${x}).${identifier(name)}`
        return `${identifier(name)} := ${isFloat(field) ? quietFloat(value, field) : value}`
      })
      return `CASE WHEN ${x} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
    }
    default:
      return x
  }
}

function quietFloat(x: string, type: ScalarType): string {
  return `CASE WHEN isnan(${x}) THEN 'nan'::${type.kind === 'float32' ? 'FLOAT' : 'DOUBLE'} ELSE ${x} END`
}

function isFloat(type: ScalarType): boolean {
  return type.kind === 'float32' || type.kind === 'float64'
}
