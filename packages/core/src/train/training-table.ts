import { invalid } from '../errors/asof-error.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { TableColumn, TableSchema } from '../ports/offline-store.ts'

/** Name of the Delta table inside the folder of a set that is written as Delta. */
export const TRAINING_TABLE = 'data'

/** Types of label columns that a table keeps as they are, by the engine's names. */
const PHYSICAL: Readonly<Record<string, FeatureType>> = {
  BOOLEAN: { kind: 'bool' },
  INTEGER: { kind: 'int32' },
  BIGINT: { kind: 'int64' },
  FLOAT: { kind: 'float32' },
  DOUBLE: { kind: 'float64' },
  VARCHAR: { kind: 'string' },
  BLOB: { kind: 'bytes' },
  'TIMESTAMP WITH TIME ZONE': { kind: 'timestamp' },
}

/**
 * The columns of a set as a Delta table.
 *
 * @throws {AsofError} `label_type_not_in_delta` for a label column of a type that a table does not keep as it is
 */
export function deltaSchema(
  labels: readonly { readonly name: string; readonly physical: string }[],
  results: readonly { readonly name: string; readonly type: FeatureType }[],
): TableSchema {
  const labelColumns = labels.map(({ name, physical }): TableColumn => {
    const type = Object.hasOwn(PHYSICAL, physical) ? PHYSICAL[physical] : undefined
    if (type === undefined) {
      throw invalid('label_type_not_in_delta', 'cast this label column in a query, or write Parquet', {
        column: name,
        type: physical,
        known: Object.keys(PHYSICAL).join(', '),
      })
    }
    return { name, type, nullable: true }
  })
  return {
    columns: [...labelColumns, ...results.map(({ name, type }) => ({ name, type, nullable: true }))],
    partitionBy: [],
  }
}
