import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FeatureRow, Instant, NaiveRule } from '@asof/core'
import { STATUSES } from '@asof/core'
import { naiveValue, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { orderLabels, pickLatest } from './latest-kernel.ts'

const DAY = 86_400_000_000

interface Case {
  readonly rows: readonly FeatureRow[]
  readonly labels: readonly { readonly key: number | null; readonly at: number }[]
  readonly rule: NaiveRule
}

/** Runs the kernel over a case, going over the keys in ranges of `step`. */
function kernelAnswers(
  { rows, labels, rule }: Case,
  keys: number,
  step: number,
): { status: string; row: number }[] {
  const ids = Int32Array.from(labels, (label) => label.key ?? -1)
  const order = orderLabels(
    ids,
    Float64Array.from(labels, (label) => label.at),
    keys,
  )
  const history = {
    rows: rows.length,
    keyIds: Int32Array.from(rows, (row) => Number(row.key[0])),
    e: Float64Array.from(rows, (row) => row.e),
    c: Float64Array.from(rows, (row) => row.c),
    s: Float64Array.from(rows, (row) => row.s),
    deleted: Uint8Array.from(rows, (row) => (row.deleted ? 1 : 0)),
  }
  const visibility = { ttl: rule.ttl, exclusive: rule.boundary === 'exclusive', knowledge: rule.knowledge }
  const answers = labels.map(() => ({ status: 'not_found', row: -1 }))
  for (let from = 0; from < keys; from += step) {
    const picks = pickLatest(order, history, visibility, from, Math.min(from + step, keys))
    for (let i = 0; i < picks.to - picks.from; i++) {
      answers[order.rows[picks.from + i]!] = { status: STATUSES[picks.status[i]!]!, row: picks.picked[i]! }
    }
    assert.ok(picks.eventLead <= (rule.boundary === 'exclusive' ? -1 : 0))
    if (rule.knowledge === 'as-known') assert.ok(picks.createdLead <= 0)
    assert.equal(picks.used, picks.picked.filter((row) => row >= 0).length)
  }
  return answers
}

function naiveAnswers({ rows, labels, rule }: Case): { status: string; row: number }[] {
  return labels.map(({ key, at }) => {
    const answer = naiveValue(rows, [key], at as Instant, rule)
    const status = answer.status === 'row' ? 'present' : answer.status
    return { status, row: answer.row === undefined ? -1 : rows.indexOf(answer.row) }
  })
}

/** Instants close together around the start of 1970, so that ties and boundaries are common, and some far apart. */
const instants = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -2, max: 2 }) },
  { weight: 3, arbitrary: fc.integer({ min: -2, max: 2 }).map((n) => n - DAY) },
  { weight: 1, arbitrary: fc.integer({ min: -2, max: 2 }).map((n) => n - 3 * DAY) },
  { weight: 1, arbitrary: fc.constantFrom(-2_208_988_800_000_000, 7_258_118_399_999_999) },
)
const ttls = fc.constantFrom(undefined, 0, 1, 2, 5, DAY - 1, DAY, DAY + 1, 2 * DAY)

const cases = fc
  .record({
    rows: fc.array(
      fc.record({ key: fc.integer({ min: 0, max: 3 }), e: instants, c: instants, deleted: fc.boolean() }),
      { maxLength: 30 },
    ),
    labels: fc.array(fc.record({ key: fc.option(fc.integer({ min: 0, max: 3 })), at: instants }), {
      maxLength: 20,
    }),
    rule: fc.record({
      ttl: ttls,
      boundary: fc.constantFrom<NaiveRule['boundary']>('inclusive', 'exclusive'),
      knowledge: fc.constantFrom<NaiveRule['knowledge']>('as-known', 'as-known', 'event-time'),
    }),
  })
  .map(({ rows, labels, rule }): Case => {
    // 7 has no divisor in common with 31, so the sequences are distinct, and in another order than the rows.
    const sequence = (index: number): number => ((index * 7) % 31) - 10
    return {
      rows: rows.map((row, at) => featureRow(row.key, row.e, row.c, sequence(at), row.deleted)),
      labels,
      rule,
    }
  })

