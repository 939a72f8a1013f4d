import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import type { FlatArray } from './column-reader.ts'
import { FILE_HEAD, fileFoot, pageHeader } from './flat-footer.ts'
import type { FlatField, WrittenChunk } from './flat-footer.ts'
import type { FlatType } from './flat-schema.ts'
import { pushVarint } from './thrift-compact.ts'

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

/**
 * Writes a Parquet file of one row group, column by column in their order: PLAIN, not compressed. Nothing of a column that was
 * written has to be kept. Writing is synchronous: it belongs into a thread of its own.
 */
export class FlatWriter {
  readonly #plan: FlatFilePlan
  readonly #descriptor: number
  readonly #hash: Hash = createHash('sha256')
  readonly #chunks: WrittenChunk[] = []
  #bytes = 0
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
  column(values: FlatArray, valid: Uint8Array | undefined): void {
    const { fields, rows, pageRows = PAGE_ROWS } = this.#plan
    const field = fields[this.#chunks.length]
    if (field === undefined || values.length !== rows || (valid !== undefined && valid.length !== rows))
      throw new Error('no column of so many rows is to be written')
    const offset = this.#bytes
    let nulls = 0
    for (let from = 0; from < rows; from += pageRows) {
      const to = Math.min(rows, from + pageRows)
      nulls += this.#page(field.type, values.subarray(from, to), valid?.subarray(from, to))
    }
    this.#chunks.push({ offset, bytes: this.#bytes - offset, nulls })
  }

  /** Ends the file. */
  finish(): WrittenFlatFile {
    const { fields, rows, createdBy } = this.#plan
    if (this.#chunks.length !== fields.length) throw new Error('a column was not written')
    this.#write(fileFoot(fields, this.#chunks, rows, createdBy))
    closeSync(this.#descriptor)
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** Closes a file that is not wanted any more; it stays, unfinished. */
  abandon(): void {
    closeSync(this.#descriptor)
  }

  /** Writes a page; answers how many of its rows have no value. */
  #page(type: FlatType, values: FlatArray, valid: Uint8Array | undefined): number {
    const rows = values.length
    const nulls = valid === undefined ? 0 : countZeros(valid)
    const levels = nulls === 0 || valid === undefined ? levelRun(rows) : levelBits(valid)
    const present = nulls === 0 || valid === undefined ? values : this.#present(values, valid, rows - nulls)
    const plain = type === 'bool' ? packBits(present as Uint8Array) : bytesOf(present)
    this.#write(Buffer.concat([pageHeader(rows, levels.length + plain.length), levels]))
    this.#write(plain)
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
  }
}

function countZeros(valid: Uint8Array): number {
  let ones = 0
  for (let row = 0; row < valid.length; row++) ones += valid[row]!
  return valid.length - ones
}

/** The definition levels of rows that all have a value. */
function levelRun(rows: number): Uint8Array {
  const run: number[] = []
  pushVarint(run, rows * 2)
  run.push(1)
  return Uint8Array.from([run.length, 0, 0, 0, ...run])
}

/** The definition levels as bits. */
function levelBits(valid: Uint8Array): Uint8Array {
  const bits = packBits(valid)
  const head: number[] = []
  pushVarint(head, bits.length * 2 + 1)
  const levels = Buffer.alloc(4 + head.length + bits.length)
  levels.writeUInt32LE(head.length + bits.length)
  levels.set(head, 4)
  levels.set(bits, 4 + head.length)
  return levels
}

/** Bytes of 0 and 1 as bits, the first one lowest; four bytes are packed by one multiplication. */
function packBits(values: Uint8Array): Uint8Array {
  const count = values.length
  const padded = new Uint8Array(Math.ceil(count / 8) * 8)
  padded.set(values)
  const words = new Int32Array(padded.buffer)
  const bits = new Uint8Array(padded.length / 8)
  for (let byte = 0; byte < bits.length; byte++) {
    const low = (Math.imul(words[2 * byte]!, 0x01020408) >>> 24) & 15
    const high = (Math.imul(words[2 * byte + 1]!, 0x01020408) >>> 24) & 15
    bits[byte] = low | (high << 4)
  }
  return bits
}

function bytesOf(values: FlatArray): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
