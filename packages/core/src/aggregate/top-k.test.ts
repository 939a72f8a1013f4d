import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkAgainstNaive, checkAggregationLaws, naiveCounts, scalarValueArb, stateOf } from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { ScalarType } from '../model/feature-type.ts'
import type { ScalarValue } from '../model/value.ts'
import { topKOf } from './top-k.ts'

const TYPES: readonly ScalarType[] = (
  ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
).map((kind) => ({ kind }))
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp

for (const type of TYPES) {
  test(`topK of ${type.kind} keeps the laws and equals a count by comparison`, () => {
    const values = fc.sample(scalarValueArb(type), { numRuns: 6, seed: 7 })
    const value = fc.option(fc.constantFrom(...values), { freq: 8 })
    checkAggregationLaws(topKOf(type, 2, 4), { value, share: 0.5 })
    checkAgainstNaive(topKOf(type, 2, 4), value, (events) => {
      const counts = naiveCounts(events.map((event) => event.value))
      if (counts.length > 4) return { error: 'distinct_values_max' }
      return { value: counts.length === 0 ? null : counts.slice(0, 2).map(([value]) => value as ScalarValue) }
    })
  })
}

test('equally frequent values are in their order, and zeros are one', () => {
  const of = (...numbers: number[]): unknown => {
    const top = topKOf({ kind: 'float64' }, 3, 10)
    return top.finish(
      stateOf(
        top,
        numbers.map((value) => ({ value, stamp })),
      ),
    )
  }
  assert.deepEqual(of(3, 2, 1), { value: [1, 2, 3] })
  assert.deepEqual(of(-0, 5, 5, 0, 0), { value: [0, 5] })
  assert.deepEqual(of(Number.NaN, 7, Number.NaN), { value: [Number.NaN, 7] })
})

test('numbers out of range are refused', () => {
  assert.throws(() => topKOf({ kind: 'int32' }, 5, 4), { code: 'invalid_aggregation' })
  assert.throws(() => topKOf({ kind: 'int32' }, 0, 4), { code: 'invalid_aggregation' })
})
