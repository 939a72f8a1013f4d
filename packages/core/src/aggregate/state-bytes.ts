import { type AsofError, corrupt, invalid } from '../errors/asof-error.ts'

/** The error for stored bytes that no state has. */
export function corruptState(what: string): AsofError {
  return corrupt('corrupt_state', `${what}; the stored state is damaged, rebuild it from the log`)
}

/**
 * Appends the encodings of states, one behind the other. It is used again for each block of states, so that
 * encoding allocates the result alone; what it holds is valid until the next {@link StateWriter.reset}.
 */
export class StateWriter {
  bytes: Uint8Array = new Uint8Array(1_024)
  view: DataView = new DataView(this.bytes.buffer)
  /** Bytes written so far. */
  length = 0

  /** Starts anew. */
  reset(): void {
    this.length = 0
  }

  /** Makes room for so many bytes, whose content is not yet defined, and answers where they begin. */
  reserve(count: number): number {
    const start = this.length
    this.length = start + count
    if (this.length > this.bytes.length) this.#grow(this.length)
    return start
  }

  /** Appends one byte. */
  byte(value: number): void {
    const at = this.reserve(1)
    this.bytes[at] = value
  }

  /**
   * Appends a whole number from 0 to 2^53 - 1 in as few groups of 7 bits as it needs, the lowest first.
   *
   * @throws {AsofError} `invalid_state` for any other number, such as a count that more was retracted from
   * than added to
   */
  whole(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw invalid('invalid_state', 'a count outside 0 to 2^53; what was never added was retracted', {
        value,
      })
    }
    while (value > 0x7f) {
      this.byte((value % 0x80) | 0x80)
      value = Math.floor(value / 0x80)
    }
    this.byte(value)
  }

  /** Appends a whole number without bound: its sign in the lowest bit, then as {@link StateWriter.whole}. */
  signed(value: bigint): void {
    let folded = value < 0n ? -value * 2n - 1n : value * 2n
    while (folded > SAFE_MAX) {
      this.byte(Number(folded & 0x7fn) | 0x80)
      folded >>= 7n
    }
    this.whole(Number(folded))
  }

  /** Appends a float64, little-endian; every NaN is the quiet one without payload. */
  float64(value: number): void {
    const at = this.reserve(8)
    if (Number.isNaN(value)) this.view.setBigUint64(at, NAN_64, true)
    else this.view.setFloat64(at, value, true)
  }

  /** Appends bytes as they are. */
  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, this.bytes.length * 2))
    grown.set(this.bytes)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }
}

/**
 * Reads what a {@link StateWriter} wrote, in the same order. Every method throws `corrupt_state` where the
 * bytes end too early or are none that the writer makes.
 */
export class StateReader {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly end: number
  /** Where the next read begins. */
  at: number

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = start
    this.end = end
  }

  /** Steps over so many bytes and answers where they begin. */
  skip(count: number): number {
    const start = this.at
    if (count > this.end - start) throw corruptState('a state that ends too early')
    this.at = start + count
    return start
  }

  /** See {@link StateWriter.byte}. */
  byte(): number {
    return this.bytes[this.skip(1)]!
  }

  /** See {@link StateWriter.whole}. */
  whole(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (!Number.isSafeInteger(value)) throw corruptState('a count beyond 2^53')
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  /**
   * {@link StateReader.whole}, refused beyond `most`: what a state of the declared limits cannot hold is
   * damage.
   */
  wholeUpTo(most: number): number {
    const value = this.whole()
    if (value > most) throw corruptState('a count beyond what the declaration allows')
    return value
  }

  /** See {@link StateWriter.signed}. */
  signed(): bigint {
    let folded = 0n
    let shift = 0n
    for (;;) {
      const byte = this.byte()
      folded |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (byte < 0x80) break
      if (shift > SIGNED_BITS_MAX) throw corruptState('a whole number longer than any sum')
    }
    return (folded & 1n) === 0n ? folded >> 1n : -(folded >> 1n) - 1n
  }

  /** See {@link StateWriter.float64}. */
  float64(): number {
    return this.view.getFloat64(this.skip(8), true)
  }
}

const NAN_64 = 0x7ff8_0000_0000_0000n
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)
const SIGNED_BITS_MAX = 256n
