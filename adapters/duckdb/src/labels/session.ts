import { dirname } from 'node:path'
import { invalid, typeName } from '@asof/core'
import type {
  Column,
  FeatureType,
  HistoryBatch,
  HistoryRequest,
  KeySet,
  KeyType,
  LabelSession,
  LabelsRequest,
  LongCall,
  Relation,
  TrainingOutput,
  WrittenOutput,
} from '@asof/core'
import { convertSql } from '../convert-sql.ts'
import { openDatabase, queryRow, queryRows, readingFiles, run } from '../database.ts'
import type { Database, DatabaseOptions } from '../database.ts'
import { ColumnPool } from './column-pool.ts'
import { closeKeys, instantsOf, readLabelColumns } from './label-columns.ts'
import type { OpenLabels } from './open-labels.ts'
import { fingerprintOf } from './fingerprint.ts'
import { readHistory } from './history.ts'
import { historyReaders } from './reader.ts'
import { fetchColumns } from './fetch.ts'
import { writeOutput } from './output.ts'
import { relationSql } from '../relation-sql.ts'
import type { PhysicalColumn, RelationSql } from '../relation-sql.ts'
import { identifier } from '../sql-text.ts'
import { timeSql } from '../time-sql.ts'
import type { TimeSql } from '../time-sql.ts'

/**
 * Holds labels in a database of their own, and answers what a training set needs of them.
 *
 * @throws {AsofError} `label_time_missing` for labels without the column; `label_time_null`, `label_time_invalid` with
 * the row, counted from 0
 */
export async function openLabels(settings: DatabaseOptions, request: LabelsRequest): Promise<LabelSession> {
  const folders = [
    ...settings.folders,
    ...foldersOf(request.labels),
    ...(request.writesTo === undefined ? [] : [request.writesTo]),
  ]
  // A user's query may sum floats; one thread sums them in the same order each time.
  const threads = request.labels.kind === 'query' ? { threads: 1 } : {}
  const database = await openDatabase({ ...settings, ...threads, folders })
  try {
    const call: LongCall = request.signal === undefined ? {} : { signal: request.signal }
    const read = await relationSql(database, request.labels)
    const relation = { ...read, form: request.form ?? read.form }
    if (!relation.columns.some(({ name }) => name === request.at.column)) {
      throw invalid('label_time_missing', 'the labels lack the column of their time', {
        column: request.at.column,
        columns: relation.columns.map(({ name }) => name).join(', '),
      })
    }
    const time = await timeSql(database.connection, relation, request.at)
    const rowColumn = freeName(relation.columns)
    const rows = await load(database, relation, rowColumn, call)
    const { columns, form } = relation
    const inMemory = await readLabelColumns(database, columns, rows, call)
    const open: OpenLabels = {
      database,
      rows,
      columns,
      read: inMemory,
      form,
      time: request.at,
      rowColumn,
      call,
      keyTypes: new Map(),
      keyTables: new Map(),
      folders,
      readers: historyReaders(settings.threads ?? 2),
      pool: new ColumnPool(),
      threads: settings.threads ?? 2,
    }
    if (request.writesTo !== undefined) open.readers.expect(rows)
    return new DuckDbLabels(open, await labelTimes(open, time))
  } catch (error) {
    database.close()
    throw error
  }
}

class DuckDbLabels implements LabelSession {
  readonly rows: number
  readonly at: Float64Array
  readonly form: LabelSession['form']
  readonly columns: readonly { readonly name: string; readonly physical: string }[]
  readonly #open: OpenLabels

  constructor(open: OpenLabels, at: Float64Array) {
    this.rows = open.rows
    this.at = at
    this.form = open.form
    this.columns = open.columns.map(({ name, physical }) => ({ name, physical }))
    this.#open = open
  }

