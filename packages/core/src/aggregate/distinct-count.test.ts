import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkAgainstNaive, checkAggregationLaws, naiveCounts, scalarValueArb, stateOf } from '@asof/testing'
import * as fc from 'fast-check'
import type { Stamp } from '../model/feature-row.ts'
import type { ScalarType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { approximateDistinctCountOf, distinctCountOf } from './distinct-count.ts'
import { murmurHash } from './murmur-hash.ts'

const TYPES: readonly ScalarType[] = (
  ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
).map((kind) => ({ kind }))
const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp
const distinct = (values: readonly (Value | null)[]): number => naiveCounts(values).length

for (const type of TYPES) {
  test(`distinct counts of ${type.kind} keep the laws and equal a count by comparison`, () => {
    const values = fc.sample(scalarValueArb(type), { numRuns: 6, seed: 7 })
    const value = fc.option(fc.oneof(fc.constantFrom(...values), scalarValueArb(type)), { freq: 8 })
    checkAggregationLaws(distinctCountOf(type, 4), { value, share: 0.5 })
    checkAggregationLaws(distinctCountOf(type, 4, 'approximate'), { value, share: 0.5 })
    checkAggregationLaws(approximateDistinctCountOf(type, 4), { value, share: 0.5 })
    checkAgainstNaive(
      distinctCountOf(type, 4),
      value,
      (events) => {
        const count = distinct(events.map((event) => event.value))
        if (count > 4) return { error: 'distinct_values_max' }
        return { value: count === 0 ? null : BigInt(count) }
      },
      { eventsMax: 8, share: 0.5 },
    )
  })
}

test('beyond the declared number an approximate count says that it is one', () => {
  const count = distinctCountOf({ kind: 'int32' }, 100, 'approximate')
  const of = (values: number): unknown =>
    count.finish(
      stateOf(
        count,
        Array.from({ length: values }, (_, value) => ({ value, stamp })),
      ),
    )
  assert.deepEqual(of(100), { value: 100n })
  const beyond = of(1_000) as { value: bigint; approximate?: true }
  assert.equal(beyond.approximate, true)
  assert.ok(Math.abs(Number(beyond.value) - 1_000) < 1_000 * 0.016 * 4)
})

test('estimates are within four standard errors, from a few to hundreds of thousands', () => {
  for (const precision of [8, 12, 14]) {
    const error = 1.04 / Math.sqrt(2 ** precision)
    const count = approximateDistinctCountOf({ kind: 'int64' }, precision)
    const state = count.empty()
    let added = 0
    for (const upTo of [1, 10, 100, 1_000, 10_000, 100_000]) {
      for (; added < upTo; added++) {
        count.add(state, BigInt(added) * 1_000_003n, stamp)
        count.add(state, BigInt(added >> 1) * 1_000_003n, stamp)
      }
      const outcome = count.finish(state) as { value: bigint }
      assert.ok(
        Math.abs(Number(outcome.value) / upTo - 1) <= 4 * error,
        `${precision} ${upTo} ${outcome.value}`,
      )
    }
  }
})

test('the hash is MurmurHash3 x86_32', () => {
  const utf8 = new TextEncoder()
  for (const [text, seed, hash] of [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['hello', 0, 0x248bfa47],
    ['hello, world', 0, 0x149bbb7f],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
  ] as const) {
    const bytes = utf8.encode(text)
    assert.equal(murmurHash(bytes, bytes.length, seed), hash, `${text} ${seed}`)
  }
})

test('what is no scalar, and numbers out of range, are refused', () => {
  assert.throws(() => distinctCountOf({ kind: 'vector', size: 2 }, 5), { code: 'invalid_aggregation' })
  assert.throws(() => distinctCountOf({ kind: 'int32' }, 65_537), { code: 'invalid_aggregation' })
  assert.throws(() => approximateDistinctCountOf({ kind: 'int32' }, 17), { code: 'invalid_aggregation' })
})
