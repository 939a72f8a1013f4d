import { invalid, LIMITS } from '@asof/core'
import type { FeatureType, GroupColumns, ScalarType, TimeColumn } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { convertSql, sizeSql } from './convert-sql.ts'
import type { Converted, ConvertOptions } from './convert-sql.ts'
import type { PhysicalColumn } from './relation-sql.ts'
import { freePrefix, SCHEMA } from './replay-names.ts'
import { rowJson } from './row-json.ts'
import { DELETED_COLUMN, keyBytesSql, ROW_BYTES_BESIDE } from './source-rows.ts'
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
 * - `ok`; where that is false, `reason`, `at_fault` and `detail` say why: the first of a key that does not convert or is null, a time
 *   that is none, a date outside of what the run may answer for, a feature that does not convert exactly;
 * - `row_json`, every column of the result.
 *
 * @throws {AsofError} `missing_column`, `unknown_column`; as {@link convertSql} and {@link timeSql}
 */
export async function checkedRows(connection: DuckDBConnection, options: ResultOptions): Promise<string> {
  const { columns, group, dated } = options
  const find = (name: string): PhysicalColumn | undefined =>
    columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
  checkNames(options, find)
  const convert = (name: string, type: FeatureType): Converted => convertSql(find(name)!, type, options)
  const keys = group.keys.map(({ column, type }) => ({ column, type, ...convert(column, type) }))
  const features = group.features.map(({ name, type }) => ({ name, type, ...convert(name, type) }))
  const mark = find(DELETED_COLUMN) === undefined ? undefined : convert(DELETED_COLUMN, { kind: 'bool' })
  const deleted = mark === undefined ? 'false' : `coalesce(${mark.value}, false)`
  const prefix = freePrefix(columns)
  const [from, end]: [string, string] = [`${prefix}from`, `${prefix}end`]
  const time =
    dated === undefined || 'micros' in dated ? undefined : await timeSql(connection, options, dated)
  const e =
    time === undefined
      ? dated === undefined
        ? end
        : (dated as { readonly micros: string }).micros
      : `CASE WHEN ${time.isNull} THEN ${end} ELSE ${time.micros} END`
  const dateColumn = dated !== undefined && 'column' in dated ? dated.column : undefined

  const faults: Fault[] = []
  for (const { column, type, value, fits } of keys) {
    if (fits !== 'true')
      faults.push({ when: `NOT ${fits}`, reason: 'invalid_value', column, detail: notOf(type) })
    faults.push({ when: `${value} IS NULL`, reason: 'null_key', column })
  }
  faults.push(...tooLongKey(keys))
  if (time !== undefined) {
    faults.push({
      when: `(${e}) IS NULL`,
      reason: 'invalid_event_time',
      column: dateColumn,
      detail: time.problem,
    })
  }
  if (dated !== undefined) {
    faults.push({ when: `(${e}) < ${from}`, reason: CUT })
    faults.push({ when: `(${e}) > ${end}`, reason: 'after_interval', column: dateColumn })
  }
  if (mark !== undefined && mark.fits !== 'true') {
    faults.push({
      when: `NOT ${mark.fits}`,
      reason: 'invalid_value',
      column: DELETED_COLUMN,
      detail: notOf({ kind: 'bool' }),
    })
  }
  for (const { name, type, fits } of features) {
    if (fits === 'true') continue
    faults.push({
      when: `NOT ${fits} AND NOT ${deleted}`,
      reason: 'invalid_value',
      column: name,
      detail: notOf(type),
    })
  }
  faults.push(...tooLargeRow([...keys, ...features], features.length))

  const pick = (value: (fault: Fault) => string): string =>
    faults.length === 0
      ? 'NULL::VARCHAR'
      : `CASE ${faults.map((fault) => `WHEN ${fault.when} THEN ${value(fault)}`).join(' ')} END`
  const optional = (text: string | undefined): string => (text === undefined ? 'NULL' : literal(text))
  const row = [
    `${prefix}run AS run`,
    ...keys.map(({ value }, at) => `${value} AS k${at}`),
    `${e} AS e`,
    `${deleted} AS deleted`,
    ...features.map(({ type, value }, at) => {
      const kept = quietNaN(value, type)
      return `${mark === undefined ? kept : `CASE WHEN NOT ${deleted} THEN ${kept} END`} AS f${at}`
    }),
    `coalesce(NOT (${['false', ...faults.map(({ when }) => when)].join(' OR ')}), false) AS ok`,
    `${pick(({ reason }) => literal(reason))} AS reason`,
    `${pick(({ column }) => optional(column))} AS at_fault`,
    `${pick(({ detail }) => detail ?? 'NULL')} AS detail`,
    `${rowJson(columns)} AS row_json`,
  ]
  return `SELECT ${row.join(', ')} FROM ${SCHEMA}.results JOIN (
    SELECT run AS ${prefix}run, reads_from AS ${from}, reads_to AS ${end} FROM ${SCHEMA}.runs) USING (${prefix}run)`
}

/** What refuses a row: a condition, and for people the column and SQL for what is wrong with it. */
interface Fault {
  readonly when: string
  readonly reason: string
  readonly column?: string | undefined
  readonly detail?: string
}

type TypedValue = Converted & { readonly type: FeatureType }

/** The encoded length is costly, so it is found only where it could be too great. */
function tooLongKey(keys: readonly (TypedValue & { readonly column: string })[]): Fault[] {
  const [first] = keys
  if (first === undefined) return []
  const most = keys.map(({ type, value }) =>
    type.kind === 'string'
      ? `strlen(${value}) * 3 + 1`
      : type.kind === 'bytes'
        ? `octet_length(${value}) * 3 + 1`
        : '21',
  )
  const bytes = keys.map(({ type, value }) => keyBytesSql(value, type)).join(' + ')
  const when = `CASE WHEN ${most.join(' + ')} > ${LIMITS.keyBytesMax} THEN ${bytes} > ${LIMITS.keyBytesMax} ELSE false END`
  return [
    { when, reason: 'invalid_value', column: first.column, detail: `'the key is longer than keyBytesMax'` },
  ]
}

function tooLargeRow(values: readonly TypedValue[], features: number): Fault[] {
  const sizes = values.map(({ type, value }) => sizeSql(value, type)).filter((size) => size !== undefined)
  if (sizes.length === 0) return []
  const room = LIMITS.rowBytesMax - ROW_BYTES_BESIDE - 16 * features
  const when = `${sizes.map((size) => `coalesce(${size}, 0)`).join(' + ')} > ${room}`
  return [{ when, reason: 'invalid_value', detail: `'the row is larger than rowBytesMax'` }]
}

function notOf(type: FeatureType): string {
  return literal(`not a ${type.kind} within the limits`)
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
  const declared = new Set([...wanted, ...known, DELETED_COLUMN].map((name) => name.toLowerCase()))
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
