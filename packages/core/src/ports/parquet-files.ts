import type { ColumnBatch } from '../model/column.ts'
import type { DataFile, TableColumn } from './offline-store.ts'

/**
 * Reads and writes local Parquet files: what a table format needs of an engine.
 *
 * - **write** makes one file per distinct value of `partitionBy` below `folder` (one file without it), never overwrites,
 *   and leaves nothing behind when it fails. Partition columns are not in the files.
 * - **read** fails when any file is damaged; it never ends early.
 */
export interface ParquetFiles {
  write(folder: string, request: WriteRequest): Promise<WrittenFile[]>
  /** Rows and statistics of a finished file, from its own footer where that is exact, else from its rows. */
  describe(localPath: string, columns: readonly TableColumn[]): Promise<WrittenFile>
  /** Rows of files, in order of file and row. A column that a file lacks is a constant, or null. */
  read(
    files: readonly Pick<DataFile, 'localPath' | 'constants'>[],
    columns: readonly TableColumn[],
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterable<ColumnBatch>
  /** A whole Parquet file as JSON rows (64-bit integers as bigint, maps as arrays of key and value): for small metadata files. */
  readRecords(localPath: string): Promise<Record<string, unknown>[]>
  /** Writes JSON rows as one Parquet file; `types` is the engine's type of each column. */
  writeRecords(
    localPath: string,
    records: readonly object[],
    types: Readonly<Record<string, string>>,
  ): Promise<void>
}

/** What to write. */
export interface WriteRequest {
  readonly columns: readonly TableColumn[]
  readonly rows: AsyncIterable<ColumnBatch>
  readonly sortBy: readonly string[]
  readonly partitionBy: readonly string[]
}

/** One finished file with its statistics. */
export interface WrittenFile {
  readonly localPath: string
  readonly bytes: number
  readonly rows: number
  /** Partition values by column, as text; undefined for null. */
  readonly constants: Readonly<Record<string, string | undefined>>
  /** As in `DataFile`, exact (timestamps as bigint microseconds); a column holding NaN has none. */
  readonly min: Readonly<Record<string, number | string | bigint | boolean>>
  readonly max: Readonly<Record<string, number | string | bigint | boolean>>
  readonly nulls: Readonly<Record<string, number>>
}
