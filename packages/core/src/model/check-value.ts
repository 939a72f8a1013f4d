import { TIMESTAMP_MAX, TIMESTAMP_MIN } from '../clock/instant.ts'
import { type AsofError, invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { EntityDefinition } from './definition.ts'
import { type FeatureType, type ScalarType, typeName } from './feature-type.ts'
import type { KeyValues, ScalarValue, Value } from './value.ts'

/**
 * Checks a value that a program gave against its type, without any coercion, and answers its canonical form: fresh
 * copies of what could change later, structs without a prototype.
 *
 * @param path where the value stands, for the message: `rows[3].amount`
 * @throws {AsofError} `invalid_value` for what is not of the type, `absent_value` for undefined, `value_too_large`
 * beyond {@link LIMITS}; no message carries the value
 * @example
 * ```ts
 * checkValue({ kind: 'int64' }, 7n, 'age') // 7n
 * checkValue({ kind: 'int32' }, '7', 'age') // throws: invalid_value
 * ```
 */
export function checkValue(type: FeatureType, value: unknown, path: string): Value | null {
  if (value === null) return null
  if (value === undefined) throw absent(type, path)
  const size = { bytes: 0 }
  switch (type.kind) {
    case 'vector':
      return checkVector(type.size, value, path)
    case 'list':
      if (!Array.isArray(value)) throw mismatch(type, value, path)
      checkCount(value.length, path)
      return Array.from(value, (element: unknown, index) =>
        checkElement(type.element, element, `${path}[${index}]`, size),
      )
    case 'map':
      return checkMap(type.value, value, path, size)
    case 'struct':
      return checkStruct(type, value, path, size)
    default:
      return checkScalar(type, value, path, size)
  }
}

/**
 * Checks the parts of an entity key, given by name or in the declared order. A null part is legal: it equals nothing.
 *
 * @throws {AsofError} `absent_value` for a part that is not there, `unknown_key` for one that was not declared,
 * `invalid_value` as {@link checkValue}
 * @example
 * ```ts
 * const route = entity('route', { keys: { origin: string(), destination: string() } })
 * checkKey(route.definition.keys, { origin: 'LAX', destination: 'SFO' }, 'key') // ['LAX', 'SFO']
 * ```
 */
export function checkKey(
  keys: EntityDefinition['keys'],
  values: Readonly<Record<string, unknown>> | readonly unknown[],
  path = 'key',
): KeyValues {
  const given = Array.isArray(values) ? byPosition(keys, values, path) : (values as Record<string, unknown>)
  if (!isPlainObject(given)) throw invalid('invalid_value', 'a key is an object of its parts', { path })
  for (const name of Object.keys(given)) {
    if (!keys.some((key) => key.name === name)) {
      throw invalid('unknown_key', 'the entity has no such join key', {
        path,
        name: name.slice(0, LIMITS.nameCharsMax),
        keys: keys.map((key) => key.name).join(', '),
      })
    }
  }
  return keys.map(({ name, type }) => {
    const part = Object.hasOwn(given, name) ? given[name] : undefined
    return checkValue(type, part, `${path}.${name}`) as ScalarValue | null
  })
}

/** A `Float32Array` of numbers that it holds exactly; NaN is the quiet one, so that equal values are equal bytes. */
export function exactFloat32Array(numbers: readonly unknown[], path: string): Float32Array {
  const vector = new Float32Array(numbers.length)
  const bits = new Uint32Array(vector.buffer)
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index]
    if (typeof number !== 'number') throw mismatch({ kind: 'float32' }, number, `${path}[${index}]`)
    if (Number.isNaN(number)) bits[index] = 0x7fc00000
    else if (Math.fround(number) === number) vector[index] = number
    else throw inexactFloat32(`${path}[${index}]`)
  }
  return vector
}

/** The error for a value that is not of its type; says what came by its JavaScript type alone. */
export function mismatch(
  type: FeatureType,
  value: unknown,
  path: string,
  form: string = FORMS[type.kind],
): AsofError {
  const got = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  return invalid('invalid_value', `not a value of this type; give ${form}`, {
    path,
    type: typeName(type),
    got,
  })
}

/**
 * Refuses an element count beyond `LIMITS.elementsMax`.
 *
 * @throws {AsofError} `value_too_large`
 */
export function checkCount(count: number, path: string): void {
  if (count <= LIMITS.elementsMax) return
  throw invalid('value_too_large', 'too many elements; the limit is elementsMax', {
    path,
    elements: count,
    elementsMax: LIMITS.elementsMax,
  })
}

const FORMS: Readonly<Record<FeatureType['kind'], string>> = {
  bool: 'true or false',
  int32: 'a whole number of 32 bits',
  int64: 'a bigint of 64 bits, such as 7n (a safe whole number where the type says so)',
  float32: 'a number',
  float64: 'a number',
  string: 'a string without lone surrogates',
  bytes: 'a Uint8Array',
  timestamp: 'a bigint of microseconds since 1970 UTC, in the years 0001 to 9999',
  vector: 'a Float32Array, or an array of numbers, of the declared length',
  list: 'an array',
  map: 'a Map with string keys',
  struct: 'a plain object',
}

function checkElement(
  type: ScalarType,
  value: unknown,
  path: string,
  size: { bytes: number },
): ScalarValue | null {
  if (value === null) return null
  if (value === undefined) throw absent(type, path)
  return checkScalar(type, value, path, size)
}

