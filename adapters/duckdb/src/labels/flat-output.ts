import { join } from 'node:path'
import { AsofError, internal } from '@asof/core'
import type { Column, FeatureType, OutputChunk, TrainingOutput, WrittenOutput } from '@asof/core'
import { textColumn } from '@asof/parquet'
import type { FieldType, FlatArray, FlatField } from '@asof/parquet'
import { queryRow, run } from '../database.ts'
import { fetchColumns } from './fetch.ts'
import { flatTypeOf, flatWidth } from './column-pool.ts'
import { flatFilesAnswers } from './flat-files.ts'
import type { FilesAnswer, FilesQuestion } from './flat-files.ts'
import { AnsweringThread } from './answering-thread.ts'
import type { OpenLabels } from './open-labels.ts'
import { identifier } from '../sql-text.ts'

/** Fewer values are written before a thread has started. */
const THREAD_VALUES_MIN = 600_000
/** About how large a file becomes; a reader takes its one row group as a whole. */
const FILE_BYTES = 128 * 1024 * 1024
const FILE_ROWS_MIN = 122_880
const FILE_ROWS_MAX = 1_048_576
/** Columns on their way to the thread that writes. */
const COLUMNS_AHEAD = 12

/** What DuckDB calls the types of label columns that are written without it. */
const LABEL_TYPES: Readonly<Record<string, FieldType>> = {
  BOOLEAN: 'bool',
  INTEGER: 'int32',
  BIGINT: 'int64',
  FLOAT: 'float32',
  DOUBLE: 'float64',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  VARCHAR: 'text',
  DATE: 'date',
  SMALLINT: 'int16',
}

/** As what the vectors of label columns are taken over. */
const FETCHED: Readonly<Partial<Record<FieldType, FeatureType>>> = {
  text: { kind: 'string' },
  date: { kind: 'int32' },
  int16: { kind: 'int32' },
}

/** Bytes of texts in the labels beyond which they are not held in memory. */
const LABEL_TEXT_BYTES_MAX = 2 ** 29

/** The columns of the files, where every one of them is flat: those of the labels first. */
export async function flatFields(
  { columns, database, call }: OpenLabels,
  output: TrainingOutput,
): Promise<readonly FlatField[] | undefined> {
  if (output.format !== 'parquet') return undefined
  const fields = [
    ...columns.map(({ name, physical }) => ({ name, type: LABEL_TYPES[physical] })),
    ...output.columns.map(({ name, type }) => ({ name, type: fieldTypeOf(type) })),
  ]
  if (!fields.every(isFlat)) return undefined
  const texts = columns.filter(({ physical }) => LABEL_TYPES[physical] === 'text')
  if (texts.length === 0) return fields
  const size = texts.map(({ name }) => `coalesce(sum(strlen(${identifier(name)})), 0)`).join(' + ')
  const sum = await queryRow(database.connection, `SELECT (${size})::DOUBLE AS bytes FROM labels`, call)
  return Number(sum['bytes']) <= LABEL_TEXT_BYTES_MAX ? fields : undefined
}

function fieldTypeOf(type: FeatureType): FieldType | undefined {
  return type.kind === 'string' ? 'text' : flatTypeOf(type)
}

function isFlat(field: { readonly name: string; readonly type: FieldType | undefined }): field is FlatField {
  return field.type !== undefined
}

