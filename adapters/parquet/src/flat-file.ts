import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ColumnMetaData, FileMetaData } from 'hyparquet'
import { parquetMetadata } from 'hyparquet/src/metadata.js'
import { BeyondReader, DamagedFile } from './damage.ts'
import { fileColumns } from './flat-schema.ts'
import type { FileColumn } from './flat-schema.ts'

/** Rows of a row group beyond which memory for a column would be asked for on the word of a footer alone. */
const GROUP_ROWS_MAX = 2 ** 24
const MAGIC_BYTES = 4
const TAIL_BYTES = 8

/** Where the pages of one column lie in one row group. */
export interface ColumnChunk {
  readonly offset: number
  readonly bytes: number
  readonly codec: ColumnMetaData['codec']
}

/**
 * An open Parquet file, its footer read. Reading is synchronous: it belongs into a thread of its own.
 */
export class FlatFile implements Disposable {
  readonly path: string
  readonly columns: readonly FileColumn[]
  /** Rows of each row group. */
  readonly groups: readonly number[]
  readonly #descriptor: number
  readonly #bytes: number
  readonly #meta: FileMetaData

  private constructor(path: string, descriptor: number, bytes: number, meta: FileMetaData) {
    this.path = path
    this.#descriptor = descriptor
    this.#bytes = bytes
    this.#meta = meta
    this.columns = fileColumns(meta)
    this.groups = meta.row_groups.map(({ num_rows: rows }) => {
      if (rows < 0n) throw new DamagedFile(path, 'a row group of fewer than no rows')
      if (rows > GROUP_ROWS_MAX) throw new BeyondReader(path, 'a row group of very many rows')
      return Number(rows)
    })
  }

  /**
   * Opens a file and reads its footer.
   *
   * @throws {DamagedFile} with the path
   * @throws {BeyondReader} for a file that is encrypted, or laid out for another reader
   */
  static open(path: string): FlatFile {
    let descriptor: number
    try {
      descriptor = openSync(path, 'r')
    } catch (error) {
      throw new DamagedFile(path, `it cannot be opened: ${(error as NodeJS.ErrnoException).code}`)
    }
    try {
      const bytes = fstatSync(descriptor).size
      return new FlatFile(path, descriptor, bytes, readFooter(path, descriptor, bytes))
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  /** Where a column's pages lie, within the file for certain. */
  chunk(group: number, column: FileColumn): ColumnChunk {
    const meta = column.chunk === undefined ? undefined : this.#meta.row_groups[group]?.columns[column.chunk]
    const data = meta?.meta_data
    if (data === undefined) throw new DamagedFile(this.path, 'a row group lacks a column')
    if (meta?.file_path !== undefined || meta?.crypto_metadata !== undefined)
      throw new BeyondReader(this.path, 'a column that lies elsewhere, or is encrypted')
    if (data.path_in_schema.length !== 1 || data.path_in_schema[0] !== column.name)
      throw new DamagedFile(this.path, 'the columns of a row group are not those of the schema')
    const first = Number(data.data_page_offset)
    const dictionary = Number(data.dictionary_page_offset ?? 0)
    const offset = dictionary > 0 && dictionary < first ? dictionary : first
    const bytes = Number(data.total_compressed_size)
    if (!(offset >= MAGIC_BYTES && bytes >= 0 && offset + bytes <= this.#bytes - TAIL_BYTES))
      throw new DamagedFile(this.path, 'a column lies outside of the file')
    return { offset, bytes, codec: data.codec }
  }

  /** Reads a chunk's bytes. */
  read({ offset, bytes }: ColumnChunk, into: Uint8Array): Uint8Array {
    const part = into.subarray(0, bytes)
    readWhole(this.path, this.#descriptor, part, offset)
    return part
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }
}

function readFooter(path: string, descriptor: number, bytes: number): FileMetaData {
  if (bytes < MAGIC_BYTES + TAIL_BYTES) throw new DamagedFile(path, 'it is too short')
  const tail = readWhole(path, descriptor, Buffer.alloc(TAIL_BYTES), bytes - TAIL_BYTES)
  const magic = tail.toString('latin1', 4)
  if (magic === 'PARE') throw new BeyondReader(path, 'an encrypted footer')
  const footer = tail.readUInt32LE(0)
  if (magic !== 'PAR1' || footer > bytes - MAGIC_BYTES - TAIL_BYTES)
    throw new DamagedFile(path, 'it has no footer')
  const all = readWhole(path, descriptor, Buffer.alloc(footer + TAIL_BYTES), bytes - footer - TAIL_BYTES)
  try {
    return parquetMetadata(all, { geoparquet: false })
  } catch (error) {
    throw new DamagedFile(path, `its footer: ${(error as Error).message}`)
  }
}

function readWhole<T extends Uint8Array>(path: string, descriptor: number, into: T, offset: number): T {
  for (let done = 0; done < into.length;) {
    const read = readSync(descriptor, into, done, into.length - done, offset + done)
    if (read === 0) throw new DamagedFile(path, 'it ends early')
    done += read
  }
  return into
}
