import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceDefinition, TimeColumn } from '../model/definition.ts'
import type { GroupPlan } from './group-plan.ts'
import { retriedRow } from './retried-row.ts'

const plan = {
  group: {
    definition: { key: { user: 'person' }, features: [{ name: 'n', type: { kind: 'int32' } }] },
    entity: { keys: [{ name: 'user', type: { kind: 'string' } }] },
  },
} as unknown as GroupPlan

function retried(at: unknown, time: Omit<TimeColumn, 'column'>): unknown {
  const source = { eventTime: { column: 'at', ...time } } as SourceDefinition
  const row = retriedRow(plan, source, { person: '7', at, n: '1', more: 2 })
  assert.deepEqual({ ...row, event_timestamp: 0 }, { user: '7', n: 1, event_timestamp: 0 })
  return row['event_timestamp']
}

test('an event time is read by the zone or the unit of its source; one that cannot be told stays', () => {
  const zone = 'Europe/Vienna'
  for (const [at, time, expected] of [
    ['2024-01-01T10:00:00.000001', { zone }, '2024-01-01T09:00:00.000001Z'],
    ['2024-07-01 10:00:00', { zone }, '2024-07-01T08:00:00.000000Z'],
    ['2024-03-31T03:00:00', { zone }, '2024-03-31T01:00:00.000000Z'],
    ['2024-03-31T01:59:59', { zone }, '2024-03-31T00:59:59.000000Z'],
    // Never and twice.
    ['2024-03-31T02:30:00', { zone }, '2024-03-31T02:30:00'],
    ['2024-10-27T02:30:00', { zone }, '2024-10-27T02:30:00'],
    ['2024-01-01T10:00:00Z', { zone }, '2024-01-01T10:00:00Z'],
    ['1704103200000', { unit: 'ms' }, '2024-01-01T10:00:00.000000Z'],
    [1_704_103_200, { unit: 's' }, '2024-01-01T10:00:00.000000Z'],
    ['1704103200000000001', { unit: 'ns' }, '1704103200000000001'],
    ['soon', { zone }, 'soon'],
    [null, { zone }, null],
  ] as const) {
    assert.equal(retried(at, time), expected, String(at))
  }
})

test('a row that was pushed stays as it is', () => {
  const row = { user: 'ann', event_timestamp: 1_704_103_200_000_000, n: 1 }
  assert.equal(retriedRow(plan, { eventTime: { column: 'at' } } as SourceDefinition, row), row)
  assert.equal(retriedRow(plan, undefined, row), row)
})