/** Writes a set without DuckDB: each column as soon as its turn has come, in a thread where there is much to write. */
export async function writeFlat(
  open: OpenLabels,
  output: TrainingOutput,
  fields: readonly FlatField[],
): Promise<WrittenOutput> {
  const files: WrittenOutput['files'][number][] = []
  const inThread = open.threads > 1 && open.rows * fields.length >= THREAD_VALUES_MIN
  const writer = inThread ? writerInThread() : writerInPlace()
  const signal = output.signal
  let firstLabel = 0
  const writeChunk = async ({ rows, columns }: OutputChunk): Promise<void> => {
    const sizes = fileRows(rows, fields)
    const plans = sizes.map((fileRows, index) => ({
      path: join(output.folder, `part-${String(files.length + index).padStart(5, '0')}.parquet`),
      fields,
      rows: fileRows,
      createdBy: 'asof',
    }))
    const queue = new ColumnQueue(open, output, writer, rows)
    const results = begun(columns)
    await writer({ is: 'begin', files: plans }, signal)
    for (const column of await labelColumns(open, fields, firstLabel, rows)) await queue.put(column, true)
    for await (const { name, column, given = false } of results) {
      signal?.throwIfAborted()
      await queue.offer(name, column, given)
    }
    await queue.end()
    for (const [index, written] of (await writer({ is: 'end' }, signal)).entries())
      files.push({ localPath: plans[index]!.path, rows: sizes[index]!, ...written })
    firstLabel += rows
  }
  try {
    for await (const chunk of output.chunks) {
      signal?.throwIfAborted()
      await writeChunk(chunk)
    }
    if (firstLabel !== open.rows)
      throw internal('results do not cover the labels', { labels: open.rows, results: firstLabel })
    // A set without labels still has its columns.
    if (files.length === 0) await writeChunk({ rows: 0, columns: emptyColumns(output, open) })
    return { files }
  } finally {
    await writer.close()
  }
}

function emptyColumns({ columns }: TrainingOutput, { pool }: OpenLabels): OutputChunk['columns'] {
  return columns.map(({ name, type }) => ({ name, column: pool.take(type, 0) }))
}

/** About how many bytes a value takes in a file: a text may be any, but not in what files a set is cut. */
function fieldWidth(type: FieldType): number {
  if (type === 'text') return 16
  return type === 'date' || type === 'int16' ? 4 : flatWidth(type)
}

/** Rows of each file of a chunk: as many files as it takes, of about the same size; never a matter of the machine. */
function fileRows(rows: number, fields: readonly FlatField[]): number[] {
  const bytes = fields.reduce((sum, { type }) => sum + fieldWidth(type), 0)
  const most = Math.min(FILE_ROWS_MAX, Math.max(FILE_ROWS_MIN, Math.floor(FILE_BYTES / bytes)))
  const files = Math.max(1, Math.ceil(rows / most))
  return Array.from(
    { length: files },
    (_, file) => Math.floor((rows * (file + 1)) / files) - Math.floor((rows * file) / files),
  )
}

async function labelColumns(
  open: OpenLabels,
  fields: readonly FlatField[],
  firstLabel: number,
  rows: number,
): Promise<readonly Column[]> {
  const { database, rowColumn, call, read: known } = open
  const part = ({ type, values, valid }: Column): Column => ({
    type,
    values: (values as FlatArray).subarray(firstLabel, firstLabel + rows),
    valid: valid?.subarray(firstLabel, firstLabel + rows),
  })
  const columns = open.columns.filter(({ name }) => !known.has(name))
  const named = (read: readonly Column[]): readonly Column[] =>
    open.columns.map(({ name }) => {
      const column = known.get(name)
      return column === undefined ? read[columns.findIndex((each) => each.name === name)]! : part(column)
    })
  if (columns.length === 0) return named([])
  const row = identifier(rowColumn)
  const types = columns.map(({ name }): FeatureType => {
    const { type } = fields[open.columns.findIndex((each) => each.name === name)]!
    return FETCHED[type] ?? ({ kind: type } as FeatureType)
  })
  // History is read at the same time. A scan of one table keeps the order of its rows.
  const connection = await database.connect()
  try {
    const found = await run(
      connection,
      `SELECT ${columns.map(({ name }) => identifier(name)).join(', ')} FROM labels
       WHERE ${row} >= ${firstLabel} AND ${row} < ${firstLabel + rows}`,
      call,
    )
    const read = await fetchColumns(found, types)
    if (read.rows === rows) return named(read.columns)
    throw internal('labels and results did not meet row by row', { rows, read: read.rows })
  } finally {
    connection.closeSync()
  }
}

