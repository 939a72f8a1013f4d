import { rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AsofError, invalid } from '@asof/core'
import type { ParquetFiles, TableColumn, WriteRequest, WrittenFile } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { damagedOr, openDatabase, queryRows, readingFiles, run } from './database.ts'
import type { Database, DatabaseOptions } from './database.ts'
import { copyParquet } from './parquet-copy.ts'
import { statisticsOf } from './parquet-statistics.ts'
import { tableSql } from './relation-sql.ts'
import { filePaths, identifier, literal } from './sql-text.ts'
import { streamQuery } from './stream.ts'
import { appendBatches, sqlType } from './vectors.ts'

/**
 * Parquet files below some folders, read and written by DuckDB. One instance is opened with the first call and stays; each
 * call has a connection of its own, whose temporary tables go with it.
 *
 * @example
 * ```ts
 * const parquet = duckdbParquetFiles({ folders: ['/data/store'], tempFolder: '/data/store/temp' })
 * ```
 */
export function duckdbParquetFiles(options: DatabaseOptions): ParquetFiles {
  let opened: Promise<Database> | undefined
  const open = (): Promise<Database> => (opened ??= openDatabase(options))
  const connected = async <T>(
    work: (connection: DuckDBConnection, database: Database) => Promise<T>,
  ): Promise<T> => {
    const database = await open()
    const connection = await database.connect()
    try {
      return await work(connection, database)
    } finally {
      connection.closeSync()
    }
  }
  return {
    write: (folder, request) => connected((connection) => write(connection, folder, request)),
    describe: (localPath, columns) =>
      connected((connection, database) => describeFile(connection, database, localPath, columns)),
    async *read(files, columns, readOptions = {}) {
      const database = await open()
      const paths = files.map(({ localPath }) => localPath)
      try {
        const sql = await tableSql(database, files, columns)
        yield* streamQuery(database, sql, columns, readOptions)
      } catch (error) {
        throw await damagedOr(database, paths, error)
      }
    },
    readRecords: (localPath) =>
      connected((connection, database) =>
        readingFiles(database, [localPath], () =>
          queryRows(connection, `SELECT * FROM read_parquet(${filePaths([localPath])})`),
        ),
      ),
    writeRecords: (localPath, records, types) =>
      connected((connection) => writeRecords(connection, localPath, records, types)),
  }
}

async function write(
  connection: DuckDBConnection,
  folder: string,
  request: WriteRequest,
): Promise<WrittenFile[]> {
  const { columns, partitionBy } = request
  const given = columns.filter(({ partitionOf }) => partitionOf === undefined)
  const fields = given.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
  await run(connection, `CREATE TEMP TABLE given (${fields.join(', ')})`)
  await appendBatches(connection, 'given', given, request.rows, { temporary: true })
  const from = await sortedByPartition(connection, request)
  const stored = columns.filter(({ name }) => !partitionBy.includes(name))
  const written: WrittenFile[] = []
  try {
    for (const [at, { constants, where }] of (
      await partitions(connection, from, columns, partitionBy)
    ).entries()) {
      const localPath = join(folder, `part-${String(at).padStart(5, '0')}.parquet`)
      if (await exists(localPath))
        throw invalid('file_exists', 'a file would be overwritten', { path: localPath })
      const orderBy = partitionBy.length > 0 ? [] : request.sortBy.map(identifier)
      const rowsOf = where === undefined ? {} : { where }
      const { bytes } = await copyParquet(connection, localPath, {
        from,
        columns: stored,
        orderBy,
        ...rowsOf,
      })
      const statistics = await statisticsOf(
        connection,
        where === undefined ? from : `${from} WHERE ${where}`,
        stored,
      )
      written.push({ localPath, bytes, constants, ...statistics })
    }
    return written
  } catch (error) {
    for (const { localPath } of written) await rm(localPath, { force: true })
    throw error
  }
}

