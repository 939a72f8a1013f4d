import { INSTANT_MAX, INSTANT_MIN, internal, invalid, LIMITS, TABLE_COLUMNS } from '@asof/core'
import type { Instant, LongCall, Replay, ReplayRequest, Run, StagedFile } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { checkedQuery, overInputs } from './checked-query.ts'
import { openDatabase, queryRow, run } from './database.ts'
import type { Database, DatabaseOptions } from './database.ts'
import { copyParquet } from './parquet-copy.ts'
import { selectColumns } from './relation-sql.ts'
import { RunLedger } from './replay-ledger.ts'
import type { LedgerTotals } from './replay-ledger.ts'
import { freePrefix, rowNames, SCHEMA } from './replay-names.ts'
import { checkedRows, runColumn } from './replay-result.ts'
import type { ResultOptions } from './replay-result.ts'
import { loadSource } from './replay-sources.ts'
import type { ReplaySource } from './replay-sources.ts'
import { identifier } from './sql-text.ts'

/** Runs in one statement: several share the cost of a call, of a transaction and of storing what they give. */
const RUNS_PER_STATEMENT = 8
/** Values of results that are settled at once; the more, the fewer rows are carried from one batch to the next. */
const VALUES_PER_BATCH = 6_000_000

/**
 * Does runs of a scheduled group (SEMANTICS section 1).
 *
 * Each run's query is planned and computed on its own, by one thread, over the rows that the run may see; `options.threads`
 * runs go on at a time. The rows of many runs are then compared with what is there in one go, see {@link RunLedger}.
 *
 * A query sees its sources under their names and `run`, one row with the columns `start`, `"end"`, `"at"` (the run instant)
 * and `lookback_start`. Its result has the key columns, the features and, where it wants them, `event_timestamp` and
 * `_deleted`; other columns are an error or left out, as the group says.
 *
 * @throws {AsofError} `invalid_query`, `denied_in_query`, `query_failed`, `reserved_name`, `missing_column`,
 * `unknown_column`, `needs_cast`, `time_without_zone`; or the signal's reason
 */
export async function replay(options: DatabaseOptions, request: ReplayRequest): Promise<Replay> {
  if (request.runs.length === 0) throw internal('a replay without runs')
  const database = await openDatabase({ ...options, threads: 1 })
  const lanes: DuckDBConnection[] = []
  try {
    for (let lane = 0; lane < (options.threads ?? 2); lane++) lanes.push(await database.connect())
    return await compute(database, lanes, request)
  } catch (error) {
    database.close()
    throw error
  } finally {
    for (const lane of lanes) lane.closeSync()
  }
}

async function compute(
  database: Database,
  lanes: readonly DuckDBConnection[],
  request: ReplayRequest,
): Promise<Replay> {
  const { connection } = database
  const { runs, columns, signal } = request
  const call: LongCall = signal === undefined ? {} : { signal }
  await run(connection, `CREATE SCHEMA ${SCHEMA}`)
  const sources: ReplaySource[] = []
  for (const [at, source] of request.sources.entries()) {
    sources.push(await loadSource(database, source, at, request))
  }
  const { resultOf, shape } = await compile(database, request, sources)
  const busy = await busyRuns(database, request, sources, resultOf)
  const ledger = await RunLedger.open(database, {
    columns,
    runs,
    numbers: busy,
    existing: request.existing,
    onePerKey: request.onePerKey === true,
    ...call,
  })
  const number = runColumn(shape.columns)
  const clear = `CREATE OR REPLACE TABLE ${SCHEMA}.results AS SELECT 0 AS ${number}, * FROM (${resultOf(runs[0]!)}) LIMIT 0`
  await run(connection, clear, call)
  await run(connection, `CREATE VIEW ${SCHEMA}.checked AS ${await checkedRows(connection, shape)}`)

  const rowsPerBatch = Math.ceil(VALUES_PER_BATCH / (shape.columns.length + 2))
  let next = 0
  while (next < busy.length) {
    let held = 0
    const work = lanes.map(async (lane) => {
      while (next < busy.length && held < rowsPerBatch) {
        const numbers = busy.slice(next, next + RUNS_PER_STATEMENT)
        next += numbers.length
        const results = numbers.map((number) => `SELECT ${number}, * FROM (${resultOf(runs[number]!)})`)
        const { rowsChanged } = await run(
          lane,
          `INSERT INTO ${SCHEMA}.results ${results.join(' UNION ALL ')}`,
          call,
        ).catch((error: unknown) => {
          next = busy.length
          throw error
        })
        held += rowsChanged
        request.progress?.({ done: busy[next] ?? runs.length, total: runs.length, unit: 'runs' })
      }
    })
    // A connection must not be closed under its work, so all lanes have ended before a failure goes on.
    for (const outcome of await Promise.allSettled(work)) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
    await ledger.settle(held, runs[busy[next] ?? runs.length]?.from)
    await run(connection, clear, call)
  }
  const totals = await ledger.finish()
  for (const at of sources.keys()) await run(connection, `DROP TABLE ${SCHEMA}.source_${at}`)
  return outcome(database, request, sources, totals)
}

/**
 * Numbers of the runs to compute: all but those that see no row of any source, where the query makes no row of nothing. So
 * one event dated decades before the others costs no run for each hour between.
 */
