import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { FeatureType, TableColumn } from '@asof/core'
import { TIMESTAMP_MAX, TIMESTAMP_MIN } from '@asof/core'
import { propertyRuns } from '@asof/testing'
import { decodeStats, encodeStats, STATS_COLUMNS_MAX } from './delta-stats.ts'

type Bound = number | string | bigint | boolean

function column(kind: FeatureType['kind'], name = 'c'): TableColumn {
  return { name, type: { kind } as FeatureType, nullable: true }
}

function around(kind: FeatureType['kind'], min: Bound, max: Bound) {
  const stats = encodeStats({ rows: 2, min: { c: min }, max: { c: max }, nulls: { c: 0 } }, [column(kind)])
  const { min: lower, max: upper } = decodeStats(stats, [column(kind)])
  return { stats, lower: lower['c'], upper: upper['c'] }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('statistics', () => {
  it('of instants hold, to the millisecond below and above', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: TIMESTAMP_MIN, max: TIMESTAMP_MAX }), (micros) => {
        const { lower, upper } = around('timestamp', micros, micros)
        assert.ok(lower !== undefined && BigInt(lower) <= micros && BigInt(lower) > micros - 1_000n)
        if (micros > TIMESTAMP_MAX - 1_000n) return
        assert.ok(upper !== undefined && BigInt(upper) >= micros && BigInt(upper) < micros + 2_000n)
      }),
      propertyRuns(),
    )
    const { stats } = around('timestamp', -1n, 1n)
    assert.match(stats, /"minValues":\{"c":"1969-12-31T23:59:59.999Z"\}/)
    assert.match(stats, /"maxValues":\{"c":"1970-01-01T00:00:00.001Z"\}/)
  })

  it('of texts hold in byte order, however long the texts are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 })
    fc.assert(
      fc.property(text, (value) => {
        const { lower, upper } = around('string', value, value)
        assert.ok(typeof lower === 'string' && byBytes(lower, value) <= 0)
        if (upper !== undefined) assert.ok(typeof upper === 'string' && byBytes(upper, value) >= 0)
      }),
      propertyRuns(),
    )
    assert.equal(around('string', 'a'.repeat(32), 'a'.repeat(32)).upper, 'a'.repeat(32))
    assert.equal(around('string', '', 'a'.repeat(32) + '\u{10FFFF}z').upper, undefined)
  })

  it('of integers are exact, and of floats leave out what JSON cannot say', () => {
    const { lower, upper } = around('int64', -(2n ** 63n), 2n ** 63n - 1n)
    assert.deepEqual([lower, upper], [-(2n ** 63n), 2n ** 63n - 1n])
    assert.deepEqual(Object.values(around('int32', -5, 7)).slice(1), [-5, 7])
    assert.deepEqual(Object.values(around('float64', 5e-324, 0.1)).slice(1), [5e-324, 0.1])
    assert.deepEqual(Object.values(around('float64', -Infinity, Infinity)).slice(1), [undefined, undefined])
    assert.deepEqual(Object.values(around('bool', false, true)).slice(1), [undefined, undefined])
  })

  it('are of the first columns of a wide table', () => {
    const columns = Array.from({ length: 100 }, (_, index) => column('int32', `c${index}`))
    const values = Object.fromEntries(columns.map(({ name }) => [name, 1]))
    const decoded = decodeStats(
      encodeStats({ rows: 1, min: values, max: values, nulls: values }, columns),
      columns,
    )
    assert.equal(Object.keys(decoded.min).length, STATS_COLUMNS_MAX)
  })

  it('that cannot be read are as none', () => {
    for (const stats of [
      undefined,
      '',
      '{',
      'null',
      '[]',
      '{"numRecords":"5"}',
      '{"minValues":{"c":{"x":1}}}',
    ]) {
      const decoded = decodeStats(stats, [column('int64')])
      assert.deepEqual([decoded.rows, { ...decoded.min }, { ...decoded.max }], [undefined, {}, {}])
    }
    const spark =
      '{"numRecords":5,"minValues":{"c":"1970-01-01T00:00:00.000-08:00"},"maxValues":{"c":"nonsense"}}'
    const decoded = decodeStats(spark, [column('timestamp')])
    assert.deepEqual([decoded.rows, { ...decoded.min }, { ...decoded.max }], [5, { c: 28_800_000_000 }, {}])
  })
})
