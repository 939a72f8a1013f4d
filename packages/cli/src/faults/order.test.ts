// Which of several rows answers: out of order, late, repeated, tied, corrected, and known too late for its label; pushed, in
// files and from schedules. Serving, the table and training sets must say the same.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  entity,
  featureGroup,
  featureService,
  int32,
  jsonl,
  project,
  string,
  type Instant,
  type Value,
} from '@asof/core'
import { at, codeOf, HOUR, NOON, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const lines = jsonl('lines', { path: 'lines.jsonl', eventTime: 'at', created: { column: 'known' } })
const orders = jsonl('orders', { path: 'orders.jsonl', eventTime: 'at', created: { column: 'known' } })
const pushed = featureGroup('pushed', { entity: user, features: { score: int32() } })
const brief = featureGroup('brief', { entity: user, ttl: '1h', features: { mood: int32({ default: -1 }) } })
const imported = featureGroup('imported', { entity: user, source: lines, features: { score: int32() } })
const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  lookback: '3h',
  query: `SELECT "user", time_bucket(INTERVAL 1 HOUR, "at"::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 sum(amount)::INTEGER AS spent FROM orders GROUP BY ALL`,
  features: { spent: int32() },
})
const model = featureService('model', { features: [pushed] })
const briefModel = featureService('brief_model', { features: [brief] })
const importModel = featureService('import_model', { features: [imported] })
const hourlyModel = featureService('hourly_model', { features: [hourly] })

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('order', [model, briefModel, importModel, hourlyModel]))
  await faults.store.apply()
})
after(async () => await faults[Symbol.asyncDispose]())

const PERMUTATIONS = [
  [1, 2, 3],
  [1, 3, 2],
  [2, 1, 3],
  [2, 3, 1],
  [3, 1, 2],
  [3, 2, 1],
] as const

async function labelled(
  service: typeof model | typeof importModel,
  labels: readonly (readonly [user: string | null, at: Instant])[],
  options: Parameters<FaultStore['train']>[2] = {},
): Promise<(Value | null)[]> {
  const { rows } = await faults.train(
    service,
    {
      user: [{ kind: 'string' }, labels.map(([name]) => name)],
      at: [{ kind: 'timestamp' }, labels.map(([, time]) => BigInt(time))],
    },
    options,
  )
  return rows.map((row) => row['score']!)
}

test('B10: whatever the order of rows in one push, in several and in a file, the newest answers', async () => {
  const row = (name: string, each: number) => ({ user: name, event_timestamp: at(each - 10), score: each })
  const lineRows: object[] = []
  for (const order of PERMUTATIONS) {
    const name = order.join('')
    await faults.store.push(
      pushed,
      order.map((each) => row(`one ${name}`, each)),
    )
    for (const each of order) {
      await faults.store.push(pushed, [row(`many ${name}`, each)])
      if (each === 2) await faults.store.drain({ offline: false })
    }
    const known = '2024-06-01T11:00:00Z'
    for (const each of order) {
      lineRows.push({ user: name, at: `2024-06-01T10:00:0${each}Z`, known, score: each })
    }
  }
  await faults.write('lines.jsonl', lineRows)
  await faults.store.materialize(imported)
  await faults.store.drain()
  faults.clock.now += SECOND
  for (const order of PERMUTATIONS) {
    const name = order.join('')
    assert.equal((await faults.store.get(model, { user: `one ${name}` })).score, 3)
    assert.equal((await faults.store.get(model, { user: `many ${name}` })).score, 3)
    assert.equal((await faults.store.get(importModel, { user: name })).score, 3)
  }
  const names = PERMUTATIONS.flatMap((order) => [`one ${order.join('')}`, `many ${order.join('')}`])
  const now = faults.clock.now as Instant
  assert.deepEqual(
    await labelled(
      model,
      names.map((name) => [name, now]),
    ),
    names.map(() => 3),
  )
})

test('B11, P4, P5: an older event goes into the history, is not served, and the push says superseded', async () => {
  const row = (seconds: number, score: number) => ({
    user: 'b11',
    event_timestamp: at(seconds * SECOND),
    score,
  })
  const wait = { wait: 'applied' } as const
  const [newer, older] = [row(-10, 2), row(-20, 1)]
  assert.equal((await faults.store.push(pushed, [newer], undefined, wait)).superseded, 0)
  assert.equal((await faults.store.push(pushed, [older], undefined, wait)).superseded, 1)
  assert.equal((await faults.store.get(model, { user: 'b11' })).score, 2)
  const both = await faults.store.push(
    pushed,
    [
      { ...newer, user: 'p5' },
      { ...older, user: 'p5' },
    ],
    undefined,
    wait,
  )
  assert.equal(both.superseded, 1)
  assert.equal((await faults.store.get(model, { user: 'p5' })).score, 2, 'P5: newer first in one push')
  const rows = (await faults.table('pushed')).filter((each) => each['user'] === 'b11')
  assert.deepEqual(
    rows.map((each) => each['score']),
    [1, 2],
  )
  faults.clock.now += SECOND
  const now = faults.clock.now as Instant
  assert.deepEqual(
    await labelled(model, [
      ['b11', at(-15 * SECOND)],
      ['b11', now],
    ]),
    [null, 2],
  )
  assert.deepEqual(
    await labelled(model, [['b11', at(-15 * SECOND)]], { knowledge: 'event-time' }),
    [1],
    'the older row was true then, though not known',
  )
})