async function busyRuns(
  database: Database,
  { query, runs, every }: ReplayRequest,
  sources: readonly ReplaySource[],
  resultOf: (run: Run) => string,
): Promise<number[]> {
  const all = [...runs.keys()]
  const intervals = sources.flatMap((source) => source.intervals ?? []).toSorted((a, b) => a - b)
  const undated = sources.some((source) => source.intervals === undefined)
  if (undated || /\brun\b/i.test(query ?? '')) return all
  const nothing = resultOf({ ...runs[0]!, from: INSTANT_MAX, end: INSTANT_MIN })
  const { n } = await queryRow(database.connection, `SELECT count(*) AS n FROM (${nothing})`)
  if (Number(n) > 0) return all
  let at = 0
  return all.filter((number) => {
    const { from, end } = runs[number]!
    while (at < intervals.length && intervals[at]! + every <= from) at++
    return at < intervals.length && intervals[at]! < end
  })
}

/** How a run's rows are made of its sources, and what they look like. */
async function compile(
  database: Database,
  { query, sources, columns: group, runs, every }: ReplayRequest,
  loaded: readonly ReplaySource[],
): Promise<{ readonly resultOf: (run: Run) => string; readonly shape: ResultOptions }> {
  const [first] = runs as readonly [Run, ...Run[]]
  if (query === undefined) {
    const [source, only] = [loaded[0], sources[0]]
    if (source === undefined || only === undefined || loaded.length !== 1)
      throw internal('one source as it is')
    const { relation, micros } = source
    const column = `${freePrefix(relation.columns)}dated`
    const known = [only.eventTime?.column, 'column' in only.created ? only.created.column : undefined]
    return {
      resultOf: (each) => source.cut(each, micros === undefined ? undefined : `${micros} AS ${column}`),
      shape: {
        columns: relation.columns,
        group,
        form: relation.form,
        zone: only.eventTime?.zone,
        dated: micros === undefined ? undefined : { micros: column },
        known: known.filter((name) => name !== undefined),
      },
    }
  }
  const names = loaded.map(({ name }) => name)
  if (names.includes('run')) {
    throw invalid('reserved_name', 'a query sees its run as `run`: give the source another name', {
      source: 'run',
    })
  }
  const checked = await checkedQuery(database.connection, query, [...names, 'run'])
  const resultOf = (each: Run): string =>
    overInputs(checked, {
      ...Object.fromEntries(loaded.map((source) => [source.name, source.cut(each)])),
      run: runRow(each, every),
    })
  const columns = await selectColumns(database.connection, resultOf(first))
  const zone = commonZone(sources.map(({ eventTime }) => eventTime?.zone))
  const dated = columns.find(({ name }) => name.toLowerCase() === TABLE_COLUMNS.eventTime)
  return {
    resultOf,
    shape: {
      columns,
      group,
      form: 'sql',
      zone,
      dated: dated && { column: dated.name, ...(zone !== undefined && { zone }) },
      known: [TABLE_COLUMNS.eventTime],
    },
  }
}

function runRow({ at, from, end }: Run, every: number): string {
  const columns = { start: end - every, end, at, lookback_start: from }
  const values = Object.entries(columns).map(
    ([name, micros]) => `make_timestamptz(${micros}) AS ${identifier(name)}`,
  )
  return `SELECT ${values.join(', ')}`
}

/** Times without a zone that a query makes of its sources' times are in their zone, where they have but one. */
function commonZone(zones: readonly (string | undefined)[]): string | undefined {
  const declared = new Set(zones.filter((zone) => zone !== undefined))
  return declared.size === 1 ? [...declared][0] : undefined
}

async function outcome(
  database: Database,
  { columns }: ReplayRequest,
  sources: readonly ReplaySource[],
  totals: LedgerTotals,
): Promise<Replay> {
  const { connection } = database
  const { appended, ...rest } = totals
  const newest = await queryRow(
    connection,
    `SELECT max(e) AS e, max(created) AS c FROM ${SCHEMA}.appended JOIN ${SCHEMA}.runs USING (run)`,
  )
  return {
    ...rest,
    rows: appended,
    rejected: [...sources.flatMap(({ rejected }) => rejected), ...totals.rejected].slice(
      0,
      LIMITS.quarantineRowsMax,
    ),
    rejectedCount: sources.reduce((sum, source) => sum + source.rejectedCount, totals.rejectedCount),
    tooLate: sources.reduce((sum, source) => sum + source.tooLate, 0),
    newest:
      appended === 0 ? undefined : { e: Number(newest['e']) as Instant, c: Number(newest['c']) as Instant },
    stage: (localPath, firstSequence) => stage(connection, columns, localPath, firstSequence),
    [Symbol.asyncDispose]: async () => database.close(),
  }
}

/** Rows are numbered by run, key and event time, and lie in the file by key, then `(e, c, s)`. */
async function stage(
  connection: DuckDBConnection,
  group: ReplayRequest['columns'],
  localPath: string,
  firstSequence: number,
): Promise<StagedFile> {
  const { keys, features, identity } = rowNames(group)
  const { eventTime, created, sequence, deleted } = TABLE_COLUMNS
  const named = new Map([
    ...group.keys.map(({ name }, at) => [name, keys[at]] as const),
    ...group.features.map(({ name }, at) => [name, features[at]] as const),
    [eventTime, 'make_timestamptz(e)'],
    [created, 'make_timestamptz(created)'],
    [sequence, `${firstSequence} + row_number() OVER (ORDER BY run, ${identity.join(', ')}) - 1`],
    [deleted, 'deleted'],
  ])
  // A column that says in which folder a file lies is not in the file.
  const stored = group.table.filter(({ name }) => named.has(name))
  const columns = stored.map(({ name }) => `${named.get(name)} AS ${identifier(name)}`)
  await copyParquet(connection, localPath, {
    from: `(SELECT ${columns.join(', ')} FROM ${SCHEMA}.appended JOIN ${SCHEMA}.runs USING (run))`,
    columns: stored,
    orderBy: [...group.keys.map(({ name }) => name), eventTime, created, sequence].map(identifier),
  })
  return { localPath }
}
