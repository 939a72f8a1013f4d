import { durationMicros, invalid, LIMITS } from '@asof/core'
import type { LongCall, RejectedRow, ReplayRequest, Run, SourceRelation } from '@asof/core'
import { queryRow, queryRows, readingFiles, run } from './database.ts'
import type { Database } from './database.ts'
import { relationSql } from './relation-sql.ts'
import type { RelationSql } from './relation-sql.ts'
import { freePrefix, SCHEMA } from './replay-names.ts'
import { rowJson } from './row-json.ts'
import { identifiers, literal } from './sql-text.ts'
import { timeSql } from './time-sql.ts'

/** A source, held as a table in order of event time, of which each run sees a part. */
export interface ReplaySource {
  readonly name: string
  /** The source's own columns, and nothing of ours. */
  readonly relation: RelationSql
  /** Column of the table with the event time in microseconds; undefined for a reference table. */
  readonly micros: string | undefined
  /** A SELECT of the rows that a run sees: the source's own columns, and `more`. */
  cut(run: Run, more?: string): string
  /** Beginnings of the intervals of `every` that hold an event, in order; undefined for a reference table. */
  readonly intervals: readonly number[] | undefined
  /** Rows that became known at one of the runs, too late for every run that reads their event time. */
  readonly tooLate: number
  /** Rows without a usable event or created time. */
  readonly rejected: readonly RejectedRow[]
  readonly rejectedCount: number
}

/**
 * Loads a source once: the rows that any of the runs can see, sorted by event time and, where that is equal, in the order
 * in which the source has them. A run then skips most of what it does not read by its least and greatest times.
 *
 * @param at number of the source
 * @throws {AsofError} `created_without_event_time`; as {@link relationSql} and {@link timeSql}
 */
export async function loadSource(
  database: Database,
  source: SourceRelation,
  at: number,
  request: ReplayRequest,
): Promise<ReplaySource> {
  const { connection } = database
  const call: LongCall = request.signal === undefined ? {} : { signal: request.signal }
  const relation = await relationSql(database, source.relation)
  const prefix = freePrefix(relation.columns)
  const [e, c, n] = [`${prefix}e`, `${prefix}c`, `${prefix}n`] as const
  const table = `${SCHEMA}.source_${at}`
  const [first, last] = [request.runs[0], request.runs.at(-1)] as [Run, Run]
  const times = await timesOf(database, source, relation)
  // Rows dated earlier are only counted, where they became known at one of the runs.
  const read = `${e} < ${last.end} AND (${e} >= ${first.from} OR ${c} > ${first.at - request.every})`
  const usable = times.e === undefined ? '' : ` AND (${e} IS NULL OR (${read}))`
  await readingFiles(database, relation.parquetPaths, () =>
    run(
      connection,
      `CREATE TABLE ${table} AS SELECT * FROM (
         SELECT *, ${times.e ?? 'NULL'} AS ${e}, ${times.c} AS ${c}, row_number() OVER () AS ${n} FROM (${relation.sql}))
       WHERE (${c} IS NULL OR ${c} <= ${last.asOf})${usable}
       ORDER BY ${times.e === undefined ? '' : `${e} NULLS LAST, `}${n}`,
      call,
    ),
  )
  const faults = `${times.e === undefined ? '' : `${e} IS NULL OR `}${c} IS NULL`
  const rejectedCount = await count(database, `${table} WHERE ${faults}`, call)
  const rejected =
    rejectedCount === 0
      ? []
      : await queryRows(
          connection,
          `SELECT ${times.fault} AS fault, ${rowJson(relation.columns)} AS row FROM ${table}
           WHERE ${faults} ORDER BY ${n} LIMIT ${LIMITS.quarantineRowsMax}`,
          call,
        )
  const own = identifiers(relation.columns.map(({ name }) => name))
  return {
    name: source.name,
    relation,
    micros: times.e === undefined ? undefined : e,
    cut(run, more) {
      const within = times.e === undefined ? '' : `${e} >= ${run.from} AND ${e} < ${run.end} AND `
      const columns = more === undefined ? own : `${own}, ${more}`
      return `SELECT ${columns} FROM ${table} WHERE ${within}${c} <= ${run.asOf}`
    },
    intervals: times.e === undefined ? undefined : await intervalsOf(database, table, e, request.every, call),
    tooLate: times.e === undefined ? 0 : await countTooLate(database, table, { e, c }, request, call),
    rejected: rejected.map(({ fault, row }) => {
      const [reason, column, detail] = fault as (string | null)[]
      return {
        reason: reason ?? '',
        column: column ?? undefined,
        ...(detail && { detail }),
        row: String(row),
      }
    }),
    rejectedCount,
  }
}

