import type { Column, KeyType, LongCall, TimeColumn } from '@asof/core'
import type { Database } from '../database.ts'
import type { PhysicalColumn, RelationSql } from '../relation-sql.ts'
import type { ColumnPool } from './column-pool.ts'
import type { HistoryReaders } from './reader.ts'

/** What the parts of a session share. */
export interface OpenLabels {
  readonly database: Database
  readonly rows: number
  /** Columns of the labels, in order. */
  readonly columns: readonly PhysicalColumn[]
  /** Those of flat types, in memory. */
  readonly read: ReadonlyMap<string, Column>
  readonly form: RelationSql['form']
  readonly time: TimeColumn
  /** Name of the column that numbers the rows of the table `labels`, from 0. */
  readonly rowColumn: string
  readonly call: LongCall
  /** Types of the parts of each key set, by its name. */
  readonly keyTypes: Map<string, readonly KeyType[]>
  /** Makes the tables of key sets that only SQL needs, by name. */
  readonly keyTables: Map<string, () => Promise<void>>
  /** Folders whose files may be read. */
  readonly folders: readonly string[]
  readonly readers: HistoryReaders
  readonly pool: ColumnPool
  /** Threads that may be used besides those of queries: with one, everything else is done in the calling thread. */
  readonly threads: number
}
