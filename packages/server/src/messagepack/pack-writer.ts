const INITIAL_BYTES = 4_096
/** Bytes of UTF-8 that one UTF-16 unit may need. */
const BYTES_PER_UNIT = 3

/** Writes MessagePack into one growing buffer. Numbers are written as the caller says, never as something shorter. */
export class PackWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #at = 0

  /** Forgets what was written; the buffer stays. */
  reset(): void {
    this.#at = 0
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  nil(): void {
    this.#room(1)
    this.#bytes[this.#at++] = 0xc0
  }

  bool(value: boolean): void {
    this.#room(1)
    this.#bytes[this.#at++] = value ? 0xc3 : 0xc2
  }

  /** A safe whole number, as short as may be. */
  int(value: number): void {
    this.#room(9)
    if (value >= 0) {
      if (value < 0x80) this.#bytes[this.#at++] = value
      else if (value < 0x1_00) this.#at = this.#bytes.writeUInt8(value, this.#code(0xcc))
      else if (value < 0x1_0000) this.#at = this.#bytes.writeUInt16BE(value, this.#code(0xcd))
      else if (value < 0x1_0000_0000) this.#at = this.#bytes.writeUInt32BE(value, this.#code(0xce))
      else this.#at = this.#bytes.writeBigUInt64BE(BigInt(value), this.#code(0xcf))
    } else if (value >= -0x20) this.#bytes[this.#at++] = value + 0x100
    else if (value >= -0x80) this.#at = this.#bytes.writeInt8(value, this.#code(0xd0))
    else if (value >= -0x8000) this.#at = this.#bytes.writeInt16BE(value, this.#code(0xd1))
    else if (value >= -0x8000_0000) this.#at = this.#bytes.writeInt32BE(value, this.#code(0xd2))
    else this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#code(0xd3))
  }

  /** An integer of 64 bits, always as one. */
  int64(value: bigint): void {
    this.#room(9)
    this.#at = this.#bytes.writeBigInt64BE(value, this.#code(0xd3))
  }

  float32(value: number): void {
    this.#room(5)
    this.#at = this.#bytes.writeFloatBE(value, this.#code(0xca))
  }

  float64(value: number): void {
    this.#room(9)
    this.#at = this.#bytes.writeDoubleBE(value, this.#code(0xcb))
  }

  /** Elements of an array, each a float32 with all of its bits: a NaN keeps what it carries. */
  float32s(values: Float32Array): void {
    this.#room(values.length * 5)
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
    for (const each of bits) this.#at = this.#bytes.writeUInt32BE(each, this.#code(0xca))
  }

  text(value: string): void {
    this.#room(value.length * BYTES_PER_UNIT + 5)
    const short = value.length * BYTES_PER_UNIT
    // The head is as long as the longest text of so many units needs.
    const head = short < 0x20 ? 1 : short < 0x100 ? 2 : short < 0x10000 ? 3 : 5
    const length = this.#bytes.write(value, this.#at + head, 'utf8')
    if (head === 1) this.#bytes[this.#at] = 0xa0 | length
    else if (head === 2) this.#bytes.writeUInt8(length, this.#code(0xd9))
    else if (head === 3) this.#bytes.writeUInt16BE(length, this.#code(0xda))
    else this.#bytes.writeUInt32BE(length, this.#code(0xdb))
    this.#at += length + head - (head === 1 ? 0 : 1)
  }

  binary(value: Uint8Array): void {
    this.#room(value.length + 5)
    if (value.length < 0x100) this.#at = this.#bytes.writeUInt8(value.length, this.#code(0xc4))
    else if (value.length < 0x10000) this.#at = this.#bytes.writeUInt16BE(value.length, this.#code(0xc5))
    else this.#at = this.#bytes.writeUInt32BE(value.length, this.#code(0xc6))
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  arrayHead(count: number): void {
    this.#room(5)
    if (count < 0x10) this.#bytes[this.#at++] = 0x90 | count
    else if (count < 0x10000) this.#at = this.#bytes.writeUInt16BE(count, this.#code(0xdc))
    else this.#at = this.#bytes.writeUInt32BE(count, this.#code(0xdd))
  }

  mapHead(count: number): void {
    this.#room(5)
    if (count < 0x10) this.#bytes[this.#at++] = 0x80 | count
    else if (count < 0x10000) this.#at = this.#bytes.writeUInt16BE(count, this.#code(0xde))
    else this.#at = this.#bytes.writeUInt32BE(count, this.#code(0xdf))
  }

  /** MessagePack that is ready. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #code(code: number): number {
    this.#bytes[this.#at++] = code
    return this.#at
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
}
