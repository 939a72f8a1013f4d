import { AsofError, corrupt, isAsofError } from '@asof/core'
import type { LongCall, Progress } from '@asof/core'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBMaterializedResult } from '@duckdb/node-api'
import { filePaths, literal } from './sql-text.ts'

/** How a DuckDB instance is opened. */
export interface DatabaseOptions {
  /** The only folders whose files can be read or written, as absolute paths; everything below them is open too. */
  readonly folders: readonly string[]
  /** Where what does not fit in memory is spilled. */
  readonly tempFolder: string
  /** Threads of a query, 2 by default. One where floats are summed and the result is kept: more give other bits. */
  readonly threads?: number
  /** Memory before spilling, in megabytes, 2,048 by default. */
  readonly memoryMb?: number
}

/**
 * An in-memory DuckDB instance of one call, locked down: UTC, no network, no extension, no file outside its folders, and
 * no setting that can be changed any more.
 *
 * Whoever opens one closes it. Tables and views made on one connection are seen by all (make none of them `TEMP`).
 */
export interface Database {
  /** The connection for everything that is not streamed. */
  readonly connection: DuckDBConnection
  /**
   * A further connection, which the caller closes: each stream needs its own, as a second query on a connection cuts off
   * the first.
   */
  connect(): Promise<DuckDBConnection>
  /** Frees memory and spilled files. */
  close(): void
}

/**
 * Opens a locked-down in-memory instance; about 25 ms.
 *
 * @example
 * ```ts
 * const database = await openDatabase({ folders: ['/data'], tempFolder: '/data/tmp', threads: 1 })
 * try {
 *   await run(database.connection, 'CREATE TABLE t AS SELECT 42 AS answer')
 * } finally {
 *   database.close()
 * }
 * ```
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    for (const statement of lockDown(options)) await connection.run(statement)
  } catch (error) {
    connection.closeSync()
    instance.closeSync()
    throw queryError(error)
  }
  return {
    connection,
    connect: () => instance.connect(),
    close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

/** The order matters: folders cannot be named after external access is off, and nothing can be set after the lock. */
function lockDown(options: DatabaseOptions): string[] {
  const folders = options.folders.map((folder) => literal(folder.endsWith('/') ? folder : `${folder}/`))
  return [
    `SET GLOBAL TimeZone = 'UTC'`,
    `SET threads = ${options.threads ?? 2}`,
    `SET memory_limit = '${options.memoryMb ?? 2048}MiB'`,
    `SET preserve_insertion_order = true`,
    `SET allowed_directories = [${folders.join(', ')}]`,
    `SET temp_directory = ${literal(options.tempFolder)}`,
    `SET autoinstall_known_extensions = false`,
    `SET autoload_known_extensions = false`,
    `SET enable_external_file_cache = false`,
    `SET enable_progress_bar = true`,
    `SET enable_progress_bar_print = false`,
    `SET progress_bar_time = 0`,
    `SET enable_external_access = false`,
    `SET lock_configuration = true`,
  ]
}

/** How often progress is asked for, in milliseconds. */
const PROGRESS_EVERY_MS = 100
/** How often an interrupt is repeated until the statement has ended: one that comes before its start is lost. */
const INTERRUPT_EVERY_MS = 10

/**
 * Runs one statement to its end, with cancellation and progress (in percent).
 *
 * @throws {AsofError} `query_failed` with the first line of DuckDB's message; or the signal's reason
 */
export async function run(
  connection: DuckDBConnection,
  sql: string,
  call: LongCall = {},
): Promise<DuckDBMaterializedResult> {
  return interruptible(connection, () => connection.run(sql), call)
}

/**
 * All rows of a small query as objects, in DuckDB's own JavaScript values (64-bit integers are `bigint`).
 *
 * @throws {AsofError} `query_failed`
 */
export async function queryRows(
  connection: DuckDBConnection,
  sql: string,
  call: LongCall = {},
): Promise<Record<string, unknown>[]> {
  const result = await run(connection, sql, call)
  return result.getRowObjectsJS()
}

