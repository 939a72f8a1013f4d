import { createHash } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  allocateColumn,
  AsofError,
  conflict,
  formatTimestamp,
  invalid,
  notFound,
  sameStoredType,
  TEMPORARY_PREFIX,
  typeName,
} from '@asof/core'
import type {
  AppendRequest,
  Column,
  ColumnBatch,
  ParquetFiles,
  StagedFile,
  TableColumn,
  WrittenFile,
} from '@asof/core'
import type { Action, AddFile } from './delta-action.ts'
import { isCheckpointDue, writeCheckpoint } from './delta-checkpoint.ts'
import { commitNext } from './delta-commit.ts'
import type { CommitDraft, CommitParts } from './delta-commit.ts'
import { localPathOf } from './delta-local.ts'
import { dataFilePath, loggedPath, partitionFolder } from './delta-path.ts'
import { checkWritable, unsupported } from './delta-protocol.ts'
import { fieldsOf, schemaOf } from './delta-schema.ts'
import type { DeltaTableSchema } from './delta-schema.ts'
import { encodeStats } from './delta-stats.ts'
import type { DeltaLog } from './log-state.ts'
import type { NewestLogs } from './newest-logs.ts'

/** What an append needs. */
export interface AppendParts extends CommitParts {
  readonly parquet: ParquetFiles
  readonly newest: NewestLogs
}

/**
 * Appends rows or finished files to a table, in one commit with the writers' sequences.
 *
 * Files get their names below the table first, then one commit names them: an append that fails or dies leaves files that no
 * version names, and nothing else.
 */
export async function appendTo(
  parts: AppendParts,
  table: string,
  request: AppendRequest,
): Promise<{ readonly version: number; readonly duplicate: boolean }> {
  checkRequest(request)
  const log = await parts.newest.read(table)
  if (log === undefined)
    throw notFound('table_not_found', 'there is no such table; ensure it first', { table })
  if (isDuplicate(log, request)) return { version: log.version, duplicate: true }
  const schema = appendable(log, table)
  const written = await addRows(parts, table, schema, request)
  const staged = await addStaged(parts, table, schema, request.files ?? [], request.writers)
  const outcome = await commitNext(parts, parts.newest, table, (newest) => {
    if (newest === undefined) throw conflict('table_changed', 'the table is gone', { table })
    if (isDuplicate(newest, request)) return undefined
    if (newest.metadata !== log.metadata || newest.protocol !== log.protocol) {
      checkStillFits(log, schema, newest, table)
    }
    return appendDraft(newest, schema, [...written, ...staged], request)
  })
  // Had a commit failed, it might still name these files; here it is known that none does.
  if (!outcome.committed) await discard(parts, table, written)
  else await checkpointIfDue(parts, table, outcome.log)
  return { version: outcome.log.version, duplicate: !outcome.committed }
}

/** The append is done by now: a checkpoint that fails only makes the log longer to read, and the next one makes up for it. */
async function checkpointIfDue(parts: AppendParts, table: string, log: DeltaLog): Promise<void> {
  if (!isCheckpointDue(log)) return
  try {
    await writeCheckpoint(parts, table, log, parts.randomId)
    parts.newest.checkpointed(table, log.version)
  } catch {
    // See above.
  }
}

function checkRequest(request: AppendRequest): void {
  const names = request.writers.map(({ writer }) => writer)
  if (names.length === 0 || new Set(names).size < names.length) {
    throw invalid('invalid_append', 'an append needs writers, each named once', { writers: names.join(', ') })
  }
  for (const { writer, sequence } of request.writers) {
    if (!Number.isSafeInteger(sequence)) {
      throw invalid('invalid_append', 'a sequence is a whole number', { writer, sequence })
    }
  }
}

function isDuplicate(log: DeltaLog, request: AppendRequest): boolean {
  const [first] = request.writers
  const last = first === undefined ? undefined : log.txns.get(first.writer)
  return first !== undefined && last !== undefined && first.sequence <= Number(last.version)
}

/** The columns of a table that asof can append to. */
function appendable(log: DeltaLog, table: string): DeltaTableSchema {
  checkWritable(log.protocol, log.metadata, fieldsOf(log.metadata, table), table)
  const schema = schemaOf(log.metadata, table)
  for (const { foreign } of schema.columns)
    if (foreign !== undefined) throw unsupported(table, `type ${foreign}`)
  return schema
}

