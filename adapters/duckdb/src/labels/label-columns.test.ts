import assert from 'node:assert/strict'
import { test } from 'node:test'
import { columnOf } from '@asof/core'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { closeKeys, instantsOf } from './label-columns.ts'

const keysArb = fc
  .constantFrom(0, -3, 2 ** 31 - 20, -(2 ** 31), 2 ** 32 - 5, -(2 ** 33) - 7, 2 ** 51)
  .chain((around) => fc.array(fc.option(fc.nat(19).map((more) => around + more)), { maxLength: 40 }))

test('keys that lie close together are numbered in their order; a null has no number', () => {
  let close = 0
  fc.assert(
    fc.property(keysArb, (keys) => {
      const narrow = keys.every((key) => key === null || Math.abs(key) < 2 ** 31)
      for (const type of [{ kind: 'int64' }, ...(narrow ? [{ kind: 'int32' } as const] : [])] as const) {
        const values = keys.map((key) => (key === null || type.kind === 'int32' ? key : BigInt(key)))
        const found = closeKeys('keys', columnOf(type, values))
        if (found === undefined) {
          const known = keys.filter((key) => key !== null)
          assert.ok(known.length === 0 || Math.max(...known) - Math.min(...known) >= keys.length * 8)
          continue
        }
        close++
        const distinct = [...new Set(keys.filter((key) => key !== null))].sort((a, b) => a - b)
        assert.deepEqual(
          [...found.ids],
          keys.map((key) => (key === null ? -1 : distinct.indexOf(key))),
        )
        const { words, count, width } = found.keys
        const read =
          width === 2 ? [...new BigInt64Array(words.buffer)].map(Number) : [...words.subarray(0, count)]
        assert.deepEqual(read, distinct)
      }
    }),
    propertyRuns(),
  )
  assert.ok(close > 0)
})

test('instants are numbers, unless one of them is missing or out of range', () => {
  const type = { kind: 'timestamp' } as const
  const column = (values: readonly bigint[]): Parameters<typeof instantsOf>[0] => ({
    type,
    values: BigInt64Array.from(values),
    valid: undefined,
  })
  const times = [0n, -1n, 4_294_967_296n, -2_208_988_800_000_000n, 1_704_067_200_000_001n]
  assert.deepEqual(instantsOf(column(times)), Float64Array.from(times.map(Number)))
  assert.equal(instantsOf(column([0n, 2n ** 62n])), undefined)
  assert.equal(instantsOf({ ...column([0n]), valid: Uint8Array.of(0) }), undefined)
})
