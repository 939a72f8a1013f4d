import { formatTimestamp, parseTimestamp } from '../clock/instant.ts'
import { isAsofError } from '../errors/asof-error.ts'
import {
  checkCount,
  checkFieldNames,
  checkValue,
  exactFloat32Array,
  isPlainObject,
  mismatch,
} from './check-value.ts'
import type { FeatureType, JsonValue, ScalarType } from './feature-type.ts'
import type { ScalarValue, Value } from './value.ts'

/**
 * The JSON form of a value, from which {@link valueFromJson} makes the same value again:
 *
 * | type | JSON |
 * |---|---|
 * | bool, int32, string | as they are |
 * | int64 | string of digits |
 * | float32, float64 | number; `"NaN"`, `"Infinity"`, `"-Infinity"` and `"-0"` as strings |
 * | bytes | base64 |
 * | timestamp | RFC 3339 UTC with six decimals |
 * | vector, list | array |
 * | map, struct | object without a prototype, so that `__proto__` is a key like any other |
 *
 * Two things JSON does not carry: the payload of a NaN inside a vector, and the place of a map's keys that look like
 * array indexes.
 *
 * @example
 * ```ts
 * valueToJson({ kind: 'int64' }, 2n ** 60n) // '1152921504606846976'
 * ```
 */
export function valueToJson(type: FeatureType, value: Value | null): JsonValue {
  if (value === null) return null
  switch (type.kind) {
    case 'vector':
      return Array.from(value as Float32Array, floatToJson)
    case 'list':
      return (value as readonly (ScalarValue | null)[]).map((element) => valueToJson(type.element, element))
    case 'map': {
      const json = Object.create(null) as Record<string, JsonValue>
      for (const [key, element] of value as ReadonlyMap<string, ScalarValue | null>) {
        json[key] = valueToJson(type.value, element)
      }
      return json
    }
    case 'struct': {
      const json = Object.create(null) as Record<string, JsonValue>
      const fields = value as Readonly<Record<string, ScalarValue | null>>
      for (const [name, field] of Object.entries(type.fields))
        json[name] = valueToJson(field, fields[name] ?? null)
      return json
    }
    case 'int64':
      return (value as bigint).toString()
    case 'float32':
    case 'float64':
      return floatToJson(value as number)
    case 'bytes':
      return toBase64(value as Uint8Array)
    case 'timestamp':
      return formatTimestamp(value as bigint)
    case 'bool':
    case 'int32':
    case 'string':
      return value as boolean | number | string
    default:
      return type satisfies never
  }
}

/**
 * Reads the JSON form of a value, without coercion. An int64 may also be a JSON number up to 2^53, beyond which a
 * parser has already lost digits.
 *
 * @param json what `JSON.parse` gave
 * @param path where it stands, for the message
 * @throws {AsofError} `invalid_value`, `absent_value` or `value_too_large`; no message carries the value
 * @example
 * ```ts
 * valueFromJson({ kind: 'float64' }, 'NaN', 'rows[0].score') // NaN
 * ```
 */
export function valueFromJson(type: FeatureType, json: unknown, path: string): Value | null {
  // What each part becomes is checked once more as a value, for the limits and the ranges.
  return checkValue(type, parse(type, json, path), path)
}

/**
 * A value as a program that asked for it sees it: int64 declared `as: 'number'` becomes a number, also inside
 * containers; all others stay as they are. Answers undefined where such a number lies beyond 2^53: its status is `error`.
 *
 * @example
 * ```ts
 * presentValue({ kind: 'int64', as: 'number' }, 7n) // 7
 * presentValue({ kind: 'int64', as: 'number' }, 2n ** 60n) // undefined
 * ```
 */
export function presentValue(type: FeatureType, value: Value | null): Value | null | undefined {
  if (value === null) return null
  switch (type.kind) {
    case 'int64':
      return type.as === 'number' ? safeNumber(value as bigint) : value
    case 'list':
      if (!isShownAsNumber(type.element)) return value
      return allPresent((value as readonly (bigint | null)[]).map(safeNumberOrNull))
    case 'map': {
      if (!isShownAsNumber(type.value)) return value
      const entries = [...(value as ReadonlyMap<string, bigint | null>)]
      const shown = allPresent(entries.map(([, element]) => safeNumberOrNull(element)))
      return shown && new Map(entries.map(([key], index) => [key, shown[index] ?? null]))
    }
    case 'struct': {
      if (!Object.values(type.fields).some(isShownAsNumber)) return value
      const shown = Object.create(null) as Record<string, ScalarValue | null>
      for (const [name, field] of Object.entries(type.fields)) {
        const one = presentValue(field, (value as Readonly<Record<string, ScalarValue | null>>)[name] ?? null)
        if (one === undefined) return undefined
        shown[name] = one as ScalarValue | null
      }
      return shown
    }
    default:
      return value
  }
}

