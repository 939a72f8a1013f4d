import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AggregateEvent,
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveFloatMean,
  naiveFloatSum,
  naiveWholeMean,
  naiveWholeSum,
  scalarValueArb,
  stateBytes,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { Value } from '../model/value.ts'
import type { Outcome } from './aggregation.ts'
import { meanOf, sumOf } from './sum.ts'

const float64 = { kind: 'float64' } as const
const float32 = { kind: 'float32' } as const
const int32 = { kind: 'int32' } as const
const int64 = { kind: 'int64' } as const

const orNull = (value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(value, { freq: 9 })
const values = (events: readonly AggregateEvent[]): (Value | null)[] => events.map((event) => event.value)
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp

for (const type of [float64, float32]) {
  const value = orNull(awkwardFloatArb(type.kind === 'float64' ? 64 : 32))
  test(`sum and mean of ${type.kind} keep the laws and equal exact fractions`, () => {
    checkAggregationLaws(sumOf(type), { value })
    checkAggregationLaws(meanOf(type), { value })
    checkAgainstNaive(sumOf(type), value, (events) => ({ value: naiveFloatSum(values(events)) }))
    checkAgainstNaive(meanOf(type), value, (events) => ({ value: naiveFloatMean(values(events)) }))
  })
}

for (const type of [int32, int64]) {
  const value = orNull(scalarValueArb(type))
  test(`sum and mean of ${type.kind} keep the laws and equal exact whole numbers`, () => {
    checkAggregationLaws(sumOf(type), { value })
    checkAggregationLaws(meanOf(type), { value })
    checkAgainstNaive(sumOf(type), value, (events): Outcome => {
      const sum = naiveWholeSum(values(events))
      return sum === 'error' ? { error: 'int64_overflow' } : { value: sum }
    })
    checkAgainstNaive(meanOf(type), value, (events) => ({ value: naiveWholeMean(values(events)) }))
  })
}

test('a mean that lies next to the middle of two floats is rounded right', () => {
  const nearMiddle = fc
    .tuple(
      fc.integer({ min: 3, max: 40 }),
      fc.integer({ min: 0, max: 2 ** 30 }),
      fc.constantFrom(-1, 0, 1),
      fc.constantFrom<[number, number][]>([0, -100], [-1000, -1074], [-880, -980], [960, 860]),
    )
    .map(([count, ulps, side, [scale, least]]): number[] => {
      // The mean is the middle of two neighbours, or beside it by less than a float shows.
      const float = (1 + ulps * 2 ** -52) * 2 ** scale
      const half = count * 2 ** -53 * 2 ** scale + side * 2 ** least
      return [...Array.from({ length: count - 2 }, () => float), 2 * float, half]
    })
  fc.assert(
    fc.property(nearMiddle, (numbers) => {
      const events = numbers.map((value) => ({ value, stamp }))
      const mean = meanOf(float64)
      assert.deepEqual(mean.finish(stateOf(mean, events)), { value: naiveFloatMean(numbers) })
    }),
  )
})

test('sums that plain addition gets wrong', () => {
  const sums: readonly (readonly [readonly (number | null)[], number | null])[] = [
    [[], null],
    [[null], null],
    [[-0], 0],
    [[-0, null, -0], 0],
    [[1, -1], 0],
    [[1e308, 1e308, -1e308], 1e308],
    [[1e308, 1e308, -1e308, -1e308], 0],
    [[1e308, 1e308], Number.POSITIVE_INFINITY],
    [[Number.MAX_VALUE, 2 ** 969], Number.MAX_VALUE],
    [[Number.MAX_VALUE, 2 ** 970], Number.POSITIVE_INFINITY],
    [[Number.MAX_VALUE, 2 ** 970, -(2 ** -1074)], Number.MAX_VALUE],
    [[Number.MAX_VALUE, 1.5 * 2 ** 969, 1.5 * 2 ** 969], Number.POSITIVE_INFINITY],
    [[Number.MAX_VALUE, 1.5 * 2 ** 969, 1.5 * 2 ** 969, -3 * 2 ** 969], Number.MAX_VALUE],
    [[1e16, 1, -1e16], 1],
    [[1, 1e100, 1, -1e100], 2],
    [[2 ** -1074, 2 ** 1000, -(2 ** 1000)], 2 ** -1074],
    [[Number.NaN, 1], Number.NaN],
    [[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], Number.NaN],
    [[Number.POSITIVE_INFINITY, 1e308], Number.POSITIVE_INFINITY],
    [Array.from({ length: 10 }, () => 0.1), 1],
  ]
  const sum = sumOf(float64)
  for (const [numbers, expected] of sums) {
    const state = stateOf(
      sum,
      numbers.map((value) => ({ value, stamp })),
    )
    assert.deepEqual(sum.finish(state), { value: expected }, String(numbers))
  }
})

test('what is not finite, and what overflowed, can be taken back', () => {
  const sum = sumOf(float64)
  const state = sum.empty()
  const nasty = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.MAX_VALUE,
    Number.MAX_VALUE,
  ]
  for (const value of [0.1, ...nasty]) sum.add(state, value, stamp)
  for (const value of nasty) sum.retract!(state, value, stamp)
  assert.deepEqual(sum.finish(state), { value: 0.1 })
  assert.deepEqual(stateBytes(sum, state), stateBytes(sum, stateOf(sum, [{ value: 0.1, stamp }])))
})

test('an overflow of int64 is judged once, at the end', () => {
  const sum = sumOf(int64)
  const most = 2n ** 63n - 1n
  const add = (...numbers: bigint[]): Outcome =>
    sum.finish(
      stateOf(
        sum,
        numbers.map((value) => ({ value, stamp })),
      ),
    )
  assert.deepEqual(add(most, 1n), { error: 'int64_overflow' })
  assert.deepEqual(add(most, most, -most), { value: most })
  assert.deepEqual(add(-most, -1n), { value: -most - 1n })
})

test('other types are refused', () => {
  for (const kind of ['string', 'bool', 'bytes', 'timestamp'] as const) {
    assert.throws(() => sumOf({ kind }), { code: 'invalid_aggregation' })
    assert.throws(() => meanOf({ kind }), { code: 'invalid_aggregation' })
  }
})
