// Times that are no times, are of another unit, have no zone, or lie ahead: by pushes and by files.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import {
  csv,
  entity,
  featureGroup,
  featureService,
  int32,
  jsonl,
  parseInstant,
  project,
  string,
} from '@asof/core'
import { at, HOUR, NOON, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const features = { score: int32() }
const zero = { delay: '0s' } as const
const inMillis = jsonl('in_millis', {
  path: 'millis.jsonl',
  eventTime: { column: 'at', unit: 'ms' },
  created: zero,
})
const texts = csv('texts', { path: 'texts.csv', eventTime: 'at', created: zero })
const ahead = jsonl('ahead', { path: 'ahead.jsonl', eventTime: 'at', created: { column: 'known' } })
const prices = jsonl('prices', {
  path: 'prices.jsonl',
  eventTime: 'at',
  created: { column: 'known' },
  future: 'hold',
})
const group = <Name extends string>(name: Name, source?: typeof texts) =>
  featureGroup(name, { entity: user, features, ...(source !== undefined && { source }) } as {
    entity: typeof user
    features: typeof features
  })
const pushed = group('pushed')
const millis = group('millis', inMillis)
const dated = group('dated', texts)
const future = group('future', ahead)
const held = group('held', prices)
const model = featureService('model', { features: [pushed] })
const heldModel = featureService('held_model', { features: [held] })

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('times', [model, heldModel, millis, dated, future]))
  await faults.store.apply()
})
after(async () => await faults[Symbol.asyncDispose]())

const TEXT = '2024-06-01T11:00:00Z'
const byText = (a: string, b: string): number => (a < b ? -1 : 1)

async function refusedTime(event_timestamp: unknown): Promise<string> {
  const rows = [{ user: 'a', score: 1, event_timestamp }]
  const error = await refusal(async () => await faults.store.push(pushed, rows), String(event_timestamp))
  assert.equal(error.code, 'invalid_event_time')
  assert.equal(error.details['path'], 'rows[0].event_timestamp')
  return error.message
}

test('B5: a number in another unit is refused with the guess, pushed or in a file', async () => {
  assert.match(await refusedTime(1_717_200_000), /seconds/)
  assert.match(await refusedTime(1_717_200_000_000), /milliseconds/)
  assert.match(await refusedTime(1_717_200_000_000_000_000), /nanoseconds/)
  const instants = [1_717_200_000, 1_717_200_000_000_000, 1_717_200_000_000]
  await faults.write(
    'millis.jsonl',
    instants.map((each) => ({ user: 'a', at: each, score: 1 })),
  )
  const result = await faults.store.materialize(millis)
  assert.equal(result.rows, 1)
  assert.deepEqual(result.reasons, { invalid_event_time: 2 })
  const details = (await faults.store.quarantine.list('millis@1')).map((row) => row.detail ?? '').sort(byText)
  assert.match(details[0]!, /looks like microseconds/)
  assert.match(details[1]!, /looks like seconds/)
  const [row] = await faults.table('millis')
  assert.equal(row!['event_timestamp'], 1_717_200_000_000_000n)
})

/** Texts that look like times, and are none that may be taken. */
const NO_TIMES = [
  '2024-06-01T11:00:00', // B6: no zone
  '2024-06-01',
  '1',
  '2024-02-30T00:00:00Z', // B7: no such day
  '2023-02-29T00:00:00Z',
  '2024-06-01T24:00:00Z',
  '2024-06-01T23:59:60Z',
  '2024-06-01T25:00:00Z',
  '2024-13-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '1899-12-31T23:59:59Z',
  '9999-12-31T00:00:00Z',
  '294247-01-10T04:00:54Z',
  '-000001-01-01T00:00:00Z',
  '2024-06-01T11:00:00.0000001Z', // B8: below a microsecond
  '2024-06-01T11:00:00+25:00',
  ' 2024-06-01T11:00:00Z',
  '2024-06-01T11:00:00Z; DROP TABLE t',
]

test('B6, B7, B8: a text that is no instant is refused in a push', async () => {
  for (const text of NO_TIMES) await refusedTime(text)
  for (const value of [null, undefined, Number.NaN, 1.5, true, {}, new Date(0), 1_717_200_000_000_000n, '']) {
    await refusedTime(value)
  }
})

