import { invalid } from '@asof/core'
import type { DataFile, Relation, TableColumn } from '@asof/core'
import { DuckDBTypeId } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBType } from '@duckdb/node-api'
import { checkedQuery, overInputs } from './checked-query.ts'
import { queryRows, readingFiles, run } from './database.ts'
import type { Database } from './database.ts'
import { filePaths, identifier, literal } from './sql-text.ts'
import { appendBatches, sqlType } from './vectors.ts'

/** A column of a relation with the type that DuckDB gives it. */
export interface PhysicalColumn {
  readonly name: string
  readonly type: DuckDBType
  /** DuckDB's name of the type, such as `DECIMAL(18,3)` or `JSON` (whose `type` is VARCHAR). */
  readonly physical: string
}

/**
 * The physical type of Parquet times in nanoseconds that are marked as UTC. DuckDB's reader cuts their last three digits before
 * anyone can look, so they are refused where they are used.
 */
export const NANOSECONDS_UTC = 'TIMESTAMP_NS WITH TIME ZONE'

/** A relation that can be read by SQL. */
export interface RelationSql {
  /**
   * A SELECT of all rows, in order of file and row; use it as `FROM (${sql})`. It holds for as long as the database is
   * open.
   */
  readonly sql: string
  readonly columns: readonly PhysicalColumn[]
  /** `csv` when all columns are text of CSV files, `json` when some are values of JSON lines, else `sql`. */
  readonly form: 'csv' | 'json' | 'sql'
  /** Parquet files that it reads, for {@link readingFiles}. */
  readonly parquetPaths: readonly string[]
  /** Whether a query that a user wrote takes part: run it in one thread, so that its sums have the same bits each time. */
  readonly hasQuery: boolean
}

/**
 * Makes a relation readable by SQL. Only its schema is read, and JSON lines once in whole to find their columns; rows of a
 * `rows` relation become a table.
 *
 * - **csv**: comma, `"` doubled inside quotes, a header line; every column is VARCHAR; nothing between commas is null, `""`
 *   is the empty text. Nothing is guessed from the values.
 * - **jsonl**: a column is BOOLEAN, BIGINT, DOUBLE or VARCHAR where all its values are, else JSON.
 * - **table**: the table's columns in their order and types; a column that a file lacks is its constant, or null.
 * - **query**: see {@link checkedQuery}.
 *
 * @throws {AsofError} `duplicate_column`, `invalid_query`, `denied_in_query`, `query_failed`, `damaged_file`
 */
export async function relationSql(database: Database, relation: Relation): Promise<RelationSql> {
  switch (relation.kind) {
    case 'files':
      return filesSql(database, relation.format, relation.paths, relation.required)
    case 'table': {
      const paths = relation.files.map(({ localPath }) => localPath)
      const sql = await readingFiles(database, paths, () =>
        tableSql(database, relation.files, relation.columns),
      )
      return described(database, { sql, form: 'sql', parquetPaths: paths, hasQuery: false })
    }
    case 'query': {
      const inputs: Record<string, string> = {}
      const parquetPaths: string[] = []
      for (const [name, input] of Object.entries(relation.inputs)) {
        const read = await relationSql(database, input)
        inputs[name] = refusingNanoseconds(read)
        parquetPaths.push(...read.parquetPaths)
      }
      const checked = await checkedQuery(database.connection, relation.sql, Object.keys(inputs))
      return described(database, {
        sql: overInputs(checked, inputs),
        form: 'sql',
        parquetPaths,
        hasQuery: true,
      })
    }
    case 'rows': {
      const columns = Object.entries(relation.batch.columns).map(([name, { type }]) => ({ name, type }))
      const table = await freshName(database.connection)
      const fields = columns.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
      await run(database.connection, `CREATE TABLE ${identifier(table)} (${fields.join(', ')})`)
      await appendBatches(database.connection, table, columns, [relation.batch])
      const sql = `SELECT * FROM ${identifier(table)}`
      return described(database, { sql, form: 'sql', parquetPaths: [], hasQuery: false })
    }
  }
}

/** The columns of a SELECT. */
export async function selectColumns(connection: DuckDBConnection, sql: string): Promise<PhysicalColumn[]> {
  const result = await run(connection, `SELECT * FROM (${sql}) LIMIT 0`)
  const types = result.columnTypes()
  const described = await queryRows(connection, `DESCRIBE ${sql}`)
  return described.map(({ column_name: name, column_type: physical }, at) => ({
    name: String(name),
    type: types[at] as DuckDBType,
    physical: String(physical),
  }))
}

async function described(database: Database, read: Omit<RelationSql, 'columns'>): Promise<RelationSql> {
  const columns = await readingFiles(database, read.parquetPaths, () =>
    selectColumns(database.connection, read.sql),
  )
  return { ...read, columns }
}

