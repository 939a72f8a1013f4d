import type { FileMetaData, SchemaElement } from 'hyparquet'

/** Types whose values have a fixed width. `timestamp`: microseconds in UTC, as int64. */
export type FlatType = 'bool' | 'int32' | 'int64' | 'float32' | 'float64' | 'timestamp'

/** Types of columns that are read here: `text` is UTF-8, of any length. */
export type ColumnType = FlatType | 'text'

/** A column on the top level of a file. */
export interface FileColumn {
  readonly name: string
  /** Undefined: of a type that is not read here. */
  readonly type: ColumnType | undefined
  /** Whether it may hold nulls. */
  readonly optional: boolean
  /** Which column chunk of a row group is its own; undefined for a nested column. */
  readonly chunk: number | undefined
}

/** The columns on the top level of a file, in order. */
export function fileColumns({ schema }: FileMetaData): FileColumn[] {
  const columns: FileColumn[] = []
  let chunk = 0
  const leavesOf = (at: number): { readonly next: number; readonly leaves: number } => {
    const children = schema[at]?.num_children ?? 0
    if (children === 0) return { next: at + 1, leaves: 1 }
    let next = at + 1
    let leaves = 0
    for (let child = 0; child < children && next < schema.length; child++) {
      const inner = leavesOf(next)
      next = inner.next
      leaves += inner.leaves
    }
    return { next, leaves }
  }
  for (let at = 1; at < schema.length;) {
    const element = schema[at]!
    const { next, leaves } = leavesOf(at)
    const flat = next === at + 1 && element.repetition_type !== 'REPEATED'
    columns.push({
      name: element.name,
      type: flat ? flatType(element) : undefined,
      optional: element.repetition_type === 'OPTIONAL',
      chunk: flat ? chunk : undefined,
    })
    at = next
    chunk += leaves
  }
  return columns
}

function flatType(element: SchemaElement): ColumnType | undefined {
  const { type, logical_type: logical, converted_type: converted } = element
  const plain = logical === undefined && converted === undefined
  switch (type) {
    case 'BOOLEAN':
      return plain ? 'bool' : undefined
    case 'FLOAT':
      return plain ? 'float32' : undefined
    case 'DOUBLE':
      return plain ? 'float64' : undefined
    case 'INT32':
      return plain || isSigned(element, 32) ? 'int32' : undefined
    case 'INT64':
      if (plain || isSigned(element, 64)) return 'int64'
      return logical?.type === 'TIMESTAMP' && logical.isAdjustedToUTC && logical.unit === 'MICROS'
        ? 'timestamp'
        : undefined
    case 'BYTE_ARRAY':
      return logical?.type === 'STRING' || (logical === undefined && converted === 'UTF8')
        ? 'text'
        : undefined
    default:
      return undefined
  }
}

function isSigned(
  { logical_type: logical, converted_type: converted }: SchemaElement,
  bits: number,
): boolean {
  if (logical === undefined) return converted === `INT_${bits}`
  return logical.type === 'INTEGER' && logical.bitWidth === bits && logical.isSigned
}
