import { durationMicros, INSTANT_MAX, invalid, LIMITS } from '@asof/core'
import type { ExtractRequest, FeatureType, GroupColumns, SourceRelation } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { convertSql, sizeSql } from './convert-sql.ts'
import type { Converted } from './convert-sql.ts'
import type { PhysicalColumn, RelationSql } from './relation-sql.ts'
import { rowJson } from './row-json.ts'
import { identifier, literal } from './sql-text.ts'
import { timeSql } from './time-sql.ts'

/** Marks a row as a tombstone: a boolean column of a source, or of a query's result. */
export const DELETED_COLUMN = '_deleted'

/** Bytes of a row beside its values of variable size, generously. */
export const ROW_BYTES_BESIDE = 1_024

/**
 * A SELECT of a source's rows, numbered in order of file and row, in the declared types:
 *
 * | column | |
 * |---|---|
 * | `n` | number of the row, from 0 |
 * | `k0`, `k1` … | parts of the key |
 * | `e`, `c` | event and created time, microseconds; `c` with the source's delay and the given one |
 * | `deleted` | whether it is a tombstone, which has no features |
 * | `f0`, `f1` … | features |
 * | `reason`, `at_fault`, `detail`, `row` | for a refused row: why, its column, what is wrong, and the row as JSON; else null |
 *
 * @param times `delay` is added to each created time, in microseconds; a row created after `knownBy` is not there yet, whatever
 * else is wrong with it; of the others, one dated after `eventsUntil` is refused as `future`
 * @throws {AsofError} `missing_column`, `unknown_column`, `missing_event_time`; as `convertSql` and `timeSql`
 */
export async function sourceRows(
  connection: DuckDBConnection,
  source: SourceRelation,
  relation: RelationSql,
  columns: GroupColumns,
  { delay, knownBy, eventsUntil }: Pick<ExtractRequest, 'delay' | 'knownBy' | 'eventsUntil'>,
): Promise<string> {
  const { eventTime } = source
  if (eventTime === undefined) {
    throw invalid('missing_event_time', 'a group over a source needs its event time: declare eventTime', {
      source: source.name,
    })
  }
  checkColumns(source, relation, columns)
  const zone = eventTime.zone
  const convert = (name: string, type: FeatureType): Converted =>
    convertSql(find(relation.columns, name), type, { form: relation.form, zone })
  const keys = columns.keys.map(({ column, type }, at) => ({ at, column, type, ...convert(column, type) }))
  const features = columns.features.map(({ name, type }, at) => ({
    at,
    column: name,
    type,
    ...convert(name, type),
  }))
  const mark = relation.columns.find(({ name }) => name.toLowerCase() === DELETED_COLUMN)
  const deleted = mark === undefined ? { value: 'false', fits: 'true' } : convert(mark.name, { kind: 'bool' })
  const e = await timeSql(connection, relation, eventTime)
  const { created } = source
  const c =
    'column' in created
      ? await timeSql(connection, relation, created)
      : 'delay' in created
        ? { micros: `${e.micros} + ${durationMicros(created.delay)}`, problem: 'NULL' }
        : { micros: `CAST(${created.knownAt} AS BIGINT)`, problem: 'NULL' }
  const columnOf = (time: { readonly column: string }): string => literal(time.column)
  const rowBytes = [...keys, ...features]
    .map(({ value, type }) => sizeSql(value, type))
    .filter((size) => size !== undefined)
    .map((size) => `coalesce(${size}, 0)`)
  const keyBytes = keys.map(({ value, type }) => keyBytesSql(value, type)).join(' + ')
  const refused: Refusal[] = [
    ...keys.map(({ column }): Refusal => [
      `${identifier(find(relation.columns, column).name)} IS NULL`,
      'null_key',
      literal(column),
    ]),
    ...keys.map(({ column, fits, type }): Refusal => [
      `NOT ${fits}`,
      'invalid_value',
      literal(column),
      notOf(type),
    ]),
    [
      `${keyBytes || '0'} > ${LIMITS.keyBytesMax}`,
      'invalid_value',
      literal(keys[0]?.column ?? ''),
      `'the key is longer than keyBytesMax'`,
    ],
    [e.isNull, 'null_event_time', columnOf(eventTime)],
    [`${e.micros} IS NULL`, 'invalid_event_time', columnOf(eventTime), e.problem],
    [eventsUntil === undefined ? 'NOT true' : `${e.micros} > ${eventsUntil}`, 'future', columnOf(eventTime)],
    [
      `(${c.micros}) IS NULL OR (${c.micros}) + ${delay} > ${INSTANT_MAX}`,
      'invalid_created_time',
      'column' in created ? columnOf(created) : columnOf(eventTime),
      `coalesce(${c.problem}, 'not an instant between 1900 and 2200')`,
    ],
    [`NOT ${deleted.fits}`, 'invalid_value', literal(DELETED_COLUMN), notOf({ kind: 'bool' })],
    ...features.map(({ column, fits, type }): Refusal => [
      `NOT ${fits} AND NOT coalesce(${deleted.value}, false)`,
      'invalid_value',
      literal(column),
      notOf(type),
    ]),
  ]
  if (rowBytes.length > 0) {
    const room = LIMITS.rowBytesMax - ROW_BYTES_BESIDE - 16 * features.length
    refused.push([
      `${rowBytes.join(' + ')} > ${room}`,
      'invalid_value',
      'NULL',
      `'the row is larger than rowBytesMax'`,
    ])
  }
  const possible = refused.filter(
    ([condition]) => condition !== 'NOT true' && !condition.startsWith('NOT true AND '),
  )
  const choose = (what: (refusal: Refusal) => string): string =>
    `CASE ${possible.map((refusal) => `WHEN ${refusal[0]} THEN ${what(refusal)}`).join(' ')} END`
  const isDeleted = `coalesce(${deleted.value}, false)`
  const values = [
    ...keys.map(({ at, value }) => `${value} AS k${at}`),
    `${e.micros} AS e`,
    `(${c.micros}) + ${delay} AS c`,
    `${isDeleted} AS deleted`,
    ...features.map(({ at, value }) => `CASE WHEN NOT ${isDeleted} THEN ${value} END AS f${at}`),
    `${choose(([, reason]) => literal(reason))} AS reason`,
    `${choose(([, , column]) => column)} AS at_fault`,
    `${choose(([, , , detail]) => detail ?? 'NULL')} AS detail`,
  ]
  // A name of ours may be a column's too, so the row as it was read goes along as a struct.
  const whole = freeName(relation.columns)
  const json = rowJson(relation.columns, ({ name }) => `${whole}.${identifier(name)}`)
  return `SELECT n, ${named(columns)}, reason, at_fault, detail, CASE WHEN reason IS NOT NULL THEN ${json} END AS "row"
    FROM (SELECT row_number() OVER () - 1 AS n, ${values.join(', ')}, ${whole} FROM (${relation.sql}) AS ${whole})
    WHERE c IS NULL OR c <= ${knownBy} OR c > ${INSTANT_MAX}`
}