async function filesSql(
  database: Database,
  format: 'parquet' | 'csv' | 'jsonl',
  paths: readonly string[],
  required: readonly string[] = [],
): Promise<RelationSql> {
  if (paths.length === 0) throw invalid('no_files', 'the source has no files')
  const files = filePaths(paths)
  switch (format) {
    case 'parquet': {
      const sql = `SELECT * FROM read_parquet(${files}, union_by_name = true, hive_partitioning = false)`
      const read = await described(database, { sql, form: 'sql', parquetPaths: paths, hasQuery: false })
      const cut = new Set(
        (
          await queryRows(
            database.connection,
            `SELECT DISTINCT name FROM parquet_schema(${files}) WHERE logical_type LIKE '%isAdjustedToUTC=1%NANOS=NanoSeconds%'`,
          )
        ).map(({ name }) => name),
      )
      const columns = read.columns.map((column) =>
        cut.has(column.name) && column.type.typeId === DuckDBTypeId.TIMESTAMP_TZ
          ? { ...column, physical: NANOSECONDS_UTC }
          : column,
      )
      return { ...read, columns }
    }
    case 'csv': {
      const read = await described(database, {
        sql: `SELECT * FROM read_csv(${files}, header = true, ${CSV})`,
        form: 'csv',
        parquetPaths: [],
        hasQuery: false,
      })
      for (const path of paths) await checkHeader(database.connection, path)
      return read
    }
    case 'jsonl': {
      const sql = await jsonLinesSql(database.connection, files)
      if (required.length > 0) await checkWhole(database.connection, files, required)
      return described(database, { sql, form: 'json', parquetPaths: [], hasQuery: false })
    }
  }
}

/** A SELECT in which a query that uses a column of such times fails; one that does not never computes it. */
function refusingNanoseconds({ sql, columns }: RelationSql): string {
  const cut = columns.filter(({ physical }) => physical === NANOSECONDS_UTC).map(({ name }) => name)
  if (cut.length === 0) return sql
  const refusals = cut.map((name) => {
    const column = identifier(name)
    const message = literal(
      `the times of ${name} are in nanoseconds, which are not read exactly: write microseconds`,
    )
    return `CASE WHEN ${column} IS NOT NULL THEN CAST(error(${message}) AS TIMESTAMPTZ) END AS ${column}`
  })
  return `SELECT * REPLACE (${refusals.join(', ')}) FROM (${sql})`
}

/** Every choice that DuckDB would guess from the text is made here. */
const CSV = [
  `all_varchar = true`,
  `delim = ','`,
  `quote = '"'`,
  `escape = '"'`,
  `comment = ''`,
  `skip = 0`,
  `nullstr = ''`,
  `allow_quoted_nulls = false`,
  `union_by_name = true`,
  `hive_partitioning = false`,
].join(', ')

/** Refuses a CSV file with two columns of one name, of which DuckDB would call the second something else. */
async function checkHeader(connection: DuckDBConnection, path: string): Promise<void> {
  const lines = `SELECT * FROM read_csv(${filePaths([path])}, header = false, ${CSV}) LIMIT 1`
  const names = Object.values((await queryRows(connection, lines))[0] ?? {}).filter(
    (name) => typeof name === 'string',
  )
  const lower = names.map((name) => name.toLowerCase())
  const again = lower.findIndex((name, at) => lower.indexOf(name) < at)
  if (again < 0) return
  throw invalid(
    'duplicate_column',
    'the header of a CSV file names a column twice, in any case: rename one',
    {
      file: path,
      column: names[again],
    },
  )
}

/** Integers up to this are exact in a DOUBLE. */
const EXACT_IN_DOUBLE = 2n ** 53n

async function jsonLinesSql(connection: DuckDBConnection, files: string): Promise<string> {
  const found = await queryRows(
    connection,
    `SELECT name, list(DISTINCT kind) AS kinds, max(abs(TRY_CAST(whole AS HUGEINT)))::VARCHAR AS largest FROM (
       SELECT name,
              -- A number that is none that a DOUBLE has is looked at by itself, and refused.
              CASE WHEN json_type(value) = 'DOUBLE' AND NOT isfinite(TRY_CAST(value->>'$' AS DOUBLE)) THEN 'TOO_LARGE'
                   ELSE json_type(value) END AS kind,
              CASE WHEN json_type(value) IN ('BIGINT', 'UBIGINT') THEN value->>'$' END AS whole
       FROM (SELECT unnest(json_keys(line)) AS name, unnest(json_extract(line, '$.*')) AS value
             FROM read_ndjson_objects(${files}) AS lines(line))
     ) GROUP BY name ORDER BY name`,
  )
  const columns = found.map(({ name, kinds, largest }) => {
    const column = identifier(String(name))
    const type = jsonColumnType(new Set(kinds as string[]), BigInt((largest as string | null) ?? '0'))
    if (type === 'JSON') return `CASE WHEN json_type(${column}) <> 'NULL' THEN ${column} END AS ${column}`
    return `CAST(${column}->>'$' AS ${type}) AS ${column}`
  })
  if (columns.length === 0) throw invalid('no_columns', 'the files have no JSON objects', { files })
  const types = found.map(({ name }) => `${literal(String(name))}: 'JSON'`).join(', ')
  return `SELECT ${columns.join(', ')} FROM read_json(${files}, format = 'newline_delimited', columns = {${types}})`
}

