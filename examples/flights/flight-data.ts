// Where the demo's data comes from: the flights of the npm package vega-datasets, and labels made of them.
import { existsSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const ALL_ROWS = 3_000_000
/** Labels of a whole demo: enough to tell models apart, few enough to train in seconds. */
const LABELS = 375_000

/** A file that the demo made, or found. */
export interface DemoFile {
  /** Relative to the project's folder. */
  readonly path: string
  readonly rows: number
  readonly fresh: boolean
}

/** The flights as a file of the project: all of them, or every n-th. */
export async function prepareFlights(folder: string, rows: number): Promise<DemoFile> {
  const source = flightsOfPackage()
  const path = 'data/flights.parquet'
  const file = join(folder, path)
  const fresh = !existsSync(file) || (await rowsOf(file)) !== Math.min(rows, ALL_ROWS)
  if (fresh) {
    await mkdir(dirname(file), { recursive: true })
    if (rows >= ALL_ROWS) await copyFile(source, file)
    else {
      await run(`COPY (SELECT date, delay, distance, origin, destination FROM read_parquet('${source}', file_row_number = true)
                       WHERE file_row_number % ${Math.floor(ALL_ROWS / rows)} = 0 LIMIT ${rows})
                 TO '${file}' (FORMAT parquet)`)
    }
  }
  return { path, rows: await rowsOf(file), fresh }
}

/**
 * Labels: was the flight more than 15 minutes late? Asked at its scheduled time; `at_the_end` is the same instant for
 * all, the end of the data, for a join that does not look at time.
 */
export async function prepareLabels(folder: string, storeFolder: string, flights: string): Promise<DemoFile> {
  const path = join(storeFolder, 'labels.parquet')
  const file = join(folder, path)
  const fresh = !existsSync(file)
  if (fresh) {
    const every = Math.max(1, Math.floor((await rowsOf(join(folder, flights))) / LABELS))
    await run(`COPY (SELECT date AT TIME ZONE 'UTC' AS scheduled, origin, destination, distance::INTEGER AS distance,
                            delay > 15 AS late, TIMESTAMPTZ '2001-06-30 23:59:59+00' AS at_the_end
                     FROM read_parquet('${join(folder, flights)}', file_row_number = true)
                     WHERE file_row_number % ${every} = 0 AND date >= TIMESTAMP '2001-01-08')
               TO '${file}' (FORMAT parquet)`)
  }
  return { path: relative(folder, file), rows: await rowsOf(file), fresh }
}

/** Numbers of a query's columns, row by row, as one matrix. */
export async function readMatrix(
  query: string,
): Promise<{ readonly width: number; readonly values: Float64Array }> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const result = await connection.runAndReadAll(query)
  const width = result.columnCount
  const values = new Float64Array(result.currentRowCount * width)
  result.getRowsJS().forEach((row, index) => values.set(row as number[], index * width))
  connection.closeSync()
  instance.closeSync()
  return { width, values }
}

/** The package's file of flights; its exports name no file, so the folders above are searched as Node does. */
function flightsOfPackage(): string {
  const folders = createRequire(import.meta.url).resolve.paths('vega-datasets') ?? []
  const found = folders
    .map((folder) => join(folder, 'vega-datasets/data/flights-3m.parquet'))
    .find((file) => existsSync(file))
  if (found === undefined) throw new Error('the package vega-datasets is not installed: run npm run setup')
  return found
}

async function rowsOf(file: string): Promise<number> {
  const { values } = await readMatrix(`SELECT count(*)::DOUBLE FROM read_parquet('${file}')`)
  return values[0] ?? 0
}

async function run(sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(sql)
  connection.closeSync()
  instance.closeSync()
}
