import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatInstant, INSTANT_MAX, INSTANT_MIN, instant, presentValue, valueToJson } from '@asof/core'
import { featureTypeArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import fc from 'fast-check'
import { decoderOf, instantOf } from './decode-value.ts'
import type { Json, WireType } from './wire.ts'

test('what is decoded is what a lookup in process shows, for every type and value', () => {
  const cases = featureTypeArb().chain((type) => fc.tuple(fc.constant(type), nullableValueArb(type)))
  fc.assert(
    fc.property(cases, ([type, value]) => {
      const shown = presentValue(type, value)
      fc.pre(shown !== undefined)
      const wireType: WireType = type
      const text = JSON.stringify(shownJson(type, shown))
      const decode = decoderOf(wireType) ?? ((json: Json) => json)
      const decoded = decode(JSON.parse(text) as Json) as typeof shown
      assert.ok(sameValue(type, shown, decoded), `${JSON.stringify(type)} ${text}`)
      assert.equal(Object.prototype.toString.call(decoded), Object.prototype.toString.call(shown))
    }),
    propertyRuns(5),
  )
})

test('instants come back to the microsecond, over two centuries', () => {
  for (const at of [INSTANT_MIN, -1, 0, 1, 999_999, 1_709_164_800_000_001, INSTANT_MAX]) {
    assert.equal(instantOf(formatInstant(instant(at))), at)
  }
  fc.assert(
    fc.property(fc.integer({ min: INSTANT_MIN, max: INSTANT_MAX }), (at) => {
      assert.equal(instantOf(formatInstant(instant(at))), at)
    }),
    propertyRuns(),
  )
})

test('what is no value of its type is refused, not guessed', () => {
  const refused: readonly [WireType, Json][] = [
    [{ kind: 'int64' }, 'abc'],
    [{ kind: 'int64' }, true],
    [{ kind: 'int64' }, ''],
    [{ kind: 'float64' }, 'nan'],
    [{ kind: 'float64' }, 'toString'],
    [{ kind: 'float64' }, [1]],
    [{ kind: 'timestamp' }, '2024-02-30'],
    [{ kind: 'timestamp' }, '2024-13-01T00:00:00.000000Z'],
    [{ kind: 'timestamp' }, 5],
    [{ kind: 'bytes' }, '%%'],
    [{ kind: 'vector', size: 1 }, ['x']],
    [{ kind: 'list', element: { kind: 'int64' } }, 7],
  ]
  for (const [type, json] of refused)
    assert.throws(() => decoderOf(type)?.(json), JSON.stringify([type, json]))
})

/** The JSON form of what is shown: an int64 shown as a number is a number. */
function shownJson(type: Parameters<typeof valueToJson>[0], shown: unknown): Json {
  if (typeof shown === 'number' && type.kind === 'int64') return shown
  if (Array.isArray(shown) && type.kind === 'list') {
    return shown.map((each: unknown) => shownJson(type.element, each))
  }
  if (shown instanceof Map && type.kind === 'map') {
    const entries = [...(shown as Map<string, unknown>)].map(([key, each]) => [
      key,
      shownJson(type.value, each),
    ])
    return Object.fromEntries(entries) as Json
  }
  if (type.kind === 'struct' && shown !== null) {
    const fields = shown as Readonly<Record<string, unknown>>
    return Object.fromEntries(
      Object.entries(type.fields).map(([name, field]) => [name, shownJson(field, fields[name])]),
    )
  }
  return valueToJson(type, shown as never)
}