  async fingerprint(): Promise<string> {
    return await fingerprintOf(this.#open)
  }

  async keySet(columns: readonly { readonly column: string; readonly type: KeyType }[]): Promise<KeySet> {
    const { database, rows, rowColumn, call, keyTypes, keyTables, read, readers } = this.#open
    const parts: string[] = []
    for (const { column, type } of columns) parts.push(await this.#converted(column, type))
    const name = `keys_${keyTypes.size}`
    keyTypes.set(
      name,
      columns.map(({ type }) => type),
    )
    const ids = new Int32Array(rows)
    if (parts.length === 0) {
      await run(database.connection, `CREATE TABLE ${name} AS SELECT 0::INTEGER AS id`, call)
      return { name, size: Math.min(rows, 1), ids }
    }
    const [only] = columns
    const column = read.get(only!.column)
    if (
      columns.length === 1 &&
      parts[0] === identifier(only!.column) &&
      column?.type.kind === only!.type.kind
    ) {
      const close = closeKeys(name, column)
      if (close !== undefined) {
        let made: Promise<void> | undefined
        keyTables.set(name, async () => await (made ??= this.#makeKeys(name, parts)))
        readers.keys.set(name, Promise.resolve(close.keys))
        return { name, size: close.keys.count, ids: close.ids }
      }
    }
    ids.fill(-1)
    await this.#makeKeys(name, parts)
    const named = parts.map((part, at) => `${part} AS k${at}`).join(', ')
    const keys = parts.map((_, at) => `k${at}`)
    const equal = keys.map((key) => `l.${key} = k.${key}`).join(' AND ')
    const found = await run(
      database.connection,
      `SELECT l.row, k.id FROM (SELECT ${identifier(rowColumn)} AS row, ${named} FROM labels) l JOIN ${name} k ON ${equal}`,
      call,
    )
    const pairs = await fetchColumns(found, [{ kind: 'int32' }, { kind: 'int32' }])
    const [labelRows, keyIds] = pairs.columns.map(({ values }) => values as Int32Array) as [
      Int32Array,
      Int32Array,
    ]
    for (let at = 0; at < labelRows.length; at++) ids[labelRows[at]!] = keyIds[at]!
    const size = Number((await queryRow(database.connection, `SELECT count(*) AS size FROM ${name}`))['size'])
    return { name, size, ids }
  }

  /** The table of distinct keys, numbered in the order in which tables are sorted, so that history arrives nearly grouped. */
  async #makeKeys(name: string, parts: readonly string[]): Promise<void> {
    const { database, call } = this.#open
    const named = parts.map((part, at) => `${part} AS k${at}`).join(', ')
    const keys = parts.map((_, at) => `k${at}`)
    const whole = keys.map((key) => `${key} IS NOT NULL`).join(' AND ')
    await run(
      database.connection,
      `CREATE TABLE ${name} AS SELECT *, (row_number() OVER (ORDER BY ${keys.join(', ')}) - 1)::INTEGER AS id
       FROM (SELECT DISTINCT ${keys.join(', ')} FROM (SELECT ${named} FROM labels) WHERE ${whole})`,
      call,
    )
  }

  async column(column: string, type: FeatureType): Promise<Column> {
    const { database, call } = this.#open
    const value = await this.#converted(column, type)
    // A scan of one table keeps the order of its rows.
    const sql = `SELECT ${value} AS value FROM labels`
    const { columns } = await fetchColumns(await run(database.connection, sql, call), [type])
    return columns[0]!
  }

  allocate(type: FeatureType, rows: number): Column & { readonly valid: Uint8Array } {
    return this.#open.pool.take(type, rows)
  }

  history(request: HistoryRequest): AsyncIterable<HistoryBatch> {
    return readHistory(this.#open, request)
  }

  async write(request: TrainingOutput): Promise<WrittenOutput> {
    return await writeOutput(this.#open, request)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.readers.close()
    this.#open.database.close()
  }

  /** SQL of a column in a type, once it is known that every value survives. */
  async #converted(column: string, type: FeatureType): Promise<string> {
    const { database, columns, rowColumn, call, form, time } = this.#open
    const physical = columns.find(({ name }) => name === column)
    if (physical === undefined) {
      throw invalid('label_column_missing', 'the labels lack a column that the service needs', { column })
    }
    // The declared zone is that of the label time alone.
    const zone = column === time.column ? time.zone : undefined
    const { value, fits } = convertSql(physical, type, { form, zone })
    if (fits === 'true') return value
    const [lost] = await queryRows(
      database.connection,
      `SELECT ${identifier(rowColumn)} AS row FROM labels WHERE NOT (${fits}) ORDER BY 1 LIMIT 1`,
      call,
    )
    if (lost === undefined) return value
    throw invalid(
      'invalid_label_value',
      'a label holds what is no value of this type; rows are counted from 0',
      {
        column,
        row: Number(lost['row']),
        type: typeName(type),
        is: physical.physical,
      },
    )
  }
}

/** A name for the row number that no label column has. */
function freeName(columns: readonly PhysicalColumn[]): string {
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()))
  let name = '#row'
  while (taken.has(name)) name = `#${name}`
  return name
}

async function load(
  database: Database,
  relation: RelationSql,
  rowColumn: string,
  call: LongCall,
): Promise<number> {
  const row = identifier(rowColumn)
  await readingFiles(database, relation.parquetPaths, () =>
    run(
      database.connection,
      `CREATE TABLE labels AS SELECT *, (row_number() OVER () - 1)::INTEGER AS ${row} FROM (${relation.sql})`,
      call,
    ),
  )
  return Number((await queryRow(database.connection, 'SELECT count(*) AS rows FROM labels'))['rows'])
}

async function labelTimes(open: OpenLabels, { micros, isNull, problem }: TimeSql): Promise<Float64Array> {
  const { database, rowColumn, call, time, read } = open
  const column = read.get(time.column)
  const known = column && instantsOf(column)
  if (known !== undefined) return known
  const row = identifier(rowColumn)
  const [wrong] = await queryRows(
    database.connection,
    `SELECT ${row} AS row, ${isNull} AS absent, ${problem} AS problem, ${identifier(time.column)}::VARCHAR AS value
     FROM labels WHERE (${micros}) IS NULL ORDER BY ${row} LIMIT 1`,
    call,
  )
  if (wrong !== undefined) {
    const where = { column: time.column, row: Number(wrong['row']) }
    if (wrong['absent'] === true) {
      throw invalid('label_time_null', 'a label has no time; rows are counted from 0', where)
    }
    throw invalid(
      'label_time_invalid',
      `a label's time is ${String(wrong['problem'])}; rows are counted from 0`,
      {
        ...where,
        value: String(wrong['value']),
      },
    )
  }
  // A scan of one table keeps the order of its rows.
  const found = await run(database.connection, `SELECT (${micros})::DOUBLE AS at FROM labels`, call)
  const { columns } = await fetchColumns(found, [{ kind: 'float64' }])
  return columns[0]!.values as Float64Array
}

/** Folders of the files that a relation reads; its paths were checked by who made it. */
function foldersOf(relation: Relation): string[] {
  switch (relation.kind) {
    case 'files':
      return relation.paths.map(dirname)
    case 'table':
      return relation.files.map(({ localPath }) => dirname(localPath))
    case 'query':
      return Object.values(relation.inputs).flatMap(foldersOf)
    case 'rows':
      return []
  }
}