function featureRow(key: number, e: number, c: number, s: number, deleted = false): FeatureRow {
  return { key: [key], e: e as Instant, c: c as Instant, s, deleted, values: [] }
}

test('the kernel answers what the naive engine answers, over random histories', () => {
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 4 }), (each, step) => {
      assert.deepEqual(kernelAnswers(each, 4, step), naiveAnswers(each))
    }),
    propertyRuns(8),
  )
})

test('a row counts from exactly its event and created time on, and to exactly its ttl', () => {
  const ttl = 2 * DAY
  for (const [e, c, at, boundary, expected] of [
    [10, 0, 10, 'inclusive', 'present'],
    [10, 0, 9, 'inclusive', 'not_found'],
    [10, 0, 10, 'exclusive', 'not_found'],
    [10, 0, 11, 'exclusive', 'present'],
    [10, 20, 19, 'inclusive', 'not_found'],
    [10, 20, 20, 'exclusive', 'present'],
    [10, 0, 10 + ttl, 'inclusive', 'present'],
    [10, 0, 11 + ttl, 'inclusive', 'expired'],
    [10, 0, 10 + 2 * ttl, 'inclusive', 'expired'],
    [10, 0, 11 + 2 * ttl, 'inclusive', 'not_found'],
  ] as const) {
    const each: Case = {
      rows: [featureRow(0, e, c, 1)],
      labels: [{ key: 0, at }],
      rule: { ttl, boundary, knowledge: 'as-known' },
    }
    assert.equal(kernelAnswers(each, 1, 1)[0]?.status, expected, `e=${e} c=${c} at=${at} ${boundary}`)
    assert.equal(naiveAnswers(each)[0]?.status, expected)
  }
})

for (const size of [1, 255, 256, 257, 2_000]) {
  test(`a key with ${size} rows and as many labels, both unsorted, equals the naive engine`, () => {
    const random = (n: number): number => (Math.imul(n + 1, 2_654_435_761) >>> 0) % (size * 2)
    const rows = Array.from({ length: size }, (_, i) =>
      featureRow(0, random(i), random(i) + (random(i + 7) % 5), i, i % 11 === 0),
    )
    const labels = Array.from({ length: Math.min(size, 300) }, (_, i) => ({ key: 0, at: random(i * 31) }))
    for (const ttl of [undefined, 3]) {
      const each: Case = { rows, labels, rule: { ttl, boundary: 'inclusive', knowledge: 'as-known' } }
      assert.deepEqual(kernelAnswers(each, 1, 1), naiveAnswers(each))
    }
  })
}

test('a key of 100,000 rows in falling order is one pass', () => {
  const count = 100_000
  const falling = Float64Array.from({ length: count }, (_, i) => count - i)
  const history = {
    rows: count,
    keyIds: new Int32Array(count),
    e: falling,
    c: falling,
    s: falling,
    deleted: new Uint8Array(count),
  }
  const at = Float64Array.from({ length: count }, (_, i) => ((i * 7919) % count) + 1)
  const order = orderLabels(new Int32Array(count), at, 1)
  const picks = pickLatest(order, history, { ttl: undefined, exclusive: false, knowledge: 'as-known' }, 0, 1)
  assert.equal(picks.used, count)
  for (let i = 0; i < count; i++) assert.equal(falling[picks.picked[i]!], order.at[i])
})

test('no labels, no history, no keys', () => {
  assert.deepEqual(kernelAnswers({ rows: [], labels: [], rule: RULE }, 0, 1), [])
  assert.deepEqual(kernelAnswers({ rows: [], labels: [{ key: 0, at: 0 }], rule: RULE }, 1, 1), [
    { status: 'not_found', row: -1 },
  ])
})

const RULE: NaiveRule = { ttl: undefined, boundary: 'inclusive', knowledge: 'as-known' }
