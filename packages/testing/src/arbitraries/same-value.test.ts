import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkType, type FeatureType, type Value } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'
import { featureTypeArb } from './feature-type-arb.ts'
import { sameValue } from './same-value.ts'
import { valueArb } from './value-arb.ts'

test('a value is the same as its copy, and no value is null', () => {
  const typeAndValue = featureTypeArb().chain((type) => fc.tuple(fc.constant(type), valueArb(type)))
  fc.assert(
    fc.property(typeAndValue, ([type, value]) => {
      checkType(type, 'type')
      assert.ok(sameValue(type, value, structuredClone(value)))
      assert.ok(!sameValue(type, value, null))
    }),
    propertyRuns(),
  )
})

test('what differs by a bit, a normal form, an order or an absence differs', () => {
  const differ: readonly (readonly [FeatureType, Value, Value])[] = [
    [{ kind: 'float64' }, 0, -0],
    [{ kind: 'float64' }, Number.NaN, 0],
    [{ kind: 'int64' }, 2n ** 53n, 2n ** 53n + 1n],
    [{ kind: 'string' }, '\u00e9', 'e\u0301'],
    [{ kind: 'bytes' }, Uint8Array.of(0), Uint8Array.of()],
    [{ kind: 'vector', size: 1 }, Float32Array.of(0), Float32Array.of(-0)],
    [{ kind: 'list', element: { kind: 'int32' } }, [1, 2], [2, 1]],
    [{ kind: 'list', element: { kind: 'int32' } }, [null], []],
    [{ kind: 'map', value: { kind: 'int32' } }, new Map([['a', null]]), new Map([['b', null]])],
    [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, { a: null }, {}],
  ]
  for (const [type, a, b] of differ) {
    assert.ok(!sameValue(type, a, b), type.kind)
    assert.ok(sameValue(type, a, a), type.kind)
  }
})
