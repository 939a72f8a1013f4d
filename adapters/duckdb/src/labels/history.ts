import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { TABLE_COLUMNS } from '@asof/core'
import type {
  ColumnValues,
  FeatureType,
  HistoryBatch,
  HistoryRequest,
  KeySet,
  KeyType,
  TableColumn,
} from '@asof/core'
import { textColumn } from '@asof/parquet'
import type { ColumnType, FlatType, TextColumn } from '@asof/parquet'
import { readingFiles, run } from '../database.ts'
import { flatTypeOf, isShared } from './column-pool.ts'
import { fetchColumns } from './fetch.ts'
import type { HistoryFiles } from './history-files.ts'
import type { KeyWords } from './key-table.ts'
import { THREAD_ROWS_MIN } from './reader.ts'
import type { OpenLabels } from './open-labels.ts'
import { tableSql } from '../relation-sql.ts'
import { identifier } from '../sql-text.ts'

const ROW_TYPES: readonly FeatureType[] = [
  { kind: 'int32' },
  { kind: 'float64' },
  { kind: 'float64' },
  { kind: 'float64' },
  { kind: 'bool' },
]

/** Rows of history whose key is in the set, as one batch: straight out of the files where they are plain enough, else by SQL. */
export async function* readHistory(open: OpenLabels, request: HistoryRequest): AsyncGenerator<HistoryBatch> {
  const read = (await readFlat(open, request)) ?? (await readBySql(open, request))
  yield read
}

const FLAT_KEYS: Readonly<Partial<Record<KeyType['kind'], ColumnType>>> = {
  string: 'text',
  int32: 'int32',
  int64: 'int64',
  timestamp: 'timestamp',
}
/** Undefined where types or files are beyond that reader. */
async function readFlat(open: OpenLabels, request: HistoryRequest): Promise<HistoryBatch | undefined> {
  const { keySet, keyColumns, files, features, fromId, toId, eMax, eMin, spare } = request
  const types = open.keyTypes.get(keySet.name)!.map(({ kind }) => FLAT_KEYS[kind])
  const names = [...keyColumns, ...Object.values(TABLE_COLUMNS), ...features.map(({ name }) => name)]
  const isPlain =
    types.length > 0 &&
    !types.includes(undefined) &&
    features.every(({ type }) => flatTypeOf(type) !== undefined) &&
    files.every(({ constants }) => names.every((name) => !Object.hasOwn(constants, name)))
  if (!isPlain || !(await areInside(files, open.folders))) return undefined
  let keys = open.readers.keys.get(keySet.name)
  if (keys === undefined) open.readers.keys.set(keySet.name, (keys = readKeys(open, keySet)))
  const asked: HistoryFiles = {
    paths: files.map(({ localPath }) => localPath),
    keys: await keys,
    keyColumns: keyColumns.map((name, part) => ({ name, type: types[part]! })),
    times: {
      event: TABLE_COLUMNS.eventTime,
      created: TABLE_COLUMNS.created,
      sequence: TABLE_COLUMNS.sequence,
    },
    deleted: TABLE_COLUMNS.deleted,
    features: features.map(({ name, type }) => ({ name, type: type.kind as FlatType })),
    fromId,
    toId,
    eMax,
    eMin,
    spare: arraysOf(spare).filter(isShared),
  }
  const rows = files.reduce((sum, file) => sum + (file.rows ?? THREAD_ROWS_MIN), 0)
  const history = await open.readers.forRows(rows).read(asked, open.call.signal)
  if (history === undefined) return undefined
  return {
    ...history,
    features: history.features.map((column, index) => ({ type: features[index]!.type, ...column })),
  }
}

/** What the database may not read, nobody may. */
async function areInside(files: HistoryRequest['files'], folders: readonly string[]): Promise<boolean> {
  try {
    const roots = await Promise.all([...new Set(folders)].map(async (folder) => await realpath(folder)))
    const paths = await Promise.all(files.map(async ({ localPath }) => await realpath(localPath)))
    return paths.every((path) =>
      roots.some((root) => path.startsWith(root.endsWith(sep) ? root : root + sep)),
    )
  } catch {
    // A file that is not there is told of by the database.
    return false
  }
}

