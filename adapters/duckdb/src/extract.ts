import { LIMITS, TABLE_COLUMNS } from '@asof/core'
import type {
  DataFile,
  Extraction,
  ExtractRequest,
  GroupColumns,
  Instant,
  LongCall,
  RejectedRow,
  Relation,
  StagedFile,
  TableColumn,
} from '@asof/core'
import { openDatabase, queryRow, queryRows, readingFiles, run } from './database.ts'
import type { Database, DatabaseOptions } from './database.ts'
import { copyParquet } from './parquet-copy.ts'
import { relationSql, tableSql } from './relation-sql.ts'
import { sameBits } from './same-bits.ts'
import { named, sourceRows } from './source-rows.ts'
import { identifier } from './sql-text.ts'
import type { TypedColumn } from './vectors.ts'

/**
 * Rows of a group without a schedule, from a source as it is (SEMANTICS section 1), held by an instance of their own until
 * they are disposed of.
 *
 * A row is left out as unchanged when the table has it already: a row of its key and event time, the same to the bit and not
 * known earlier. Of the others, in the order in which they will stand, one that is the same as the newest before it says nothing
 * new and is left out too. So extracting twice adds nothing, and what changed back is added again.
 *
 * @throws {AsofError} as `sourceRows` and `relationSql`
 */
export async function extract(options: DatabaseOptions, request: ExtractRequest): Promise<Extraction> {
  const threads = hasQuery(request.source.relation) ? { threads: 1 } : {}
  const database = await openDatabase({ ...options, ...threads })
  try {
    return await extractInto(database, request)
  } catch (error) {
    database.close()
    throw error
  }
}

/** Whether a query that a user wrote takes part: it runs in one thread, so that its sums have the same bits each time. */
export function hasQuery(relation: Relation): boolean {
  return relation.kind === 'query'
}

async function extractInto(database: Database, request: ExtractRequest): Promise<Extraction> {
  const { connection } = database
  const { columns, source, createdFloor, progress } = request
  const call: LongCall = request.signal === undefined ? {} : { signal: request.signal }
  const relation = await relationSql(database, source.relation)
  const select = await sourceRows(connection, source, relation, columns, request)
  await readingFiles(database, relation.parquetPaths, () =>
    run(connection, `CREATE TABLE found AS ${select}`, progress === undefined ? call : { ...call, progress }),
  )
  const rejected = await queryRows(
    connection,
    `SELECT reason, at_fault, detail, "row" FROM found WHERE reason IS NOT NULL ORDER BY n LIMIT ${LIMITS.quarantineRowsMax}`,
    call,
  )
  const { count: rejectedCount } = await queryRow(
    connection,
    'SELECT count(*) AS count FROM found WHERE reason IS NOT NULL',
    call,
  )
  const created = createdFloor === undefined ? 'c' : `greatest(c, ${createdFloor})`
  await run(
    connection,
    `CREATE TABLE fresh AS SELECT n, c AS declared, ${named(columns, `${created} AS c`)}
     FROM found WHERE reason IS NULL ORDER BY n`,
    call,
  )
  await run(connection, 'DROP TABLE found', call)
  const unchanged = await leaveOutKnown(database, request, call)
  const of = await queryRow(connection, 'SELECT count(*) AS count, max(e) AS e, max(c) AS c FROM fresh', call)
  const rows = Number(of['count'])
  return {
    rows,
    unchanged,
    rejected: rejected.map(rejectedRow),
    rejectedCount: Number(rejectedCount),
    newest: rows === 0 ? undefined : { e: Number(of['e']) as Instant, c: Number(of['c']) as Instant },
    stage: (localPath, firstSequence) => stage(database, columns, localPath, firstSequence),
    // oxlint-disable-next-line require-await
    async [Symbol.asyncDispose]() {
      database.close()
    },
  }
}

function rejectedRow(row: Readonly<Record<string, unknown>>): RejectedRow {
  const { reason, at_fault: column, detail, row: text } = row as Record<string, string | null>
  return {
    reason: reason ?? '',
    column: column ?? undefined,
    ...(typeof detail === 'string' ? { detail } : {}),
    row: text ?? '',
  }
}

