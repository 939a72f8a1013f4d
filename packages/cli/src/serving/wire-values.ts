// Values in the forms of the wire, written and read as the contract of `@asof/client` says it and by nothing of the server's, so
// that a test can tell when the server says otherwise.
import type { FeatureType, ScalarType, ScalarValue, Value } from '@asof/core'
import { Unpackr } from 'msgpackr'

/** A body on its way: an object whose values carry their types where JSON and MessagePack write them differently. */
export type Written =
  | null
  | boolean
  | string
  | number
  | bigint
  | Typed
  | readonly Written[]
  | { readonly [name: string]: Written }

/** A value of a feature, key or request input. */
export class Typed {
  readonly type: FeatureType
  readonly value: Value | null

  constructor(type: FeatureType, value: Value | null) {
    this.type = type
    this.value = value
  }
}

/** As JSON; integers are written with all their digits. */
export function toJson(written: Written): string {
  if (written instanceof Typed) return jsonOf(written.type, written.value)
  if (typeof written === 'bigint') return String(written)
  if (Array.isArray(written)) return `[${(written as readonly Written[]).map(toJson).join(',')}]`
  if (typeof written !== 'object' || written === null) return JSON.stringify(written)
  return jsonObject(Object.entries(written).map(([name, value]) => [name, toJson(value)]))
}

/** As MessagePack, each head in its widest form; a number is a float64, a bigint an int64. */
export function toPacked(written: Written): Uint8Array {
  return Buffer.concat([...packed(written)])
}

/** Reads an answer in MessagePack: a map as a Map, an int64 as a bigint. */
export function readPacked(bytes: Uint8Array): unknown {
  return new Unpackr({ mapsAsObjects: false, int64AsType: 'bigint', useRecords: false }).unpack(bytes)
}

/** A value of an answer as it is stored; `form` tells where the two ways to write differ. */
export function readValue(type: FeatureType, value: unknown, form: 'json' | 'msgpack'): Value | null {
  if (value === null) return null
  const inner = (of: ScalarType, each: unknown): ScalarValue | null =>
    readValue(of, each, form) as ScalarValue | null
  switch (type.kind) {
    case 'bool':
    case 'string':
      return expected(typeof value === (type.kind === 'bool' ? 'boolean' : 'string'), value)
    case 'int32':
      return expected(Number.isInteger(value), value)
    case 'int64':
      if (form === 'msgpack') return BigInt(value as bigint | number)
      if (type.as === 'number') return BigInt(expected<number>(Number.isSafeInteger(value), value))
      return BigInt(expected<string>(typeof value === 'string' && /^-?\d+$/.test(value), value))
    case 'float32':
    case 'float64':
      if (form === 'msgpack') return expected(typeof value === 'number', value)
      if (typeof value === 'string')
        return Number(expected<string>(/^(NaN|-?Infinity|-0)$/.test(value), value))
      return expected(typeof value === 'number' && !Object.is(value, -0), value)
    case 'bytes':
      return form === 'json'
        ? new Uint8Array(Buffer.from(value as string, 'base64'))
        : new Uint8Array(value as Uint8Array)
    case 'timestamp':
      return form === 'json' ? microsOf(value as string) : BigInt(value as bigint | number)
    case 'vector':
      return Float32Array.from(
        value as readonly unknown[],
        (each) => inner({ kind: 'float32' }, each) as number,
      )
    case 'list':
      return (value as readonly unknown[]).map((each) => inner(type.element, each))
    case 'map':
      return new Map(entriesOf(value).map(([key, each]) => [key, inner(type.value, each)]))
    case 'struct': {
      const fields = Object.create(null) as Record<string, ScalarValue | null>
      for (const [name, each] of entriesOf(value)) fields[name] = inner(type.fields[name]!, each)
      return fields
    }
    default:
      return type satisfies never
  }
}

/** Entries of a JSON object or of a map of MessagePack. */
export function entriesOf(value: unknown): [string, unknown][] {
  return value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value as object)
}

/** Microseconds since 1970 of an RFC 3339 text with six decimals, in any year of four digits. */
export function microsOf(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/.exec(text)
  if (match === null) throw new Error('not an instant as answers write it')
  return BigInt(Date.parse(`${match[1]}Z`)) * 1_000n + BigInt(match[2]!)
}

/** The other way round. */
export function textOfMicros(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const date = new Date(Number((micros - rest) / 1_000n))
  return `${date.toISOString().slice(0, 19)}.${String(rest).padStart(6, '0')}Z`
}

