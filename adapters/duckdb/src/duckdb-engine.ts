import { invalid, type ComputeEngine, type Instant, type Relation, type SourceRelation } from '@asof/core'
import { columnsRead } from './columns-read.ts'
import { openDatabase, queryRow, readingFiles, type Database, type DatabaseOptions } from './database.ts'
import { extract } from './extract.ts'
import { openLabels } from './labels/session.ts'
import { relationSql } from './relation-sql.ts'
import { replay } from './replay.ts'
import { timeSql } from './time-sql.ts'

/**
 * DuckDB as the engine of a feature store. Each call has an instance of its own, locked down to the given folders, so
 * that no query leaves anything behind.
 */
export function duckdbEngine(options: DatabaseOptions): ComputeEngine {
  return {
    describe: async (relation) => await describe(options, relation),
    bounds: async (source) => await bounds(options, source),
    extract: async (request) => await extract(options, request),
    replay: async (request) => await replay(options, request),
    labels: async (request) => await openLabels(options, request),
    columnsRead: async (query, inputs) =>
      await withDatabase(options, async (database) => await columnsRead(database, query, inputs)),
    async [Symbol.asyncDispose]() {},
  }
}

async function describe(
  options: DatabaseOptions,
  relation: Relation,
): Promise<readonly { readonly name: string; readonly physical: string }[]> {
  return await withDatabase(options, async (database) => {
    const { columns } = await relationSql(database, relation)
    return columns.map(({ name, physical }) => ({ name, physical }))
  })
}

async function bounds(
  options: DatabaseOptions,
  { name, relation, eventTime }: SourceRelation,
): Promise<{ readonly first: Instant; readonly last: Instant } | undefined> {
  if (eventTime === undefined) return undefined
  return await withDatabase(options, async (database) => {
    const read = await relationSql(database, relation)
    const { micros, problem } = await timeSql(database.connection, read, eventTime)
    const sql = `SELECT min(${micros}) AS first, max(${micros}) AS last, min(${problem}) AS problem FROM (${read.sql})`
    const {
      first,
      last,
      problem: wrong,
    } = await readingFiles(database, read.parquetPaths, () => queryRow(database.connection, sql))
    if (first === null || first === undefined) {
      if (typeof wrong !== 'string') return undefined
      // No run would ever be due, and nobody would hear why.
      throw invalid('unreadable_times', `no row of the source has a time that can be read: ${wrong}`, {
        source: name,
        column: eventTime.column,
      })
    }
    return { first: Number(first) as Instant, last: Number(last) as Instant }
  })
}

async function withDatabase<T>(
  options: DatabaseOptions,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(options)
  try {
    return await work(database)
  } finally {
    database.close()
  }
}
