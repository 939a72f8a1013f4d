import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CounterFamily, gaugeText, HistogramFamily, SERIES_MAX } from './metrics-family.ts'

describe('a family of series', () => {
  it('counts by labels', () => {
    const family = new CounterFamily('hits_total', 'Hits.')
    family.add(2, { route: '/a', status: '200' })
    family.add(1, { route: '/a', status: '200' })
    family.add(1, { route: '/b', status: '200' })
    assert.equal(
      family.text(),
      [
        '# HELP hits_total Hits.',
        '# TYPE hits_total counter',
        'hits_total{route="/a",status="200"} 3',
        'hits_total{route="/b",status="200"} 1',
        '',
      ].join('\n'),
    )
  })

  it('measures by cumulative buckets, at or below each bound', () => {
    const family = new HistogramFamily('took_seconds', 'Took.', [0.001, 0.01])
    for (const value of [0.001, 0.002, 0.5]) family.observe(value, {})
    assert.deepEqual(family.text().split('\n').slice(2), [
      'took_seconds_bucket{le="0.001"} 1',
      'took_seconds_bucket{le="0.01"} 2',
      'took_seconds_bucket{le="+Inf"} 3',
      'took_seconds_sum 0.503',
      'took_seconds_count 3',
      '',
    ])
  })

  it('has a bounded number of series; what comes later stands together', () => {
    const family = new CounterFamily('x_total', 'X.')
    for (let at = 0; at < SERIES_MAX + 50; at++) family.add(1, { name: `n${at}` })
    family.add(1, { name: 'n0' })
    const lines = family.text().trim().split('\n')
    assert.equal(lines.length, 2 + SERIES_MAX + 1)
    assert.ok(lines.includes('x_total{name="n0"} 2'))
    assert.equal(lines.at(-1), 'x_total{name="other"} 50')
  })

  it('has no label that ends its line or its quotes', () => {
    const family = new CounterFamily('x_total', 'X.')
    family.add(1, { name: 'a"b\\c\nd' })
    assert.equal(family.text().split('\n')[2], String.raw`x_total{name="a\"b\\c\nd"} 1`)
  })

  it('tells labels apart whatever is in them', () => {
    const family = new CounterFamily('x_total', 'X.')
    family.add(1, { a: 'b', c: 'd' })
    family.add(1, { a: 'bc', c: 'd' })
    assert.equal(family.text().trim().split('\n').length, 4)
  })

  it('of too many gauges the greatest of the rest is kept', () => {
    const values = Array.from({ length: SERIES_MAX + 3 }, (_, at) => ({
      labels: { group: `g${at}` },
      value: at,
    }))
    const lines = gaugeText('age', 'Age.', values).trim().split('\n')
    assert.equal(lines.length, 2 + SERIES_MAX + 1)
    assert.equal(lines.at(-1), `age{group="other"} ${SERIES_MAX + 2}`)
  })
})