function freeName(columns: readonly PhysicalColumn[]): string {
  let name = 'asof_row'
  while (columns.some((column) => column.name.toLowerCase() === name)) name = `_${name}`
  return name
}

/** The columns of {@link sourceRows} that make a row of the group; `created` stands for its created time. */
export function named(columns: GroupColumns, created = 'c'): string {
  return [
    ...columns.keys.map((_, at) => `k${at}`),
    'e',
    created,
    'deleted',
    ...columns.features.map((_, at) => `f${at}`),
  ].join(', ')
}

/** A condition that refuses a row, the reason, and SQL for the column and for what is wrong. */
type Refusal = readonly [condition: string, reason: string, column: string, detail?: string]

function checkColumns(source: SourceRelation, relation: RelationSql, columns: GroupColumns): void {
  const { eventTime, created } = source
  const known = [
    ...columns.keys.map(({ column }) => column),
    ...columns.features.map(({ name }) => name),
    ...(eventTime === undefined ? [] : [eventTime.column]),
    ...('column' in created ? [created.column] : []),
    DELETED_COLUMN,
  ].map((name) => name.toLowerCase())
  const unknown = relation.columns
    .map(({ name }) => name)
    .filter((name) => !known.includes(name.toLowerCase()))
  if (columns.unknownColumns === 'strict' && unknown.length > 0) {
    throw invalid(
      'unknown_column',
      `the source has columns that the group does not declare: add them to its features, select what it needs in a query, or say unknownColumns: 'additive'`,
      { source: source.name, columns: unknown.join(', ') },
    )
  }
}

function find(columns: readonly PhysicalColumn[], name: string): PhysicalColumn {
  const found = columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  throw invalid('missing_column', 'the source lacks a column that the group declares', {
    column: name,
    columns: columns.map((column) => column.name).join(', '),
  })
}

function notOf(type: FeatureType): string {
  return literal(`not a ${type.kind} within the limits`)
}

/** Length of a key's part, percent-encoded, with what separates it. */
export function keyBytesSql(value: string, type: FeatureType): string {
  switch (type.kind) {
    case 'string':
      return `strlen(url_encode(${value})) + 1`
    case 'bytes':
      // As text, DuckDB escapes what is not printable as \xNN; what is left of the rest needs no percent sign.
      return `octet_length(${value}) * 3 + 1 - 2 * length(regexp_replace(CAST(${value} AS VARCHAR), '\\\\x[0-9A-F]{2}|[^A-Za-z0-9_.~-]', '', 'g'))`
    default:
      return '21'
  }
}