/** The name of a table whose partitions lie together, each sorted; without partitions of the rows as they came. */
async function sortedByPartition(
  connection: DuckDBConnection,
  { columns, partitionBy, sortBy }: WriteRequest,
): Promise<string> {
  if (partitionBy.length === 0) return 'given'
  const values = columns.map(({ name, partitionOf }) =>
    partitionOf === undefined
      ? identifier(name)
      : `strftime(${identifier(partitionOf.column)}, '${FORMATS[partitionOf.unit]}') AS ${identifier(name)}`,
  )
  const order = [...partitionBy, ...sortBy].map(identifier)
  await run(
    connection,
    `CREATE TEMP TABLE sorted AS SELECT * FROM (SELECT ${values.join(', ')} FROM given) ORDER BY ${order.join(', ')}`,
  )
  await run(connection, 'DROP TABLE given')
  return 'sorted'
}

const FORMATS = { day: '%Y-%m-%d', month: '%Y-%m' } as const

/** Each partition with its values as text and its rows, which lie together; one of all rows without partitions. */
async function partitions(
  connection: DuckDBConnection,
  from: string,
  columns: readonly TableColumn[],
  partitionBy: readonly string[],
): Promise<{ readonly constants: WrittenFile['constants']; readonly where: string | undefined }[]> {
  if (partitionBy.length === 0) return [{ constants: {}, where: undefined }]
  const texts = partitionBy.map((name) => {
    const column = columns.find((candidate) => candidate.name === name)
    if (column === undefined)
      throw invalid('unknown_column', 'no such column to partition by', { column: name })
    return `${textOf(column)} AS ${identifier(name)}`
  })
  const found = await queryRows(
    connection,
    `SELECT ${texts.join(', ')}, min(rowid) AS "first row", max(rowid) AS "last row"
     FROM ${from} GROUP BY ${partitionBy.map((name) => `${from}.${identifier(name)}`).join(', ')} ORDER BY "first row"`,
  )
  return found.map((row) => ({
    constants: Object.fromEntries(
      partitionBy.map((name) => [name, (row[name] as string | null) ?? undefined]),
    ),
    where: `rowid BETWEEN ${String(row['first row'])} AND ${String(row['last row'])}`,
  }))
}

/** A partition value as text: RFC 3339 UTC for instants, else as SQL writes it. */
function textOf({ name, type }: TableColumn): string {
  const column = identifier(name)
  if (type.kind === 'timestamp') return `strftime(any_value(${column}), '%Y-%m-%dT%H:%M:%S.%fZ')`
  return `CAST(any_value(${column}) AS VARCHAR)`
}

async function describeFile(
  connection: DuckDBConnection,
  database: Database,
  localPath: string,
  columns: readonly TableColumn[],
): Promise<WrittenFile> {
  const from = await readingFiles(database, [localPath], () =>
    tableSql(database, [{ localPath, constants: {} }], columns),
  )
  const statistics = await readingFiles(database, [localPath], () =>
    statisticsOf(connection, `(${from})`, columns),
  )
  return { localPath, bytes: (await stat(localPath)).size, constants: {}, ...statistics }
}

async function writeRecords(
  connection: DuckDBConnection,
  localPath: string,
  records: readonly object[],
  types: Readonly<Record<string, string>>,
): Promise<void> {
  const line = { name: 'line', type: { kind: 'string' } } as const
  await run(connection, 'CREATE TEMP TABLE lines (line VARCHAR)')
  const lines = records.map((record) => JSON.stringify(record, exactIntegers))
  const batch = {
    rows: lines.length,
    columns: { line: { type: line.type, values: lines, valid: undefined } },
  }
  await appendBatches(connection, 'lines', [line], [batch], { temporary: true })
  const fields = Object.keys(types).map((name) => `record.${identifier(name)}`)
  const temporary = `${localPath}.writing`
  try {
    await run(
      connection,
      `COPY (SELECT ${fields.join(', ')} FROM (SELECT json_transform(line, ${literal(JSON.stringify(types))}) AS record FROM lines))
       TO ${literal(temporary)} (FORMAT parquet, COMPRESSION snappy)`,
    )
    await rename(temporary, localPath)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** JSON in which a bigint is a number with all its digits. */
function exactIntegers(_name: string, value: unknown): unknown {
  return typeof value === 'bigint'
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(`${value}`)
    : value
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw new AsofError(
      'unavailable',
      'file_unreadable',
      'the file cannot be looked at',
      { path },
      { cause: error },
    )
  }
}
