import { TIMESTAMP_MAX, TIMESTAMP_MIN } from '../clock/instant.ts'
import { type AsofError, invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { type FeatureType, type ScalarType, typeName } from '../model/feature-type.ts'
import type { ScalarValue } from '../model/value.ts'
import type { ByteWriter } from './byte-writer.ts'
import {
  corruptRow,
  type FixedCodec,
  readSection,
  type ValueCodec,
  type VariableCodec,
  writeSection,
} from './section.ts'

/**
 * How the values of a type lie in bytes, little-endian.
 *
 * | type | slot | variable bytes |
 * |---|---|---|
 * | bool | 1: 0 or 1 | |
 * | int32, float32 | 4 | |
 * | int64, float64, timestamp | 8 | |
 * | string | end | UTF-8 |
 * | bytes | end | as they are |
 * | vector(n) | end | n float32 |
 * | list(t) | end | count uint32, then a section of that many t |
 * | map(string, t) | end | count uint32, bytes of the first section uint32, a section of strings, a section of t |
 * | struct | end | a section of its fields |
 */
export function valueCodec(type: FeatureType): ValueCodec {
  switch (type.kind) {
    case 'vector':
      return vectorCodec(type)
    case 'list':
      return listCodec(type)
    case 'map':
      return mapCodec(type)
    case 'struct':
      return structCodec(type)
    default:
      return SCALARS[type.kind]
  }
}

/** The quiet NaN without payload: equal rows are then equal bytes, whichever operation made their NaN. */
const NAN_64 = 0x7ff8_0000_0000_0000n
const NAN_32 = 0x7fc0_0000

const bool: FixedCodec = {
  variable: false,
  slotBytes: 1,
  read(view, at) {
    const byte = view.getUint8(at)
    if (byte > 1) throw corruptRow('a bool that is neither 0 nor 1')
    return byte === 1
  },
  write(view, at, value) {
    if (typeof value !== 'boolean') throw wrongValue('bool')
    view.setUint8(at, value ? 1 : 0)
  },
}

const int32: FixedCodec = {
  variable: false,
  slotBytes: 4,
  read: (view, at) => view.getInt32(at, true),
  write(view, at, value) {
    if (typeof value !== 'number' || (value | 0) !== value) throw wrongValue('int32')
    view.setInt32(at, value, true)
  },
}

const int64: FixedCodec = {
  variable: false,
  slotBytes: 8,
  read: (view, at) => view.getBigInt64(at, true),
  write(view, at, value) {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw wrongValue('int64')
    view.setBigInt64(at, value, true)
  },
}

const timestamp: FixedCodec = {
  variable: false,
  slotBytes: 8,
  read(view, at) {
    const value = view.getBigInt64(at, true)
    if (!inTimestampRange(value)) throw corruptRow('a timestamp outside the years 0001 to 9999')
    return value
  },
  write(view, at, value) {
    if (typeof value !== 'bigint' || !inTimestampRange(value)) throw wrongValue('timestamp')
    view.setBigInt64(at, value, true)
  },
}

const float32: FixedCodec = {
  variable: false,
  slotBytes: 4,
  read: (view, at) => view.getFloat32(at, true),
  write(view, at, value) {
    if (Number.isNaN(value)) view.setUint32(at, NAN_32, true)
    else if (typeof value === 'number' && Math.fround(value) === value) view.setFloat32(at, value, true)
    else throw wrongValue('float32')
  },
}

const float64: FixedCodec = {
  variable: false,
  slotBytes: 8,
  read: (view, at) => view.getFloat64(at, true),
  write(view, at, value) {
    if (typeof value !== 'number') throw wrongValue('float64')
    if (Number.isNaN(value)) view.setBigUint64(at, NAN_64, true)
    else view.setFloat64(at, value, true)
  },
}

const string: VariableCodec = {
  variable: true,
  slotBytes: 4,
  read: (bytes, _view, start, end) => readText(bytes, start, end),
  append(writer, value) {
    if (typeof value !== 'string' || !value.isWellFormed()) throw wrongValue('string')
    writer.appendText(value)
  },
}

const bytes: VariableCodec = {
  variable: true,
  slotBytes: 4,
  // A Buffer's slice would be a window on bytes that the store may reuse.
  read: (bytes, _view, start, end) => Uint8Array.prototype.slice.call(bytes, start, end),
  append(writer, value) {
    if (!(value instanceof Uint8Array)) throw wrongValue('bytes')
    writer.append(value)
  },
}

const SCALARS: Readonly<Record<ScalarType['kind'], ValueCodec>> = {
  bool,
  int32,
  int64,
  float32,
  float64,
  string,
  bytes,
  timestamp,
}

function vectorCodec(type: FeatureType & { kind: 'vector' }): VariableCodec {
  return {
    variable: true,
    slotBytes: 4,
    read(bytes, _view, start, end) {
      if (end - start !== type.size * 4) throw corruptRow('a vector of another length than declared')
      const vector = new Float32Array(type.size)
      new Uint8Array(vector.buffer).set(bytes.subarray(start, end))
      return vector
    },
    append(writer, value) {
      if (!(value instanceof Float32Array) || value.length !== type.size) throw wrongValue(typeName(type))
      // Bits are copied, not numbers, so that a NaN keeps what it carries.
      writer.append(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    },
  }
}

function listCodec(type: FeatureType & { kind: 'list' }): VariableCodec {
  const element = valueCodec(type.element)
  return {
    variable: true,
    slotBytes: 4,
    read(bytes, view, start, end) {
      const count = readCount(view, start, end)
      return readElements(bytes, view, start + 4, end, element, count)
    },
    append(writer, value) {
      if (!Array.isArray(value)) throw wrongValue(typeName(type))
      writer.appendUint32(value.length)
      appendElements(writer, element, value as readonly (ScalarValue | null)[])
    },
  }
}

function mapCodec(type: FeatureType & { kind: 'map' }): VariableCodec {
  const element = valueCodec(type.value)
  return {
    variable: true,
    slotBytes: 4,
    read(bytes, view, start, end) {
      const count = readCount(view, start, end)
      if (end - start < 8) throw corruptRow('a map without its sections')
      const middle = start + 8 + view.getUint32(start + 4, true)
      if (middle > end) throw corruptRow('a map whose keys end outside')
      const keys = readElements(bytes, view, start + 8, middle, string, count)
      const values = readElements(bytes, view, middle, end, element, count)
      const map = new Map<string, ScalarValue | null>()
      for (const [index, key] of keys.entries()) {
        if (key === null) throw corruptRow('a map with a null key')
        map.set(key as string, values[index] ?? null)
      }
      if (map.size !== count) throw corruptRow('a map with a key twice')
      return map
    },
    append(writer, value) {
      if (!(value instanceof Map)) throw wrongValue(typeName(type))
      const map = value as ReadonlyMap<string, ScalarValue | null>
      writer.appendUint32(map.size)
      const keysLength = writer.zeros(4)
      const start = writer.length
      appendElements(writer, string, [...map.keys()])
      writer.view.setUint32(keysLength, writer.length - start, true)
      appendElements(writer, element, [...map.values()])
    },
  }
}

function structCodec(type: FeatureType & { kind: 'struct' }): VariableCodec {
  const names = Object.keys(type.fields)
  const codecs = Object.values(type.fields).map(valueCodec)
  return {
    variable: true,
    slotBytes: 4,
    read(bytes, view, start, end) {
      const values = readSection(bytes, view, start, end, codecs)
      const struct = Object.create(null) as Record<string, ScalarValue | null>
      for (const [index, name] of names.entries()) struct[name] = values[index] as ScalarValue | null
      return struct
    },
    append(writer, value) {
      if (typeof value !== 'object') throw wrongValue(typeName(type))
      const struct = value as Readonly<Record<string, ScalarValue | null | undefined>>
      writeSection(
        writer,
        codecs,
        names.map((name) => {
          const field = Object.hasOwn(struct, name) ? struct[name] : undefined
          if (field === undefined) throw wrongValue(typeName(type))
          return field
        }),
      )
    },
  }
}

function readCount(view: DataView, start: number, end: number): number {
  const count = end - start < 4 ? -1 : view.getUint32(start, true)
  if (count < 0 || count > LIMITS.elementsMax) throw corruptRow('a container without a sound count')
  return count
}

function readElements(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  codec: ValueCodec,
  count: number,
): (ScalarValue | null)[] {
  // All elements are scalars, by the types that there are.
  return readSection(
    bytes,
    view,
    start,
    end,
    Array.from({ length: count }, () => codec),
  ) as (ScalarValue | null)[]
}

function appendElements(
  writer: ByteWriter,
  codec: ValueCodec,
  values: readonly (ScalarValue | null)[],
): void {
  if (values.length > LIMITS.elementsMax) {
    throw invalid('value_too_large', 'too many elements; the limit is elementsMax', {
      elements: values.length,
      elementsMax: LIMITS.elementsMax,
    })
  }
  writeSection(
    writer,
    values.map(() => codec),
    values,
  )
}

function inTimestampRange(value: bigint): boolean {
  return value >= TIMESTAMP_MIN && value <= TIMESTAMP_MAX
}

/** A byte order mark is a character like any other, and what is no UTF-8 is refused, not replaced. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SHORT_BYTES = 16

function readText(bytes: Uint8Array, start: number, end: number): string {
  // Most texts are short and ASCII, for which a call into the decoder costs more than the bytes.
  if (end - start <= SHORT_BYTES) {
    let text = ''
    let at = start
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte >= 0x80) break
      text += String.fromCharCode(byte)
    }
    if (at === end) return text
  }
  try {
    return UTF8.decode(bytes.subarray(start, end))
  } catch {
    // The decoder's own error names neither the row nor what to do.
    throw corruptRow('text that is no UTF-8')
  }
}

/** Values reach the codec checked; this guards against a caller that forgot. */
function wrongValue(type: string): AsofError {
  return invalid('invalid_value', 'a value that is not of its declared type; pass it through checkValue', {
    type,
  })
}
