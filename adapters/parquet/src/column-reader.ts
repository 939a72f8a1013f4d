import { BeyondReader, DamagedFile } from './damage.ts'
import { nextPage, openPage, unpack } from './data-page.ts'
import type { Page, PageValues } from './data-page.ts'
import type { ColumnChunk, FlatFile } from './flat-file.ts'
import type { ColumnType, FileColumn, FlatType } from './flat-schema.ts'
import { readHybridRuns } from './hybrid-runs.ts'
import type { PageMemory } from './page-memory.ts'
import type { TextIndex } from './texts.ts'

/** Arrays that values are read into. */
export type FlatArray = Uint8Array | Int32Array | Float32Array | Float64Array | BigInt64Array

/**
 * Where a column's values go: an array of its own type (bool: `Uint8Array`; int64 and timestamp: `BigInt64Array`), or for int64
 * and timestamp a `Float64Array`, whose numbers are exact up to 2^53.
 */
export interface ColumnTarget {
  readonly values: FlatArray
  /** Receives 1 for each row of the group with a value, else 0, from index 0 on. */
  readonly valid: Uint8Array
}

/** Bytes of a value in a PLAIN page; a boolean takes a bit, a text at least those of its length. */
const WIDTH: Readonly<Record<Exclude<ColumnType, 'bool'>, number>> = {
  text: 4,
  int32: 4,
  float32: 4,
  int64: 8,
  float64: 8,
  timestamp: 8,
}

/**
 * Reads one column of one row group into `into.values[at…]`.
 *
 * @returns how many rows have no value; what stands there means nothing
 * @throws {DamagedFile} with the path
 * @throws {BeyondReader} for an encoding or a compression that is not read here
 */
export function readColumn(
  file: FlatFile,
  group: number,
  column: FileColumn,
  into: ColumnTarget,
  at: number,
  memory: PageMemory,
): number {
  const { type } = column
  if (type === undefined || type === 'text')
    throw new BeyondReader(file.path, `the type of column ${column.name}`)
  const plain: PlainValues = (bytes, from, count, values, first) =>
    readPlain(file.path, bytes, from, type, count, values, first)
  return readPages(file, group, column, { type, plain }, into, at, memory)
}

/**
 * Reads one column of texts into `into.values[at…]`: for each row the number of its text in the index, -1 for one that is not
 * there. No text is made of any value; one that stands in a dictionary is looked up once.
 *
 * @returns how many rows have no value; what stands there means nothing
 * @throws {DamagedFile} and {@link BeyondReader}, as `readColumn` does
 */
export function readTextIds(
  file: FlatFile,
  group: number,
  column: FileColumn,
  index: TextIndex,
  into: { readonly values: Int32Array; readonly valid: Uint8Array },
  at: number,
  memory: PageMemory,
): number {
  if (column.type !== 'text') throw new BeyondReader(file.path, `the type of column ${column.name}`)
  const plain: PlainValues = (bytes, from, count, values, first) => {
    let next = from
    for (let i = 0; i < count; i++) {
      const start = next + 4
      const length = start > bytes.length ? -1 : lengthAt(bytes, next)
      next = start + length
      if (length < 0 || next > bytes.length) throw new DamagedFile(file.path, 'a page has too few values')
      values[first + i] = index.find(bytes, start, next)
    }
  }
  return readPages(file, group, column, { type: 'text', plain }, into, at, memory)
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** Reads `count` PLAIN values at `bytes[from…]` into `values[first…]`. */
type PlainValues = (bytes: Uint8Array, from: number, count: number, values: FlatArray, first: number) => void

/** How the values of a column are read. */
interface ValueReader {
  readonly type: ColumnType
  readonly plain: PlainValues
}

function readPages(
  file: FlatFile,
  group: number,
  column: FileColumn,
  reader: ValueReader,
  into: ColumnTarget,
  at: number,
  memory: PageMemory,
): number {
  const rows = file.groups[group]!
  const chunk = file.chunk(group, column)
  const bytes = file.read(chunk, memory.input(chunk.bytes))
  let dictionary: FlatArray | undefined
  let nulls = 0
  let done = 0
  for (let offset = 0; done < rows;) {
    if (offset >= bytes.length) throw new DamagedFile(file.path, 'a column has too few rows')
    const page = nextPage(file.path, bytes, offset)
    offset = page.next
    if (page.kind === 'index') continue
    if (page.kind === 'dictionary') {
      dictionary = readDictionary(file.path, page, chunk.codec, reader, into.values)
      continue
    }
    const values = openPage(file.path, page, chunk.codec, column.optional, rows - done, memory)
    readValues(file.path, values, reader, dictionary, into.values, at + done, memory)
    spread(values, into, at, done)
    nulls += values.nulls
    done += values.count
  }
  return nulls
}

function readDictionary(
  path: string,
  { header, bytes: packed }: Page,
  codec: ColumnChunk['codec'],
  { type, plain }: ValueReader,
  like: FlatArray,
): FlatArray {
  const count = header.dictionary_page_header?.num_values ?? -1
  const bytes = unpack(path, packed, header.uncompressed_page_size, codec)
  if (type === 'bool' || count < 0 || count * WIDTH[type] > bytes.length)
    throw new DamagedFile(path, 'the header of a dictionary')
  const dictionary = new (like.constructor as new (length: number) => FlatArray)(count)
  plain(bytes, 0, count, dictionary, 0)
  return dictionary
}

/** Reads the values of a page one behind the other, without room for nulls. */
function readValues(
  path: string,
  page: PageValues,
  { type, plain }: ValueReader,
  dictionary: FlatArray | undefined,
  into: FlatArray,
  at: number,
  memory: PageMemory,
): void {
  const count = page.count - page.nulls
  switch (page.encoding) {
    case 'PLAIN':
      plain(page.bytes, page.from, count, into, at)
      return
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY': {
      if (count === 0) return
      if (dictionary === undefined || page.from >= page.bytes.length)
        throw new DamagedFile(path, 'a page without its dictionary')
      const indices = memory.indices(count)
      const width = page.bytes[page.from]!
      if (!readHybridRuns(page.bytes, page.from + 1, page.bytes.length, width, count, indices))
        throw new DamagedFile(path, 'the indices of a page')
      const size = dictionary.length
      for (let i = 0; i < count; i++) {
        if (indices[i]! < 0 || indices[i]! >= size)
          throw new DamagedFile(path, 'an index beyond its dictionary')
      }
      lookUp(dictionary, indices, count, into, at)
      return
    }
    case 'RLE': {
      if (type !== 'bool') throw new DamagedFile(path, 'the encoding of a page')
      if (count === 0) return
      const part = (into as Uint8Array).subarray(at, at + count)
      if (!readHybridRuns(page.bytes, page.from + 4, page.bytes.length, 1, count, part))
        throw new DamagedFile(path, 'the values of a page')
      return
    }
    default:
      throw new BeyondReader(path, `values as ${page.encoding}`)
  }
}

