import { invalid } from '@asof/core'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one MessagePack value that fills `bytes`, strictly: maps have text keys, each once; there are no extensions. Maps become
 * objects without a prototype, so that `__proto__` is a key like any other. What is written in 64 bits as an integer is a
 * bigint, every other number a number.
 *
 * @param depthMax levels of arrays and maps
 * @throws {AsofError} `invalid_msgpack`; no message carries a value
 */
export function decodeMessagePack(bytes: Uint8Array, depthMax: number): unknown {
  const reader = new Reader(bytes, depthMax)
  const value = reader.value(0)
  reader.end()
  return value
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #depthMax: number
  #at = 0

  constructor(bytes: Uint8Array, depthMax: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#depthMax = depthMax
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw broken('bytes are left over', this.#at)
  }

  value(depth: number): unknown {
    const code = this.#view.getUint8(this.#take(1))
    if (code < 0x80) return code
    if (code < 0x90) return this.#map(code & 0x0f, depth)
    if (code < 0xa0) return this.#array(code & 0x0f, depth)
    if (code < 0xc0) return this.#text(code & 0x1f)
    if (code >= 0xe0) return code - 256
    switch (code) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#binary(this.#view.getUint8(this.#take(1)))
      case 0xc5:
        return this.#binary(this.#view.getUint16(this.#take(2)))
      case 0xc6:
        return this.#binary(this.#view.getUint32(this.#take(4)))
      case 0xca:
        return this.#view.getFloat32(this.#take(4))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
        return this.#view.getUint8(this.#take(1))
      case 0xcd:
        return this.#view.getUint16(this.#take(2))
      case 0xce:
        return this.#view.getUint32(this.#take(4))
      case 0xcf:
        return this.#view.getBigUint64(this.#take(8))
      case 0xd0:
        return this.#view.getInt8(this.#take(1))
      case 0xd1:
        return this.#view.getInt16(this.#take(2))
      case 0xd2:
        return this.#view.getInt32(this.#take(4))
      case 0xd3:
        return this.#view.getBigInt64(this.#take(8))
      case 0xd9:
        return this.#text(this.#view.getUint8(this.#take(1)))
      case 0xda:
        return this.#text(this.#view.getUint16(this.#take(2)))
      case 0xdb:
        return this.#text(this.#view.getUint32(this.#take(4)))
      case 0xdc:
        return this.#array(this.#view.getUint16(this.#take(2)), depth)
      case 0xdd:
        return this.#array(this.#view.getUint32(this.#take(4)), depth)
      case 0xde:
        return this.#map(this.#view.getUint16(this.#take(2)), depth)
      case 0xdf:
        return this.#map(this.#view.getUint32(this.#take(4)), depth)
      default:
        throw broken('extensions are not read', this.#at - 1)
    }
  }

  /** Where the next bytes begin, of which there have to be so many. */
  #take(bytes: number): number {
    const start = this.#at
    if (bytes > this.#bytes.length - start) throw broken('it ends too early', start)
    this.#at = start + bytes
    return start
  }

  #binary(bytes: number): Uint8Array {
    const start = this.#take(bytes)
    return new Uint8Array(this.#bytes.subarray(start, start + bytes))
  }

  #text(bytes: number): string {
    const start = this.#take(bytes)
    try {
      return UTF8.decode(this.#bytes.subarray(start, start + bytes))
    } catch {
      throw broken('a text is not UTF-8', start)
    }
  }

  #array(count: number, depth: number): unknown[] {
    this.#enter(count, depth)
    const array: unknown[] = []
    for (let index = 0; index < count; index++) array.push(this.value(depth + 1))
    return array
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#enter(count * 2, depth)
    const map = Object.create(null) as Record<string, unknown>
    for (let index = 0; index < count; index++) {
      const key = this.value(depth + 1)
      if (typeof key !== 'string') throw broken('a key of a map is no text', this.#at)
      if (key in map) throw broken('a key is written twice in one map', this.#at)
      map[key] = this.value(depth + 1)
    }
    return map
  }

  /** Each element takes a byte at least, so that a head alone cannot ask for much. */
  #enter(elements: number, depth: number): void {
    if (depth >= this.#depthMax) throw broken('it is nested too deeply', this.#at)
    if (elements > this.#bytes.length - this.#at) throw broken('it ends too early', this.#at)
  }
}

function broken(what: string, at: number): Error {
  return invalid('invalid_msgpack', `not MessagePack as this server reads it: ${what}`, { at })
}
