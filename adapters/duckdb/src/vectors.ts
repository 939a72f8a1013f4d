import { internal } from '@asof/core'
import type { Column, ColumnBatch, FeatureType, ScalarType, ScalarValue, Value } from '@asof/core'
import * as duckdb from '@duckdb/node-api'
import type {
  DuckDBConnection,
  DuckDBDataChunk,
  DuckDBType,
  DuckDBValue,
  DuckDBVector,
} from '@duckdb/node-api'
import { identifier } from './sql-text.ts'

/** A column of a query's result or of a table: its name and what it holds. */
export interface TypedColumn {
  readonly name: string
  readonly type: FeatureType
}

/** Rows of a DuckDB chunk. */
const CHUNK_ROWS = 2048

/**
 * DuckDB's name for the type in which values of a feature type are kept, in memory and in Parquet.
 *
 * @example
 * ```ts
 * sqlType({ kind: 'vector', size: 3 }) // 'FLOAT[]'
 * ```
 */
export function sqlType(type: FeatureType): string {
  switch (type.kind) {
    case 'bool':
      return 'BOOLEAN'
    case 'int32':
      return 'INTEGER'
    case 'int64':
      return 'BIGINT'
    case 'float32':
      return 'FLOAT'
    case 'float64':
      return 'DOUBLE'
    case 'string':
      return 'VARCHAR'
    case 'bytes':
      return 'BLOB'
    case 'timestamp':
      return 'TIMESTAMP WITH TIME ZONE'
    case 'vector':
      return 'FLOAT[]'
    case 'list':
      return `${sqlType(type.element)}[]`
    case 'map':
      return `MAP(VARCHAR, ${sqlType(type.value)})`
    case 'struct':
      return `STRUCT(${Object.entries(type.fields)
        .map(([name, field]) => `${identifier(name)} ${sqlType(field)}`)
        .join(', ')})`
  }
}

/** The same as {@link sqlType}, as the client's object. */
export function duckdbType(type: FeatureType): DuckDBType {
  switch (type.kind) {
    case 'bool':
      return duckdb.BOOLEAN
    case 'int32':
      return duckdb.INTEGER
    case 'int64':
      return duckdb.BIGINT
    case 'float32':
      return duckdb.FLOAT
    case 'float64':
      return duckdb.DOUBLE
    case 'string':
      return duckdb.VARCHAR
    case 'bytes':
      return duckdb.BLOB
    case 'timestamp':
      return duckdb.TIMESTAMPTZ
    case 'vector':
      return duckdb.LIST(duckdb.FLOAT)
    case 'list':
      return duckdb.LIST(duckdbType(type.element))
    case 'map':
      return duckdb.MAP(duckdb.VARCHAR, duckdbType(type.value))
    case 'struct':
      return duckdb.STRUCT(
        Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, duckdbType(field)])),
      )
  }
}

/**
 * What the client keeps private but is needed to copy in bulk and to read text whole: its own accessors are a call per
 * value, and strip a byte order mark from text. The client's version is pinned; the round-trip tests guard this.
 */
interface VectorInside {
  readonly items: Int32Array | Float32Array | Float64Array | BigInt64Array
  readonly dataView: DataView
  readonly validity: ConstructorParameters<typeof duckdb.DuckDBBlobVector>[1]
  readonly vector: ConstructorParameters<typeof duckdb.DuckDBBlobVector>[2]
  readonly listVector: duckdb.DuckDBListVector
}

function inside(vector: DuckDBVector): VectorInside {
  return vector as unknown as VectorInside
}

/** Rows of a result chunk, its columns taken in order as the given ones; the values are copied out of DuckDB's memory. */
export function readBatch(chunk: DuckDBDataChunk, columns: readonly TypedColumn[]): ColumnBatch {
  const read: Record<string, Column> = {}
  for (const [at, { name, type }] of columns.entries())
    read[name] = readColumn(chunk.getColumnVector(at), type)
  return { rows: chunk.rowCount, columns: read }
}

