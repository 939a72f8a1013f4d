import { zstdDecompressSync } from 'node:zlib'
import type { PageHeader } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { BeyondReader, DamagedFile } from './damage.ts'
import type { ColumnChunk } from './flat-file.ts'
import { readHybridRuns } from './hybrid-runs.ts'
import type { PageMemory } from './page-memory.ts'
import { uncompressSnappy } from './snappy.ts'

/** Bytes of a page beyond which memory would be asked for on the word of a header alone. */
const PAGE_BYTES_MAX = 2 ** 28

/** A page, its header read. */
export interface Page {
  readonly kind: 'dictionary' | 'data' | 'data-2' | 'index'
  readonly header: PageHeader
  /** As in the file. */
  readonly bytes: Uint8Array
  /** Where the next page begins in the chunk. */
  readonly next: number
}

const KINDS: Readonly<Record<string, Page['kind']>> = {
  DATA_PAGE: 'data',
  DATA_PAGE_V2: 'data-2',
  DICTIONARY_PAGE: 'dictionary',
  INDEX_PAGE: 'index',
}

/** The page that begins at `at` in a chunk. */
export function nextPage(path: string, chunk: Uint8Array, at: number): Page {
  const reader = { view: new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength), offset: at }
  let header: PageHeader
  try {
    header = parquetHeader(reader)
  } catch (error) {
    throw new DamagedFile(path, `a page's header: ${(error as Error).message}`)
  }
  const kind = KINDS[header.type]
  const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header
  if (kind === undefined || !isSize(packed) || !isSize(unpacked) || reader.offset + packed > chunk.length)
    throw new DamagedFile(path, 'the header of a page')
  if (unpacked > PAGE_BYTES_MAX) throw new BeyondReader(path, 'a very large page')
  const next = reader.offset + packed
  return { kind, header, bytes: chunk.subarray(reader.offset, next), next }
}

/** What a data page holds, its compression taken away. */
export interface PageValues {
  readonly encoding: string
  /** Rows of the page. */
  readonly count: number
  /** Rows without a value. */
  readonly nulls: number
  /** 1 for each row with a value; undefined where all have one. */
  readonly levels: Uint8Array | undefined
  /** The encoded values: `bytes[from..]`. */
  readonly bytes: Uint8Array
  readonly from: number
}

/** Takes a data page apart. */
export function openPage(
  path: string,
  page: Page,
  codec: ColumnChunk['codec'],
  optional: boolean,
  rowsMax: number,
  memory: PageMemory,
): PageValues {
  return page.kind === 'data-2'
    ? openSecond(path, page, codec, optional, rowsMax, memory)
    : openFirst(path, page, codec, optional, rowsMax, memory)
}

function openFirst(
  path: string,
  { header, bytes: packed }: Page,
  codec: ColumnChunk['codec'],
  optional: boolean,
  rowsMax: number,
  memory: PageMemory,
): PageValues {
  const data = header.data_page_header
  if (data === undefined || !isSize(data.num_values) || data.num_values > rowsMax)
    throw new DamagedFile(path, 'the header of a data page')
  const count = data.num_values
  const bytes = unpack(path, packed, header.uncompressed_page_size, codec)
  if (!optional) return { encoding: data.encoding, count, nulls: 0, levels: undefined, bytes, from: 0 }
  if (data.definition_level_encoding !== 'RLE')
    throw new BeyondReader(path, `levels as ${data.definition_level_encoding}`)
  if (bytes.length < 4) throw new DamagedFile(path, 'a page without levels')
  const from = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const { levels, nulls } = readLevels(path, bytes, 4, from, count, memory)
  return { encoding: data.encoding, count, nulls, levels, bytes, from }
}

function openSecond(
  path: string,
  { header, bytes: packed }: Page,
  codec: ColumnChunk['codec'],
  optional: boolean,
  rowsMax: number,
  memory: PageMemory,
): PageValues {
  const data = header.data_page_header_v2
  const size = data?.definition_levels_byte_length ?? 0
  if (data === undefined || !isSize(data.num_values) || data.num_values > rowsMax || !isSize(size))
    throw new DamagedFile(path, 'the header of a data page')
  const count = data.num_values
  const unpacked = header.uncompressed_page_size - size
  if (data.repetition_levels_byte_length !== 0 || size > packed.length || unpacked < 0)
    throw new DamagedFile(path, 'the levels of a page')
  const read = optional ? readLevels(path, packed, 0, size, count, memory) : { levels: undefined, nulls: 0 }
  const body = packed.subarray(size)
  const whole = data.is_compressed === false ? 'UNCOMPRESSED' : codec
  // A page without values may have no bytes at all, not even those of an empty block.
  const bytes = body.length === 0 && unpacked === 0 ? body : unpack(path, body, unpacked, whole)
  return { encoding: data.encoding, count, ...read, bytes, from: 0 }
}

/** Whether the levels are one run of ones. */
function isOneRun(bytes: Uint8Array, from: number, to: number, count: number): boolean {
  let header = 0
  let at = from
  for (let shift = 0; at < to && shift <= 21; shift += 7) {
    const byte = bytes[at++]!
    header |= (byte & 0x7f) << shift
    if (byte < 0x80) return (header & 1) === 0 && header >>> 1 >= count && at < to && bytes[at] === 1
  }
  return false
}

/** Nothing where all rows have a value, which is most often said by one run. */
function readLevels(
  path: string,
  bytes: Uint8Array,
  from: number,
  to: number,
  count: number,
  memory: PageMemory,
): Pick<PageValues, 'levels' | 'nulls'> {
  if (isOneRun(bytes, from, to, count)) return { levels: undefined, nulls: 0 }
  const levels = memory.levels(count)
  if (!readHybridRuns(bytes, from, to, 1, count, levels)) throw new DamagedFile(path, 'the levels of a page')
  let present = 0
  for (let row = 0; row < count; row++) present += levels[row]!
  return { levels: present === count ? undefined : levels, nulls: count - present }
}

/** A page without its compression; it holds until the next one. */
export function unpack(
  path: string,
  packed: Uint8Array,
  size: number,
  codec: ColumnChunk['codec'],
): Uint8Array {
  switch (codec) {
    case 'UNCOMPRESSED': {
      if (packed.length !== size) throw new DamagedFile(path, 'the size of a page')
      return packed
    }
    case 'SNAPPY': {
      const page = uncompressSnappy(packed, size)
      if (page === undefined) throw new DamagedFile(path, 'a page does not uncompress')
      return page
    }
    case 'ZSTD': {
      let page: Buffer
      try {
        page = zstdDecompressSync(packed, { maxOutputLength: Math.max(size, 1) })
      } catch {
        throw new DamagedFile(path, 'a page does not uncompress')
      }
      if (page.length !== size) throw new DamagedFile(path, 'the size of a page')
      return page
    }
    default:
      throw new BeyondReader(path, `compression by ${codec}`)
  }
}

function isSize(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0
}
