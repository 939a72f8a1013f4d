import { randomUUID } from 'node:crypto'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import {
  columnValue,
  formatInstant,
  formatTimestamp,
  invalid,
  notFound,
  typeName,
  valueToJson,
  type DataFile,
  type Instant,
  type JsonValue,
  type TableColumn,
  type TableSnapshot,
  type Value,
} from '@asof/core'
import {
  deltaHistory,
  deltaTables,
  readDeltaLog,
  type DeltaColumn,
  type DeltaLog,
  type DeltaParts,
  type DeltaVersion,
} from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { instantArgument, wholeArgument } from '../command-values.ts'
import { countOf, formatAge, formatBytes, formatCount } from '../figures.ts'
import { isFigure, plainText, shortened, shownValue } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable, type TextColumn } from '../text-table.ts'

/** Which version of a table to look at. */
interface TableOptions {
  readonly version?: string
  readonly asOf?: string
  readonly limit?: string
}

/** `asof table show PATH`: what a Delta table is. */
export async function show(terminal: Terminal, options: TableOptions, path: string): Promise<void> {
  await withTable(path, async (parts, name, folder) => {
    const snapshot = await snapshotOf(parts, name, folder, options)
    const log = await logOf(parts, name, folder, snapshot.version)
    const { columns, partitionBy } = snapshot.schema
    const document = {
      table: folder,
      id: log.metadata.id,
      version: snapshot.version,
      committed: formatInstant(snapshot.committed),
      files: snapshot.files.length,
      rows: rowCount(snapshot.files),
      bytes: byteCount(snapshot.files),
      columns: columns.map((column) => ({
        name: column.name,
        type: shownType(column),
        nullable: column.nullable,
        partition: partitionBy.includes(column.name),
      })),
      protocol: log.protocol,
      properties: log.metadata.configuration,
      writers: [...log.txns.values()].map(({ appId, version }) => ({ writer: appId, sequence: version })),
    }
    terminal.answer(document, () => shownTable(document, snapshot, terminal.colours))
  })
}

/** `asof table history PATH`: its versions, the newest first. */
export async function history(terminal: Terminal, options: TableOptions, path: string): Promise<void> {
  const limit = wholeArgument(options.limit ?? '50', '--limit', 1)
  await withTable(path, async (parts, name, folder) => {
    const { version: last } = await snapshotOf(parts, name, folder, options)
    const all = await deltaHistory(parts.objects, name)
    const versions = all.filter(({ version }) => version <= last).toReversed()
    const shown = versions.slice(0, limit)
    terminal.answer(
      {
        table: folder,
        versions: shown.map((version) => ({ ...version, committed: formatInstant(version.committed) })),
      },
      () => shownHistory(shown, versions.length, terminal.colours),
    )
  })
}

/** `asof table files PATH`: the data files of a version. */
export async function files(terminal: Terminal, options: TableOptions, path: string): Promise<void> {
  await withTable(path, async (parts, name, folder) => {
    const snapshot = await snapshotOf(parts, name, folder, options)
    const pathOf = (file: DataFile): string => relative(folder, file.localPath)
    const { columns } = snapshot.schema
    terminal.answer(
      {
        table: folder,
        version: snapshot.version,
        files: snapshot.files.map((file) => ({
          path: pathOf(file),
          rows: file.rows ?? null,
          bytes: file.bytes,
          partition: Object.fromEntries(
            Object.entries(file.constants).map(([column, value]) => [column, value ?? null]),
          ),
          min: shownBounds(file.min, columns),
          max: shownBounds(file.max, columns),
        })),
      },
      () => shownFiles(snapshot, pathOf, terminal.colours),
    )
  })
}