/** One column of a result chunk, whose type in SQL is `sqlType(type)`. */
export function readColumn(vector: DuckDBVector, type: FeatureType): Column {
  const rows = vector.itemCount
  const valid = readValidity(vector, rows)
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'timestamp':
      return { type, values: inside(vector).items.slice(0, rows), valid }
    case 'bool':
      return { type, values: bytesOf(inside(vector).dataView).slice(0, rows), valid }
    case 'string':
      return { type, values: readTexts(vector, rows, valid), valid }
    case 'bytes': {
      const blobs = vector as duckdb.DuckDBBlobVector
      return {
        type,
        values: collect(rows, valid, (row) => Uint8Array.from(blobs.getItemBytes(row) ?? [])),
        valid,
      }
    }
    case 'vector': {
      const lists = vector as duckdb.DuckDBListVector
      const elements = readColumn(lists.childVector, { kind: 'float32' }).values as Float32Array
      const value = (row: number): Value => {
        const from = lists.getEntryOffset(row)
        return elements.slice(from, from + lists.getEntryLength(row))
      }
      return { type, values: collect(rows, valid, value), valid }
    }
    case 'list': {
      const lists = vector as duckdb.DuckDBListVector
      const elements = scalars(readColumn(lists.childVector, type.element))
      const value = (row: number): Value => {
        const from = lists.getEntryOffset(row)
        return elements.slice(from, from + lists.getEntryLength(row))
      }
      return { type, values: collect(rows, valid, value), valid }
    }
    case 'map': {
      const lists = inside(vector).listVector
      const entries = lists.childVector as duckdb.DuckDBStructVector
      const keys = scalars(readColumn(entries.entryVectorAt(0), { kind: 'string' })) as string[]
      const values = scalars(readColumn(entries.entryVectorAt(1), type.value))
      const value = (row: number): Value => {
        const map = new Map<string, ScalarValue | null>()
        const from = lists.getEntryOffset(row)
        for (let at = from; at < from + lists.getEntryLength(row); at++) {
          map.set(keys[at] as string, values[at] ?? null)
        }
        return map
      }
      return { type, values: collect(rows, valid, value), valid }
    }
    case 'struct': {
      const fields = Object.entries(type.fields).map(
        ([name, field], at) =>
          [
            name,
            scalars(readColumn((vector as duckdb.DuckDBStructVector).entryVectorAt(at), field)),
          ] as const,
      )
      const value = (row: number): Value => {
        const struct: Record<string, ScalarValue | null> = Object.create(null)
        for (const [name, values] of fields) struct[name] = values[row] ?? null
        return struct
      }
      return { type, values: collect(rows, valid, value), valid }
    }
  }
}

function collect(
  rows: number,
  valid: Uint8Array | undefined,
  value: (row: number) => Value,
): (Value | null)[] {
  const values: (Value | null)[] = []
  for (let row = 0; row < rows; row++)
    values.push(valid === undefined || valid[row] === 1 ? value(row) : null)
  return values
}

/** A scalar column as an array of values and nulls: the elements of nested ones. */
function scalars(column: Column): (ScalarValue | null)[] {
  const { valid, values } = column
  const bool = column.type.kind === 'bool'
  const out: (ScalarValue | null)[] = []
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as ScalarValue
    out.push(valid !== undefined && valid[at] === 0 ? null : bool ? value === 1 : value)
  }
  return out
}

