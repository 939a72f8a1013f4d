import { checkType, corrupt, invalid, typeName } from '@asof/core'
import type { FeatureType, ScalarType, TableColumn, TableSchema } from '@asof/core'
import type { Metadata } from './delta-action.ts'

/**
 * A column of a Delta table. `foreign` names its type in Delta where that is no type of asof (`decimal(5,3)`, `date`,
 * nested more than once); its `type` is then the nearest that holds the value (text).
 */
export interface DeltaColumn extends TableColumn {
  readonly foreign?: string
}

/** The columns of a Delta table. */
export interface DeltaTableSchema extends TableSchema {
  readonly columns: readonly DeltaColumn[]
}

/** A field as the log writes it. */
export interface DeltaField {
  readonly name: string
  readonly type: DeltaType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}

/** A type as the log writes it. */
export type DeltaType =
  | string
  | { readonly type: 'array'; readonly elementType: DeltaType; readonly containsNull: boolean }
  | {
      readonly type: 'map'
      readonly keyType: DeltaType
      readonly valueType: DeltaType
      readonly valueContainsNull: boolean
    }
  | { readonly type: 'struct'; readonly fields: readonly DeltaField[] }

/** What Delta's type does not say stands in the field's metadata, as JSON text. */
const TYPE_KEY = 'asof.type'
const PARTITION_KEY = 'asof.partitionOf'

const TO_DELTA: Readonly<Record<ScalarType['kind'], string>> = {
  bool: 'boolean',
  int32: 'integer',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  string: 'string',
  bytes: 'binary',
  timestamp: 'timestamp',
}

const FROM_DELTA: Readonly<Record<string, ScalarType>> = {
  boolean: { kind: 'bool' },
  byte: { kind: 'int32' },
  short: { kind: 'int32' },
  integer: { kind: 'int32' },
  long: { kind: 'int64' },
  float: { kind: 'float32' },
  double: { kind: 'float64' },
  string: { kind: 'string' },
  binary: { kind: 'bytes' },
  timestamp: { kind: 'timestamp' },
}

/** A column as a field of the log. */
export function toField(column: TableColumn): DeltaField {
  const { partitionOf } = column
  return {
    name: column.name,
    type: toDeltaType(column.type),
    nullable: column.nullable,
    metadata: {
      ...(column.type.kind === 'vector' ? { [TYPE_KEY]: JSON.stringify(column.type) } : {}),
      ...(partitionOf === undefined ? {} : { [PARTITION_KEY]: JSON.stringify(partitionOf) }),
    },
  }
}

function toDeltaType(type: FeatureType): DeltaType {
  switch (type.kind) {
    case 'vector':
      return { type: 'array', elementType: 'float', containsNull: false }
    case 'list':
      return { type: 'array', elementType: TO_DELTA[type.element.kind], containsNull: true }
    case 'map':
      return { type: 'map', keyType: 'string', valueType: TO_DELTA[type.value.kind], valueContainsNull: true }
    case 'struct':
      return {
        type: 'struct',
        fields: Object.entries(type.fields).map(([name, field]) => ({
          name,
          type: TO_DELTA[field.kind],
          nullable: true,
          metadata: {},
        })),
      }
    default:
      return TO_DELTA[type.kind]
  }
}

/**
 * The fields of a table's metadata.
 *
 * @throws {AsofError} `corrupt_schema`
 */
export function fieldsOf(metadata: Metadata, table: string): readonly DeltaField[] {
  try {
    const schema = JSON.parse(metadata.schemaString) as DeltaType
    if (typeof schema === 'object' && schema.type === 'struct' && Array.isArray(schema.fields)) {
      return schema.fields
    }
  } catch {
    // Reported below, with the table's name.
  }
  throw corrupt('corrupt_schema', "the table's schema cannot be read", { table })
}

/** The schema text of fields. */
export function schemaString(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields })
}

/** A table's columns, foreign ones by the nearest type. @throws {AsofError} `corrupt_schema` */
export function schemaOf(metadata: Metadata, table: string): DeltaTableSchema {
  const columns = fieldsOf(metadata, table).map(fromField)
  for (const column of metadata.partitionColumns) {
    if (!columns.some(({ name }) => name === column)) {
      throw corrupt('corrupt_schema', 'the table is partitioned by a column that it does not have', {
        table,
        column,
      })
    }
  }
  return { columns, partitionBy: metadata.partitionColumns }
}

