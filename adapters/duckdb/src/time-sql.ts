import { INSTANT_MAX, INSTANT_MIN, invalid } from '@asof/core'
import type { TimeColumn } from '@asof/core'
import { DuckDBTypeId } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { isFloating, isInteger, refuseNanoseconds, timestampMicros } from './convert-sql.ts'
import { queryRow } from './database.ts'
import type { PhysicalColumn, RelationSql } from './relation-sql.ts'
import { identifier, literal } from './sql-text.ts'

/** A column of instants, as SQL. */
export interface TimeSql {
  /** BIGINT microseconds since 1970 UTC, in 1900..2200; null where the column is null or holds no such instant. */
  readonly micros: string
  /** Whether the column is null. */
  readonly isNull: string
  /** What is wrong with a value that is no instant, as a text for people; null where nothing is, or the column is null. */
  readonly problem: string
}

/**
 * SQL that reads a column as instants (SEMANTICS section 1): times with a zone; times without one where `time.zone` says
 * which; numbers where `time.unit` says what they count. A number that only makes sense in another unit is none, and the
 * problem guesses the unit.
 *
 * @throws {AsofError} `missing_column`; `time_without_zone`, `number_without_unit`, `unknown_zone`, `nanosecond_times`; `needs_cast` for a DATE or
 * another type
 */
export async function timeSql(
  connection: DuckDBConnection,
  relation: Pick<RelationSql, 'columns' | 'form'>,
  time: TimeColumn,
): Promise<TimeSql> {
  const column = relation.columns.find(({ name }) => name.toLowerCase() === time.column.toLowerCase())
  if (column === undefined) {
    throw invalid('missing_column', 'the source lacks the column of its time', {
      column: time.column,
      columns: relation.columns.map(({ name }) => name).join(', '),
    })
  }
  refuseNanoseconds(column)
  await checkZone(connection, time.zone)
  const x = identifier(column.name)
  const isJson = relation.form === 'json' && column.physical === 'JSON'
  const value = isJson ? `(${x}->>'$')` : x
  const isText = column.type.typeId === DuckDBTypeId.VARCHAR
  if (isText && time.unit !== undefined) {
    const number = `CASE WHEN regexp_full_match(${value}, '-?[0-9]{1,25}') THEN TRY_CAST(${value} AS HUGEINT) END`
    return ofNumber(value, `(${number})`, time.unit)
  }
  if (isInteger(column.type)) return ofNumber(x, `TRY_CAST(${x} AS HUGEINT)`, unitOf(column, time))
  if (isFloating(column.type)) {
    const whole = `CASE WHEN isfinite(${x}) AND ${x} = trunc(${x}) AND abs(${x}) <= 9007199254740992 THEN CAST(${x} AS HUGEINT) END`
    return ofNumber(x, `(${whole})`, unitOf(column, time))
  }
  const micros = timestampMicros(value, column.type, time.zone)
  if (micros !== undefined) return ofTime(value, micros, isText ? textProblem(value, time.zone) : undefined)
  if (String(column.type).startsWith('TIMESTAMP')) {
    throw invalid('time_without_zone', 'the times have no zone: declare the zone of the column', {
      column: column.name,
      is: column.physical,
    })
  }
  throw invalid(
    'needs_cast',
    'the column of the time has no type of times: cast it in the query of the source',
    {
      column: column.name,
      is: column.physical,
      cast: `CAST(${x} AS TIMESTAMP) AS ${x}`,
    },
  )
}

/** @throws {AsofError} `unknown_zone` for a zone that is not in DuckDB's list of names, such as `America/New_York` */
export async function checkZone(connection: DuckDBConnection, zone: string | undefined): Promise<void> {
  if (zone === undefined || zone === 'UTC') return
  const found = await queryRow(
    connection,
    `SELECT count(*) > 0 AS known FROM pg_timezone_names() WHERE name = ${literal(zone)}`,
  )
  if (found['known'] !== true) {
    throw invalid('unknown_zone', 'no such time zone; use a name such as UTC or America/New_York', { zone })
  }
}

