import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type AggregateEvent, stateBytes, stateOf } from '@asof/testing'
import * as fc from 'fast-check'
import { AsofError } from '../errors/asof-error.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import type { AnyAggregation } from './aggregation.ts'
import { countOf, countRows } from './count.ts'
import { approximateDistinctCountOf, distinctCountOf } from './distinct-count.ts'
import { maxOf, minOf } from './extreme.ts'
import { firstNOf, lastNOf, lastOf } from './first-last.ts'
import { histogramOf } from './histogram.ts'
import { varianceOf } from './moments.ts'
import { quantileOf } from './quantile.ts'
import { StateReader } from './state-bytes.ts'
import { sumOf } from './sum.ts'
import { topKOf } from './top-k.ts'
import { vectorSumOf } from './vector-sum.ts'

/*
 * Stored states outlive the program that wrote them, so no line of this file ever changes; a new case adds
 * one. Each line is a name and hex. After adding a case run once with ASOF_GOLDEN=write, and see that nothing
 * else changed.
 */

const float64: FeatureType = { kind: 'float64' }
const int64: FeatureType = { kind: 'int64' }
const int32: FeatureType = { kind: 'int32' }
const text: FeatureType = { kind: 'string' }
const FLOATS = [0.1, null, 1e16, -0, 3]
const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
const WORDS = ['b', 'a', null, 'b', '😀', 'é']
const MOST = 2n ** 63n - 1n
const trip = (city: string | null, delay: number | null): Value =>
  Object.assign(Object.create(null) as object, { city, delay })
const TRIP: FeatureType = { kind: 'struct', fields: { city: { kind: 'string' }, delay: { kind: 'int32' } } }

const STATES: Readonly<
  Record<string, readonly [aggregation: AnyAggregation, values: readonly (Value | null)[]]>
> = {
  'count of rows': [countRows(), [null, 1, 2]],
  'count of values': [countOf(float64), Array.from({ length: 300 }, () => 1)],
  'sum of nothing': [sumOf(float64), []],
  'sum of floats, one part': [sumOf(float64), [1, 2]],
  'sum of floats, three parts': [sumOf(float64), [1e300, 1, 1e-300]],
  'sum of floats, zero': [sumOf(float64), [1, -1]],
  'sum of floats, not finite': [sumOf(float64), [...FLOATS, ...NOT_FINITE, ...NOT_FINITE]],
  'sum of floats, beyond the range': [sumOf(float64), [1e308, 1e308, 0.1]],
  'sum of floats, greatest': [sumOf(float64), [Number.MAX_VALUE]],
  'sum of int32': [sumOf(int32), [-7, 2 ** 31 - 1]],
  'sum of int64, beyond the range': [sumOf(int64), [MOST, MOST, 1n]],
  'moments of floats': [varianceOf(float64, 'sample'), [...FLOATS, 1e-250, 1e250]],
  'moments of int64': [varianceOf(int64, 'sample'), [3n, MOST]],
  'min of nothing': [minOf(float64), [Number.NaN, null]],
  'min of floats': [minOf(float64), FLOATS],
  'max of text': [maxOf(text), WORDS],
  'last of int64': [lastOf(int64), [MOST, -1n]],
  'first two of text': [firstNOf(text, 2), WORDS],
  'last three distinct of text': [lastNOf(text, 3, true), WORDS],
  'last two of structs': [lastNOf(TRIP, 2), [trip('LAX', 3), trip(null, -1)]],
  'distinct text': [distinctCountOf(text, 10), WORDS],
  'distinct floats': [distinctCountOf(float64, 10), [...FLOATS, ...NOT_FINITE]],
  'distinct, too many': [distinctCountOf(text, 2), WORDS],
  'distinct, too many, estimated': [distinctCountOf(text, 2, 'approximate'), WORDS],
  'estimate of a few': [approximateDistinctCountOf(float64), FLOATS],
  'estimate of many': [approximateDistinctCountOf(int32, 4), Array.from({ length: 99 }, (_, value) => value)],
  'quantile of nothing': [quantileOf(float64, 0.5), []],
  'quantile of floats': [quantileOf(float64, 0.5), [...FLOATS, ...NOT_FINITE, -5e-324, -7]],
  'quantile, collapsed': [quantileOf(float64, 0.5, { bucketsMax: 64 }), [1, 1.5, 2.1, 4]],
  'top of text': [topKOf(text, 2, 10), WORDS],
  'top, too many': [topKOf(text, 2, 3), WORDS],
  histogram: [histogramOf(float64, [0, 1]), FLOATS],
  'sum of vectors': [
    vectorSumOf({ kind: 'vector', size: 2 }),
    [Float32Array.of(0.5, Number.NaN), Float32Array.of(2 ** -149, 1)],
  ],
}

const events = (values: readonly (Value | null)[]): AggregateEvent[] =>
  values.map((value, s) => ({ value, stamp: { e: 1_704_067_200_000_000 + s, c: -s, s } as unknown as Stamp }))

test('states are written as they always were, and read', () => {
  const url = new URL('golden/states.golden', import.meta.url)
  const lines = Object.entries(STATES).map(([name, [aggregation, values]]) => {
    const bytes = stateBytes(aggregation, stateOf(aggregation, events(values)))
    return `${name}: ${Buffer.from(bytes).toString('hex')}\n`
  })
  if (process.env['ASOF_GOLDEN'] === 'write') writeFileSync(url, lines.join(''))
  const text = readFileSync(url, 'utf8')
  assert.equal(lines.join(''), text, 'states.golden: stored bytes would no longer be the same')
  for (const line of text.trimEnd().split('\n')) {
    const [name, hex] = line.split(': ') as [string, string]
    const [aggregation, values] = STATES[name]!
    const decoded = aggregation.decode(new StateReader(Uint8Array.from(Buffer.from(hex, 'hex'))))
    const made = stateOf(aggregation, events(values))
    assert.deepEqual(aggregation.finish(decoded), aggregation.finish(made), name)
  }
})

test('damaged states are refused by name or read as another state, and never anything else', () => {
  const names = fc.constantFrom(...Object.keys(STATES))
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(names, damage, fc.nat(), (name, changes, cut) => {
      const [aggregation, values] = STATES[name]!
      const whole = stateBytes(aggregation, stateOf(aggregation, events(values)))
      const bytes = whole.slice(0, cut % 3 === 0 ? cut % (whole.length + 1) : whole.length)
      for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
      try {
        aggregation.finish(aggregation.decode(new StateReader(bytes)))
      } catch (error) {
        assert.ok(error instanceof AsofError, `${name}: ${String(error)}`)
        assert.equal(error.code, 'corrupt_state', name)
      }
    }),
    { numRuns: 2_000, seed: 7 },
  )
})
