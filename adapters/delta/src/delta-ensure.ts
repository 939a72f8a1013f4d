import { invalid, sameStoredType, typeName } from '@asof/core'
import type { TableColumn, TableSchema } from '@asof/core'
import type { CommitDraft } from './delta-commit.ts'
import { checkWritable, NEW_TABLE_PROTOCOL } from './delta-protocol.ts'
import { checkSchema, fieldsOf, schemaOf, schemaString, toField } from './delta-schema.ts'
import type { DeltaField } from './delta-schema.ts'
import type { DeltaLog } from './log-state.ts'

/** What makes a new table of these columns. @throws {AsofError} `invalid_schema` */
export function createDraft(table: string, schema: TableSchema, id: string): CommitDraft {
  checkSchema(schema, table)
  return {
    actions: [
      { protocol: NEW_TABLE_PROTOCOL },
      {
        metaData: {
          id,
          format: { provider: 'parquet', options: {} },
          schemaString: schemaString(schema.columns.map(toField)),
          partitionColumns: schema.partitionBy,
          configuration: {},
        },
      },
    ],
    info: {
      operation: 'CREATE TABLE',
      operationParameters: { partitionBy: JSON.stringify(schema.partitionBy) },
    },
  }
}

/**
 * What makes a table have these columns: those that are missing are added, nullable, as the files that are there have no values
 * for them. Columns that the table has beyond them stay.
 *
 * @returns undefined where there is nothing to do
 * @throws {AsofError} `column_type_changed`, `partitioning_changed`, `invalid_schema`, `unsupported_table_feature`
 */
export function evolveDraft(table: string, schema: TableSchema, log: DeltaLog): CommitDraft | undefined {
  const fields = fieldsOf(log.metadata, table)
  const current = schemaOf(log.metadata, table)
  if (schema.partitionBy.join('\n') !== current.partitionBy.join('\n')) {
    throw invalid('partitioning_changed', 'a table keeps its partitioning; make a new table', {
      table,
      is: current.partitionBy.join(', '),
      asked: schema.partitionBy.join(', '),
    })
  }
  const added: TableColumn[] = []
  const relaxed = new Set<string>()
  for (const column of schema.columns) {
    const there = current.columns.find(({ name }) => name === column.name)
    if (there === undefined) {
      added.push({ ...column, nullable: true })
      continue
    }
    const changed = !sameStoredType(there.type, column.type) || there.foreign !== undefined
    if (changed) {
      throw invalid(
        'column_type_changed',
        'the type of a column never changes; use a new version or another name',
        {
          table,
          column: column.name,
          is: there.foreign ?? typeName(there.type),
          asked: typeName(column.type),
        },
      )
    }
    if (column.nullable && !there.nullable) relaxed.add(column.name)
  }
  if (added.length === 0 && relaxed.size === 0) return undefined
  checkWritable(log.protocol, log.metadata, fields, table)
  checkSchema({ ...current, columns: [...current.columns, ...added] }, table)
  const kept: DeltaField[] = fields.map((field) =>
    relaxed.has(field.name) ? { ...field, nullable: true } : field,
  )
  return {
    actions: [
      { metaData: { ...log.metadata, schemaString: schemaString([...kept, ...added.map(toField)]) } },
    ],
    info: {
      operation: 'ADD COLUMNS',
      operationParameters: { columns: JSON.stringify(added.map(({ name }) => name)) },
      readVersion: log.version,
    },
  }
}
