import {
  type FeatureType,
  type ScalarType,
  type ScalarValue,
  TIMESTAMP_MAX,
  TIMESTAMP_MIN,
  type Value,
} from '@asof/core'
import * as fc from 'fast-check'

/** Values of a type, in their form in memory, the nasty ones often; never null, of which {@link nullableValueArb} has some. */
export function valueArb(type: FeatureType): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'vector':
      return fc
        .array(scalarValueArb({ kind: 'float32' }), { minLength: type.size, maxLength: type.size })
        .map((numbers) => quietVector(numbers as number[]))
    case 'list':
      return fc.array(nullableScalarArb(type.element), { maxLength: 20 })
    case 'map':
      return fc
        .uniqueArray(fc.tuple(mapKeyArb(), nullableScalarArb(type.value)), {
          maxLength: 10,
          selector: ([key]) => key,
        })
        .map((entries) => new Map(entries))
    case 'struct':
      return fc
        .tuple(...Object.values(type.fields).map(nullableScalarArb))
        .map((values) => structOf(Object.keys(type.fields), values))
    default:
      return scalarValueArb(type)
  }
}

/** {@link valueArb}, and null one time in five. */
export function nullableValueArb(type: FeatureType): fc.Arbitrary<Value | null> {
  return fc.option(valueArb(type), { nil: null, freq: 4 })
}

/** Values of a scalar type, the nasty ones often. */
export function scalarValueArb(type: ScalarType): fc.Arbitrary<ScalarValue> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean()
    case 'int32':
      return fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)))
    case 'int64':
      return type.as === 'number'
        ? fc
            .oneof(fc.maxSafeInteger(), fc.constantFrom(0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))
            .map(BigInt)
        : fc.oneof(fc.bigInt(INT64_MIN, INT64_MAX), fc.constantFrom(...NASTY_INT64))
    case 'float32':
      return fc.oneof(fc.float(), fc.constantFrom(...NASTY_FLOATS.map(Math.fround), ...NASTY_FLOAT32))
    case 'float64':
      return fc.oneof(fc.double(), fc.constantFrom(...NASTY_FLOATS))
    case 'string':
      return textArb()
    case 'bytes':
      return fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(Uint8Array.of(), Uint8Array.of(0, 255, 128)),
      )
    case 'timestamp':
      return fc.oneof(fc.bigInt(TIMESTAMP_MIN, TIMESTAMP_MAX), fc.constantFrom(...NASTY_TIMESTAMPS))
    default:
      return type satisfies never
  }
}

/** Any well-formed text: empty, ASCII, beyond the basic plane, composed and decomposed, with what separates elsewhere. */
export function textArb(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(...NASTY_TEXTS),
  )
}

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n
const NASTY_INT64 = [
  0n,
  -1n,
  INT64_MIN,
  INT64_MAX,
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 32n,
  -(2n ** 31n),
]
const NASTY_FLOATS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  2 ** -1022 - 2 ** -1074,
  Number.MAX_VALUE,
  Number.EPSILON,
  0.1,
  2 ** 53 + 2,
]
/** Least subnormal, greatest subnormal and greatest float32. */
const NASTY_FLOAT32 = [2 ** -149, 2 ** -126 - 2 ** -149, (2 - 2 ** -23) * 2 ** 127]
const NASTY_TIMESTAMPS = [
  TIMESTAMP_MIN,
  TIMESTAMP_MAX,
  0n,
  -1n,
  1n,
  -2_208_988_800_000_001n,
  1_709_164_800_000_000n,
  2n ** 53n + 1n,
]
const NASTY_TEXTS = [
  '',
  ' ',
  '\u00e9',
  'e\u0301',
  '😀👩‍👩‍👧',
  '\u{10ffff}',
  '\ufeffbom',
  '\ufffe\uffff',
  '\0',
  'line\nbreak\r\n',
  'a:b',
  '{x}',
  '%3A',
  '%',
  '/../',
  '"\\',
  '007',
  '7',
  'null',
  'undefined',
  'NaN',
  '-0',
  'café'.repeat(20),
]

/** Keys of maps, those that mean something to JavaScript included. */
function mapKeyArb(): fc.Arbitrary<string> {
  return fc.oneof(
    textArb(),
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      'then',
      '10',
      '9',
      '-1',
    ),
  )
}

function nullableScalarArb(type: ScalarType): fc.Arbitrary<ScalarValue | null> {
  return fc.option(scalarValueArb(type), { nil: null, freq: 5 })
}

/** Of the many NaNs, the one that every path keeps. */
function quietVector(numbers: readonly number[]): Float32Array {
  const vector = Float32Array.from(numbers)
  const bits = new Uint32Array(vector.buffer)
  for (const [index, number] of numbers.entries()) if (Number.isNaN(number)) bits[index] = 0x7fc00000
  return vector
}

function structOf(names: readonly string[], values: readonly (ScalarValue | null)[]): Value {
  const struct = Object.create(null) as Record<string, ScalarValue | null>
  for (const [index, name] of names.entries()) struct[name] = values[index] ?? null
  return struct
}
