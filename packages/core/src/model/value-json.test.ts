import assert from 'node:assert/strict'
import { test } from 'node:test'
import { featureTypeArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { AsofError } from '../errors/asof-error.ts'
import type { FeatureType } from './feature-type.ts'
import type { Value } from './value.ts'
import { presentValue, valueFromJson, valueToJson } from './value-json.ts'

const typeAndValue = featureTypeArb().chain((type) => fc.tuple(fc.constant(type), nullableValueArb(type)))

test('every value of every type comes back out of its JSON text bit for bit', () => {
  fc.assert(
    fc.property(typeAndValue, ([type, value]) => {
      const text = JSON.stringify(valueToJson(type, value))
      assert.ok(sameValue(type, valueFromJson(type, JSON.parse(text), 'v'), value), text)
    }),
    propertyRuns(3),
  )
})

test('the JSON forms are these', () => {
  const forms: readonly (readonly [FeatureType, Value, string])[] = [
    [{ kind: 'int64' }, 9_007_199_254_740_993n, '"9007199254740993"'],
    [{ kind: 'int64', as: 'number' }, 7n, '"7"'],
    [{ kind: 'float64' }, Number.NaN, '"NaN"'],
    [{ kind: 'float64' }, Number.POSITIVE_INFINITY, '"Infinity"'],
    [{ kind: 'float32' }, Number.NEGATIVE_INFINITY, '"-Infinity"'],
    [{ kind: 'float64' }, -0, '"-0"'],
    [{ kind: 'float64' }, 0.1, '0.1'],
    [{ kind: 'timestamp' }, -1n, '"1969-12-31T23:59:59.999999Z"'],
    [{ kind: 'timestamp' }, -62_135_596_800_000_000n, '"0001-01-01T00:00:00.000000Z"'],
    [{ kind: 'bytes' }, Uint8Array.of(251, 255), '"+/8="'],
    [{ kind: 'vector', size: 2 }, Float32Array.of(1.5, Number.NaN), '[1.5,"NaN"]'],
    [{ kind: 'list', element: { kind: 'int64' } }, [1n, null], '["1",null]'],
    [{ kind: 'map', value: { kind: 'int32' } }, new Map([['__proto__', 1]]), '{"__proto__":1}'],
    [
      { kind: 'struct', fields: { a: { kind: 'bool' }, b: { kind: 'string' } } },
      { b: null, a: true },
      '{"a":true,"b":null}',
    ],
  ]
  for (const [type, value, text] of forms) assert.equal(JSON.stringify(valueToJson(type, value)), text)
})

test('JSON is not coerced, and refused with its path and without the value', () => {
  const refused: readonly (readonly [FeatureType, string])[] = [
    [{ kind: 'bool' }, '1'],
    [{ kind: 'int32' }, '"12"'],
    [{ kind: 'int32' }, '1.5'],
    [{ kind: 'int64' }, '9007199254740993'],
    [{ kind: 'int64' }, '1.5'],
    [{ kind: 'int64' }, '"1.0"'],
    [{ kind: 'int64' }, '"007"'],
    [{ kind: 'int64' }, '"-0"'],
    [{ kind: 'int64' }, '" 7"'],
    [{ kind: 'int64' }, '""'],
    [{ kind: 'int64' }, '"0x10"'],
    [{ kind: 'int64' }, '"9223372036854775808"'],
    [{ kind: 'int64' }, 'true'],
    [{ kind: 'float64' }, '"1"'],
    [{ kind: 'float64' }, '"nan"'],
    [{ kind: 'float64' }, '1e999'],
    [{ kind: 'float32' }, '0.1'],
    [{ kind: 'string' }, '"\\ud800"'],
    [{ kind: 'string' }, '7'],
    [{ kind: 'bytes' }, '"+/8"'],
    [{ kind: 'bytes' }, '"+/9="'],
    [{ kind: 'bytes' }, '"+ /8="'],
    [{ kind: 'bytes' }, '"-_8="'],
    [{ kind: 'bytes' }, '[1]'],
    [{ kind: 'timestamp' }, '1704067200000000'],
    [{ kind: 'timestamp' }, '"2024-01-01T00:00:00"'],
    [{ kind: 'timestamp' }, '"2024-02-30T00:00:00Z"'],
    [{ kind: 'timestamp' }, '"2024-01-01T24:00:00Z"'],
    [{ kind: 'timestamp' }, '"2016-12-31T23:59:60Z"'],
    [{ kind: 'timestamp' }, '"2024-01-01T00:00:00.0000001Z"'],
    [{ kind: 'timestamp' }, '"0000-01-01T00:00:00Z"'],
    [{ kind: 'timestamp' }, '"294247-01-10T04:00:54Z"'],
    [{ kind: 'vector', size: 2 }, '[1]'],
    [{ kind: 'vector', size: 1 }, '[null]'],
    [{ kind: 'vector', size: 1 }, '["1"]'],
    [{ kind: 'vector', size: 1 }, '1'],
    [{ kind: 'list', element: { kind: 'int32' } }, '{}'],
    [{ kind: 'list', element: { kind: 'int32' } }, '[[1]]'],
    [{ kind: 'map', value: { kind: 'int32' } }, '[]'],
    [{ kind: 'map', value: { kind: 'int32' } }, '{"a":"1"}'],
    [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, '{"a":1,"b":2}'],
    [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, '[1]'],
  ]
  for (const [type, text] of refused) {
    assert.throws(
      () => valueFromJson(type, JSON.parse(text), 'rows[0].f'),
      (error) => {
        assert.ok(error instanceof AsofError, text)
        assert.equal(error.code, 'invalid_value', text)
        assert.match(error.message, /path=`rows\[0\]\.f/)
        return true
      },
      `${type.kind} ${text}`,
    )
  }
  assert.throws(
    () => valueFromJson({ kind: 'timestamp' }, 'canary-7f3a', 'f'),
    (error) => error instanceof AsofError && !error.message.includes('canary'),
  )
  assert.throws(() => valueFromJson({ kind: 'struct', fields: { a: { kind: 'int32' } } }, {}, 'f'), {
    code: 'absent_value',
  })
})

test('the forms that JSON may also take', () => {
  assert.equal(valueFromJson({ kind: 'int64' }, JSON.parse('7'), 'f'), 7n)
  assert.equal(valueFromJson({ kind: 'int64' }, JSON.parse('7.0'), 'f'), 7n)
  assert.equal(valueFromJson({ kind: 'float64' }, 'NaN', 'f'), Number.NaN)
  assert.ok(Object.is(valueFromJson({ kind: 'float64' }, JSON.parse('-0'), 'f'), -0))
  assert.equal(valueFromJson({ kind: 'timestamp' }, '1970-01-01T05:45:00+05:45', 'f'), 0n)
  assert.equal(valueFromJson({ kind: 'int32' }, null, 'f'), null)
  assert.throws(() => valueFromJson({ kind: 'int32' }, undefined, 'f'), { code: 'absent_value' })
})

test('an int64 shown as a number is one, everywhere, or an error beyond 2^53', () => {
  const int64 = { kind: 'int64', as: 'number' } as const
  const cases: readonly (readonly [FeatureType, (value: bigint) => Value, unknown])[] = [
    [int64, (value) => value, 7],
    [{ kind: 'list', element: int64 }, (value) => [value, null], [7, null]],
    [
      { kind: 'map', value: int64 },
      (value) =>
        new Map<string, bigint | null>([
          ['a', value],
          ['b', null],
        ]),
      new Map<string, unknown>([
        ['a', 7],
        ['b', null],
      ]),
    ],
  ]
  for (const [type, make, shown] of cases) {
    assert.deepEqual(presentValue(type, make(7n)), shown)
    assert.equal(presentValue(type, make(2n ** 53n)), undefined)
    assert.equal(presentValue(type, make(-(2n ** 53n) - 1n)), undefined)
    assert.equal(presentValue(type, null), null)
  }
  const struct: FeatureType = {
    kind: 'struct',
    fields: { a: int64, b: { kind: 'int64' }, c: { kind: 'string' } },
  }
  assert.deepEqual(
    { ...(presentValue(struct, { a: 7n, b: 7n, c: null }) as object) },
    { a: 7, b: 7n, c: null },
  )
  assert.equal(presentValue(struct, { a: 2n ** 53n, b: 7n, c: null }), undefined)
})

test('every other value is shown as it is', () => {
  fc.assert(
    fc.property(typeAndValue, ([type, value]) => {
      if (!JSON.stringify(type).includes('"as":"number"')) assert.equal(presentValue(type, value), value)
    }),
    propertyRuns(),
  )
})
