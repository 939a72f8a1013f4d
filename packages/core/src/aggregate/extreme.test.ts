import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveExtreme,
  scalarValueArb,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { ScalarType } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import { maxOf, minOf } from './extreme.ts'

const TYPES: readonly ScalarType[] = (
  ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
).map((kind) => ({ kind }))
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp

for (const type of TYPES) {
  test(`min and max of ${type.kind} keep the laws and equal the first and last in order`, () => {
    const some =
      type.kind === 'float32' || type.kind === 'float64'
        ? awkwardFloatArb(type.kind === 'float64' ? 64 : 32)
        : scalarValueArb(type)
    const value = fc.option(some, { freq: 5 })
    for (const [aggregation, side] of [
      [minOf(type), -1],
      [maxOf(type), 1],
    ] as const) {
      checkAggregationLaws(aggregation, { value, share: 0.5 })
      checkAgainstNaive(
        aggregation,
        value,
        (events) => ({
          value: naiveExtreme(
            events.map((event) => event.value),
            side,
          ),
        }),
        { share: 0.5, eventsMax: 8 },
      )
    }
  })
}

test('-0 is less than 0 in every order, and NaN is skipped', () => {
  for (const type of [{ kind: 'float64' }, { kind: 'float32' }] as const) {
    for (const numbers of [
      [-0, 0],
      [0, -0],
      [Number.NaN, 0, -0],
      [-0, 0, Number.NaN],
    ]) {
      const events = numbers.map((value) => ({ value, stamp }))
      assert.deepEqual(minOf(type).finish(stateOf(minOf(type), events)), { value: -0 })
      assert.deepEqual(maxOf(type).finish(stateOf(maxOf(type), events)), { value: 0 })
    }
    const onlyNaN = [{ value: Number.NaN, stamp }]
    assert.deepEqual(minOf(type).finish(stateOf(minOf(type), onlyNaN)), { value: null })
  }
})

test('strings are in the order of code points', () => {
  const events = ['\u{1f600}', '\ufffd', 'z', ''].map((value) => ({ value, stamp }))
  const max = maxOf({ kind: 'string' })
  assert.deepEqual(max.finish(stateOf(max, events)), { value: '\u{1f600}' })
})

test('what has no order is refused', () => {
  assert.throws(() => minOf({ kind: 'vector', size: 2 }), { code: 'invalid_aggregation' })
})