/** The same items, the first of them asked for at once. */
function begun<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterable<T> {
  const iterator = (async function* () {
    yield* items
  })()
  let first: Promise<IteratorResult<T, void>> | undefined = iterator.next()
  // Told by whoever asks for it; until then its failure is nobody's.
  first.catch(() => undefined)
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const next = first ?? iterator.next()
        first = undefined
        return await next
      },
      return: async () => await iterator.return(),
    }),
  }
}

/** Sends columns to the writer in the order of the file, and takes their memory back. */
class ColumnQueue {
  readonly #open: OpenLabels
  readonly #output: TrainingOutput
  readonly #write: Writer
  readonly #rows: number
  readonly #early = new Map<string, { readonly column: Column; readonly given: boolean }>()
  readonly #writing: Promise<void>[] = []
  #next = 0

  constructor(open: OpenLabels, output: TrainingOutput, write: Writer, rows: number) {
    this.#open = open
    this.#output = output
    this.#write = write
    this.#rows = rows
  }

  /** Takes a column of the results; it is written when those before it have been. */
  async offer(name: string, column: Column, given: boolean): Promise<void> {
    this.#early.set(name, { column, given })
    for (;;) {
      const field = this.#output.columns[this.#next]
      const turn = field && this.#early.get(field.name)
      if (field === undefined || turn === undefined) return
      if (turn.column.type.kind !== field.type.kind)
        throw internal('a result lacks a column', { column: name })
      this.#early.delete(field.name)
      this.#next++
      await this.put(turn.column, turn.given)
    }
  }

  /** Writes a column; waits while many are on their way. */
  async put(column: Column, given: boolean): Promise<void> {
    const values =
      column.type.kind === 'string' ? textColumn(column.values, this.#rows) : flatArray(column, this.#rows)
    const writing = this.#write({ is: 'column', values, valid: column.valid }, this.#output.signal).then(
      () => {
        if (given) this.#open.pool.give(column)
      },
    )
    // Told by whoever waits for it; until then its failure is nobody's.
    writing.catch(() => undefined)
    this.#writing.push(writing)
    if (this.#writing.length >= COLUMNS_AHEAD) await this.#writing.shift()
  }

  /** Waits until all is written. */
  async end(): Promise<void> {
    await Promise.all(this.#writing)
    const missing = this.#output.columns[this.#next]
    if (missing !== undefined) throw internal('a result lacks a column', { column: missing.name })
  }
}

function flatArray({ values, type }: Column, rows: number): FlatArray {
  if (Array.isArray(values) || values.length < rows)
    throw internal('a column is not flat', { type: type.kind })
  return values.length === rows ? values : values.subarray(0, rows)
}

/** Answers with the files of a chunk at its end. */
interface Writer {
  (
    question: FilesQuestion,
    signal: AbortSignal | undefined,
  ): Promise<readonly { readonly bytes: number; readonly sha256: string }[]>
  close(): Promise<void>
}

function writerInPlace(): Writer {
  const answer = flatFilesAnswers()
  return Object.assign(async (question: FilesQuestion) => filesOf(await answer(question)), {
    close: async () => undefined,
  })
}

function writerInThread(): Writer {
  const thread = new AnsweringThread<FilesQuestion, FilesAnswer>('writer-thread')
  return Object.assign(
    async (question: FilesQuestion, signal: AbortSignal | undefined) =>
      filesOf(await thread.ask(question, signal)),
    { close: () => thread.close() },
  )
}

function filesOf(answer: FilesAnswer): readonly { readonly bytes: number; readonly sha256: string }[] {
  if (answer.is === 'done') return answer.files
  const { code, message, error } = answer
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const text = 'the disk is full: make room, then do it again'
    throw new AsofError('unavailable', 'disk_full', text, {}, { cause: error })
  }
  throw new AsofError(
    'internal',
    'internal',
    'a training set could not be written',
    { reason: message },
    { cause: error },
  )
}
