import assert from 'node:assert/strict'
import { test } from 'node:test'
import { featureTypeArb, propertyRuns, sameValue, valueArb } from '@asof/testing'
import * as fc from 'fast-check'
import { AsofError } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkKey, checkValue } from './check-value.ts'
import type { EntityDefinition } from './definition.ts'
import type { FeatureType, ScalarType } from './feature-type.ts'

test('every value of a type passes unchanged, and null passes as null', () => {
  const typeAndValue = featureTypeArb().chain((type) => fc.tuple(fc.constant(type), valueArb(type)))
  fc.assert(
    fc.property(typeAndValue, ([type, value]) => {
      const checked = checkValue(type, value, 'v')
      assert.ok(sameValue(type, checked, value))
      assert.ok(typeof checked !== 'object' || checked !== value, 'a container is copied')
      assert.equal(checkValue(type, null, 'v'), null)
    }),
    propertyRuns(2),
  )
})

const REFUSED: readonly (readonly [FeatureType, unknown])[] = [
  [{ kind: 'bool' }, 1],
  [{ kind: 'bool' }, 'true'],
  [{ kind: 'int32' }, '12'],
  [{ kind: 'int32' }, 1.5],
  [{ kind: 'int32' }, true],
  [{ kind: 'int32' }, 2 ** 31],
  [{ kind: 'int32' }, Number.NaN],
  [{ kind: 'int32' }, 1n],
  [{ kind: 'int64' }, 7],
  [{ kind: 'int64' }, '7'],
  [{ kind: 'int64' }, 2n ** 63n],
  [{ kind: 'int64', as: 'number' }, 2 ** 53],
  [{ kind: 'int64', as: 'number' }, 0.5],
  [{ kind: 'float32' }, 0.1],
  [{ kind: 'float32' }, 1e39],
  [{ kind: 'float64' }, '1'],
  [{ kind: 'float64' }, 1n],
  [{ kind: 'float64' }, new Date(0)],
  [{ kind: 'string' }, 7],
  [{ kind: 'string' }, 'a\ud800'],
  [{ kind: 'string' }, '\udc00a'],
  [{ kind: 'bytes' }, 'AA=='],
  [{ kind: 'bytes' }, [1, 2]],
  [{ kind: 'timestamp' }, 1_704_067_200_000_000],
  [{ kind: 'timestamp' }, new Date(0)],
  [{ kind: 'timestamp' }, '2024-01-01T00:00:00Z'],
  [{ kind: 'timestamp' }, -62_135_596_800_000_001n],
  [{ kind: 'timestamp' }, 253_402_300_800_000_000n],
  [{ kind: 'vector', size: 2 }, Float32Array.of(1)],
  [{ kind: 'vector', size: 2 }, Float32Array.of(1, 2, 3)],
  [{ kind: 'vector', size: 2 }, Float64Array.of(1, 2)],
  [{ kind: 'vector', size: 2 }, [1, 0.1]],
  [{ kind: 'vector', size: 2 }, [1, null]],
  [{ kind: 'list', element: { kind: 'int32' } }, new Set([1])],
  [{ kind: 'list', element: { kind: 'int32' } }, [1, '2']],
  [{ kind: 'list', element: { kind: 'int32' } }, [[1]]],
  [{ kind: 'map', value: { kind: 'int32' } }, { a: 1 }],
  [{ kind: 'map', value: { kind: 'int32' } }, new Map([[1, 1]])],
  [{ kind: 'map', value: { kind: 'int32' } }, new Map([['\ud800', 1]])],
  [{ kind: 'map', value: { kind: 'int32' } }, new Map([['a', '1']])],
  [
    { kind: 'struct', fields: { a: { kind: 'int32' } } },
    { a: 1, b: 2 },
  ],
  [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, { a: '1' }],
  [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, new Map([['a', 1]])],
  [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, [1]],
]

test('nothing is coerced: what is not of the type is refused, with its path and without the value', () => {
  for (const [type, value] of REFUSED) {
    assert.throws(
      () => checkValue(type, value, 'rows[3].f'),
      (error) => {
        assert.ok(error instanceof AsofError, type.kind)
        assert.equal(error.code, 'invalid_value', type.kind)
        assert.ok(String(error.details['path']).startsWith('rows[3].f'))
        return true
      },
    )
  }
  const secret = 'canary-7f3a'
  for (const kind of ['bool', 'int32', 'int64', 'float32', 'float64', 'bytes', 'timestamp'] as const) {
    for (const value of [secret, { constructor: { name: secret } }, { toString: () => secret }, [secret]]) {
      assert.throws(
        () => checkValue({ kind }, value, 'f'),
        (error) => error instanceof AsofError && !error.message.includes(secret),
      )
    }
  }
})

test('absent is not null', () => {
  const struct: FeatureType = { kind: 'struct', fields: { a: { kind: 'int32' }, b: { kind: 'int32' } } }
  assert.throws(() => checkValue({ kind: 'int32' }, undefined, 'f'), { code: 'absent_value' })
  assert.throws(() => checkValue({ kind: 'list', element: { kind: 'int32' } }, [1, undefined], 'f'), {
    code: 'absent_value',
    message: /f\[1\]/,
  })
  assert.throws(() => checkValue(struct, { a: 1 }, 'f'), { code: 'absent_value', message: /absent=`b`/ })
  assert.throws(() => checkValue(struct, { a: 1, b: undefined }, 'f'), { code: 'absent_value' })
  assert.deepEqual({ ...(checkValue(struct, { a: 1, b: null }, 'f') as object) }, { a: 1, b: null })
})