function fromField(field: DeltaField): DeltaColumn {
  const { name, nullable } = field
  const metadata = field.metadata ?? {}
  const column = { name, type: fromDeltaType(field.type, metadata[TYPE_KEY]), nullable }
  const partitionOf = metadata[PARTITION_KEY]
  return {
    ...column,
    type: column.type ?? { kind: 'string' },
    ...(column.type === undefined || isNarrow(field.type) ? { foreign: foreignName(field.type) } : {}),
    ...(typeof partitionOf === 'string'
      ? { partitionOf: JSON.parse(partitionOf) as NonNullable<TableColumn['partitionOf']> }
      : {}),
  }
}

/** Integers below 32 bits are read as int32, and stay what they are in the table. */
function isNarrow(type: DeltaType): boolean {
  return type === 'byte' || type === 'short'
}

function fromDeltaType(type: DeltaType, declared: unknown): FeatureType | undefined {
  if (typeof type === 'string') return FROM_DELTA[type]
  switch (type.type) {
    case 'array': {
      if (typeof declared === 'string' && type.elementType === 'float') {
        return JSON.parse(declared) as FeatureType
      }
      const element = scalarOf(type.elementType)
      return element === undefined ? undefined : { kind: 'list', element }
    }
    case 'map': {
      const value = scalarOf(type.valueType)
      return value === undefined || type.keyType !== 'string' ? undefined : { kind: 'map', value }
    }
    case 'struct': {
      const fields: Record<string, ScalarType> = Object.create(null)
      for (const field of type.fields) {
        const inner = scalarOf(field.type)
        if (inner === undefined) return undefined
        fields[field.name] = inner
      }
      return { kind: 'struct', fields }
    }
    default:
      return undefined
  }
}

function scalarOf(type: DeltaType): ScalarType | undefined {
  return typeof type === 'string' ? FROM_DELTA[type] : undefined
}

function foreignName(type: DeltaType): string {
  return typeof type === 'string' ? type : JSON.stringify(type)
}

/** Kinds of which a partition column may be: those whose text in the log is exact for every reader. */
const PARTITION_KINDS: readonly string[] = ['bool', 'int32', 'int64', 'string']

/**
 * Checks the columns that a new table, or new columns of one, are to have.
 *
 * @throws {AsofError} `invalid_schema`, `invalid_type`
 */
export function checkSchema(schema: TableSchema, table: string): void {
  const names = new Map<string, TableColumn>()
  for (const column of schema.columns) {
    checkType(column.type, `${table}.${column.name}`)
    const folded = column.name.toLowerCase()
    // Delta does not tell names apart by case.
    if (column.name === '' || names.has(folded)) {
      throw invalid('invalid_schema', 'columns need names that differ by more than case', {
        table,
        column: column.name,
      })
    }
    names.set(folded, column)
  }
  for (const name of schema.partitionBy) checkPartition(schema, name, table)
  for (const { name, partitionOf } of schema.columns) {
    if (partitionOf !== undefined && !schema.partitionBy.includes(name)) {
      throw invalid('invalid_schema', 'a column computed from an instant must be one to partition by', {
        table,
        column: name,
      })
    }
  }
  if (schema.columns.length <= schema.partitionBy.length) {
    throw invalid('invalid_schema', 'a table needs a column that it is not partitioned by', { table })
  }
}

function checkPartition(schema: TableSchema, name: string, table: string): void {
  const column = schema.columns.find((candidate) => candidate.name === name)
  if (column === undefined || !PARTITION_KINDS.includes(column.type.kind)) {
    throw invalid('invalid_schema', `a table is partitioned by columns of ${PARTITION_KINDS.join(', ')}`, {
      table,
      column: name,
      type: column === undefined ? 'missing' : typeName(column.type),
    })
  }
  const { partitionOf } = column
  if (partitionOf === undefined) return
  const source = schema.columns.find((candidate) => candidate.name === partitionOf.column)
  if (column.type.kind !== 'string' || source?.type.kind !== 'timestamp') {
    throw invalid('invalid_schema', 'a day or month is a string computed from a timestamp column', {
      table,
      column: name,
      of: partitionOf.column,
    })
  }
}