/** Another writer changed what the table is: what is staged still fits where its columns are as they were and none is needed beyond. */
function checkStillFits(before: DeltaLog, schema: DeltaTableSchema, newest: DeltaLog, table: string): void {
  const now = appendable(newest, table)
  const same = schema.columns.every(({ name, type, nullable }) => {
    const column = now.columns.find((candidate) => candidate.name === name)
    return column !== undefined && sameStoredType(column.type, type) && (column.nullable || !nullable)
  })
  const added = now.columns.filter(({ name }) => !schema.columns.some((column) => column.name === name))
  const fits =
    same &&
    added.every(({ nullable }) => nullable) &&
    now.partitionBy.join('\n') === schema.partitionBy.join('\n') &&
    newest.metadata.id === before.metadata.id
  if (!fits)
    throw new AsofError(
      'conflict',
      'table_changed',
      'another writer changed the table; retry',
      { table },
      { retryable: true },
    )
}

/** Writes rows as new files of the table. */
async function addRows(
  parts: AppendParts,
  table: string,
  schema: DeltaTableSchema,
  request: AppendRequest,
): Promise<AddFile[]> {
  if (request.rows === undefined) return []
  const { objects, parquet, randomId, now } = parts
  const folder = join(localPathOf(objects, table), `${TEMPORARY_PREFIX}${randomId()}`)
  const adds: AddFile[] = []
  try {
    await mkdir(folder, { recursive: true })
    const files = await parquet.write(folder, {
      columns: schema.columns,
      rows: checkedRows(request.rows, schema, table),
      sortBy: request.sortBy,
      partitionBy: schema.partitionBy,
    })
    for (const file of files.filter(({ rows }) => rows > 0)) {
      const values = schema.partitionBy.map(
        (column) => [column, partitionValue(file, column, table)] as const,
      )
      const path = `${partitionFolder(values)}part-${randomId()}.parquet`
      await objects.adopt(file.localPath, `${table}/${path}`)
      adds.push(addAction(path, file, Object.fromEntries(values), schema, now()))
    }
    return adds
  } catch (error) {
    await discard(parts, table, adds)
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function partitionValue(file: WrittenFile, column: string, table: string): string | null {
  const value = file.constants[column]
  if (value === '') {
    throw invalid('empty_partition_value', 'Delta cannot tell an empty partition value from null', {
      table,
      column,
    })
  }
  return value ?? null
}

/** Rows as they come, each batch with exactly the table's columns: one that is missing is null where it may be. */
async function* checkedRows(
  rows: AsyncIterable<ColumnBatch>,
  schema: DeltaTableSchema,
  table: string,
): AsyncGenerator<ColumnBatch> {
  const stored = schema.columns.filter(({ partitionOf }) => partitionOf === undefined)
  for await (const batch of rows) {
    const unknown = Object.keys(batch.columns).find((name) => !stored.some((column) => column.name === name))
    if (unknown !== undefined) {
      throw invalid('unknown_column', 'the table has no such column; ensure it first', {
        table,
        column: unknown,
      })
    }
    const columns = stored.map((column): [string, Column] => [
      column.name,
      checkedColumn(batch, column, table),
    ])
    yield { rows: batch.rows, columns: Object.fromEntries(columns) }
  }
}

function checkedColumn(batch: ColumnBatch, { name, type, nullable }: TableColumn, table: string): Column {
  const column = batch.columns[name] ?? allocateColumn(type, batch.rows)
  if (!sameStoredType(column.type, type)) {
    throw invalid('column_type_changed', 'the rows have another type than the table', {
      table,
      column: name,
      is: typeName(type),
      given: typeName(column.type),
    })
  }
  if (!nullable && column.valid?.subarray(0, batch.rows).includes(0) === true) throw nullRefused(table, name)
  return column
}

function nullRefused(table: string, column: string): AsofError {
  return invalid('null_in_required_column', 'a column that may not be null holds a null', { table, column })
}

/**
 * Takes finished files in. Their names follow from the writer, so that an append tried again after a crash finds those that it
 * had already moved.
 */
async function addStaged(
  parts: AppendParts,
  table: string,
  schema: DeltaTableSchema,
  files: readonly StagedFile[],
  writers: AppendRequest['writers'],
): Promise<AddFile[]> {
  const { objects, parquet, now } = parts
  const adds: AddFile[] = []
  for (const [index, { localPath }] of files.entries()) {
    const identity = JSON.stringify([writers[0], index, localPath])
    const path = `part-${createHash('sha256').update(identity).digest('hex').slice(0, 32)}.parquet`
    const isWaiting = await stat(localPath).then(
      () => true,
      () => false,
    )
    const place = isWaiting ? localPath : localPathOf(objects, `${table}/${path}`)
    if (!isWaiting && (await objects.get(`${table}/${path}`, { from: 0, to: 1 })) === undefined) {
      throw notFound('file_not_found', 'a staged file is gone', { table, file: localPath })
    }
    const stored = schema.columns.filter(({ name }) => !schema.partitionBy.includes(name))
    const file = await parquet.describe(place, stored)
    for (const { name, nullable } of stored) {
      if (!nullable && (file.nulls[name] ?? 0) > 0) throw nullRefused(table, name)
    }
    const values = stagedPartition(file, schema, table)
    if (isWaiting) await objects.adopt(localPath, `${table}/${path}`)
    if (file.rows > 0) adds.push(addAction(path, file, values, schema, now()))
  }
  return adds
}

/** Partition values of a staged file: of its instants, which must then lie in one day or month. */
function stagedPartition(
  file: WrittenFile,
  schema: DeltaTableSchema,
  table: string,
): Record<string, string | null> {
  const values: Record<string, string | null> = {}
  for (const name of schema.partitionBy) {
    const partitionOf = schema.columns.find((column) => column.name === name)?.partitionOf
    const [least, greatest] = [file.min, file.max].map((bounds) =>
      partitionOf === undefined ? undefined : unitOf(bounds[partitionOf.column], partitionOf.unit),
    )
    const nulls = partitionOf === undefined ? 0 : (file.nulls[partitionOf.column] ?? 0)
    if (file.rows > 0 && (least === undefined || least !== greatest || nulls > 0)) {
      throw invalid(
        'file_spans_partitions',
        'a finished file must lie in one partition; give its rows instead',
        {
          table,
          column: name,
          file: file.localPath,
        },
      )
    }
    values[name] = least ?? null
  }
  return values
}

function unitOf(micros: WrittenFile['min'][string] | undefined, unit: 'day' | 'month'): string | undefined {
  return micros === undefined ? undefined : formatTimestamp(BigInt(micros)).slice(0, unit === 'day' ? 10 : 7)
}

function addAction(
  path: string,
  file: WrittenFile,
  partitionValues: Readonly<Record<string, string | null>>,
  schema: DeltaTableSchema,
  now: number,
): AddFile {
  return {
    path: loggedPath(path),
    partitionValues,
    size: file.bytes,
    modificationTime: Math.floor(now / 1_000),
    dataChange: true,
    stats: encodeStats(
      file,
      schema.columns.filter(({ name }) => !schema.partitionBy.includes(name)),
    ),
  }
}

function appendDraft(
  log: DeltaLog,
  schema: DeltaTableSchema,
  adds: readonly AddFile[],
  request: AppendRequest,
): CommitDraft {
  const advancing = request.writers.filter(({ writer, sequence }) => {
    const last = log.txns.get(writer)
    return last === undefined || sequence > Number(last.version)
  })
  const actions: Action[] = [
    ...advancing.map(({ writer, sequence }) => ({ txn: { appId: writer, version: sequence } })),
    ...adds.map((add) => ({ add })),
  ]
  const sum = (of: (add: AddFile) => number): string =>
    String(adds.reduce((total, add) => total + of(add), 0))
  return {
    actions,
    info: {
      operation: 'WRITE',
      operationParameters: { mode: 'Append', partitionBy: JSON.stringify(schema.partitionBy) },
      readVersion: log.version,
      isBlindAppend: true,
      operationMetrics: { numFiles: String(adds.length), numOutputBytes: sum(({ size }) => size) },
      ...(request.info === undefined ? {} : { userMetadata: JSON.stringify(request.info) }),
    },
  }
}

/** Removes files that no version names; one that cannot be removed stays, unseen. */
async function discard(parts: AppendParts, table: string, adds: readonly AddFile[]): Promise<void> {
  for (const { path } of adds) await parts.objects.delete(dataFilePath(table, path)).catch(() => undefined)
}
