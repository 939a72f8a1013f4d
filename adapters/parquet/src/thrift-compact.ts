/** Types of Thrift's compact protocol that Parquet's headers need. */
const TYPE = { true: 1, false: 2, i8: 3, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const

/** Writes structs in Thrift's compact protocol: fields in rising order of their ids. */
export class ThriftWriter {
  readonly #bytes: number[] = []
  /** The id of the last field of each open struct. */
  readonly #last: number[] = [0]

  bool(field: number, value: boolean): void {
    this.#field(field, value ? TYPE.true : TYPE.false)
  }

  i32(field: number, value: number): void {
    this.#field(field, TYPE.i32)
    this.#zigzag(value)
  }

  /** @param value a safe integer */
  i64(field: number, value: number): void {
    this.#field(field, TYPE.i64)
    this.#zigzag(value)
  }

  text(field: number, value: string): void {
    this.#field(field, TYPE.binary)
    this.#text(value)
  }

  struct(field: number, write: () => void): void {
    this.#field(field, TYPE.struct)
    this.#struct(write)
  }

  structs<T>(field: number, items: readonly T[], write: (item: T) => void): void {
    this.#list(field, TYPE.struct, items.length)
    for (const item of items) this.#struct(() => write(item))
  }

  i32s(field: number, items: readonly number[]): void {
    this.#list(field, TYPE.i32, items.length)
    for (const item of items) this.#zigzag(item)
  }

  texts(field: number, items: readonly string[]): void {
    this.#list(field, TYPE.binary, items.length)
    for (const item of items) this.#text(item)
  }

  /** Ends the outermost struct. */
  finish(): Uint8Array {
    return Uint8Array.from([...this.#bytes, 0])
  }

  #struct(write: () => void): void {
    this.#last.push(0)
    write()
    this.#last.pop()
    this.#bytes.push(0)
  }

  #field(id: number, type: number): void {
    const depth = this.#last.length - 1
    const step = id - this.#last[depth]!
    this.#last[depth] = id
    // All ids of Parquet's structs lie close enough.
    this.#bytes.push((step << 4) | type)
  }

  #list(field: number, type: number, length: number): void {
    this.#field(field, TYPE.list)
    if (length < 15) {
      this.#bytes.push((length << 4) | type)
    } else {
      this.#bytes.push(0xf0 | type)
      this.#varint(length)
    }
  }

  #text(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    this.#varint(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
  }

  #zigzag(value: number): void {
    this.#varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  #varint(value: number): void {
    pushVarint(this.#bytes, value)
  }
}

/** Appends a number as Thrift and Parquet have it: seven bits a byte, the lowest first. */
export function pushVarint(bytes: number[], value: number): void {
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
}