/** Deletes from `fresh` what says nothing new; answers how many rows. */
async function leaveOutKnown(database: Database, request: ExtractRequest, call: LongCall): Promise<number> {
  const { connection } = database
  const { columns, existing, createdFloor, knownBy } = request
  const { types, same, on } = comparison(columns)
  const alike = types.map(({ name, type }) => sameBits(`a.${name}`, `b.${name}`, type)).join(' AND ')
  let left = 0
  const leaveOut = async (numbers: string): Promise<void> => {
    const { rowsChanged } = await run(connection, `DELETE FROM fresh WHERE n IN (${numbers})`, call)
    left += rowsChanged
  }
  if (existing.length > 0) {
    const paths = existing.map(({ localPath }) => localPath)
    await readingFiles(database, paths, async () =>
      run(connection, `CREATE TABLE stored AS ${await storedRows(database, columns, existing)}`, call),
    )
    const features = columns.features.map((_, at) => `a.f${at} IS NOT DISTINCT FROM b.f${at}`)
    await leaveOut(
      `SELECT a.n FROM fresh a JOIN stored b ON ${[...on, ...features].join(' AND ')} AND b.c >= a.declared WHERE ${alike}`,
    )
  }
  const stored =
    existing.length > 0
      ? `UNION ALL BY NAME SELECT *, NULL AS n FROM stored SEMI JOIN fresh USING (${same})`
      : ''
  // Rows found after the first import are stamped when they are appended, at once: they stand in the order of the source.
  const stamped = createdFloor ?? (existing.length > 0 ? knownBy : undefined)
  const stands = stamped === undefined ? 'c' : `greatest(c, ${stamped})`
  const before = types.map(({ name }) => `lag(${name}) OVER in_order AS b_${name}`)
  const unchanged = types.map(({ name, type }) => sameBits(name, `b_${name}`, type))
  await leaveOut(
    `WITH standing AS (SELECT *, NULL AS s FROM fresh ${stored})
     SELECT n FROM (
       SELECT n, ${[...types.map(({ name }) => name), ...before].join(', ')}
       FROM standing SEMI JOIN (SELECT ${same} FROM standing GROUP BY ALL HAVING count(*) > 1) USING (${same})
       WINDOW in_order AS (
         PARTITION BY ${same} ORDER BY n IS NOT NULL, CASE WHEN n IS NULL THEN c ELSE ${stands} END, s, n
       )
     ) WHERE n IS NOT NULL AND ${unchanged.join(' AND ')}`,
  )
  if (existing.length > 0) await run(connection, 'DROP TABLE stored', call)
  return left
}

/** What two rows of one key and event time are compared by. */
function comparison(columns: GroupColumns): {
  readonly types: readonly TypedColumn[]
  /** Columns of the key and the event time. */
  readonly same: string
  /** The same of `a` and `b`. */
  readonly on: readonly string[]
} {
  const names = [...columns.keys.map((_, at) => `k${at}`), 'e']
  const features = columns.features.map(({ type }, at) => ({ name: `f${at}`, type }))
  return {
    types: [{ name: 'deleted', type: { kind: 'bool' } }, ...features],
    same: names.join(', '),
    on: names.map((name) => `a.${name} = b.${name}`),
  }
}

/** Rows of the table that have the key and event time of a fresh one. */
async function storedRows(
  database: Database,
  columns: GroupColumns,
  existing: readonly DataFile[],
): Promise<string> {
  const { eventTime, created, sequence, deleted } = TABLE_COLUMNS
  const values = [
    ...columns.keys.map(({ name }, at) => `${identifier(name)} AS k${at}`),
    `epoch_us(${eventTime}) AS e`,
    `epoch_us(${created}) AS c`,
    `${sequence} AS s`,
    `coalesce(${deleted}, false) AS deleted`,
    ...columns.features.map(({ name }, at) => `${identifier(name)} AS f${at}`),
  ]
  const table = await tableSql(database, existing, columns.table)
  return `SELECT * FROM (SELECT ${values.join(', ')} FROM (${table})) SEMI JOIN fresh USING (${comparison(columns).same})`
}

async function stage(
  database: Database,
  columns: GroupColumns,
  localPath: string,
  firstSequence: number,
): Promise<StagedFile> {
  const keys = columns.keys.map((_, at) => `k${at}`)
  const sources = new Map<string, string>([
    ...columns.keys.map(({ name }, at) => [name, `k${at}`] as const),
    [TABLE_COLUMNS.eventTime, 'make_timestamptz(e)'],
    [TABLE_COLUMNS.created, 'make_timestamptz(c)'],
    [TABLE_COLUMNS.sequence, `CAST(${firstSequence} + row_number() OVER (ORDER BY n) - 1 AS BIGINT)`],
    [TABLE_COLUMNS.deleted, 'deleted'],
    ...columns.features.map(({ name }, at) => [name, `f${at}`] as const),
  ])
  const stored = columns.table.filter((column): column is TableColumn => sources.has(column.name))
  const values = stored.map(({ name }) => `${sources.get(name)} AS ${identifier(name)}`)
  // No column of a group has a name with #.
  const order = [...keys, 'e', 'c', 'n'].map((name) => ({ name, sorted: identifier(`#${name}`) }))
  const sorted = order.map(({ name, sorted: alias }) => `${name} AS ${alias}`)
  await copyParquet(database.connection, localPath, {
    from: `(SELECT ${[...values, ...sorted].join(', ')} FROM fresh)`,
    columns: stored,
    orderBy: order.map(({ sorted: alias }) => alias),
  })
  return { localPath }
}
