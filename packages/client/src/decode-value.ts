import type { Json, WireType } from './wire.ts'

/** Makes a value from its JSON form. */
export type Decode = (json: Json) => unknown

/**
 * How values of a type are read: what comes out is what a lookup in process gives, bit for bit. Answers undefined for a type
 * whose JSON form is the value.
 *
 * @example
 * ```ts
 * decoderOf({ kind: 'int64' })?.('9007199254740993') // 9007199254740993n
 * ```
 */
export function decoderOf(type: WireType): Decode | undefined {
  const decode = decoderOfPresent(type)
  return decode && ((json) => (json === null ? null : decode(json)))
}

function decoderOfPresent(type: WireType): Decode | undefined {
  switch (type.kind) {
    case 'bool':
    case 'int32':
    case 'string':
      return undefined
    case 'int64':
      return int64Of
    case 'float32':
    case 'float64':
      return floatOf
    case 'bytes':
      return (json) => bytesOf(json as string)
    case 'timestamp':
      return (json) => microsOf(json as string)
    case 'vector':
      return (json) => Float32Array.from(json as readonly Json[], floatOf)
    case 'list': {
      const element = decoderOf(type.element)
      return element && ((json) => (json as readonly Json[]).map(element))
    }
    case 'map': {
      const element = decoderOf(type.value) ?? same
      return (json) =>
        new Map(Object.entries(json as Record<string, Json>).map(([key, each]) => [key, element(each)]))
    }
    case 'struct':
      return structDecoder(
        Object.entries(type.fields).map(([name, field]) => [name, decoderOf(field) ?? same]),
      )
    default:
      throw new TypeError(`no such type: ${String(type satisfies never)}`)
  }
}

/**
 * An instant in microseconds since 1970, from RFC 3339 UTC with six decimals.
 *
 * @throws {RangeError} for another text
 */
export function instantOf(text: string): number {
  const micros = Date.parse(`${text.slice(0, 23)}Z`) * 1000 + Number(text.slice(23, 26))
  if (!Number.isSafeInteger(micros) || text.length !== 27) throw new RangeError('no instant')
  return micros
}

/** As {@link instantOf}, also where a number is not exact: the years 0001 to 9999. */
function microsOf(text: string): bigint {
  if (text.length !== 27) throw new RangeError('no time')
  return BigInt(Date.parse(`${text.slice(0, 23)}Z`)) * 1000n + BigInt(text.slice(23, 26))
}

const NO_NUMBERS: Readonly<Record<string, number | undefined>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-0': -0,
}

/** A number where the type shows it as one. */
function int64Of(json: Json): number | bigint {
  if (typeof json === 'number') return json
  if (typeof json !== 'string' || json === '') throw new RangeError('no int64')
  return BigInt(json)
}

function floatOf(json: Json): number {
  const float = typeof json === 'string' ? NO_NUMBERS[json] : json
  if (typeof float !== 'number') throw new RangeError('no float')
  return float
}

function bytesOf(base64: string): Uint8Array {
  const binary = atob(base64)
  const bytes = new Uint8Array(binary.length)
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index)
  return bytes
}

function structDecoder(fields: readonly (readonly [string, Decode])[]): Decode {
  return (json) => {
    const struct = Object.create(null) as Record<string, unknown>
    const given = json as Readonly<Record<string, Json>>
    for (const [name, decode] of fields) struct[name] = decode(given[name]!)
    return struct
  }
}

function same(json: Json): Json {
  return json
}
