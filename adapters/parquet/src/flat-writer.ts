import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs'
import type { FlatArray } from './column-reader.ts'
import { dictionaryHeader, FILE_HEAD, fileFoot, pageHeader } from './flat-footer.ts'
import type { FlatField, WrittenChunk } from './flat-footer.ts'
import { levelBits, levelRun, packBits, packIndices } from './hybrid-writer.ts'
import { dictionaryBytes, fitsDictionary, plainTexts, textPages } from './text-pages.ts'
import type { TextColumn } from './texts.ts'

/** What is written, and where. */
export interface FlatFilePlan {
  readonly path: string
  readonly fields: readonly FlatField[]
  readonly rows: number
  /** Rows of a page; 122,880 where nothing is said. */
  readonly pageRows?: number
  /** Name and version of the program, for the footer. */
  readonly createdBy: string
}

/** A file that was written. */
export interface WrittenFlatFile {
  readonly bytes: number
  /** In hexadecimal digits, taken while the bytes were written. */
  readonly sha256: string
}

const PAGE_ROWS = 122_880
/** Bytes that are written before the disk is asked to take them. */
const ASK_BYTES = 2 ** 24

/** The bytes of a page's values. */
type Encode = (present: FlatArray) => Uint8Array

/**
 * Writes a Parquet file of one row group, column by column in their order: PLAIN, not compressed. Nothing of a column that was
 * written has to be kept. Writing a column is synchronous: it belongs into a thread of its own.
 */
export class FlatWriter {
  readonly #plan: FlatFilePlan
  readonly #descriptor: number
  readonly #hash: Hash = createHash('sha256')
  readonly #chunks: WrittenChunk[] = []
  #bytes = 0
  /** Up to where the disk was asked to take the bytes. */
  #asked = 0
  #asking: Promise<void> | undefined
  #failure: Error | undefined
  #isClosed = false
  #scratch = new ArrayBuffer(0)

  constructor(plan: FlatFilePlan) {
    this.#plan = plan
    this.#descriptor = openSync(plan.path, 'wx')
    this.#write(FILE_HEAD)
  }

