// What runs of a scheduled group cost and count: a row that many of them refuse, and a schedule too fine for its history.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { entity, featureGroup, int32, jsonl, LIMITS, project, string } from '@asof/core'
import { at, HOUR, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const orders = jsonl('orders', { path: 'orders.jsonl', eventTime: 'at', created: { delay: '0s' } })
const group = (name: string, every: '1h' | '1s') =>
  featureGroup(name, {
    entity: user,
    sources: [orders],
    every,
    lookback: '6h',
    query: 'SELECT "user", "at" AS event_timestamp, score FROM orders',
    features: { score: int32() },
  })
const [hourly, fine] = [group('hourly', '1h'), group('fine', '1s')]

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('runs', [hourly, fine]))
  await faults.store.apply()
})
after(async () => await faults[Symbol.asyncDispose]())

test('a row that many runs refuse is counted once, and so are its reasons', async () => {
  await faults.write('orders.jsonl', [
    { user: 'a', at: '2024-06-01T06:30:00Z', score: 1 },
    { user: 'b', at: '2024-06-01T07:10:00Z', score: 2 ** 31 },
    { user: null, at: '2024-06-01T07:20:00Z', score: 2 },
  ])
  const first = await faults.store.materialize(hourly)
  assert.equal(first.runs, 6)
  assert.deepEqual([first.rows, first.quarantined, first.reasons], [1, 2, { invalid_value: 1, null_key: 1 }])
  assert.equal((await faults.store.quarantine.list('hourly@1')).length, 2)
  // Live runs are computed one by one.
  faults.clock.now += 3 * HOUR
  const live = await faults.store.materialize(hourly)
  assert.deepEqual([live.runs, live.quarantined, live.reasons], [3, 2, { invalid_value: 1, null_key: 1 }])
  const again = await faults.store.restate(hourly, { from: at(-12 * HOUR), to: at(HOUR) })
  assert.deepEqual([again.quarantined, again.reasons], [2, { invalid_value: 1, null_key: 1 }])
})

test('a schedule that is too fine for its history is refused before any work, and goes on in parts', async () => {
  await faults.write('orders.jsonl', [{ user: 'a', at: '1990-01-01T00:00:00Z', score: 1 }])
  const error = await refusal(async () => await faults.store.materialize(fine))
  assert.deepEqual([error.code, error.kind, error.details['group']], ['too_many_runs', 'invalid', 'fine@1'])
  assert.ok((error.details['runs'] as number) > 1e9)
  assert.match(error.message, /raise the schedule's `every`, or narrow the call with from and to/)
  assert.equal((await faults.store.materialize(fine, { from: at(-10 * SECOND), to: at(0) })).runs, 10)
  faults.clock.now += (LIMITS.runsPerCallMax + 10) * SECOND
  assert.equal((await refusal(async () => await faults.store.materialize(fine))).code, 'too_many_runs')
  const range = { from: at(-40 * 365 * 24 * HOUR), to: at(0) }
  assert.equal((await refusal(async () => await faults.store.restate(fine, range))).code, 'too_many_runs')
  assert.equal((await faults.store.restate(fine, { from: at(-5 * SECOND), to: at(HOUR) })).runs, 5)
})
