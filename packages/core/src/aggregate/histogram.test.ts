import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveHistogram,
  scalarValueArb,
} from '@asof/testing'
import * as fc from 'fast-check'
import { histogramOf } from './histogram.ts'

const BOUNDS = [-(2 ** 53), -1, 0, 2 ** -1074, 1, 2 ** 53, 2 ** 1023]

for (const kind of ['float64', 'int64', 'int32'] as const) {
  test(`a histogram of ${kind} keeps the laws and equals a count between bounds`, () => {
    const some = kind === 'float64' ? awkwardFloatArb() : scalarValueArb({ kind })
    const value = fc.option(fc.oneof(some, kind === 'float64' ? fc.constantFrom(...BOUNDS) : some), {
      freq: 8,
    })
    const histogram = histogramOf({ kind }, BOUNDS)
    checkAggregationLaws(histogram, { value })
    checkAgainstNaive(histogram, value, (events) => ({
      value: naiveHistogram(
        events.map((event) => event.value),
        BOUNDS,
      ),
    }))
  })
}

test('bounds that are none are refused', () => {
  for (const bounds of [[], [1, 1], [2, 1], [Number.NaN], [Number.POSITIVE_INFINITY]]) {
    assert.throws(() => histogramOf({ kind: 'float64' }, bounds), { code: 'invalid_aggregation' })
  }
  assert.throws(() => histogramOf({ kind: 'string' }, [1]), { code: 'invalid_aggregation' })
})
