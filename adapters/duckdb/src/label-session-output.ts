import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { internal } from '@asof/core'
import type { Column, ColumnBatch, TrainingOutput, WrittenOutput } from '@asof/core'
import { DuckDBTableFunction } from '@duckdb/node-api'
import { run } from './database.ts'
import type { OpenLabels } from './label-session.ts'
import { identifier, literal } from './sql-text.ts'
import { duckdbType, writeColumn } from './vectors.ts'

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

/**
 * Writes label columns and result columns side by side, one file for each chunk. DuckDB pulls the results out of the chunk's
 * arrays, vector by vector, as it writes: they are in memory once.
 */
export async function writeOutput(open: OpenLabels, request: TrainingOutput): Promise<WrittenOutput> {
  const { database, call } = open
  const { format, folder, columns } = request
  const feed: Feed = { columns: [], rows: 0, next: 0 }
  database.connection.registerTableFunction(resultsFunction(request, feed))
  const labels = open.columns.map(({ name, physical }) => {
    const column = `l.${identifier(name)}`
    return format === 'csv' && physical === 'VARCHAR' ? `${escaped(column)} AS ${identifier(name)}` : column
  })
  const selected = [...labels, ...columns.map(({ name }) => `r.${identifier(name)}`)].join(', ')
  const row = identifier(open.rowColumn)
  const files: { localPath: string; rows: number; bytes: number }[] = []
  let from = 0
  const writeChunk = async (rows: number): Promise<void> => {
    const localPath = join(folder, `part-${String(files.length).padStart(5, '0')}.${format}`)
    const range = `SELECT * FROM labels WHERE ${row} >= ${from} AND ${row} < ${from + rows}`
    const copied = await run(
      database.connection,
      `COPY (SELECT ${selected} FROM (${range}) l POSITIONAL JOIN results() r)
       TO ${literal(localPath)} (${format === 'csv' ? CSV : PARQUET})`,
      { ...call, ...(request.signal && { signal: request.signal }) },
    )
    const written = Number((await copied.getRowsJS())[0]?.[0])
    if (written !== rows || feed.next !== rows) {
      throw internal('labels and results did not meet row by row', { rows, written, fed: feed.next })
    }
    files.push({ localPath, rows, bytes: (await stat(localPath)).size })
    from += rows
  }
  for await (const chunk of request.chunks) {
    request.signal?.throwIfAborted()
    feed.columns = chunkColumns(chunk, request)
    feed.rows = chunk.rows
    await writeChunk(chunk.rows)
  }
  if (from !== open.rows)
    throw internal('results do not cover the labels', { labels: open.rows, results: from })
  // A set without labels still has its columns.
  if (files.length === 0) await writeChunk(0)
  return { files }
}

/** The chunk that is being written, and how far DuckDB has taken it. */
interface Feed {
  columns: readonly Column[]
  rows: number
  next: number
}

function chunkColumns(chunk: ColumnBatch, { columns }: TrainingOutput): Column[] {
  return columns.map(({ name, type }) => {
    const column = chunk.columns[name]
    if (column?.type.kind !== type.kind) throw internal('a result lacks a column', { column: name })
    return column
  })
}

function resultsFunction({ columns }: TrainingOutput, feed: Feed): DuckDBTableFunction {
  return DuckDBTableFunction.create({
    name: 'results',
    bindFunction(info) {
      for (const { name, type } of columns) info.addResultColumn(name, duckdbType(type))
      info.setCardinality(feed.rows, true)
    },
    initFunction(info) {
      info.setMaxThreads(1)
      feed.next = 0
    },
    mainFunction(_info, chunk) {
      const count = Math.min(VECTOR_ROWS, feed.rows - feed.next)
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