test('B12: a push that is repeated changes nothing, also beside newer ones', async () => {
  const name = { producer: 'phone', sequence: 4 }
  const rows = [{ user: 'b12', event_timestamp: at(-SECOND), score: 1 }]
  const first = await faults.store.push(pushed, rows, name)
  assert.equal(first.duplicate, false)
  const again = await faults.store.push(pushed, rows, name, { wait: 'applied' })
  assert.deepEqual(
    [again.duplicate, again.accepted, again.position, again.at],
    [true, 0, first.position, first.at],
  )
  const earlier = await faults.store.push(pushed, rows, { producer: 'phone', sequence: 3 })
  assert.equal(earlier.duplicate, true)
  await faults.store.push(pushed, rows, { producer: 'phone', sequence: 5 })
  const table = (await faults.table('pushed')).filter((each) => each['user'] === 'b12')
  assert.equal(table.length, 2, 'another sequence is another event')
})

test('B12: a file that is imported again adds nothing', async () => {
  const before = await faults.table('imported')
  const result = await faults.store.materialize(imported)
  assert.deepEqual([result.rows, result.unchanged], [0, before.length])
  assert.deepEqual(await faults.table('imported'), before)
})

test('B13, P3, P4: of one key and event time the row known later answers, then the one later in the log', async () => {
  const row = (score: number) => ({ user: 'b13', event_timestamp: at(-SECOND), score })
  await faults.store.push(pushed, [row(1), row(2)])
  faults.clock.now += SECOND
  const between = faults.clock.now as Instant
  assert.equal(
    (await faults.store.get(model, { user: 'b13' }, { asOf: between })).score,
    2,
    'in one push the later',
  )
  faults.clock.now += SECOND
  await faults.store.push(pushed, [row(3)], undefined, { wait: 'applied' })
  assert.equal(
    (await faults.store.get(model, { user: 'b13' })).score,
    3,
    'a correction with the same event time',
  )
  faults.clock.now += SECOND
  const now = faults.clock.now as Instant
  const past = await faults.store.get(model, { user: 'b13' }, { asOf: now })
  assert.equal(past.score, 3)
  assert.deepEqual(
    await labelled(model, [
      ['b13', between],
      ['b13', now],
    ]),
    [2, 3],
  )
  const tied = { at: '2024-06-01T09:00:00Z', known: '2024-06-01T09:00:00Z', user: 'tie' }
  await faults.write(
    'lines.jsonl',
    [5, 4, 6].map((score) => ({ ...tied, score })),
  )
  await faults.store.materialize(imported)
  assert.equal(
    (await faults.store.get(importModel, { user: 'tie' })).score,
    6,
    'of full ties the last of the file',
  )
  faults.clock.now += SECOND
  assert.deepEqual(await labelled(importModel, [['tie', faults.clock.now as Instant]]), [6])
})

test('B14, P1: a row that was not known yet is not in the set, by default', async () => {
  const [early, late] = ['2024-05-01T00:00:00Z', '2024-06-01T11:00:00Z']
  await faults.write('lines.jsonl', [
    { user: 'late', at: early, known: early, score: 1 },
    { user: 'late', at: '2024-05-02T00:00:00Z', known: late, score: 2 },
  ])
  await faults.store.materialize(imported)
  // The rows were found after the first import, so nothing of them was known before now.
  const label = at(-HOUR)
  assert.deepEqual(await labelled(importModel, [['late', label]]), [null])
  assert.deepEqual(await labelled(importModel, [['late', label]], { knowledge: 'event-time' }), [2])
  const rows = (await faults.table('imported')).filter((row) => row['user'] === 'late')
  assert.ok(rows.every((row) => Number(row['created_timestamp']) >= NOON))
  const past = await faults.store.get(importModel, { user: 'late' }, { asOf: label })
  assert.equal(past.score, null)
  assert.equal((await faults.store.get(importModel, { user: 'late' })).score, 2)
})

