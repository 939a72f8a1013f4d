import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveVariance,
  scalarValueArb,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { ScalarType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { stddevOf, varianceOf } from './moments.ts'

const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp
const ARBITRARIES: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  float64: awkwardFloatArb(),
  float32: awkwardFloatArb(32),
  int32: scalarValueArb({ kind: 'int32' }),
  int64: scalarValueArb({ kind: 'int64' }),
}

for (const [kind, some] of Object.entries(ARBITRARIES)) {
  const type = { kind } as ScalarType
  test(`variance and standard deviation of ${kind} keep the laws and equal exact fractions`, () => {
    const value = fc.option(some, { freq: 9 })
    checkAggregationLaws(varianceOf(type, 'sample'), { value, eventsMax: 8, share: 0.5 })
    for (const population of ['sample', 'population'] as const) {
      for (const [aggregation, root] of [
        [varianceOf(type, population), false],
        [stddevOf(type, population), true],
      ] as const) {
        checkAgainstNaive(
          aggregation,
          value,
          (events) => ({
            value: naiveVariance(
              events.map((event) => event.value),
              population,
              root,
            ),
          }),
          { eventsMax: 8, share: 0.25 },
        )
      }
    }
  })
}

test('squares that cancel, overflow and underflow', () => {
  const of = (...numbers: number[]): unknown => {
    const variance = varianceOf({ kind: 'float64' }, 'population')
    return variance.finish(
      stateOf(
        variance,
        numbers.map((value) => ({ value, stamp })),
      ),
    )
  }
  assert.deepEqual(of(), { value: null })
  assert.deepEqual(of(7), { value: 0 })
  assert.deepEqual(of(1e9, 1e9 + 1), { value: 0.25 })
  assert.deepEqual(of(1e300, -1e300), { value: Number.POSITIVE_INFINITY })
  assert.deepEqual(of(2 ** -530, -(2 ** -530)), { value: 2 ** -1060 })
  assert.deepEqual(of(2 ** -600, -(2 ** -600)), { value: 0 })
  assert.deepEqual(of(Number.POSITIVE_INFINITY), { value: Number.NaN })
  const stddev = stddevOf({ kind: 'float64' }, 'sample')
  assert.deepEqual(stddev.finish(stateOf(stddev, [{ value: Number.NaN, stamp }])), { value: null })
  const large = [1e300, -1e300, 1e300, -1e300].map((value) => ({ value, stamp }))
  const root = stddevOf({ kind: 'float64' }, 'population')
  assert.deepEqual(root.finish(stateOf(root, large)), { value: 1e300 })
})

test('other types are refused', () => {
  assert.throws(() => varianceOf({ kind: 'timestamp' }, 'sample'), { code: 'invalid_aggregation' })
})