/** Refuses objects that do not name each of some columns. @throws {AsofError} `partial_row` */
async function checkWhole(
  connection: DuckDBConnection,
  files: string,
  required: readonly string[],
): Promise<void> {
  const counts = required.map(
    (name, at) => `count(*) FILTER (NOT list_contains(json_keys(line), ${literal(name)})) AS c${at}`,
  )
  const [found] = await queryRows(
    connection,
    `SELECT ${counts.join(', ')} FROM read_ndjson_objects(${files}) AS lines(line)
     WHERE coalesce(line->>'$._deleted', '') <> 'true'`,
  )
  const at = required.findIndex((_, each) => Number(found?.[`c${each}`] ?? 0) > 0)
  if (at < 0) return
  throw invalid('partial_row', 'a row needs every feature; write null where there is no value', {
    absent: required[at],
    rows: Number(found![`c${at}`]),
  })
}

function jsonColumnType(
  kinds: Set<string>,
  largest: bigint,
): 'BOOLEAN' | 'BIGINT' | 'DOUBLE' | 'VARCHAR' | 'JSON' {
  kinds.delete('NULL')
  const numbers = ['BIGINT', 'UBIGINT', 'DOUBLE']
  const only = (...allowed: string[]): boolean =>
    kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind))
  if (only('BOOLEAN')) return 'BOOLEAN'
  if (only('VARCHAR')) return 'VARCHAR'
  if (only('BIGINT', 'UBIGINT')) return largest < 2n ** 63n ? 'BIGINT' : 'JSON'
  if (only(...numbers)) return largest <= EXACT_IN_DOUBLE ? 'DOUBLE' : 'JSON'
  return 'JSON'
}

/**
 * A SELECT of a table's data files, in order of file and row, with the table's columns in their order and types.
 *
 * @param columns which columns; one that no file has is null
 */
export async function tableSql(
  database: Database,
  files: readonly Pick<DataFile, 'localPath' | 'constants'>[],
  columns: readonly TableColumn[],
): Promise<string> {
  if (files.length === 0) {
    const nothing = columns.map(({ name, type }) => `CAST(NULL AS ${sqlType(type)}) AS ${identifier(name)}`)
    return `SELECT ${nothing.join(', ')} WHERE false`
  }
  const paths = filePaths(files.map(({ localPath }) => localPath))
  const scan = `read_parquet(${paths}, union_by_name = true, hive_partitioning = false)`
  const stored = await selectColumns(database.connection, `SELECT * FROM ${scan}`)
  const inFiles = new Set(stored.map(({ name }) => name.toLowerCase()))
  const expressions = columns.map(({ name, type }) => {
    const own = inFiles.has(name.toLowerCase()) ? identifier(name) : 'NULL'
    return `CAST(${constantOr(own, name, files)} AS ${sqlType(type)}) AS ${identifier(name)}`
  })
  return `SELECT ${expressions.join(', ')} FROM ${scan}`
}

/** What is constant in a file stands in a list by the file's number. */
function constantOr(own: string, name: string, files: readonly Pick<DataFile, 'constants'>[]): string {
  const constant = files.map(({ constants }) => Object.hasOwn(constants, name))
  if (!constant.includes(true)) return own
  const values = files.map(({ constants }) => {
    const value = constants[name]
    return value === undefined ? 'NULL' : literal(value)
  })
  const value = `list_extract([${values.join(', ')}]::VARCHAR[], file_index::BIGINT + 1)`
  if (!constant.includes(false)) return value
  return `CASE WHEN list_extract([${constant.join(', ')}], file_index::BIGINT + 1) THEN ${value} ELSE CAST(${own} AS VARCHAR) END`
}

async function freshName(connection: DuckDBConnection): Promise<string> {
  const rows = await queryRows(connection, `SELECT count(*) AS tables FROM duckdb_tables()`)
  return `rows_${String(rows[0]?.['tables'])}`
}
