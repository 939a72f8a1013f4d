import { test } from 'node:test'
import { checkAgainstNaive, checkAggregationLaws, scalarValueArb } from '@asof/testing'
import * as fc from 'fast-check'
import { countOf, countRows } from './count.ts'

const value = fc.option(scalarValueArb({ kind: 'float64' }), { freq: 2 })

test('count() counts rows, and count(column) the values that are not null', () => {
  checkAggregationLaws(countRows(), { value })
  checkAggregationLaws(countOf({ kind: 'float64' }), { value })
  checkAgainstNaive(countRows(), value, (events) => ({ value: BigInt(events.length) }))
  checkAgainstNaive(countOf({ kind: 'float64' }), value, (events) => ({
    value: BigInt(events.filter((event) => event.value !== null).length),
  }))
})
