import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { canonicalJson } from '../model/fingerprint.ts'
import { sameJson } from './same-json.ts'

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false, 0, -0, 1, '', 'a', '1'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom('a', 'b', '__proto__', 'toString'),
      fc.oneof(tie('value'), fc.constant(undefined)),
      { maxKeys: 3 },
    ),
  ),
})).value

test('two values are the same exactly when their canonical JSON is', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(sameJson(a, b), canonicalJson(a) === canonicalJson(b))
    }),
    propertyRuns(5),
  )
})

test('a copy is the same, whatever the order of its properties', () => {
  fc.assert(
    fc.property(value, (a) => {
      assert.ok(sameJson(a, JSON.parse(canonicalJson(a))))
    }),
    propertyRuns(),
  )
})
