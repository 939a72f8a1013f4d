import type { Instant } from '../clock/instant.ts'
import type { ColumnBatch } from '../model/column.ts'
import type { FeatureType } from '../model/feature-type.ts'

/**
 * Tables that keep every row ever, each version readable for ever (until it is vacuumed).
 *
 * - **append** happens exactly once per `(writer, sequence)`: an append whose sequence is at or below the writer's last in
 *   this table changes nothing and answers `duplicate`. What it writes and its writers' sequences become visible in
 *   one step. Concurrent appends of other writers are rebased, not lost.
 * - **snapshot** is immutable: what it lists stays readable.
 * - **ensure** makes a table or adds the columns that are missing; a column of another type is refused with
 *   `column_type_changed`.
 */
export interface OfflineStore {
  ensure(table: string, schema: TableSchema): Promise<void>
  /** The newest version, or the one given, or the newest committed by an instant; undefined when there is no such table. */
  snapshot(
    table: string,
    at?: { readonly version: number } | { readonly instant: Instant },
  ): Promise<TableSnapshot | undefined>
  append(
    table: string,
    request: AppendRequest,
  ): Promise<{ readonly version: number; readonly duplicate: boolean }>
  /** Tables below a prefix, in order of name. */
  tables(prefix?: string): Promise<readonly string[]>
}

/** Columns of a table, in order. */
export interface TableSchema {
  readonly columns: readonly TableColumn[]
  /** Names of columns by whose value files lie in folders. */
  readonly partitionBy: readonly string[]
}

/** One column. `partitionOf` computes a partition column from an instant column: its UTC day or month. */
export interface TableColumn {
  readonly name: string
  readonly type: FeatureType
  readonly nullable: boolean
  readonly partitionOf?: { readonly column: string; readonly unit: 'day' | 'month' }
}

/** What to append. */
export interface AppendRequest {
  /** Rows, in any number of batches; or finished Parquet files of the table's columns, taken in as they are. */
  readonly rows?: AsyncIterable<ColumnBatch>
  readonly files?: readonly StagedFile[]
  /** Each writer with the sequence that this append brings it to. The append is a duplicate when the first is. */
  readonly writers: readonly { readonly writer: string; readonly sequence: number }[]
  /** Facts recorded in the commit, for people. */
  readonly info?: Readonly<Record<string, string | number>>
  /** Sort order inside each file, by column name; the rows are sorted on writing. Files are sorted already. */
  readonly sortBy: readonly string[]
}

/** A finished local Parquet file. It is taken in (moved) by the append. */
export interface StagedFile {
  readonly localPath: string
}

/** One version of a table. */
export interface TableSnapshot {
  readonly table: string
  readonly version: number
  /** Instant of its commit. */
  readonly committed: Instant
  readonly schema: TableSchema
  readonly files: readonly DataFile[]
  /** Last sequence of each writer. */
  readonly writers: ReadonlyMap<string, number>
}

/** One data file of a snapshot. */
export interface DataFile {
  /** A local path that an engine can read. */
  readonly localPath: string
  readonly bytes: number
  readonly rows: number | undefined
  /** Values of the columns that are not in the file, by column name; undefined for null. */
  readonly constants: Readonly<Record<string, string | undefined>>
  /** Least and greatest value by column, as instants for timestamps (floored, ceiled), numbers or strings. */
  readonly min: Readonly<Record<string, number | string | bigint>>
  readonly max: Readonly<Record<string, number | string | bigint>>
}
