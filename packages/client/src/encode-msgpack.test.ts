import assert from 'node:assert/strict'
import { test } from 'node:test'
import { featureTypeArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import fc from 'fast-check'
import { Unpackr } from 'msgpackr'
import { encodeMsgpack } from './encode-msgpack.ts'

/** Another program's reader: 64 bits are a bigint, maps are Maps. */
const unpackr = new Unpackr({ mapsAsObjects: false, int64AsType: 'bigint', useRecords: false })

test('another reader reads every value of every type as it was', () => {
  const cases = featureTypeArb().chain((type) => fc.tuple(fc.constant(type), nullableValueArb(type)))
  fc.assert(
    fc.property(cases, ([type, value]) => {
      const read: unknown = unpackr.unpack(encodeMsgpack(value))
      assert.ok(sameValue(type, value, formOf(type, read) as never))
    }),
    propertyRuns(5),
  )
})

test('numbers and bigints stay apart, and nothing is rounded', () => {
  for (const value of [
    0,
    -1,
    -32,
    -33,
    127,
    128,
    2 ** 31,
    -(2 ** 31),
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    1.5,
    -0,
    NaN,
  ]) {
    assert.ok(Object.is(unpackr.unpack(encodeMsgpack(value)), value), String(value))
  }
  for (const value of [0n, 1n, -1n, -(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n]) {
    assert.equal(unpackr.unpack(encodeMsgpack(value)), value)
  }
})

test('texts, arrays, maps and bytes of every length of head', () => {
  for (const length of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const text = 'é'.repeat(length)
    assert.equal(unpackr.unpack(encodeMsgpack(text)), text)
    assert.deepEqual(
      unpackr.unpack(encodeMsgpack(Array.from({ length }, () => 1))),
      Array.from({ length }, () => 1),
    )
    const map = new Map(Array.from({ length }, (_, index) => [`k${index}`, index]))
    assert.deepEqual(unpackr.unpack(encodeMsgpack(map)), map)
    assert.deepEqual(
      new Uint8Array(unpackr.unpack(encodeMsgpack(new Uint8Array(length))) as Buffer),
      new Uint8Array(length),
    )
  }
})

test('what is no value of any type is refused with its path, and never with its value', () => {
  const cycle: Record<string, unknown> = {}
  cycle['own'] = cycle
  const refused: readonly [unknown, RegExp][] = [
    [{ rows: [{ when: new Date(0) }] }, /path=`rows\[0\]\.when` got=`Date`/],
    [{ keys: { a: undefined, b: () => 1 } }, /path=`keys\.b` got=`function`/],
    [{ keys: { a: [undefined] } }, /path=`keys\.a\[0\]` got=`undefined`/],
    [{ keys: { a: 2n ** 64n } }, /64 bits/],
    [{ keys: { a: 'secret\ud800' } }, /half a surrogate pair/],
    [{ keys: { a: new Float64Array(1) } }, /Float64Array/],
    [{ keys: { a: new Map([[1, 1]]) } }, /key that is no string/],
    [cycle, /objects in objects/],
  ]
  for (const [value, message] of refused) {
    assert.throws(
      () => encodeMsgpack(value),
      (error: Error) => {
        assert.equal((error as { code?: string }).code, 'invalid_value')
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  }
  assert.deepEqual(unpackr.unpack(encodeMsgpack({ a: undefined, b: null })), new Map([['b', null]]))
})

/** What a reader without types read, in the form of the type. */
function formOf(type: { readonly kind: string }, read: unknown): unknown {
  if (type.kind === 'vector' && Array.isArray(read)) return Float32Array.from(read as number[])
  if (type.kind === 'struct' && read instanceof Map) return Object.fromEntries(read as Map<string, unknown>)
  return read
}