const PER_SECOND = { s: 1, ms: 1_000, us: 1_000_000, ns: 1_000_000_000 } as const
const UNIT_NAMES = { s: 'seconds', ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' } as const
/** Seconds since 1970 of times that people mean: 1989 to 2160, as `guessUnit` has it. */
const LIKELY_SECONDS = [600_000_000, 6_000_000_000] as const
/** 1990-01-01 in microseconds: an earlier number is doubted where another unit makes it a recent time. */
const DOUBTED_BEFORE = 631_152_000_000_000

type Unit = keyof typeof PER_SECOND

function unitOf(column: PhysicalColumn, time: TimeColumn): Unit {
  if (time.unit !== undefined) return time.unit
  throw invalid('number_without_unit', 'the times are numbers: declare their unit (s, ms, us or ns)', {
    column: column.name,
    is: column.physical,
  })
}

function ofNumber(x: string, number: string, unit: Unit): TimeSql {
  const exact =
    unit === 'ns'
      ? `CASE WHEN ${number} % 1000 = 0 THEN ${number} // 1000 END`
      : `TRY(${number} * ${PER_SECOND.us / PER_SECOND[unit]})`
  const guesses = (Object.keys(PER_SECOND) as Unit[]).filter((other) => other !== unit)
  const looksLike = guesses.map((other) => {
    const [least, limit] = LIKELY_SECONDS.map((seconds) => BigInt(seconds) * BigInt(PER_SECOND[other]))
    return `WHEN abs(${number}) >= ${least} AND abs(${number}) < ${limit} THEN '${UNIT_NAMES[other]}'`
  })
  const guess = `CASE ${looksLike.join(' ')} END`
  const inRange = `(${exact}) BETWEEN ${INSTANT_MIN} AND ${INSTANT_MAX}`
  const doubted = `(${exact}) < ${DOUBTED_BEFORE} AND (${guess}) IS NOT NULL`
  const micros = `CASE WHEN ${inRange} AND NOT (${doubted}) THEN CAST(${exact} AS BIGINT) END`
  return {
    micros,
    isNull: `(${x} IS NULL)`,
    problem: `CASE WHEN ${x} IS NULL OR (${micros}) IS NOT NULL THEN NULL
      WHEN ${number} IS NULL THEN 'not a whole number'
      WHEN (${exact}) IS NULL THEN 'digits below a microsecond would be lost'
      ELSE 'not an instant between 1900 and 2200 in ${UNIT_NAMES[unit]}' || coalesce('; it looks like ' || ${guess}, '') END`,
  }
}

function ofTime(x: string, micros: string, textOnly: string | undefined): TimeSql {
  const valid = `CASE WHEN (${micros}) BETWEEN ${INSTANT_MIN} AND ${INSTANT_MAX} THEN (${micros}) END`
  return {
    micros: valid,
    isNull: `(${x} IS NULL)`,
    problem: `CASE WHEN ${x} IS NULL OR (${valid}) IS NOT NULL THEN NULL
      WHEN (${micros}) IS NOT NULL THEN 'outside 1900..2200'
      ELSE ${textOnly ?? `'no such time in the zone, or digits below a microsecond'`} END`,
  }
}

function textProblem(x: string, zone: string | undefined): string {
  const withoutZone =
    zone === undefined
      ? `WHEN (${x}) IS NOT NULL AND NOT regexp_matches(${x}, '(?:[+-][0-9]{2}:[0-9]{2}|[Zz])$') THEN 'a time without a zone: add Z or an offset, or declare the zone of the column'`
      : ''
  return `CASE WHEN regexp_matches(${x}, '\\.[0-9]{6}[0-9]*[1-9]') THEN 'digits below a microsecond would be lost'
      ${withoutZone} ELSE 'not an RFC 3339 time such as 2024-01-01T00:00:00Z' END`
}
