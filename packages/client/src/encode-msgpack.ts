import { failure } from './asof-error.ts'

/** Objects in objects; deeper is a cycle, or no value of any type. */
const DEPTH_MAX = 32
const INT64_MIN = -(2n ** 63n)
const UINT64_MAX = 2n ** 64n - 1n

/**
 * Writes a request as MessagePack, in which nothing changes its type: a bigint is an int64, a number is a shorter integer or a
 * float64, bytes are bin. A property that is undefined is left out, as in JSON.
 *
 * @throws {AsofError} `invalid_value` for what is no value of any type, with its path
 * @example
 * ```ts
 * encodeMsgpack({ keys: { user_id: 7n } })
 * ```
 */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  const out = new Output()
  write(out, value, [])
  return out.bytes.slice(0, out.length)
}

/** Bytes that grow. */
class Output {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512)
  view: DataView = new DataView(this.bytes.buffer)
  length = 0

  /** The place of the next `count` bytes. */
  take(count: number): number {
    const place = this.length
    this.length += count
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    return place
  }

  byte(value: number): void {
    const place = this.take(1)
    this.bytes[place] = value
  }

  put(bytes: Uint8Array): void {
    // First the place: it may be in other bytes than before.
    const place = this.take(bytes.length)
    this.bytes.set(bytes, place)
  }

  /** A tag and a number of `size` bytes. */
  tagged(tag: number, size: 1 | 2 | 4, value: number): void {
    const place = this.take(1 + size)
    this.bytes[place] = tag
    if (size === 1) this.view.setUint8(place + 1, value)
    else if (size === 2) this.view.setUint16(place + 1, value)
    else this.view.setUint32(place + 1, value)
  }
}

type Path = (string | number)[]

function write(out: Output, value: unknown, path: Path): void {
  switch (typeof value) {
    case 'string':
      return writeText(out, value, path)
    case 'number':
      return writeNumber(out, value)
    case 'boolean':
      return out.byte(value ? 0xc3 : 0xc2)
    case 'bigint':
      return writeBigint(out, value, path)
    case 'object':
      return value === null ? out.byte(0xc0) : writeObject(out, value, path)
    default:
      throw refused(typeof value, path)
  }
}

function writeNumber(out: Output, value: number): void {
  if (!Number.isInteger(value) || Object.is(value, -0) || value < -0x8000_0000 || value > 0xffff_ffff) {
    const place = out.take(9)
    out.bytes[place] = 0xcb
    return out.view.setFloat64(place + 1, value)
  }
  if (value >= -32 && value < 128) return out.byte(value & 0xff)
  if (value < 0) return out.tagged(0xd2, 4, value >>> 0)
  out.tagged(0xce, 4, value)
}

/** Always eight bytes, by which the server tells it from a number. */
function writeBigint(out: Output, value: bigint, path: Path): void {
  if (value < INT64_MIN || value > UINT64_MAX) throw refused('a bigint beyond 64 bits', path)
  const isUnsigned = value > 2n ** 63n - 1n
  const place = out.take(9)
  out.bytes[place] = isUnsigned ? 0xcf : 0xd3
  if (isUnsigned) out.view.setBigUint64(place + 1, value)
  else out.view.setBigInt64(place + 1, value)
}

const TEXT = new TextEncoder()
/** With `u` a surrogate that has its other half is part of a character, so only a lone one is found. */
const LONE_SURROGATE = /[\uD800-\uDFFF]/u

function writeText(out: Output, text: string, path: Path): void {
  // Written as UTF-8 it would silently become another character.
  if (LONE_SURROGATE.test(text)) throw refused('a string with half a surrogate pair', path)
  const bytes = TEXT.encode(text)
  writeLength(out, bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb])
  out.put(bytes)
}

function writeObject(out: Output, value: object, path: Path): void {
  if (path.length >= DEPTH_MAX) throw refused('too many objects in objects', path.slice(0, 3))
  if (Array.isArray(value)) {
    writeLength(out, value.length, 0x90, 16, [undefined, 0xdc, 0xdd])
    for (let index = 0; index < value.length; index++) inside(out, value[index], path, index)
  } else if (value instanceof Uint8Array) {
    writeLength(out, value.length, 0, 0, [0xc4, 0xc5, 0xc6])
    out.put(value)
  } else if (value instanceof Float32Array) {
    writeVector(out, value)
  } else if (value instanceof Map) {
    writeLength(out, value.size, 0x80, 16, [undefined, 0xde, 0xdf])
    for (const [key, element] of value as ReadonlyMap<unknown, unknown>) {
      if (typeof key !== 'string') throw refused(`a Map with a key that is no string`, path)
      writeText(out, key, path)
      inside(out, element, path, `key ${key.length > 63 ? '…' : key}`)
    }
  } else {
    writeRecord(out, value, path)
  }
}

function writeRecord(out: Output, value: object, path: Path): void {
  const prototype = Object.getPrototypeOf(value) as object | null
  // An object of another realm has another Object.prototype, whose own prototype is null too.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused(value.constructor?.name ?? 'object', path)
  }
  const entries = Object.entries(value as Record<string, unknown>).filter(([, each]) => each !== undefined)
  writeLength(out, entries.length, 0x80, 16, [undefined, 0xde, 0xdf])
  for (const [name, each] of entries) {
    writeText(out, name, path)
    inside(out, each, path, name)
  }
}

function writeVector(out: Output, vector: Float32Array): void {
  writeLength(out, vector.length, 0x90, 16, [undefined, 0xdc, 0xdd])
  for (const element of vector) {
    const place = out.take(5)
    out.bytes[place] = 0xca
    out.view.setFloat32(place + 1, element)
  }
}

function inside(out: Output, value: unknown, path: Path, step: string | number): void {
  path.push(step)
  write(out, value, path)
  path.pop()
}

/** Lengths below `short` go into the first byte; the tags are those of one, two and four bytes. */
function writeLength(
  out: Output,
  length: number,
  first: number,
  short: number,
  [one, two, four]: readonly [number | undefined, number, number],
): void {
  if (length < short) out.byte(first | length)
  else if (one !== undefined && length < 0x100) out.tagged(one, 1, length)
  else if (length < 0x1_0000) out.tagged(two, 2, length)
  else out.tagged(four, 4, length)
}

function refused(got: string, path: Path): Error {
  const at = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  return failure('invalid', 'invalid_value', 'not a value of any type', { path: at.replace(/^\./, ''), got })
}
