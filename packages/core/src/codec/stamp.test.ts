import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propertyRuns, stampArb } from '@asof/testing'
import * as fc from 'fast-check'
import type { Instant } from '../clock/instant.ts'
import { isAsofError } from '../errors/asof-error.ts'
import { compareStamps } from '../model/feature-row.ts'
import { compareStampBytes, decodeStamp, encodeStamp, STAMP_BYTES } from './stamp.ts'

test('a stamp comes out as it went in, at any offset', () => {
  fc.assert(
    fc.property(stampArb(), fc.nat(9), (stamp, offset) => {
      const bytes = encodeStamp(stamp, new Uint8Array(STAMP_BYTES + 9), offset)
      assert.deepEqual(decodeStamp(bytes, offset), stamp)
    }),
    propertyRuns(),
  )
})

test('the order of the bytes is the order of the stamps', () => {
  fc.assert(
    fc.property(stampArb(), stampArb(), (a, b) => {
      const [one, other] = [encodeStamp(a), encodeStamp(b)]
      assert.equal(Math.sign(compareStampBytes(one, other)), Math.sign(compareStamps(a, b)))
      assert.equal(Math.sign(compareStampBytes(one, other)), Buffer.compare(one, other))
    }),
    propertyRuns(2),
  )
})

test('sequences around every power of two stay in order, negative ones first', () => {
  const sequences = [0]
  for (let power = 0; power < 53; power++) {
    for (const near of [-1, 0, 1]) sequences.push(2 ** power + near, -(2 ** power) + near)
  }
  sequences.sort((a, b) => a - b)
  const zero = 0 as Instant
  const encoded = sequences.map((s) => encodeStamp({ e: zero, c: zero, s }))
  assert.deepEqual(
    encoded.map((bytes) => decodeStamp(bytes).s),
    sequences,
  )
  assert.deepEqual(
    [...encoded].sort((a, b) => Buffer.compare(a, b)),
    encoded,
  )
})

test('what is no whole number below 2^53 is refused, and so are bytes that hold more', () => {
  for (const s of [0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
    assert.throws(() => encodeStamp({ e: 0 as Instant, c: 0 as Instant, s }), { code: 'invalid_stamp' })
  }
  for (const bytes of [new Uint8Array(STAMP_BYTES), new Uint8Array(STAMP_BYTES - 1).fill(0x80)]) {
    assert.throws(
      () => decodeStamp(bytes),
      (error) => isAsofError(error, 'corrupt'),
    )
  }
})