/** `asof table cat PATH`: the first rows of a version. */
export async function cat(terminal: Terminal, options: TableOptions, path: string): Promise<void> {
  const limit = wholeArgument(options.limit ?? '20', '--limit', 0)
  await withTable(path, async (parts, name, folder) => {
    const snapshot = await snapshotOf(parts, name, folder, options)
    const { columns } = snapshot.schema
    const rows = await terminal.during(`reading ${name}`, () =>
      firstRows(parts, snapshot, columns, limit, terminal.signal),
    )
    terminal.answer(
      {
        table: folder,
        version: snapshot.version,
        columns: columns.map((column) => ({ name: column.name, type: shownType(column) })),
        rows: rows.map((row) =>
          Object.fromEntries(
            columns.map(({ name: column, type }, at) => [column, valueToJson(type, row[at] ?? null)]),
          ),
        ),
      },
      () => {
        const table = textTable(columns.map(textColumn), rows, terminal.colours)
        const total = rowCount(snapshot.files)
        if (total === null || total <= rows.length) return table
        return `${table}\n\n${formatCount(rows.length)} of ${formatCount(total)} rows; --limit shows more`
      },
    )
  })
}

/** Opens the table of a folder for reading, with a folder for what spills. */
async function withTable(
  path: string,
  work: (parts: DeltaParts, name: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await realpath(resolve(path)).catch(() => {
    throw notFound('table_not_found', 'there is no such folder', { path })
  })
  const tempFolder = await mkdtemp(join(tmpdir(), 'asof-table-'))
  try {
    const root = dirname(folder)
    const parts: DeltaParts = {
      objects: diskObjectStore(root),
      parquet: duckdbParquetFiles({ folders: [folder], tempFolder }),
      now: () => (Date.now() * 1_000) as Instant,
      randomId: randomUUID,
    }
    await work(parts, basename(folder), folder)
  } finally {
    await rm(tempFolder, { recursive: true, force: true })
  }
}

async function snapshotOf(
  parts: DeltaParts,
  name: string,
  folder: string,
  options: TableOptions,
): Promise<TableSnapshot> {
  const { version, asOf } = options
  if (version !== undefined && asOf !== undefined) {
    throw invalid('invalid_argument', 'give --version or --as-of, not both')
  }
  const at =
    version !== undefined
      ? { version: wholeArgument(version, '--version', 0) }
      : asOf !== undefined
        ? { instant: instantArgument(asOf, '--as-of') }
        : undefined
  const snapshot = await deltaTables(parts).snapshot(name, at)
  if (snapshot === undefined) throw noTable(folder)
  return snapshot
}

async function logOf(parts: DeltaParts, name: string, folder: string, version: number): Promise<DeltaLog> {
  const log = await readDeltaLog(parts, name, { version })
  if (log === undefined) throw noTable(folder)
  return log
}

function noTable(folder: string): Error {
  return notFound('table_not_found', 'this folder is no Delta table: it has no _delta_log', { path: folder })
}

async function firstRows(
  { parquet }: DeltaParts,
  { files: all }: TableSnapshot,
  columns: readonly TableColumn[],
  limit: number,
  signal: AbortSignal,
): Promise<(Value | null)[][]> {
  const rows: (Value | null)[][] = []
  for (const file of all) {
    if (rows.length >= limit) break
    for await (const batch of parquet.read([file], columns, { signal })) {
      for (let row = 0; row < batch.rows && rows.length < limit; row++) {
        rows.push(
          columns.map(({ name }) => {
            const column = batch.columns[name]
            return column === undefined ? null : columnValue(column, row)
          }),
        )
      }
      if (rows.length >= limit) break
    }
  }
  return rows
}

function textColumn({ name, type }: TableColumn, at: number): TextColumn<(Value | null)[]> {
  return {
    title: shortened(plainText(name), 40),
    cell: (row) => shownValue(type, row[at] ?? null, 40),
    align: isFigure(type) ? 'right' : 'left',
  }
}

function shownType(column: DeltaColumn): string {
  return column.foreign ?? typeName(column.type)
}

/** Null where a file does not say how many rows it has. */
function rowCount(all: readonly DataFile[]): number | null {
  let sum = 0
  for (const { rows } of all) {
    if (rows === undefined) return null
    sum += rows
  }
  return sum
}

function byteCount(all: readonly DataFile[]): number {
  return all.reduce((sum, file) => sum + file.bytes, 0)
}

function shownBounds(bounds: DataFile['min'], columns: readonly TableColumn[]): Record<string, JsonValue> {
  return Object.fromEntries(
    Object.entries(bounds).map(([name, value]) => {
      const type = columns.find((column) => column.name === name)?.type.kind
      if (type === 'timestamp' && typeof value !== 'string') return [name, formatTimestamp(BigInt(value))]
      return [name, typeof value === 'bigint' ? value.toString() : value]
    }),
  )
}

function shownTable(
  table: {
    readonly table: string
    readonly rows: number | null
    readonly bytes: number
    readonly columns: readonly { name: string; type: string; nullable: boolean; partition: boolean }[]
    readonly protocol: DeltaLog['protocol']
    readonly properties: Readonly<Record<string, string>>
  },
  { version, committed, files: all }: TableSnapshot,
  colours: Colours,
): string {
  const { minReaderVersion, minWriterVersion, readerFeatures = [], writerFeatures = [] } = table.protocol
  const features = [...new Set([...readerFeatures, ...writerFeatures])].join(', ')
  const properties = Object.entries(table.properties).map(([name, value]) => `${name}=${value}`)
  const facts: [string, string][] = [
    ['table', table.table],
    ['version', `${version}, committed ${formatInstant(committed)} (${formatAge(committed, now())})`],
    [
      'rows',
      `${table.rows === null ? 'unknown' : formatCount(table.rows)} in ${countOf(all.length, 'file')}, ${formatBytes(table.bytes)}`,
    ],
    ['protocol', `reader ${minReaderVersion}, writer ${minWriterVersion}${features && `: ${features}`}`],
    ...(properties.length > 0 ? [['properties', properties.join(', ')] as [string, string]] : []),
  ]
  const columns = textTable(
    [
      { title: 'COLUMN', cell: ({ name }) => plainText(name) },
      { title: 'TYPE', cell: ({ type }) => plainText(type) },
      { title: 'NULLS', cell: ({ nullable }) => (nullable ? 'yes' : 'no') },
      { title: 'PARTITION', cell: ({ partition }) => (partition ? 'yes' : '') },
    ],
    table.columns,
    colours,
  )
  return [...facts.map(([name, value]) => `${name.padEnd(10)} ${plainText(value)}`), '', columns].join('\n')
}

function shownHistory(shown: readonly DeltaVersion[], total: number, colours: Colours): string {
  const at = now()
  const table = textTable(
    [
      { title: 'VERSION', cell: ({ version }) => String(version), align: 'right' },
      { title: 'COMMITTED', cell: ({ committed }) => formatInstant(committed) },
      { title: 'AGE', cell: ({ committed }) => formatAge(committed, at), align: 'right' },
      { title: 'OPERATION', cell: ({ info }) => plainText(info.operation ?? '') },
      { title: 'ADDED', cell: ({ filesAdded }) => formatCount(filesAdded), align: 'right' },
      { title: 'REMOVED', cell: ({ filesRemoved }) => formatCount(filesRemoved), align: 'right' },
      { title: 'WRITER', cell: ({ info }) => plainText(info.engineInfo ?? '') },
    ],
    shown,
    colours,
  )
  if (shown.length === total) return table
  return `${table}\n\n${formatCount(shown.length)} of ${formatCount(total)} versions; --limit shows more`
}

function shownFiles(
  { files: all, schema }: TableSnapshot,
  pathOf: (file: DataFile) => string,
  colours: Colours,
): string {
  const partitions = schema.partitionBy.map((column): TextColumn<DataFile> => ({
    title: plainText(column),
    cell: ({ constants }) => plainText(constants[column] ?? 'null'),
  }))
  return textTable(
    [
      { title: 'FILE', cell: (file) => plainText(pathOf(file)) },
      { title: 'ROWS', cell: ({ rows }) => (rows === undefined ? '' : formatCount(rows)), align: 'right' },
      { title: 'SIZE', cell: ({ bytes }) => formatBytes(bytes), align: 'right' },
      ...partitions,
    ],
    all,
    colours,
  )
}

function now(): Instant {
  return (Date.now() * 1_000) as Instant
}
