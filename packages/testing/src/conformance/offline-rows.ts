import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { columnOf, columnValue, parseInstant } from '@asof/core'
import type {
  ColumnBatch,
  Instant,
  ObjectStore,
  OfflineStore,
  ParquetFiles,
  TableColumn,
  TableSchema,
  TableSnapshot,
  Value,
} from '@asof/core'

/** One empty place for tables, and how to get at it. */
export interface OfflineStoreSetup {
  /** A store over the place, as another process would open it; `wrap` may put something around where it keeps its files. */
  readonly open: (wrap?: (objects: ObjectStore) => ObjectStore) => OfflineStore
  /** Reads the store's files, and writes staged ones below `folder`. */
  readonly parquet: ParquetFiles
  readonly folder: string
  /** What the store takes for now; the suite sets it. */
  readonly clock: { now: Instant }
  readonly dispose: () => Promise<void>
}

/** A row by column name. */
export type Row = Readonly<Record<string, Value | null>>

/** What the clock shows at the start of a test: an hour before midnight and the end of a month. */
export const START: Instant = parseInstant('2024-01-31T23:00:00Z')
/** In microseconds. */
export const HOUR = 3_600_000_000
/** Columns of most tables of the suite. */
export const COLUMNS: readonly TableColumn[] = [
  { name: 'k', type: { kind: 'string' }, nullable: false },
  { name: 'at', type: { kind: 'timestamp' }, nullable: false },
  { name: 'v', type: { kind: 'int64' }, nullable: true },
]
/** The schema of most tables of the suite. */
export const SCHEMA: TableSchema = { columns: COLUMNS, partitionBy: [] }

/** Order of anything by its text. */
export function byText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1
}

/** Rows with keys that begin with a text. */
export function rowsOf(count: number, prefix = 'k'): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    k: `${prefix}${index}`,
    at: BigInt(START),
    v: BigInt(index),
  }))
}

/** Rows as columns; a column that no row has is left out. */
export function batchOf(rows: readonly Row[], columns: readonly TableColumn[]): ColumnBatch {
  return {
    rows: rows.length,
    columns: Object.fromEntries(
      columns
        .filter(({ name }) => rows.length === 0 || rows.some((row) => name in row))
        .map(({ name, type }) => [
          name,
          columnOf(
            type,
            rows.map((row) => row[name] ?? null),
          ),
        ]),
    ),
  }
}

interface AppendOptions {
  readonly writer?: string
  readonly columns?: readonly TableColumn[]
  readonly sortBy?: readonly string[]
}

/** Appends rows as one batch. */
export async function append(
  store: OfflineStore,
  table: string,
  sequence: number,
  rows: readonly Row[],
  options: AppendOptions = {},
): Promise<{ readonly version: number; readonly duplicate: boolean }> {
  const { writer = 'w', sortBy = [] } = options
  const columns = options.columns ?? (await store.snapshot(table))?.schema.columns ?? []
  async function* batches(): AsyncGenerator<ColumnBatch> {
    if (rows.length > 0) yield batchOf(rows, columns)
  }
  return store.append(table, { rows: batches(), writers: [{ writer, sequence }], sortBy })
}

/** Writes rows as finished files in a folder of the setup. */
export async function staged(
  setup: OfflineStoreSetup,
  rows: readonly Row[],
  name = 'staged',
): Promise<[string, ...string[]]> {
  const folder = `${setup.folder}/${name}`
  await mkdir(folder, { recursive: true })
  async function* batches(): AsyncGenerator<ColumnBatch> {
    yield batchOf(rows, COLUMNS)
  }
  const written = await setup.parquet.write(folder, {
    columns: COLUMNS,
    rows: batches(),
    sortBy: [],
    partitionBy: [],
  })
  return written.map(({ localPath }) => localPath) as [string, ...string[]]
}

/** A snapshot of a table that must be there. */
export async function snapshotOf(
  store: OfflineStore,
  table: string,
  at?: Parameters<OfflineStore['snapshot']>[1],
): Promise<TableSnapshot> {
  const snapshot = await store.snapshot(table, at)
  assert.ok(snapshot)
  return snapshot
}

/** All rows of a snapshot, in order of file and row. */
export async function rowsIn(setup: OfflineStoreSetup, snapshot: TableSnapshot): Promise<Row[]> {
  const rows: Row[] = []
  const { columns } = snapshot.schema
  if (snapshot.files.length === 0) return rows
  for await (const batch of setup.parquet.read(snapshot.files, columns)) {
    for (let row = 0; row < batch.rows; row++) {
      rows.push(
        Object.fromEntries(
          columns.map(({ name }) => {
            const column = batch.columns[name]
            return [name, column === undefined ? null : columnValue(column, row)]
          }),
        ),
      )
    }
  }
  return rows
}

/** Without prototypes and undefined fields, which say nothing. */
export function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? String(inner) : inner instanceof Map ? [...inner] : inner,
    ),
  )
}