function expected<Read>(holds: boolean, value: unknown): Read {
  if (!holds) throw new Error('an answer has a value in a form that its type does not have')
  return value as Read
}

function jsonOf(type: FeatureType, value: Value | null): string {
  if (value === null) return 'null'
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return floatText(value as number)
    case 'int64':
      // Digits, as a string and as a number in turn: both are exact.
      return (value as bigint) % 2n === 0n ? `"${value as bigint}"` : `${value as bigint}`
    case 'bytes':
      return `"${Buffer.from(value as Uint8Array).toString('base64')}"`
    case 'timestamp':
      return `"${textOfMicros(value as bigint)}"`
    case 'vector':
      return `[${Array.from(value as Float32Array, floatText).join(',')}]`
    case 'list':
      return `[${(value as readonly ScalarValue[]).map((each) => jsonOf(type.element, each)).join(',')}]`
    case 'map':
      return jsonObject(
        [...(value as ReadonlyMap<string, ScalarValue | null>)].map(([key, each]) => [
          key,
          jsonOf(type.value, each),
        ]),
      )
    case 'struct': {
      const of = value as Readonly<Record<string, ScalarValue | null>>
      return jsonObject(Object.entries(type.fields).map(([name, field]) => [name, jsonOf(field, of[name]!)]))
    }
    default:
      return JSON.stringify(value)
  }
}

function jsonObject(entries: readonly (readonly [string, string])[]): string {
  return `{${entries.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
}

function floatText(value: number): string {
  if (Object.is(value, -0)) return '"-0"'
  return Number.isFinite(value) ? String(value) : `"${value}"`
}

function* packed(written: Written): Generator<Uint8Array> {
  if (written instanceof Typed) yield* packedValue(written.type, written.value)
  else if (written === null) yield Uint8Array.of(0xc0)
  else if (typeof written === 'boolean') yield Uint8Array.of(written ? 0xc3 : 0xc2)
  else if (typeof written === 'string') yield* packedBytes(0xdb, Buffer.from(written))
  else if (typeof written === 'number') yield number(0xcb, (view) => view.setFloat64(1, written), 8)
  else if (typeof written === 'bigint') yield number(0xd3, (view) => view.setBigInt64(1, written), 8)
  else if (Array.isArray(written)) {
    yield head(0xdd, written.length)
    for (const each of written as readonly Written[]) yield* packed(each)
  } else {
    const entries = Object.entries(written)
    yield head(0xdf, entries.length)
    for (const [name, value] of entries) {
      yield* packed(name)
      yield* packed(value)
    }
  }
}

function* packedValue(type: FeatureType, value: Value | null): Generator<Uint8Array> {
  if (value === null) yield* packed(null)
  else if (value instanceof Uint8Array) yield* packedBytes(0xc6, value)
  else if (type.kind === 'float32') yield number(0xca, (view) => view.setFloat32(1, value as number), 4)
  else if (type.kind === 'vector') {
    const vector = value as Float32Array
    yield head(0xdd, vector.length)
    for (const each of vector) yield* packedValue({ kind: 'float32' }, each)
  } else if (type.kind === 'list') {
    const list = value as readonly (ScalarValue | null)[]
    yield head(0xdd, list.length)
    for (const each of list) yield* packedValue(type.element, each)
  } else if (type.kind === 'map') {
    const map = value as ReadonlyMap<string, ScalarValue | null>
    yield head(0xdf, map.size)
    for (const [key, each] of map) {
      yield* packed(key)
      yield* packedValue(type.value, each)
    }
  } else if (type.kind === 'struct') {
    const fields = Object.entries(type.fields)
    yield head(0xdf, fields.length)
    for (const [name, field] of fields) {
      yield* packed(name)
      yield* packedValue(field, (value as Readonly<Record<string, ScalarValue | null>>)[name]!)
    }
  } else yield* packed(value as boolean | string | number | bigint)
}

function* packedBytes(code: number, bytes: Uint8Array): Generator<Uint8Array> {
  yield head(code, bytes.length)
  yield bytes
}

function head(code: number, count: number): Uint8Array {
  return number(code, (view) => view.setUint32(1, count), 4)
}

function number(code: number, write: (view: DataView) => void, size: number): Uint8Array {
  const bytes = Uint8Array.of(code, ...new Uint8Array(size))
  write(new DataView(bytes.buffer))
  return bytes
}
