import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  awkwardFloatArb,
  checkAgainstNaive,
  checkAggregationLaws,
  naiveQuantile,
  propertyRuns,
  scalarValueArb,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { Value } from '../model/value.ts'
import type { Outcome } from './aggregation.ts'
import { bucketOf, valueOf } from './dd-sketch.ts'
import { quantileOf } from './quantile.ts'

const float64 = { kind: 'float64' } as const
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp
/** What a relative error of 1 % is rounded down to. */
const BITS = 6

/** The exact quantile, moved to where its bucket is, or the lowest that is kept on its side of zero. */
function expected(values: readonly (Value | null)[], q: number, bucketsMax: number): Outcome {
  const exact = naiveQuantile(values, q)
  if (exact === null || exact === 0 || !Number.isFinite(exact)) return { value: exact === 0 ? 0 : exact }
  const side = Math.sign(exact)
  const buckets = values
    .map(Number)
    .filter((number) => Number.isFinite(number) && Math.sign(number) === side)
    .map((number) => bucketOf(Math.abs(number), BITS))
  const floor = Math.max(...buckets) - bucketsMax + 1
  const bucket = Math.max(bucketOf(Math.abs(exact), BITS), floor)
  const value = side * valueOf(bucket, BITS)
  return bucket === floor && buckets.some((other) => other < floor) ? { value, approximate: true } : { value }
}

for (const q of [0, 0.25, 0.5, 0.99, 1]) {
  test(`the quantile ${q} keeps the laws and is the exact one in its bucket, collapsed or not`, () => {
    // Near enough that some collapse, and far enough that some do not.
    const near = fc
      .tuple(fc.integer({ min: -1, max: 1 }), fc.double({ min: 1, max: 64 }))
      .map(([a, b]) => a * b)
    for (const some of [awkwardFloatArb(), near]) {
      const value = fc.option(some, { freq: 9 })
      const quantile = quantileOf(float64, q, { bucketsMax: 256 })
      checkAggregationLaws(quantile, { value, share: 0.3 })
      checkAgainstNaive(
        quantile,
        value,
        (events) =>
          expected(
            events.map((event) => event.value).filter((number) => number !== null),
            q,
            256,
          ),
        { share: 0.5 },
      )
    }
  })
}

test('int64 values are counted as the floats nearest to them', () => {
  const value = scalarValueArb({ kind: 'int64' })
  checkAgainstNaive(quantileOf({ kind: 'int64' }, 0.5, { bucketsMax: 8_192 }), value, (events) =>
    expected(
      events.map((event) => event.value),
      0.5,
      8_192,
    ),
  )
})

test('a bucket is within its relative error of every number in it, and buckets ascend', () => {
  const positive = awkwardFloatArb()
    .map(Math.abs)
    .filter((number) => Number.isFinite(number) && number > 0)
  fc.assert(
    fc.property(positive, positive, fc.integer({ min: 1, max: 12 }), (a, b, bits) => {
      const error = 1 / (2 ** (bits + 1) + 1)
      const subnormal = a < 2 ** -1022 ? 2 : 1
      const near = valueOf(bucketOf(a, bits), bits)
      assert.ok(Math.abs(near - a) <= a * (error * subnormal + 2 ** -50), `${a} ${near} ${bits}`)
      if (a <= b) assert.ok(bucketOf(a, bits) <= bucketOf(b, bits))
      assert.ok(bucketOf(a, bits) >= 0)
    }),
    propertyRuns(5),
  )
})

test('the declared error holds', () => {
  for (const relativeError of [0.2, 0.05, 0.01, 0.001, 0.0002]) {
    const median = quantileOf(float64, 0.5, { relativeError, bucketsMax: 65_536 })
    for (const number of [1, 1.0000001, 3.3, 1e-300, 5e300]) {
      const { value } = median.finish(stateOf(median, [{ value: number, stamp }])) as { value: number }
      assert.ok(Math.abs(value - number) <= number * relativeError)
    }
  }
})

test('numbers out of range are refused', () => {
  assert.throws(() => quantileOf(float64, 1.1), { code: 'invalid_aggregation' })
  assert.throws(() => quantileOf(float64, Number.NaN), { code: 'invalid_aggregation' })
  assert.throws(() => quantileOf(float64, 0.5, { relativeError: 0 }), { code: 'invalid_aggregation' })
  assert.throws(() => quantileOf(float64, 0.5, { bucketsMax: 1 }), { code: 'invalid_aggregation' })
  assert.throws(() => quantileOf({ kind: 'string' }, 0.5), { code: 'invalid_aggregation' })
})