/** SQL over a source's own columns: its two times, and a list of reason, column and detail of what is wrong with them. */
async function timesOf(
  database: Database,
  source: SourceRelation,
  relation: RelationSql,
): Promise<{ readonly e: string | undefined; readonly c: string; readonly fault: string }> {
  const { created, eventTime } = source
  const event = eventTime === undefined ? undefined : await timeSql(database.connection, relation, eventTime)
  const ofEvent =
    event === undefined || eventTime === undefined
      ? ''
      : `WHEN ${event.isNull} THEN ['null_event_time', ${literal(eventTime.column)}, NULL]
         WHEN ${event.micros} IS NULL THEN ['invalid_event_time', ${literal(eventTime.column)}, ${event.problem}]`
  const fault = (column: string, detail: string): string =>
    `CASE ${ofEvent} ELSE ['invalid_created_time', ${column}, ${detail}] END`
  if ('column' in created) {
    const { micros, problem } = await timeSql(database.connection, relation, created)
    return { e: event?.micros, c: micros, fault: fault(literal(created.column), problem) }
  }
  if ('knownAt' in created)
    return { e: event?.micros, c: `${created.knownAt}::BIGINT`, fault: fault('NULL', 'NULL') }
  if (event === undefined) {
    throw invalid('created_without_event_time', 'a source without an event time needs a created column', {
      source: source.name,
    })
  }
  return {
    e: event.micros,
    c: `${event.micros} + ${durationMicros(created.delay)}`,
    fault: fault('NULL', 'NULL'),
  }
}

async function intervalsOf(
  database: Database,
  table: string,
  e: string,
  every: number,
  call: LongCall,
): Promise<number[]> {
  const rows = await queryRows(
    database.connection,
    `SELECT DISTINCT ${floored(e, every)} AS start FROM ${table} WHERE ${e} IS NOT NULL ORDER BY start`,
    call,
  )
  return rows.map(({ start }) => Number(start))
}

/** SQL for the beginning of the interval that holds an instant: the remainder is one that is never negative. */
function floored(micros: string, every: number): string {
  return `(${micros} - (${micros} % ${every} + ${every}) % ${every})`
}

/**
 * A row is counted by the run at which it becomes known, so once over all calls: the last run that could have read it, of
 * those whose `[end - every - lookback, end)` holds its event time, was before.
 */
async function countTooLate(
  database: Database,
  table: string,
  { e, c }: { readonly e: string; readonly c: string },
  { every, delay, lookback, runs, onePerKey }: ReplayRequest,
  call: LongCall,
): Promise<number> {
  // A restatement reads what the runs could not.
  if (onePerKey === true) return 0
  const [first, last] = [runs[0], runs.at(-1)] as [Run, Run]
  const lastRun = `${floored(`(${e} + ${lookback})`, every)} + ${every + delay}`
  return count(
    database,
    `${table} WHERE ${c} > ${first.at - every} AND ${c} <= ${last.at} AND ${c} > ${lastRun}`,
    call,
  )
}

async function count(database: Database, from: string, call: LongCall): Promise<number> {
  return Number((await queryRow(database.connection, `SELECT count(*) AS n FROM ${from}`, call))['n'])
}
