import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, quantile, ratioToOurs, reachesTarget, takeTurns, type Comparison } from './comparison.ts'

const COMPARISON: Comparison = {
  title: 'sorting',
  settings: {},
  metrics: [{ name: 'seconds', unit: 's', main: true }],
  sides: [
    { name: 'asof', samples: [{ seconds: 2 }, { seconds: 1 }, { seconds: 100 }] },
    { name: 'rival', samples: [{ seconds: 10 }, { seconds: 9 }, { seconds: 11 }] },
  ],
  notes: [],
}

test('quantiles lie between neighbours, and the median does not mind outliers or order', () => {
  assert.equal(median([3, 1, 1000]), 3)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.ok(Number.isNaN(median([])))
  assert.equal(quantile([1, 2, 3, 4, 5], 0.99), 4.96)
  assert.equal(quantile([1], 0.99), 1)
})

test('sides take turns, and turns to warm up do not count', async () => {
  const order: string[] = []
  const side = (name: string) => ({ name, turn: () => ({ turn: order.push(name) }) })
  const all = await takeTurns([side('a'), side('b')], { rounds: 2, warmUp: 1 })
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b'])
  assert.deepEqual(all, [
    { name: 'a', samples: [{ turn: 3 }, { turn: 5 }] },
    { name: 'b', samples: [{ turn: 4 }, { turn: 6 }] },
  ])
})

test('a ratio says how many times a rival needs what we need', () => {
  assert.equal(ratioToOurs(COMPARISON, COMPARISON.sides[1]!), 5)
  const metrics = [{ name: 'seconds', unit: 'per_second', main: true }] as const
  assert.equal(ratioToOurs({ ...COMPARISON, metrics }, COMPARISON.sides[1]!), 0.2)
  assert.equal(reachesTarget(COMPARISON), undefined)
  assert.equal(reachesTarget({ ...COMPARISON, target: { rival: 'rival', atLeast: 5 } }), true)
  assert.equal(reachesTarget({ ...COMPARISON, target: { rival: 'rival', atLeast: 5.1 } }), false)
})
