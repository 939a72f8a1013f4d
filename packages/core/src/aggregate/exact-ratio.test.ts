import assert from 'node:assert/strict'
import { test } from 'node:test'
import { awkwardFloatArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { bitLength, dyadicOf, FLOAT32, powerOfTwo, roundRatio, roundRootOfRatio } from './exact-ratio.ts'

const finite = awkwardFloatArb().filter(Number.isFinite)

test('a float is its mantissa and exponent, and comes back', () => {
  fc.assert(
    fc.property(finite, (value) => {
      const { mantissa, exponent } = dyadicOf(value)
      assert.ok(Object.is(roundRatio(mantissa, 1n, exponent), value + 0))
    }),
    propertyRuns(),
  )
})

test('a quotient and a root are rounded as the machine rounds them, once', () => {
  fc.assert(
    fc.property(finite, finite, (a, b) => {
      const [over, under] = [dyadicOf(a), dyadicOf(b)]
      if (under.mantissa > 0n) {
        const quotient = roundRatio(over.mantissa, under.mantissa, over.exponent - under.exponent)
        assert.ok(Object.is(quotient, (a + 0) / b), `${a} / ${b}`)
      }
      if (over.mantissa >= 0n)
        assert.equal(roundRootOfRatio(over.mantissa, 1n, over.exponent), Math.sqrt(a + 0))
    }),
    propertyRuns(5),
  )
})

test('a float32 is rounded as the machine rounds it, at both ends of its range too', () => {
  const near32 = fc
    .tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.constantFrom(0, 127, -126, -149, 128))
    .map(([number, exponent]) => number * 2 ** exponent)
  fc.assert(
    fc.property(fc.oneof(near32, finite), (value) => {
      const { mantissa, exponent } = dyadicOf(value)
      assert.ok(Object.is(roundRatio(mantissa, 1n, exponent, FLOAT32), Math.fround(value + 0)), String(value))
    }),
    propertyRuns(5),
  )
  const max = FLOAT32.max
  assert.equal(roundRatio(BigInt(max) + 2n ** 103n, 1n, 0, FLOAT32), Number.POSITIVE_INFINITY)
  assert.equal(roundRatio(BigInt(max) + 2n ** 103n - 1n, 1n, 0, FLOAT32), max)
})

test('powers of two and lengths in bits', () => {
  for (let exponent = -1074; exponent <= 1023; exponent++) assert.equal(powerOfTwo(exponent), 2 ** exponent)
  for (let bits = 1; bits <= 200; bits++) {
    assert.equal(bitLength(1n << BigInt(bits - 1)), bits)
    assert.equal(bitLength((1n << BigInt(bits)) - 1n), bits)
  }
})