function readPlain(
  path: string,
  bytes: Uint8Array,
  from: number,
  type: FlatType,
  count: number,
  into: FlatArray,
  at: number,
): void {
  if (type === 'bool') {
    if (from + Math.ceil(count / 8) > bytes.length) throw new DamagedFile(path, 'a page has too few values')
    for (let i = 0; i < count; i++) into[at + i] = (bytes[from + (i >>> 3)]! >>> (i & 7)) & 1
    return
  }
  const size = count * WIDTH[type]
  if (from + size > bytes.length) throw new DamagedFile(path, 'a page has too few values')
  if (WIDTH[type] === into.BYTES_PER_ELEMENT && into instanceof Float64Array === (type === 'float64')) {
    new Uint8Array(into.buffer, into.byteOffset + at * into.BYTES_PER_ELEMENT, size).set(
      bytes.subarray(from, from + size),
    )
    return
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + from, size)
  // A bigint for each row would cost ten times as much; the one rounding is that of the sum.
  for (let i = 0; i < count; i++) {
    into[at + i] = view.getInt32(8 * i + 4, true) * 4294967296 + view.getUint32(8 * i, true)
  }
}

/** Moves the values of a page to their rows, from the last one on, and tells which rows have one. */
function spread(
  { count, nulls, levels }: PageValues,
  { values, valid }: ColumnTarget,
  at: number,
  done: number,
): void {
  if (levels === undefined) {
    valid.fill(1, done, done + count)
    return
  }
  valid.set(levels.subarray(0, count), done)
  const first = at + done
  const last = first + count - nulls - 1
  if (values instanceof Uint8Array) moveApart(values, levels, count, first, last)
  else if (values.BYTES_PER_ELEMENT === 4) moveApart(wordsOf(values), levels, count, first, last)
  else moveApartPairs(wordsOf(values), levels, count, first, last)
}

function moveApart(
  values: Uint8Array | Int32Array,
  levels: Uint8Array,
  count: number,
  first: number,
  last: number,
): void {
  let from = last
  for (let row = count - 1; row >= 0; row--) if (levels[row] === 1) values[first + row] = values[from--]!
}

function moveApartPairs(
  words: Int32Array,
  levels: Uint8Array,
  count: number,
  first: number,
  last: number,
): void {
  let from = last
  for (let row = count - 1; row >= 0; row--) {
    if (levels[row] !== 1) continue
    words[2 * (first + row)] = words[2 * from]!
    words[2 * (first + row) + 1] = words[2 * from + 1]!
    from--
  }
}

function lookUp(
  dictionary: FlatArray,
  indices: Int32Array,
  count: number,
  into: FlatArray,
  at: number,
): void {
  const from = wordsOf(dictionary)
  const to = wordsOf(into)
  if (into.BYTES_PER_ELEMENT === 4) {
    for (let i = 0; i < count; i++) to[at + i] = from[indices[i]!]!
    return
  }
  for (let i = 0; i < count; i++) {
    to[2 * (at + i)] = from[2 * indices[i]!]!
    to[2 * (at + i) + 1] = from[2 * indices[i]! + 1]!
  }
}

/** Values as their bits: a bigint for each would be slow, and a NaN that is moved as a number may become another. */
function wordsOf(values: FlatArray): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4)
}