test('B6, B7, B8: and quarantined in a file, each with its reason', async () => {
  const edges = ['1900-01-01T00:00:00Z', '1969-12-31T23:59:59.999999Z', '2024-06-01T13:00:00+05:45']
  const lines = [...NO_TIMES, ...edges].map((text, index) => `u${index},${JSON.stringify(text)},1\n`)
  await faults.write('texts.csv', `user,at,score\n${lines.join('')}x,,1\n`)
  const result = await faults.store.materialize(dated)
  assert.deepEqual(result.reasons, { invalid_event_time: NO_TIMES.length, null_event_time: 1 })
  assert.deepEqual(
    (await faults.table('dated')).map((row) => row['event_timestamp']),
    edges.map((text) => BigInt(parseInstant(text))),
  )
  const kept = await faults.store.quarantine.list('dated@1')
  assert.equal(kept.length, NO_TIMES.length + 1)
  assert.ok(kept.every((row) => row.reason === 'null_event_time' || (row.detail ?? '') !== ''))
})

test('B6: every result is the same in UTC, America/New_York and Asia/Kathmandu', async () => {
  const script = join(import.meta.dirname, 'time-zone-child.ts')
  const runs = ['UTC', 'America/New_York', 'Asia/Kathmandu'].map(async (TZ) => {
    const child = await promisify(execFile)(process.execPath, ['--conditions=source', script], {
      env: { ...process.env, TZ },
    })
    return child.stdout
  })
  const [utc, ...others] = await Promise.all(runs)
  assert.match(utc!, /^zone UTC$/m)
  assert.match(others[0]!, /^zone America\/New_York$/m)
  const results = (text: string): string => text.replace(/^zone .*$/m, '')
  assert.ok(results(utc!).length > 500)
  for (const other of others) assert.equal(results(other), results(utc!))
})

test('B9: a pushed row from the far future is quarantined, one from the near future is held', async () => {
  const row = (event_timestamp: number, score: number) => ({ user: 'b9', score, event_timestamp })
  const pushes = [row(at(-SECOND), 1), row(at(SECOND * 200), 2), row(at(24 * 365 * HOUR), 3)]
  const result = await faults.store.push(pushed, pushes, undefined, { wait: 'applied' })
  assert.deepEqual(
    { accepted: result.accepted, quarantined: result.quarantined, superseded: result.superseded },
    { accepted: 2, quarantined: 1, superseded: 0 },
  )
  const [kept] = await faults.store.quarantine.list('pushed@1')
  assert.equal(kept!.reason, 'future')
  assert.equal((await faults.store.get(model, { user: 'b9' })).score, 1)
  faults.clock.now += 201 * SECOND
  await faults.store.drain()
  assert.equal((await faults.store.get(model, { user: 'b9' })).score, 2)
  faults.clock.now = NOON + HOUR
})

test('B9: a quarantined row is retried in vain until its time, and is there after it', async () => {
  const due = faults.clock.now + HOUR
  const store = faults.store
  await store.push(pushed, [{ user: 'retry', score: 7, event_timestamp: due }])
  const own = async () =>
    (await store.quarantine.list('pushed@1')).filter((row) => row.row.includes('"retry"'))
  assert.equal((await own()).length, 1)
  assert.deepEqual(await store.retryQuarantined(await own()), { accepted: 0, refused: 1 })
  assert.equal((await own()).length, 1, 'it stays where it is')
  faults.clock.now = due + SECOND
  assert.deepEqual(await store.retryQuarantined(await own()), { accepted: 1, refused: 0 })
  assert.deepEqual(await own(), [])
  await store.drain()
  assert.equal((await store.get(model, { user: 'retry' })).score, 7)
})

test('B9: a row of a file from the far future never hides the present', async () => {
  const known = TEXT
  await faults.write('ahead.jsonl', [
    { user: 'a', at: TEXT, known, score: 1 },
    { user: 'a', at: '2030-01-01T00:00:00Z', known, score: 2 },
  ])
  const result = await faults.store.materialize(future)
  assert.deepEqual(result.reasons, { future: 1 })
  assert.equal((await faults.table('future')).length, 1)
})

test('B9: a source that holds the future keeps its rows until their time, over a restart too', async () => {
  const due = new Date((faults.clock.now + 3 * HOUR) / 1_000).toISOString()
  const known = TEXT
  await faults.write('prices.jsonl', [
    { user: 'a', at: TEXT, known, score: 1 },
    { user: 'a', at: due, known, score: 2 },
  ])
  const result = await faults.store.materialize(held)
  assert.deepEqual(result.reasons, {})
  const { folder, clock } = faults
  assert.equal((await faults.store.get(heldModel, { user: 'a' })).score, 1)
  await faults.store.close()
  await using again = await openFaultStore(project('times', [model, heldModel, millis, dated, future]), {
    folder,
    now: (clock.now + 3 * HOUR + SECOND) as never,
  })
  await again.store.drain()
  assert.equal((await again.store.get(heldModel, { user: 'a' })).score, 2)
})