test('P2: one row for each label, in order, duplicates and strangers kept', async () => {
  const now = faults.clock.now as Instant
  const labels = [
    ['b13', now],
    ['nobody', now],
    ['b11', now],
    [null, now],
    ['b13', now],
    ['b13', at(-10 * HOUR)],
    ['b13', now],
  ] as const
  assert.deepEqual(await labelled(model, labels), [3, null, 2, null, 3, null, 3])
})

test('P6: ttl ends an answer at the same microsecond when serving and when training', async () => {
  const e = faults.clock.now as Instant
  await faults.store.push(brief, [{ user: 'p6', event_timestamp: e, mood: 5 }], undefined, {
    wait: 'applied',
  })
  const last = (e + HOUR) as Instant
  faults.clock.now = last + 1
  const served = async (time: Instant) => {
    const vector = await faults.store.get(briefModel, { user: 'p6' }, { at: time })
    return [vector.mood, vector.$statuses['mood'], vector.$flags['mood']?.defaulted ?? false]
  }
  assert.deepEqual(await served(last), [5, 'present', false])
  assert.deepEqual(await served((last + 1) as Instant), [-1, 'expired', true])
  faults.clock.now += SECOND
  const { rows, manifest } = await faults.train(briefModel, {
    user: [{ kind: 'string' }, ['p6', 'p6', 'nobody']],
    at: [{ kind: 'timestamp' }, [BigInt(last), BigInt(last) + 1n, BigInt(last)]],
  })
  assert.deepEqual(
    rows.map((row) => row['mood']),
    [5, -1, -1],
  )
  const { statuses, defaulted } = manifest.features[0]!
  assert.deepEqual([statuses.present, statuses.expired, statuses.not_found, defaulted], [1, 1, 1, 2])
  for (const time of [last, (last + 1) as Instant]) {
    const past = await faults.store.get(briefModel, { user: 'p6' }, { asOf: time })
    assert.deepEqual([past.mood, past.$statuses['mood']], (await served(time)).slice(0, 2))
  }
})

test('P12: a row that came late for a run is in the next one within the lookback, as a correction', async () => {
  const hour = Math.floor(faults.clock.now / HOUR) * HOUR
  const text = (micros: number): string => new Date(micros / 1_000).toISOString()
  const order = (micros: number, known: number, amount: number) => ({
    user: 'p12',
    at: text(micros),
    known: text(known),
    amount,
  })
  const onTime = order(hour + 1, hour + 2, 10)
  await faults.write('orders.jsonl', [onTime])
  assert.equal((await faults.store.materialize(hourly)).runs, 0, 'the interval has not ended')
  faults.clock.now = hour + HOUR + SECOND
  assert.equal((await faults.store.materialize(hourly)).rows, 1)
  const seen: bigint[] = []
  const served = async (): Promise<unknown> => {
    await faults.store.drain()
    const vector = await faults.store.get(hourlyModel, { user: 'p12' })
    seen.push(BigInt(vector.$at))
    return vector.spent
  }
  assert.equal(await served(), 10)
  const late = order(hour + 3, hour + HOUR + 10 * SECOND, 5)
  await faults.write('orders.jsonl', [onTime, late])
  assert.equal((await faults.store.materialize(hourly)).runs, 0, 'a recorded run is not done again')
  faults.clock.now = hour + 2 * HOUR + SECOND
  const next = await faults.store.materialize(hourly)
  assert.deepEqual([next.runs, next.rows, next.corrections], [1, 1, 1])
  assert.equal(await served(), 15)
  const tooLate = order(hour + 4, hour + 9 * HOUR, 100)
  await faults.write('orders.jsonl', [onTime, late, tooLate])
  faults.clock.now = hour + 10 * HOUR + SECOND
  const last = await faults.store.materialize(hourly)
  assert.deepEqual([last.rows, last.tooLate], [0, 1], 'beyond the lookback it is counted')
  assert.equal(await served(), 15)
  const { rows } = await faults.train(hourlyModel, {
    user: [{ kind: 'string' }, seen.map(() => 'p12')],
    at: [{ kind: 'timestamp' }, seen],
  })
  assert.deepEqual(
    rows.map((row) => row['spent']),
    [10, 15, 15],
    'each label sees what was served then',
  )
})

test('B10: labels ahead of the clock are refused with the row, however they are asked for', async () => {
  const label: Parameters<typeof labelled>[1] = [
    ['b13', NOON],
    ['b13', (faults.clock.now + HOUR) as Instant],
  ]
  for (const wait of [false, true]) {
    const error = await refusal(async () => await labelled(model, label, { wait }))
    assert.deepEqual([error.code, error.details['row']], ['label_in_future', 1])
  }
  assert.equal(
    await codeOf(async () => await faults.store.get(model, { user: 'a' }, { at: label[1]![1] })),
    'at_in_future',
  )
})