  /**
   * Writes the next column.
   *
   * @param values one for each row; bool: 0 or 1
   * @param valid 1 for a row with a value, else 0; undefined where all have one
   */
  column(values: FlatArray | TextColumn, valid: Uint8Array | undefined): void {
    const { fields, rows, pageRows = PAGE_ROWS } = this.#plan
    const field = fields[this.#chunks.length]
    const given = 'ids' in values ? values.ids : values
    if (field === undefined || given.length !== rows || (valid !== undefined && valid.length !== rows))
      throw new Error('no column of so many rows is to be written')
    if ('ids' in values !== (field.type === 'text'))
      throw new Error('a column is not of the type of its field')
    const offset = this.#bytes
    let nulls = 0
    let data: number | undefined
    if (rows > 0 && 'ids' in values && fitsDictionary(values.texts)) {
      const dictionary = dictionaryBytes(values.texts)
      this.#write(dictionaryHeader(values.texts.ends.length, dictionary.length))
      this.#write(dictionary)
      data = this.#bytes
      const size = values.texts.ends.length
      nulls = this.#pages(values.ids, valid, pageRows, 'dictionary', (ids) =>
        packIndices(ids as Int32Array, size),
      )
    } else if ('ids' in values) {
      const { ids, texts } = values
      for (const [from, to] of textPages(values, pageRows)) {
        nulls += this.#page(ids.subarray(from, to), valid?.subarray(from, to), 'plain', (present) =>
          plainTexts(present as Int32Array, texts),
        )
      }
    } else {
      const isBool = field.type === 'bool'
      nulls = this.#pages(values, valid, pageRows, 'plain', (present) =>
        isBool ? packBits(present as Uint8Array) : bytesOf(present),
      )
    }
    this.#chunks.push({ offset, data, bytes: this.#bytes - offset, nulls })
  }

  /** Ends the file. @throws {Error} of the disk, where it failed meanwhile */
  async finish(): Promise<WrittenFlatFile> {
    const { fields, rows, createdBy } = this.#plan
    if (this.#chunks.length !== fields.length) throw new Error('a column was not written')
    this.#write(fileFoot(fields, this.#chunks, rows, createdBy))
    await this.#asking
    this.#close()
    if (this.#failure !== undefined) throw this.#failure
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** Closes a file that is not wanted any more; it stays as it is. */
  abandon(): void {
    if (this.#asking === undefined) this.#close()
    else void this.#asking.then(() => this.#close())
  }

  #close(): void {
    if (!this.#isClosed) closeSync(this.#descriptor)
    this.#isClosed = true
  }

  #pages(
    values: FlatArray,
    valid: Uint8Array | undefined,
    pageRows: number,
    encoding: 'plain' | 'dictionary',
    encode: Encode,
  ): number {
    let nulls = 0
    for (let from = 0; from < values.length; from += pageRows) {
      const to = Math.min(values.length, from + pageRows)
      nulls += this.#page(values.subarray(from, to), valid?.subarray(from, to), encoding, encode)
    }
    return nulls
  }

  /** Writes a page; answers how many of its rows have no value. */
  #page(
    values: FlatArray,
    valid: Uint8Array | undefined,
    encoding: 'plain' | 'dictionary',
    encode: Encode,
  ): number {
    const rows = values.length
    const nulls = valid === undefined ? 0 : countZeros(valid)
    const levels = nulls === 0 || valid === undefined ? levelRun(rows) : levelBits(valid)
    const present = nulls === 0 || valid === undefined ? values : this.#present(values, valid, rows - nulls)
    const encoded = encode(present)
    this.#write(Buffer.concat([pageHeader(rows, levels.length + encoded.length, encoding), levels]))
    this.#write(encoded)
    return nulls
  }

  /** The values that are there, one behind the other: their bits, as a bigint for each row would be slow and a NaN may change. */
  #present(values: FlatArray, valid: Uint8Array, count: number): Uint8Array | Int32Array {
    const width = values.BYTES_PER_ELEMENT
    const bytes = count * width
    // Each value is written, and written over by the next one where it is none: no branch is to be guessed.
    if (this.#scratch.byteLength < bytes + 8) this.#scratch = new ArrayBuffer(bytes + 8)
    let next = 0
    if (width === 1) {
      const into = new Uint8Array(this.#scratch)
      const bools = values as Uint8Array
      for (let row = 0; row < valid.length; row++) {
        into[next] = bools[row]!
        next += valid[row]!
      }
      return into.subarray(0, count)
    }
    const into = new Int32Array(this.#scratch, 0, (bytes + 8) / 4)
    const words = new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4)
    if (width === 4) {
      for (let row = 0; row < valid.length; row++) {
        into[next] = words[row]!
        next += valid[row]!
      }
    } else {
      for (let row = 0; row < valid.length; row++) {
        into[next] = words[2 * row]!
        into[next + 1] = words[2 * row + 1]!
        next += 2 * valid[row]!
      }
    }
    return into.subarray(0, bytes / 4)
  }

  #write(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done)
    this.#bytes += bytes.length
    if (this.#bytes - this.#asked >= ASK_BYTES && this.#asking === undefined) this.#askDisk()
  }

  /** Has the disk begin: whoever syncs the file in the end would wait for all of it. A failure is told once, so it is kept. */
  #askDisk(): void {
    this.#asked = this.#bytes
    this.#asking = new Promise((done) => {
      fdatasync(this.#descriptor, (error) => {
        this.#failure ??= error ?? undefined
        this.#asking = undefined
        done()
      })
    })
  }
}

function countZeros(valid: Uint8Array): number {
  let ones = 0
  for (let row = 0; row < valid.length; row++) ones += valid[row]!
  return valid.length - ones
}

function bytesOf(values: FlatArray): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
