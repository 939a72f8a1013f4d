import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveFloatMean,
  naiveFloatSum,
  naiveElements,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { Value } from '../model/value.ts'
import { vectorMeanOf, vectorSumOf } from './vector-sum.ts'

const type = { kind: 'vector', size: 3 } as const
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp
const vector = fc
  .array(awkwardFloatArb(32), { minLength: 3, maxLength: 3 })
  .map((numbers): Value => Float32Array.from(numbers))
const value = fc.option(vector, { freq: 9 })

test('sum and mean of vectors keep the laws and equal exact fractions, element by element', () => {
  checkAggregationLaws(vectorSumOf(type), { value })
  for (const [aggregation, each] of [
    [vectorSumOf(type), naiveFloatSum],
    [vectorMeanOf(type), naiveFloatMean],
  ] as const) {
    checkAgainstNaive(
      aggregation,
      value,
      (events) => ({
        value: naiveElements(
          events.map((event) => event.value),
          (elements) => each(elements, 'float32'),
        ),
      }),
      { eventsMax: 10, share: 0.5 },
    )
  }
})

test('an element is rounded once, not first to a float64', () => {
  // 1 + 2^-24 lies between two float32; what is far below decides.
  for (const [least, expected] of [
    [2 ** -100, 1 + 2 ** -23],
    [-(2 ** -100), 1],
  ] as const) {
    const events = [1, 2 ** -24, least].map((number) => ({ value: Float32Array.of(number, 0, 0), stamp }))
    const sum = vectorSumOf(type)
    assert.deepEqual(sum.finish(stateOf(sum, events)), { value: Float32Array.of(expected, 0, 0) })
  }
})

test('other types are refused', () => {
  assert.throws(() => vectorSumOf({ kind: 'float64' }), { code: 'invalid_aggregation' })
})
