import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Visibility } from '../point-in-time/visible.ts'
import { checkLeads } from './training-tally.ts'

test('a set in which a row is later than its label is refused', () => {
  const none = Number.NEGATIVE_INFINITY
  const check = (rule: Partial<Visibility>, event: number, created: number): void =>
    checkLeads(
      { group: 'scores@1', rule: { ttl: undefined, exclusive: false, knowledge: 'as-known', ...rule } },
      { used: 1, event, created },
    )
  for (const [rule, event, created] of [
    [{}, 0, 0],
    [{ exclusive: true }, -1, 0],
    [{ knowledge: 'event-time' }, 0, 5],
    [{ exclusive: true }, none, none],
  ] as const) {
    check(rule, event, created)
  }
  for (const [rule, event, created] of [
    [{}, 1, 0],
    [{}, 0, 1],
    [{ exclusive: true }, 0, 0],
    [{ knowledge: 'event-time' }, 1, 0],
  ] as const) {
    assert.throws(() => check(rule, event, created), { code: 'leak', kind: 'internal' })
  }
})
