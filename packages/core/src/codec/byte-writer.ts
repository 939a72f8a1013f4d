import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'

/**
 * Grows a buffer up to the size of one row. It is used again for each row, so that encoding allocates the result
 * alone; what it holds is valid until the next {@link ByteWriter.reset}.
 */
export class ByteWriter {
  bytes: Uint8Array = new Uint8Array(4_096)
  view: DataView = new DataView(this.bytes.buffer)
  /** Bytes written so far. */
  length = 0

  /** Starts anew. */
  reset(): void {
    this.length = 0
  }

  /**
   * Appends so many zero bytes, and answers where they begin.
   *
   * @throws {AsofError} `row_too_large` beyond `LIMITS.rowBytesMax`
   */
  zeros(count: number): number {
    const start = this.#advance(count)
    this.bytes.fill(0, start, start + count)
    return start
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    const start = this.#advance(bytes.length)
    this.bytes.set(bytes, start)
  }

  /** Appends text as UTF-8. */
  appendText(text: string): void {
    // Most texts are short and ASCII, for which a call into the encoder costs more than the bytes.
    if (text.length <= SHORT_CHARS && this.#appendAscii(text)) return
    this.append(UTF8.encode(text))
  }

  /** Appends a little-endian uint32. */
  appendUint32(value: number): void {
    const start = this.#advance(4)
    this.view.setUint32(start, value, true)
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  #appendAscii(text: string): boolean {
    const start = this.#advance(text.length)
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) {
        this.length = start
        return false
      }
      this.bytes[start + index] = unit
    }
    return true
  }

  #advance(count: number): number {
    const start = this.length
    const length = start + count
    if (length > this.bytes.length) this.#grow(length)
    this.length = length
    return start
  }

  #grow(length: number): void {
    if (length > LIMITS.rowBytesMax) {
      throw invalid('row_too_large', 'an encoded row is larger than the limit rowBytesMax', {
        rowBytesMax: LIMITS.rowBytesMax,
      })
    }
    const grown = new Uint8Array(Math.min(LIMITS.rowBytesMax, Math.max(length, this.bytes.length * 2)))
    grown.set(this.bytes)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }
}

const UTF8 = new TextEncoder()
const SHORT_CHARS = 32