/** The one row of a query that always has one. */
export async function queryRow(
  connection: DuckDBConnection,
  sql: string,
  call: LongCall = {},
): Promise<Record<string, unknown>> {
  const [row] = await queryRows(connection, sql, call)
  if (row === undefined) throw new AsofError('internal', 'internal', 'a query gave no row')
  return row
}

/** Does something on a connection; an abort interrupts it and rejects with the signal's reason. */
export async function interruptible<T>(
  connection: DuckDBConnection,
  work: () => Promise<T>,
  call: LongCall = {},
): Promise<T> {
  const { signal } = call
  signal?.throwIfAborted()
  let repeat: NodeJS.Timeout | undefined
  const interrupt = (): void => {
    connection.interrupt()
    repeat = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS)
  }
  const watching = call.progress === undefined ? undefined : watch(connection, call.progress)
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    return await work()
  } catch (error) {
    signal?.throwIfAborted()
    throw queryError(error)
  } finally {
    signal?.removeEventListener('abort', interrupt)
    clearInterval(repeat)
    clearInterval(watching)
  }
}

function watch(connection: DuckDBConnection, progress: Progress): NodeJS.Timeout {
  let last = -1
  return setInterval(() => {
    const done = Math.floor(connection.progress.percentage)
    if (done <= last) return
    last = done
    progress({ done, total: 100, unit: '%' })
  }, PROGRESS_EVERY_MS)
}

/**
 * The words of a full disk: of the operating system where a file is written, and of DuckDB where it spills, as it looks at what
 * is left of the disk before it writes.
 */
const DISK_FULL =
  /^IO Error: .*(No space left on device|Disk quota exceeded)|^Out of Memory Error: failed to offload data block/

/** DuckDB's error as ours: `query_failed` with the first line of its message, or out of memory or disk as `unavailable`. */
export function queryError(error: unknown): unknown {
  if (!(error instanceof Error) || isAsofError(error)) return error
  const line = firstLine(error.message)
  if (DISK_FULL.test(error.message)) {
    return new AsofError(
      'unavailable',
      'disk_full',
      'the disk is full: make room where the store and its temporary files lie, then try again',
      { duckdb: line },
      { cause: error },
    )
  }
  if (line.startsWith('Out of Memory Error')) {
    return new AsofError(
      'unavailable',
      'out_of_memory',
      'the query needs more memory than it may use',
      { duckdb: line },
      {
        cause: error,
        retryable: false,
      },
    )
  }
  if (
    /permission|disabled by configuration|locked/i.test(line) &&
    /^(Permission|Invalid Input) Error/.test(line)
  ) {
    return new AsofError(
      'denied',
      'query_denied',
      'the query may read its inputs and nothing else',
      { duckdb: line },
      {
        cause: error,
      },
    )
  }
  return new AsofError('invalid', 'query_failed', 'the query failed', { duckdb: line }, { cause: error })
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.trim() ?? ''
}

/**
 * Does something that reads files; when it fails, finds the damaged file, as DuckDB's own message does not always name it.
 *
 * @throws {AsofError} `damaged_file` with the path, else the error of `work`
 */
export async function readingFiles<T>(
  database: Database,
  parquetPaths: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw await damagedOr(database, parquetPaths, error)
  }
}

/** The error `damaged_file` where one of the files cannot be read, else the given error. */
export async function damagedOr(
  database: Database,
  parquetPaths: readonly string[],
  error: unknown,
): Promise<unknown> {
  if (!isAsofError(error) || !['query_failed', 'stream_cut_off'].includes(error.code)) return error
  return (await findDamaged(database, parquetPaths)) ?? error
}

async function findDamaged(database: Database, paths: readonly string[]): Promise<AsofError | undefined> {
  const connection = await database.connect()
  try {
    for (const path of paths) {
      try {
        await connection.run(`SELECT bit_xor(hash(r)) FROM read_parquet(${filePaths([path])}) r`)
      } catch (error) {
        const line = error instanceof Error ? firstLine(error.message) : String(error)
        const text = 'a data file cannot be read: restore it or remove it'
        return corrupt('damaged_file', text, { path, duckdb: line })
      }
    }
    return undefined
  } finally {
    connection.closeSync()
  }
}
