import type { ColumnType } from './flat-schema.ts'
import { ThriftWriter } from './thrift-compact.ts'

/** Types of columns that are written: `date` is days, `int16` is small; both are given as `Int32Array`. */
export type FieldType = ColumnType | 'date' | 'int16'

/** A column that is written; it may hold nulls. */
export interface FlatField {
  readonly name: string
  readonly type: FieldType
}

/** The pages of one column, as they were written. */
export interface WrittenChunk {
  readonly offset: number
  /** Where its dictionary ends and its data begin; undefined without one. */
  readonly data: number | undefined
  /** With the headers of the pages. */
  readonly bytes: number
  readonly nulls: number
}

const MAGIC = Uint8Array.from([0x50, 0x41, 0x52, 0x31])
/** What a file begins with. */
export const FILE_HEAD: Uint8Array = MAGIC

const PHYSICAL: Readonly<Record<FieldType, number>> = {
  bool: 0,
  int32: 1,
  int64: 2,
  float32: 4,
  float64: 5,
  timestamp: 2,
  text: 6,
  date: 1,
  int16: 1,
}
const OPTIONAL = 1
/** The older annotations, which all readers know. */
const CONVERTED: Readonly<Partial<Record<FieldType, number>>> = { text: 0, date: 6, timestamp: 10, int16: 16 }
const ENCODING = { plain: 0, rle: 3, dictionary: 8 } as const
const DATA_PAGE = 0
const DICTIONARY_PAGE = 2
const UNCOMPRESSED = 0

/** The header of a data page (version 1) of PLAIN values, or of indices into a dictionary. */
export function pageHeader(rows: number, bytes: number, encoding: 'plain' | 'dictionary'): Uint8Array {
  const thrift = new ThriftWriter()
  thrift.i32(1, DATA_PAGE)
  thrift.i32(2, bytes)
  thrift.i32(3, bytes)
  thrift.struct(5, () => {
    thrift.i32(1, rows)
    thrift.i32(2, ENCODING[encoding])
    thrift.i32(3, ENCODING.rle)
    thrift.i32(4, ENCODING.rle)
  })
  return thrift.finish()
}

/** The header of a page that holds the distinct values of a column. */
export function dictionaryHeader(values: number, bytes: number): Uint8Array {
  const thrift = new ThriftWriter()
  thrift.i32(1, DICTIONARY_PAGE)
  thrift.i32(2, bytes)
  thrift.i32(3, bytes)
  thrift.struct(7, () => {
    thrift.i32(1, values)
    thrift.i32(2, ENCODING.plain)
  })
  return thrift.finish()
}

/**
 * What a file ends with. There are no least and greatest values: nobody prunes row groups of a training set, and those of
 * floats would need the rules for NaN and -0.
 *
 * @param chunks of the one row group, by column; a file without rows has none
 */
export function fileFoot(
  fields: readonly FlatField[],
  chunks: readonly WrittenChunk[],
  rows: number,
  createdBy: string,
): Uint8Array {
  const thrift = new ThriftWriter()
  thrift.i32(1, 1)
  thrift.structs(2, [undefined, ...fields], (field) => {
    if (field === undefined) {
      thrift.text(4, 'schema')
      thrift.i32(5, fields.length)
      return
    }
    thrift.i32(1, PHYSICAL[field.type])
    thrift.i32(3, OPTIONAL)
    thrift.text(4, field.name)
    writeMeaning(thrift, field.type)
  })
  thrift.i64(3, rows)
  thrift.structs(4, rows === 0 ? [] : [chunks], (group) => {
    thrift.structs(1, [...group.entries()], ([index, chunk]) =>
      writeChunk(thrift, fields[index]!, chunk, rows),
    )
    thrift.i64(
      2,
      group.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    thrift.i64(3, rows)
  })
  thrift.text(6, createdBy)
  const meta = thrift.finish()
  const foot = Buffer.alloc(meta.length + 8)
  foot.set(meta)
  foot.writeUInt32LE(meta.length, meta.length)
  foot.set(MAGIC, meta.length + 4)
  return foot
}

/** What the bytes of a column mean, in the older way and the newer one. */
function writeMeaning(thrift: ThriftWriter, type: FieldType): void {
  const converted = CONVERTED[type]
  if (converted === undefined) return
  thrift.i32(6, converted)
  if (type === 'text') thrift.struct(10, () => thrift.struct(1, () => undefined))
  if (type === 'date') thrift.struct(10, () => thrift.struct(6, () => undefined))
  if (type !== 'timestamp') return
  thrift.struct(10, () =>
    thrift.struct(8, () => {
      thrift.bool(1, true)
      thrift.struct(2, () => thrift.struct(2, () => undefined))
    }),
  )
}

function writeChunk(thrift: ThriftWriter, field: FlatField, chunk: WrittenChunk, rows: number): void {
  thrift.i64(2, 0)
  thrift.struct(3, () => {
    thrift.i32(1, PHYSICAL[field.type])
    thrift.i32s(2, [ENCODING.plain, ENCODING.rle, ...(chunk.data === undefined ? [] : [ENCODING.dictionary])])
    thrift.texts(3, [field.name])
    thrift.i32(4, UNCOMPRESSED)
    thrift.i64(5, rows)
    thrift.i64(6, chunk.bytes)
    thrift.i64(7, chunk.bytes)
    thrift.i64(9, chunk.data ?? chunk.offset)
    if (chunk.data !== undefined) thrift.i64(11, chunk.offset)
    thrift.struct(12, () => thrift.i64(3, chunk.nulls))
  })
}