function parse(type: FeatureType, json: unknown, path: string): unknown {
  if (json === null || json === undefined) return json
  switch (type.kind) {
    case 'vector':
      if (!Array.isArray(json) || json.length !== type.size) throw mismatch(type, json, path, VECTOR_FORM)
      return exactFloat32Array(
        json.map((element, index) => parseFloatForm({ kind: 'float32' }, element, `${path}[${index}]`)),
        path,
      )
    case 'list':
      if (!Array.isArray(json)) throw mismatch(type, json, path)
      checkCount(json.length, path)
      return json.map((element: unknown, index) => parse(type.element, element, `${path}[${index}]`))
    case 'map': {
      if (!isPlainObject(json)) throw mismatch(type, json, path, 'an object')
      const entries = Object.entries(json)
      checkCount(entries.length, path)
      return new Map(
        entries.map(([key, element], index) => [key, parse(type.value, element, `${path}[value ${index}]`)]),
      )
    }
    case 'struct': {
      if (!isPlainObject(json)) throw mismatch(type, json, path, 'an object')
      checkFieldNames(type, json, path)
      const fields = Object.create(null) as Record<string, unknown>
      for (const [name, field] of Object.entries(type.fields)) {
        fields[name] = parse(field, json[name], `${path}.${name}`)
      }
      return fields
    }
    default:
      return parseScalar(type, json, path)
  }
}

const VECTOR_FORM = 'an array of numbers of the declared length'
const INT64_FORM = 'a string of digits of a 64-bit integer, or a whole number below 2^53'
const FLOAT_FORM = 'a number, or "NaN", "Infinity", "-Infinity" or "-0"'
const TIME_FORM =
  'an RFC 3339 time with Z or an offset, in the years 0001 to 9999, to the microsecond: 2024-01-01T00:00:00Z'

function parseScalar(type: ScalarType, json: unknown, path: string): unknown {
  switch (type.kind) {
    case 'int64':
      if (typeof json === 'string' && /^(0|-?[1-9]\d{0,18})$/.test(json)) return BigInt(json)
      if (Number.isSafeInteger(json)) return BigInt(json as number)
      throw mismatch(type, json, path, INT64_FORM)
    case 'float32':
    case 'float64':
      return parseFloatForm(type, json, path)
    case 'bytes':
      return fromBase64(json) ?? refuse(type, json, path, 'a string of base64, with padding')
    case 'timestamp':
      if (typeof json !== 'string') throw mismatch(type, json, path, TIME_FORM)
      return parseTime(json) ?? refuse(type, json, path, TIME_FORM)
    default:
      return json
  }
}

function refuse(type: FeatureType, json: unknown, path: string, form: string): never {
  throw mismatch(type, json, path, form)
}

/** The parser's own message would carry the text, which may be private. */
function parseTime(text: string): bigint | undefined {
  try {
    return parseTimestamp(text)
  } catch (error) {
    if (isAsofError(error, 'invalid')) return undefined
    throw error
  }
}

function floatToJson(value: number): number | string {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? '-0' : String(value)
}

function parseFloatForm(type: ScalarType, json: unknown, path: string): number {
  switch (json) {
    case 'NaN':
      return Number.NaN
    case 'Infinity':
      return Number.POSITIVE_INFINITY
    case '-Infinity':
      return Number.NEGATIVE_INFINITY
    case '-0':
      return -0
    default:
      // A JSON number such as 1e999 arrives as an infinity that nobody wrote.
      if (typeof json === 'number' && Number.isFinite(json)) return json
      throw mismatch(type, json, path, FLOAT_FORM)
  }
}

function isShownAsNumber(type: ScalarType): boolean {
  return type.kind === 'int64' && type.as === 'number'
}

function safeNumber(value: bigint): number | undefined {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : undefined
}

function safeNumberOrNull(value: bigint | null): number | null | undefined {
  return value === null ? null : safeNumber(value)
}

function allPresent(values: readonly (number | null | undefined)[]): (number | null)[] | undefined {
  return values.includes(undefined) ? undefined : (values as (number | null)[])
}

/** Bytes turned to text at once; more arguments than this overflow the stack. */
const CHUNK_BYTES = 8_192

function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK_BYTES))
  }
  return btoa(binary)
}

/** Undefined for what {@link toBase64} would not have written: `atob` alone forgives spaces and lost padding. */
function fromBase64(json: unknown): Uint8Array | undefined {
  if (typeof json !== 'string' || json.length % 4 !== 0) return undefined
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(json)) return undefined
  const bytes = Uint8Array.from(atob(json), (character) => character.charCodeAt(0))
  return toBase64(bytes) === json ? bytes : undefined
}
