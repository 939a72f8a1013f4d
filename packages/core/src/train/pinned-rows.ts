import type { AppliedGroup } from '../apply/snapshot.ts'
import type { Instant } from '../clock/instant.ts'
import { TABLE_COLUMNS } from '../ingest/group-table.ts'
import type { Column } from '../model/column.ts'
import { columnValue } from '../model/column.ts'
import type { FeatureRow } from '../model/feature-row.ts'
import type { KeyType } from '../model/feature-type.ts'
import type { KeyValues, ScalarValue } from '../model/value.ts'
import { valueToJson } from '../model/value-json.ts'
import type { DataFile, TableColumn } from '../ports/offline-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { PlannedSlot } from './training-plan.ts'

/** Rows of history by their key. */
export interface PinnedRows {
  get(key: KeyValues): readonly FeatureRow[] | undefined
}

/**
 * All rows of some keys in a table's files, read from end to end and matched here, by typed equality: on purpose not by the
 * path that builds training sets. Only the features that the slot reads have values.
 */
export async function readPinnedRows(
  parquet: ParquetFiles,
  files: readonly DataFile[],
  slot: PlannedSlot,
  group: AppliedGroup,
  keys: readonly KeyValues[],
): Promise<PinnedRows> {
  const types = slot.keys.map(({ type }) => type)
  const asked = new Map<string, FeatureRow[]>()
  for (const key of keys) if (!key.includes(null)) asked.set(keyText(types, key), [])
  const columns: TableColumn[] = [
    ...slot.keys.map(({ key, type }) => ({ name: key, type, nullable: false })),
    { name: TABLE_COLUMNS.eventTime, type: { kind: 'timestamp' }, nullable: false },
    { name: TABLE_COLUMNS.created, type: { kind: 'timestamp' }, nullable: false },
    { name: TABLE_COLUMNS.sequence, type: { kind: 'int64' }, nullable: false },
    { name: TABLE_COLUMNS.deleted, type: { kind: 'bool' }, nullable: false },
    ...slot.features.map(({ name, type }) => ({ name, type, nullable: true })),
  ]
  for await (const batch of files.length === 0 ? [] : parquet.read(files, columns)) {
    const column = (name: string): Column => batch.columns[name]!
    const keyColumns = slot.keys.map(({ key }) => column(key))
    for (let row = 0; row < batch.rows; row++) {
      const key = keyColumns.map((part) => columnValue(part, row) as ScalarValue | null)
      const rows = key.includes(null) ? undefined : asked.get(keyText(types, key))
      if (rows === undefined) continue
      const number = (name: string): number => Number(columnValue(column(name), row))
      const values = group.definition.features.map(() => null as FeatureRow['values'][number])
      for (const { index, name } of slot.features) values[index] = columnValue(column(name), row)
      rows.push({
        key,
        e: number(TABLE_COLUMNS.eventTime) as Instant,
        c: number(TABLE_COLUMNS.created) as Instant,
        s: number(TABLE_COLUMNS.sequence),
        deleted: columnValue(column(TABLE_COLUMNS.deleted), row) === true,
        values,
      })
    }
  }
  return { get: (key) => (key.includes(null) ? undefined : asked.get(keyText(types, key))) }
}

/** Equal texts for equal keys alone. */
function keyText(types: readonly KeyType[], key: KeyValues): string {
  return JSON.stringify(key.map((part, index) => valueToJson(types[index]!, part)))
}