test('the forms that a program may give become the one form in memory', () => {
  assert.equal(checkValue({ kind: 'int64', as: 'number' }, 7, 'f'), 7n)
  assert.equal(checkValue({ kind: 'int64', as: 'number' }, 2n ** 60n, 'f'), 2n ** 60n)
  assert.ok(Object.is(checkValue({ kind: 'int32' }, -0, 'f'), 0))
  assert.ok(Object.is(checkValue({ kind: 'float64' }, -0, 'f'), -0))
  assert.deepEqual(
    checkValue({ kind: 'vector', size: 3 }, [1, -0, Number.NaN], 'f'),
    Float32Array.of(1, -0, Number.NaN),
  )
  const buffer = Buffer.from('abc')
  const bytes = checkValue({ kind: 'bytes' }, buffer, 'f') as Uint8Array
  buffer.fill(0)
  assert.deepEqual(bytes, Uint8Array.of(97, 98, 99))
  const negativeNaN = new Float64Array(BigUint64Array.of(0xfff8_0000_0000_0001n).buffer)[0]!
  const quiet = checkValue({ kind: 'vector', size: 1 }, [negativeNaN], 'f') as Float32Array
  assert.equal(new Uint32Array(quiet.buffer)[0], 0x7fc0_0000)
  const payload = new Float32Array(Uint32Array.of(0xffc1_2345).buffer)
  const vector = checkValue({ kind: 'vector', size: 1 }, payload, 'f') as Float32Array
  assert.equal(new Uint32Array(vector.buffer)[0], 0xffc1_2345)
})

test('a struct takes what JSON.parse made of __proto__ as a field or refuses it, and nothing leaks through', () => {
  const hostile: unknown = JSON.parse('{"a": 1, "__proto__": {"b": 2}}')
  const one: FeatureType = { kind: 'struct', fields: { a: { kind: 'int32' } } }
  const two: FeatureType = { kind: 'struct', fields: { a: { kind: 'int32' }, b: { kind: 'int32' } } }
  assert.throws(() => checkValue(one, hostile, 'f'), { code: 'invalid_value', message: /__proto__/ })
  assert.throws(() => checkValue(two, hostile, 'f'), { code: 'absent_value' })
  assert.throws(() => checkValue(one, Object.create({ a: 1 }), 'f'), { code: 'invalid_value' })
  const inherited: FeatureType = {
    kind: 'struct',
    fields: Object.fromEntries([['constructor', { kind: 'int32' as const }]]),
  }
  assert.throws(() => checkValue(inherited, {}, 'f'), { code: 'absent_value' })
})

test('a value is as large as its limit and no larger, its parts counted together', () => {
  const max = LIMITS.valueBytesMax
  const text: ScalarType = { kind: 'string' }
  assert.equal((checkValue(text, 'é'.repeat(max / 2), 'f') as string).length, max / 2)
  assert.equal((checkValue(text, '😀'.repeat(max / 4), 'f') as string).length, max / 2)
  const tooLarge: readonly (readonly [FeatureType, unknown])[] = [
    [text, `${'é'.repeat(max / 2)}a`],
    [text, '€'.repeat(Math.ceil(max / 3))],
    [text, `${'😀'.repeat(max / 4)}a`],
    [text, 'a'.repeat(max + 1)],
    [{ kind: 'bytes' }, new Uint8Array(max + 1)],
    [{ kind: 'list', element: text }, ['a'.repeat(max), 'b']],
    [{ kind: 'map', value: { kind: 'int32' } }, new Map([['a'.repeat(max), 1]])],
    [{ kind: 'list', element: { kind: 'bool' } }, Array.from({ length: LIMITS.elementsMax + 1 }, () => null)],
  ]
  for (const [type, value] of tooLarge) {
    assert.throws(() => checkValue(type, value, 'f'), { code: 'value_too_large' }, type.kind)
  }
})

test('a key is taken by name or in order, whole, typed, and with nulls', () => {
  const keys: EntityDefinition['keys'] = [
    { name: 'origin', type: { kind: 'string' } },
    { name: 'number', type: { kind: 'int32' } },
  ]
  assert.deepEqual(checkKey(keys, { number: 7, origin: 'LAX' }), ['LAX', 7])
  assert.deepEqual(checkKey(keys, ['LAX', null]), ['LAX', null])
  assert.deepEqual(checkKey([], {}), [])
  assert.throws(() => checkKey(keys, { origin: 'LAX' }), { code: 'absent_value', message: /key\.number/ })
  assert.throws(() => checkKey(keys, { origin: 'LAX', number: 7, x: 1 }), { code: 'unknown_key' })
  assert.throws(() => checkKey(keys, ['LAX']), { code: 'invalid_value' })
  for (const number of ['7', 1001.5, true]) {
    assert.throws(() => checkKey(keys, { origin: 'LAX', number }), {
      code: 'invalid_value',
      message: /key\.number/,
    })
  }
  const inherited: EntityDefinition['keys'] = [{ name: 'constructor', type: { kind: 'string' } }]
  assert.throws(() => checkKey(inherited, {}), { code: 'absent_value' })
})