function checkScalar(type: ScalarType, value: unknown, path: string, size: { bytes: number }): ScalarValue {
  switch (type.kind) {
    case 'bool':
      if (typeof value !== 'boolean') break
      grow(size, 1, path)
      return value
    case 'int32':
      if (typeof value !== 'number' || (value | 0) !== value) break
      grow(size, 4, path)
      // An integer has one zero.
      return value + 0
    case 'int64':
      grow(size, 8, path)
      if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value
      if (type.as === 'number' && Number.isSafeInteger(value)) return BigInt(value as number)
      break
    case 'float32':
      if (typeof value !== 'number') break
      if (!Number.isNaN(value) && Math.fround(value) !== value) throw inexactFloat32(path)
      grow(size, 4, path)
      return value
    case 'float64':
      if (typeof value !== 'number') break
      grow(size, 8, path)
      return value
    case 'string':
      if (typeof value !== 'string' || !value.isWellFormed()) break
      grow(size, utf8Bytes(value), path)
      return value
    case 'bytes':
      if (!(value instanceof Uint8Array)) break
      grow(size, value.length, path)
      return new Uint8Array(value)
    case 'timestamp':
      if (typeof value !== 'bigint' || value < TIMESTAMP_MIN || value > TIMESTAMP_MAX) break
      grow(size, 8, path)
      return value
    default:
      return type satisfies never
  }
  throw mismatch(type, value, path)
}

function checkVector(length: number, value: unknown, path: string): Float32Array {
  const type = { kind: 'vector', size: length } as const
  if (!(value instanceof Float32Array) && !Array.isArray(value)) throw mismatch(type, value, path)
  if (value.length !== length) {
    throw invalid('invalid_value', 'a vector of another length than declared', {
      path,
      type: typeName(type),
      length: value.length,
    })
  }
  // A copy of the same type copies bits, so that a NaN keeps what it carries.
  return value instanceof Float32Array ? new Float32Array(value) : exactFloat32Array(value, path)
}

function checkMap(type: ScalarType, value: unknown, path: string, size: { bytes: number }): Value {
  if (!(value instanceof Map)) throw mismatch({ kind: 'map', value: type }, value, path)
  checkCount(value.size, path)
  const checked = new Map<string, ScalarValue | null>()
  for (const [key, element] of value as Map<unknown, unknown>) {
    const at = `${path}[key ${checked.size}]`
    checked.set(
      checkScalar({ kind: 'string' }, key, at, size) as string,
      checkElement(type, element, `${path}[value ${checked.size}]`, size),
    )
  }
  return checked
}

function checkStruct(
  type: FeatureType & { kind: 'struct' },
  value: unknown,
  path: string,
  size: { bytes: number },
): Value {
  if (!isPlainObject(value)) throw mismatch(type, value, path)
  checkFieldNames(type, value, path)
  const checked = Object.create(null) as Record<string, ScalarValue | null>
  for (const [name, field] of Object.entries(type.fields)) {
    checked[name] = checkElement(field, value[name], `${path}.${name}`, size)
  }
  return checked
}

/** Refuses an object that lacks a declared field or has another one. */
export function checkFieldNames(type: FeatureType & { kind: 'struct' }, value: object, path: string): void {
  const absentNames = Object.keys(type.fields).filter((name) => !Object.hasOwn(value, name))
  if (absentNames.length > 0) {
    throw invalid('absent_value', 'a struct needs every declared field; give null for no value', {
      path,
      absent: absentNames.join(', '),
    })
  }
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(type.fields, name))
  if (unknown === undefined) return
  throw invalid('invalid_value', 'the struct has no such field', {
    path,
    field: unknown.slice(0, LIMITS.nameCharsMax),
    type: typeName(type),
  })
}

/** Whether a value is an object literal: no class, array, Map or typed array. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  return (
    prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'valueOf'))
  )
}

function byPosition(
  keys: EntityDefinition['keys'],
  values: readonly unknown[],
  path: string,
): Record<string, unknown> {
  if (values.length !== keys.length) {
    throw invalid('invalid_value', 'a key has as many parts as the entity declares', {
      path,
      parts: values.length,
      declared: keys.length,
    })
  }
  return Object.fromEntries(keys.map((key, index) => [key.name, values[index]]))
}

function absent(type: FeatureType, path: string): AsofError {
  return invalid('absent_value', 'no value given; null is the value for none', { path, type: typeName(type) })
}

function inexactFloat32(path: string): AsofError {
  return invalid(
    'invalid_value',
    'float32 cannot hold this number exactly; give Math.fround of it, or declare float64',
    {
      path,
    },
  )
}

/** Adds to the size of one value, of which the elements of a container are parts. */
function grow(size: { bytes: number }, bytes: number, path: string): void {
  size.bytes += bytes
  if (size.bytes <= LIMITS.valueBytesMax) return
  throw invalid('value_too_large', 'a value larger than the limit valueBytesMax', {
    path,
    bytes: size.bytes,
    valueBytesMax: LIMITS.valueBytesMax,
  })
}

/** The length in UTF-8 of well-formed text. */
function utf8Bytes(text: string): number {
  // Past the limit the exact number no longer matters, and counting it would be work for the sender to ask for.
  if (text.length > LIMITS.valueBytesMax) return text.length
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    // A surrogate pair is two units and four bytes.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return bytes
}
