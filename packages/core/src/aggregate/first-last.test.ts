import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkAgainstNaive,
  checkAggregationLaws,
  naiveFirstN,
  nullableValueArb,
  sameDistinct,
  stateOf,
} from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { firstNOf, firstOf, lastNOf, lastOf } from './first-last.ts'

const SCALARS: readonly FeatureType[] = (
  ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
).map((kind) => ({ kind }))
const STRUCT: FeatureType = {
  kind: 'struct',
  fields: { city: { kind: 'string' }, delay: { kind: 'float64' } },
}
const CONTAINERS: readonly FeatureType[] = [
  STRUCT,
  { kind: 'vector', size: 2 },
  { kind: 'list', element: { kind: 'int32' } },
  { kind: 'map', value: { kind: 'string' } },
]
const SMALL = { eventsMax: 8, share: 0.25 }

for (const type of [...SCALARS, ...CONTAINERS]) {
  test(`first and last of ${type.kind} keep the laws and equal the ends in order`, () => {
    const value = nullableValueArb(type)
    checkAggregationLaws(firstOf(type), { value, ...SMALL })
    checkAggregationLaws(lastOf(type), { value, ...SMALL })
    checkAgainstNaive(
      firstOf(type),
      value,
      (events) => ({ value: naiveFirstN(events, 1, 1)?.[0] ?? null }),
      SMALL,
    )
    checkAgainstNaive(
      lastOf(type),
      value,
      (events) => ({ value: naiveFirstN(events, 1, -1)?.[0] ?? null }),
      SMALL,
    )
  })
}

for (const type of [...SCALARS, STRUCT]) {
  test(`firstN and lastN of ${type.kind} keep the laws and equal the ends in order`, () => {
    const value = nullableValueArb(type)
    checkAggregationLaws(lastNOf(type, 3), { value, ...SMALL })
    checkAgainstNaive(
      firstNOf(type, 3),
      value,
      (events) => ({ value: naiveFirstN(events, 3, 1) as never }),
      SMALL,
    )
    checkAgainstNaive(
      lastNOf(type, 3),
      value,
      (events) => ({ value: naiveFirstN(events, 3, -1) as never }),
      SMALL,
    )
  })
}

test('the distinct variants give each value once, by its first or last event', () => {
  const few: readonly (readonly [FeatureType, readonly Value[]])[] = [
    [{ kind: 'float64' }, [Number.NaN, -0, 0, 1, 2, 3]],
    [{ kind: 'string' }, ['', 'a', 'A', '\u00e9', 'e\u0301']],
    [{ kind: 'bytes' }, [Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(255)]],
    [{ kind: 'int64' }, [0n, 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n)]],
  ]
  for (const [type, values] of few) {
    const value = fc.option(fc.constantFrom(...values))
    for (const n of [1, 3]) {
      for (const [aggregation, side] of [
        [firstNOf(type, n, true), 1],
        [lastNOf(type, n, true), -1],
      ] as const) {
        checkAggregationLaws(aggregation, { value, share: 0.5 })
        checkAgainstNaive(
          aggregation,
          value,
          (events) => ({ value: naiveFirstN(events, n, side, sameDistinct) as never }),
          { share: 0.5 },
        )
      }
    }
  }
})

test('structs are distinct by their fields, -0 and 0 being one', () => {
  const struct = (city: string | null, delay: number | null): Value =>
    Object.assign(Object.create(null) as object, { city, delay })
  const values = [struct('a', 0), struct('a', -0), struct('a', null), struct(null, 0), struct('b', 0)]
  const events = values.map((value, s) => ({ value, stamp: { e: 0, c: 0, s } as unknown as Stamp }))
  const last = lastNOf(STRUCT, 5, true)
  assert.deepEqual(last.finish(stateOf(last, events)), {
    value: [values[4], values[3], values[2], values[1]],
  })
})

test('more than a value may hold is an error by name', () => {
  const text = 'x'.repeat(40_000)
  const events = [0, 1].map((s) => ({ value: text, stamp: { e: 0, c: 0, s } as unknown as Stamp }))
  const last = lastNOf({ kind: 'string' }, 2)
  assert.deepEqual(last.finish(stateOf(last, events)), { error: 'value_too_large' })
})

test('what makes no list, and numbers out of range, are refused', () => {
  assert.throws(() => firstNOf({ kind: 'vector', size: 2 }, 3), { code: 'invalid_aggregation' })
  for (const n of [0, 1_001, 1.5, Number.NaN]) {
    assert.throws(() => lastNOf({ kind: 'int32' }, n), { code: 'invalid_aggregation' })
  }
})