/** One byte per row, or undefined when all have a value. */
export function readValidity(vector: DuckDBVector, rows: number): Uint8Array | undefined {
  const { validity } = inside(vector instanceof duckdb.DuckDBMapVector ? inside(vector).listVector : vector)
  // Bit `offset + row` is 1 where a row has a value; there is no data where all have one.
  const { data, offset } = validity as unknown as { data: BigUint64Array | null; offset: number }
  if (data === null || rows === 0) return undefined
  const bits = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const valid = new Uint8Array(rows)
  let missing = 0
  for (let row = 0; row < rows; row++) {
    const bit = offset + row
    const is = ((bits[bit >> 3] as number) >> (bit & 7)) & 1
    valid[row] = is
    missing |= is ^ 1
  }
  return missing === 0 ? undefined : valid
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Text of up to 12 bytes lies in the vector itself (4 bytes of length, then the text); longer text behind a pointer. */
function readTexts(vector: DuckDBVector, rows: number, valid: Uint8Array | undefined): (Value | null)[] {
  const { dataView, vector: raw, validity } = inside(vector)
  const near = Buffer.from(dataView.buffer, dataView.byteOffset, dataView.byteLength)
  const far = new duckdb.DuckDBBlobVector(dataView, validity, raw, 0, rows)
  return collect(rows, valid, (row) => {
    const at = row * 16
    const length = dataView.getUint32(at, true)
    if (length <= 12) return near.toString('utf8', at + 4, at + 4 + length)
    const bytes = far.getItemBytes(row) as Uint8Array
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  })
}

/**
 * Appends batches to a table, whose columns are the given ones in this order, each of `sqlType(type)`.
 *
 * @returns the number of rows
 */
export async function appendBatches(
  connection: DuckDBConnection,
  table: string,
  columns: readonly TypedColumn[],
  batches: AsyncIterable<ColumnBatch> | Iterable<ColumnBatch>,
  options: { readonly signal?: AbortSignal | undefined; readonly temporary?: boolean } = {},
): Promise<number> {
  const appender = await connection.createAppender(
    table,
    'main',
    options.temporary === true ? 'temp' : undefined,
  )
  const types = columns.map(({ type }) => duckdbType(type))
  let rows = 0
  try {
    for await (const batch of batches) {
      options.signal?.throwIfAborted()
      const sources = columns.map(({ name, type }) => {
        const column = batch.columns[name]
        if (column === undefined) throw internal('a batch lacks a column', { column: name })
        if (column.type.kind !== type.kind)
          throw internal('a batch has a column of another type', { column: name })
        return column
      })
      for (let from = 0; from < batch.rows; from += CHUNK_ROWS) {
        const count = Math.min(CHUNK_ROWS, batch.rows - from)
        const chunk = duckdb.DuckDBDataChunk.create(types, count)
        for (const [at, column] of sources.entries())
          writeColumn(chunk.getColumnVector(at), column, from, count)
        appender.appendDataChunk(chunk)
      }
      rows += batch.rows
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
  return rows
}

/** Copies rows `[from, from + count)` of a column into a fresh vector and hands them to DuckDB. */
export function writeColumn(vector: DuckDBVector, column: Column, from: number, count: number): void {
  const { type, valid, values } = column
  const has = (row: number): boolean => valid === undefined || valid[from + row] === 1
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'timestamp': {
      inside(vector).items.set((values as Float64Array).subarray(from, from + count) as never)
      if (valid !== undefined) writeValidity(vector, valid, from, count)
      return vector.flush()
    }
    case 'bool': {
      bytesOf(inside(vector).dataView).set((values as Uint8Array).subarray(from, from + count))
      if (valid !== undefined) writeValidity(vector, valid, from, count)
      return vector.flush()
    }
    default: {
      const items = values as readonly (Value | null)[]
      for (let row = 0; row < count; row++) {
        const value = has(row) ? (items[from + row] ?? null) : null
        vector.setItem(row, value === null ? null : nestedValue(value, type))
      }
      return vector.flush()
    }
  }
}

function writeValidity(vector: DuckDBVector, valid: Uint8Array, from: number, count: number): void {
  const { validity } = inside(vector)
  let bits: Uint8Array | undefined
  for (let row = 0; row < count; row++) {
    if (valid[from + row] === 1) continue
    if (bits === undefined) {
      // The client makes the bits with the first null; the others are cleared here, as its own way takes a bigint for each.
      validity.setItemValid(row, false)
      const { data } = validity as unknown as { data: BigUint64Array }
      bits = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    }
    bits[row >> 3]! &= ~(1 << (row & 7))
  }
}

/** A value of a type that is not copied in bulk, in the client's form. */
function nestedValue(value: Value, type: FeatureType): DuckDBValue {
  switch (type.kind) {
    case 'vector':
      // The client only reads `length` and elements by number, which a typed array has.
      return new duckdb.DuckDBListValue(value as unknown as DuckDBValue[])
    case 'list':
      return duckdb.listValue(
        (value as readonly (ScalarValue | null)[]).map((item) => scalarValue(item, type.element)),
      )
    case 'map':
      return duckdb.mapValue(
        Array.from(value as ReadonlyMap<string, ScalarValue | null>, ([key, item]) => ({
          key,
          value: scalarValue(item, type.value),
        })),
      )
    case 'struct': {
      const struct = value as Readonly<Record<string, ScalarValue | null>>
      return duckdb.structValue(
        Object.fromEntries(
          Object.entries(type.fields).map(([name, field]) => [
            name,
            scalarValue(struct[name] ?? null, field),
          ]),
        ),
      )
    }
    default:
      return scalarValue(value as ScalarValue, type)
  }
}

function scalarValue(value: ScalarValue | null, type: ScalarType): DuckDBValue {
  if (value === null) return null
  if (type.kind === 'bytes') return duckdb.blobValue(value as Uint8Array)
  if (type.kind === 'timestamp') return duckdb.timestampTZValue(value as bigint)
  return value as string | number | bigint | boolean
}