async function readKeys({ database, call, keyTypes }: OpenLabels, { name }: KeySet): Promise<KeyWords> {
  const types = keyTypes.get(name)!
  const columns = types.map((_, part) => `k${part}`).join(', ')
  const found = await run(database.connection, `SELECT ${columns} FROM ${name} ORDER BY id`, call)
  const { rows, columns: read } = await fetchColumns(found, types)
  const texts = read.map(({ type, values }): TextColumn | undefined =>
    type.kind === 'string' ? textColumn(values, rows) : undefined,
  )
  const parts = read.map(({ values }, part) => texts[part]?.ids ?? (values as Int32Array | BigInt64Array))
  const width = parts.reduce((sum, part) => sum + part.BYTES_PER_ELEMENT / 4, 0)
  const words = new Int32Array(new SharedArrayBuffer(rows * width * 4))
  let at = 0
  for (const part of parts) {
    const step = part.BYTES_PER_ELEMENT / 4
    const from = new Int32Array(part.buffer, part.byteOffset, rows * step)
    for (let id = 0; id < rows; id++)
      for (let word = 0; word < step; word++) words[id * width + at + word] = from[id * step + word]!
    at += step
  }
  return { name, count: rows, width, words, texts: texts.map((part) => part?.texts) }
}

/**
 * Rows of history whose key is in the set, as one batch: the keys are joined in SQL, so that rows of other keys, and keys as
 * such, never come here. Times become DOUBLE in SQL, exact for any instant, as a copy of 64-bit integers would need a loop.
 */
async function readBySql(open: OpenLabels, request: HistoryRequest): Promise<HistoryBatch> {
  await open.keyTables.get(request.keySet.name)?.()
  const { database, call } = open
  const { keySet, keyColumns, files, features, fromId, toId, eMax, eMin } = request
  const paths = files.map(({ localPath }) => localPath)
  const keys = open.keyTypes.get(keySet.name)!
  const result = await readingFiles(database, paths, async () => {
    const columns: TableColumn[] = [
      ...keyColumns.map((name, part) => ({ name, type: keys[part]!, nullable: true })),
      { name: TABLE_COLUMNS.eventTime, type: { kind: 'timestamp' }, nullable: true },
      { name: TABLE_COLUMNS.created, type: { kind: 'timestamp' }, nullable: true },
      { name: TABLE_COLUMNS.sequence, type: { kind: 'int64' }, nullable: true },
      { name: TABLE_COLUMNS.deleted, type: { kind: 'bool' }, nullable: true },
      ...features,
    ]
    const e = `h.${identifier(TABLE_COLUMNS.eventTime)}`
    const c = `h.${identifier(TABLE_COLUMNS.created)}`
    const row = [
      'k.id',
      `epoch_us(${e})::DOUBLE`,
      `epoch_us(${c})::DOUBLE`,
      `h.${identifier(TABLE_COLUMNS.sequence)}::DOUBLE`,
      `h.${identifier(TABLE_COLUMNS.deleted)}`,
    ]
    const equal = keyColumns.map((name, part) => `h.${identifier(name)} = k.k${part}`)
    const conditions = [
      ...equal,
      `${e} <= make_timestamptz(${eMax})`,
      ...(eMin === undefined ? [] : [`${e} >= make_timestamptz(${eMin})`]),
    ]
    const part = fromId === 0 && toId === keySet.size ? '' : ` WHERE id >= ${fromId} AND id < ${toId}`
    return run(
      database.connection,
      `SELECT ${[...row, ...features.map(({ name }) => `h.${identifier(name)}`)].join(', ')}
       FROM (${await tableSql(database, files, columns)}) h
       JOIN (SELECT * FROM ${keySet.name}${part}) k ON ${conditions.join(' AND ')}`,
      call,
    )
  })
  const types = [...ROW_TYPES, ...features.map(({ type }) => type)]
  const { rows, columns } = await fetchColumns(result, types, arraysOf(request.spare))
  const [ids, e, c, s, deleted, ...values] = columns
  return {
    rows,
    keyIds: ids!.values as Int32Array,
    e: e!.values as Float64Array,
    c: c!.values as Float64Array,
    s: s!.values as Float64Array,
    deleted: deleted!.values as Uint8Array,
    features: values,
  }
}

function arraysOf(batch: HistoryBatch | undefined): ColumnValues[] {
  if (batch === undefined) return []
  const { keyIds, e, c, s, deleted, features } = batch
  const valid = features.map((feature) => feature.valid).filter((array) => array !== undefined)
  return [keyIds, e, c, s, deleted, ...features.map(({ values }) => values), ...valid]
}
