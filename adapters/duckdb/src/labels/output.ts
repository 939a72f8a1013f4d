import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { internal } from '@asof/core'
import type { Column, OutputChunk, TrainingOutput, WrittenOutput } from '@asof/core'
import { DuckDBTableFunction } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { run } from '../database.ts'
import { flatFields, writeFlat } from './flat-output.ts'
import type { OpenLabels } from './open-labels.ts'
import { identifier, literal } from '../sql-text.ts'
import { duckdbType, writeColumn } from '../vectors.ts'

/** Rows that DuckDB takes at once. */
const VECTOR_ROWS = 2048
/** Rows of a row group. */
const ROW_GROUP_ROWS = 122_880

/**
 * Parquet without dictionaries: the writer's hold -0 and 0 for one value (https://github.com/duckdb/duckdb/issues/25781), and
 * doubles that hardly repeat cost half of the writing.
 */
const PARQUET = `FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 0, ROW_GROUP_SIZE ${ROW_GROUP_ROWS}`
const CSV = `FORMAT csv, HEADER true, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR ''`

/** Writes label columns and result columns side by side, in files that hold the labels in order. */
export async function writeOutput(open: OpenLabels, request: TrainingOutput): Promise<WrittenOutput> {
  const fields = await flatFields(open, request)
  return fields === undefined ? await writeByCopy(open, request) : await writeFlat(open, request, fields)
}

/**
 * Writes columns of any type. DuckDB pulls the results
 * out of the chunk's arrays, vector by vector, as it writes: they are in memory once. A file is written by one thread, so
 * a chunk of many rows becomes two files at once; how many there are never depends on the machine.
 */
async function writeByCopy(open: OpenLabels, request: TrainingOutput): Promise<WrittenOutput> {
  const files: WrittenFile[] = []
  const second = await open.database.connect()
  try {
    const writers = [open.database.connection, second].map((connection, index) =>
      fileWriter(open, request, connection, `results_${index}`),
    )
    let from = 0
    const writeChunk = async (columns: readonly Column[], rows: number): Promise<void> => {
      const parts = partsOf(rows).map((part, index) =>
        writers[index]!({ ...part, columns, firstLabel: from, file: files.length + index }),
      )
      // Nothing may still be writing when the failure of one is told.
      await Promise.allSettled(parts)
      files.push(...(await Promise.all(parts)))
      from += rows
    }
    for await (const chunk of request.chunks) {
      request.signal?.throwIfAborted()
      await writeChunk(await chunkColumns(chunk, request), chunk.rows)
    }
    if (from !== open.rows)
      throw internal('results do not cover the labels', { labels: open.rows, results: from })
    // A set without labels still has its columns.
    if (files.length === 0) await writeChunk([], 0)
    return { files }
  } finally {
    second.closeSync()
  }
}

/** Rows `[from, to)` of a chunk. */
interface Part {
  readonly from: number
  readonly to: number
}

/** Halves of a chunk, or the whole of one that fits in a row group. */
function partsOf(rows: number): Part[] {
  if (rows <= ROW_GROUP_ROWS) return [{ from: 0, to: rows }]
  const middle = Math.ceil(rows / 2)
  return [
    { from: 0, to: middle },
    { from: middle, to: rows },
  ]
}

/** What becomes one file. */
interface PartToWrite extends Part {
  readonly columns: readonly Column[]
  /** Label of the chunk's first row. */
  readonly firstLabel: number
  /** Number of the file. */
  readonly file: number
}

type WrittenFile = WrittenOutput['files'][number]

/** Writes files on a connection, one after the other; the results come by a table function of that name. */
function fileWriter(
  open: OpenLabels,
  request: TrainingOutput,
  connection: DuckDBConnection,
  results: string,
): (part: PartToWrite) => Promise<WrittenFile> {
  const { format, folder, columns } = request
  const feed: Feed = { columns: [], from: 0, to: 0, next: 0 }
  connection.registerTableFunction(resultsFunction(results, request, feed))
  const labels = open.columns.map(({ name, physical }) => {
    const column = `l.${identifier(name)}`
    return format === 'csv' && physical === 'VARCHAR' ? `${escaped(column)} AS ${identifier(name)}` : column
  })
  const selected = [...labels, ...columns.map(({ name }) => `r.${identifier(name)}`)].join(', ')
  const row = identifier(open.rowColumn)
  const call = { ...open.call, ...(request.signal && { signal: request.signal }) }
  return async ({ from, to, firstLabel, file, ...part }) => {
    Object.assign(feed, { columns: part.columns, from, to, next: from })
    const localPath = join(folder, `part-${String(file).padStart(5, '0')}.${format}`)
    const range = `SELECT * FROM labels WHERE ${row} >= ${firstLabel + from} AND ${row} < ${firstLabel + to}`
    const copied = await run(
      connection,
      `COPY (SELECT ${selected} FROM (${range}) l POSITIONAL JOIN ${results}() r)
       TO ${literal(localPath)} (${format === 'csv' ? CSV : PARQUET})`,
      call,
    )
    const rows = to - from
    const written = Number((await copied.getRowsJS())[0]?.[0])
    if (written !== rows || feed.next !== to) {
      throw internal('labels and results did not meet row by row', { rows, written, fed: feed.next - from })
    }
    return { localPath, rows, bytes: (await stat(localPath)).size }
  }
}

/** The rows that are being written, and how far DuckDB has taken them. */
interface Feed extends Part {
  readonly columns: readonly Column[]
  next: number
}

async function chunkColumns(chunk: OutputChunk, { columns }: TrainingOutput): Promise<Column[]> {
  const read = new Map<string, Column>()
  for await (const { name, column } of chunk.columns) read.set(name, column)
  return columns.map(({ name, type }) => {
    const column = read.get(name)
    if (column?.type.kind !== type.kind) throw internal('a result lacks a column', { column: name })
    return column
  })
}

function resultsFunction(name: string, { columns }: TrainingOutput, feed: Feed): DuckDBTableFunction {
  return DuckDBTableFunction.create({
    name,
    bindFunction(info) {
      for (const column of columns) info.addResultColumn(column.name, duckdbType(column.type))
      info.setCardinality(feed.to - feed.from, true)
    },
    initFunction(info) {
      info.setMaxThreads(1)
      feed.next = feed.from
    },
    mainFunction(_info, chunk) {
      const count = Math.min(VECTOR_ROWS, feed.to - feed.next)
      chunk.rowCount = count
      if (count === 0) return
      for (const [at, column] of feed.columns.entries())
        writeColumn(chunk.getColumnVector(at), column, feed.next, count)
      feed.next += count
    },
  })
}

/** A text that a spreadsheet would take for a formula gets a `'` in front (FAULTS S16), as `toCsv` does it. */
function escaped(column: string): string {
  return `CASE WHEN regexp_matches(${column}, ${literal(`^'*[=+\\-@\\t\\r]`)}) THEN '''' || ${column} ELSE ${column} END`
}
