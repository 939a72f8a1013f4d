import { TABLE_COLUMNS } from '@asof/core'
import type { ColumnValues, FeatureType, HistoryBatch, HistoryRequest, TableColumn } from '@asof/core'
import { readingFiles, run } from './database.ts'
import { fetchColumns } from './label-session-fetch.ts'
import type { OpenLabels } from './label-session.ts'
import { tableSql } from './relation-sql.ts'
import { identifier } from './sql-text.ts'

const ROW_TYPES: readonly FeatureType[] = [
  { kind: 'int32' },
  { kind: 'float64' },
  { kind: 'float64' },
  { kind: 'float64' },
  { kind: 'bool' },
]

/**
 * Rows of history whose key is in the set, as one batch: the keys are joined in SQL, so that rows of other keys, and keys as
 * such, never come here. Times become DOUBLE in SQL, exact for any instant, as a copy of 64-bit integers would need a loop.
 */
export async function* readHistory(open: OpenLabels, request: HistoryRequest): AsyncGenerator<HistoryBatch> {
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
  yield {
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
  return [keyIds, e, c, s, deleted, ...features.map(({ values }) => values)]
}
