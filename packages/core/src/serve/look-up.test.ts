// What a lookup says beside its values, and what it refuses; the values themselves are held to the naive engine in
// feature-store/serving.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instant } from '../clock/instant.ts'
import { MICROS } from '../clock/instant.ts'
import { FeatureStore } from '../feature-store/feature-store.ts'
import { memoryEventLog } from '../memory/memory-event-log.ts'
import { memoryOnlineStore } from '../memory/memory-online-store.ts'
import { memoryRegistry } from '../memory/memory-registry.ts'
import { entity } from '../model/entity.ts'
import { featureGroup } from '../model/feature-group.ts'
import { alias, featureService } from '../model/feature-service.ts'
import { onDemand } from '../model/on-demand.ts'
import { project, withCode } from '../model/project.ts'
import { request } from '../model/source.ts'
import { float64, int32, int64, string } from '../model/typed-field.ts'
import type { OnlineStore } from '../ports/online-store.ts'

const NOW = 1_700_000_000_000_000
const user = entity('user', { keys: { user: string() } })
const stats = featureGroup('stats', {
  entity: user,
  features: { score: float64({ default: 0.5 }), visits: int64({ as: 'number' }) },
  ttl: '1h',
  freshness: '1m',
})
const names = featureGroup('names', { entity: user, features: { name: string() } })
const ask = request('ask', { fields: { amount: int32() } })
const ratio = onDemand('ratio', {
  module: import.meta.url,
  inputs: {
    amount: ask.field('amount'),
    visits: stats.feature('visits'),
    score: stats.feature('score'),
    seen: stats.eventTime(),
  },
  features: { per_visit: float64(), doubled: float64(), age: float64() },
  compute: ({ amount, visits, score, seen }, at) => {
    if (amount === 13) throw new Error('unlucky')
    return {
      per_visit: amount === null || visits === null ? null : amount / visits,
      doubled: score === null ? null : score * 2,
      age: seen === null ? null : at - seen,
    }
  },
})
const model = featureService('model', { features: [stats, names, ratio] })
const pair = featureService('pair', {
  features: [
    alias(stats, 'buyer', { user: 'buyer_id' }),
    alias(stats, 'seller', { user: 'seller_id' }),
    names,
  ],
})

async function openStore(wrap: (online: OnlineStore) => OnlineStore = (online) => online) {
  const clock = { now: NOW }
  const absent = { async [Symbol.asyncDispose]() {} } as never
  const code = new Map([['ratio@1', { module: 'look-up.test.ts', fingerprint: 'f' }]])
  const store = new FeatureStore(
    {
      registry: memoryRegistry(),
      log: memoryEventLog({ wall: () => clock.now as Instant }),
      online: wrap(memoryOnlineStore()),
      offline: absent,
      engine: absent,
      parquet: absent,
      staging: absent,
      sources: absent,
      trainingFiles: absent,
      tablesIn: () => absent,
      writer: 'test',
      naive: () => ({ status: 'not_found' }),
      timing: {
        // A test's time passes when it says so: a sleep moves the clock.
        sleep: async (ms, signal) => {
          if (signal?.aborted === true) return
          clock.now += ms * 1_000
          await new Promise<void>((resolve) => setImmediate(resolve))
        },
        after: (ms, then) => {
          const passed = setImmediate(() => {
            clock.now += ms * 1_000
            then()
          })
          return () => clearImmediate(passed)
        },
      },
      owner: '1:test',
    },
    withCode(project('shop', [model, pair]), code),
  )
  await store.apply()
  const push = async (name: string, score: number | null, visits: number | null, at = clock.now) =>
    await store.push(stats, [{ user: name, event_timestamp: at, score, visits }], undefined, {
      wait: 'applied',
    })
  return { store, clock, push }
}

test('every status and flag is told apart', async () => {
  const { store, clock, push } = await openStore()
  await push('ann', 0.1, null)
  await push('old', 0.2, 4, NOW - 90 * MICROS.minute)
  await push('huge', 0.3, 1)
  await store.push(stats, [{ user: 'gone', event_timestamp: clock.now, _deleted: true }], undefined, {
    wait: 'applied',
  })
  const [ann, old, gone, none, nobody] = await store.getMany(model, [
    { keys: { user: 'ann' } },
    { keys: { user: 'old' } },
    { keys: { user: 'gone' } },
    { keys: { user: null } },
    { keys: { user: 'never' } },
  ])
  assert.deepEqual(ann!.$statuses, {
    score: 'present',
    visits: 'null',
    name: 'not_found',
    per_visit: 'null',
    doubled: 'present',
    age: 'present',
  })
  assert.deepEqual(ann!.$flags, {})
  assert.equal(ann!.$eventTimes['score'], NOW)
  assert.deepEqual([old!.$statuses['score'], old!.score, old!.visits], ['expired', 0.5, null])
  assert.deepEqual(old!.$flags['score'], { defaulted: true })
  assert.equal(old!.$eventTimes['score'], null)
  assert.equal(old!.doubled, 1, 'an on-demand feature sees the default')
  assert.equal(old!.age, null)
  assert.deepEqual([gone!.$statuses['score'], gone!.score], ['not_found', 0.5])
  assert.deepEqual(none!.$flags['visits'], { null_key: true })
  assert.deepEqual(none!.$flags['score'], { defaulted: true, null_key: true })
  assert.equal(nobody!.$statuses['visits'], 'not_found')
  assert.deepEqual(
    Object.keys(ann!),
    ['score', 'visits', 'name', 'per_visit', 'doubled', 'age'],
    'declared order',
  )
})

test('a stale pipeline is flagged, and a value of it is not', async () => {
  const { store, clock, push } = await openStore()
  await push('ann', 1, 1)
  clock.now += 10 * MICROS.minute
  assert.deepEqual((await store.get(model, { user: 'ann' })).$flags, {}, 'everything in the log is applied')
  await store.push(stats, [{ user: 'bob', event_timestamp: clock.now, score: 1, visits: 1 }])
  clock.now += 10 * MICROS.minute
  assert.deepEqual((await store.get(model, { user: 'ann' })).$flags['score'], { stale: true })
})

test('an on-demand feature fails alone, and without a call when an input is in error', async () => {
  const { store } = await openStore()
  await store.push(stats, [{ user: 'big', event_timestamp: NOW, score: 1, visits: 7 }], undefined, {
    wait: 'applied',
  })
  const thrown = await store.get(model, { user: 'big' }, { request: { amount: 13 } })
  assert.deepEqual([thrown.$statuses['per_visit'], thrown.per_visit], ['error', null])
  assert.equal(thrown.$statuses['score'], 'present')
  const fine = await store.get(model, { user: 'big' }, { request: { amount: 14 } })
  assert.equal(fine.per_visit, 2)
})

test('one entity in two roles, many entities, duplicates: one read, in the order asked', async () => {
  let reads = 0
  const { store, push } = await openStore((online) => ({
    ...online,
    read: async (requests) => {
      reads++
      return await online.read(requests)
    },
  }))
  await push('ann', 1, 1)
  await push('bob', 2, 2)
  const keys = (buyer: string, seller: string) => ({
    keys: { buyer_id: buyer, seller_id: seller, user: buyer },
  })
  await store.get(pair, keys('ann', 'bob').keys)
  reads = 0
  const vectors = await store.getMany(pair, [keys('ann', 'bob'), keys('bob', 'ann'), keys('ann', 'bob')])
  assert.equal(reads, 1)
  assert.deepEqual(
    vectors.map((vector) => [vector.buyer_score, vector.seller_score]),
    [
      [1, 2],
      [2, 1],
      [1, 2],
    ],
  )
  assert.deepEqual(await store.getMany(pair, []), [])
})

test('a decision time is within the last hour, or a moment ahead', async () => {
  const { store, clock, push } = await openStore()
  await push('ann', 1, 1)
  const at = (micros: number): { at: Instant } => ({ at: micros as Instant })
  await assert.rejects(store.get(model, { user: 'ann' }, at(clock.now - 61 * MICROS.minute)), {
    code: 'at_too_far_back',
  })
  await assert.rejects(store.get(model, { user: 'ann' }, at(clock.now + 2 * MICROS.second)), {
    code: 'at_in_future',
  })
  const ahead = clock.now + 500 * MICROS.millisecond
  const vector = await store.get(model, { user: 'ann' }, at(ahead))
  assert.equal(vector.$at, ahead)
  assert.ok(clock.now >= ahead, 'it was waited for')
  assert.equal((await store.get(model, { user: 'ann' }, at(NOW - 1))).$statuses['visits'], 'not_found')
})

test('a model gets the service that it was trained on, or none', async () => {
  const { store } = await openStore()
  const { $fingerprint } = await store.get(model, { user: 'ann' })
  await store.get(model, { user: 'ann' }, { expect: $fingerprint })
  await assert.rejects(store.get(model, { user: 'ann' }, { expect: 'another' }), {
    code: 'fingerprint_mismatch',
    kind: 'conflict',
  })
})

test('wrong questions are refused by name, without their values', async () => {
  const { store } = await openStore()
  const wrong = (keys: object, more: object = {}): Promise<unknown> => store.get(model, keys as never, more)
  await assert.rejects(wrong({ user: 7 }), { code: 'invalid_value' })
  await assert.rejects(wrong({}), { code: 'absent_value' })
  await assert.rejects(wrong({ user: 'ann', extra: 1 }), { code: 'unknown_key' })
  await assert.rejects(wrong({ user: 'ann' }, { request: { amount: '12' } }), { code: 'invalid_value' })
  await assert.rejects(wrong({ user: 'ann' }, { request: { other: 1 } }), { code: 'unknown_request_input' })
  await assert.rejects(store.get('nothing', {}), { code: 'service_not_found' })
  await assert.rejects(wrong({ user: ['canary-7'] }), (error: Error) => !error.message.includes('canary'))
})

test('a store that fails costs the values, not the request; one that hangs costs the deadline', async () => {
  let mood: 'fine' | 'failing' | 'hanging' = 'fine'
  const { store, push } = await openStore((online) => ({
    ...online,
    read: async (requests) => {
      if (mood === 'failing') throw new Error('the disk is gone')
      if (mood === 'hanging') await new Promise(() => {})
      return await online.read(requests)
    },
  }))
  await push('ann', 1, 1)
  mood = 'failing'
  const vector = await store.get(model, { user: 'ann' }, { request: { amount: 1 } })
  assert.deepEqual(new Set(Object.values(vector.$statuses)), new Set(['error']))
  assert.equal(vector.score, null, 'no default stands in for an error')
  mood = 'hanging'
  await assert.rejects(store.get(model, { user: 'ann' }, { deadline: 5 }), {
    code: 'deadline_exceeded',
    retryable: true,
  })
})

test('a damaged row costs its own values, wherever the damage is', async () => {
  let damage = (row: Uint8Array): Uint8Array => row
  const { store, clock, push } = await openStore((online) => ({
    ...online,
    read: async (requests) =>
      (await online.read(requests)).map((row, index) =>
        row === undefined || !requests[index]!.table.includes('stats') ? row : damage(row.slice()),
      ),
  }))
  await push('ann', 1, 1)
  const name = { user: 'ann', event_timestamp: clock.now, name: 'Ann' }
  await store.push(names, [name], undefined, { wait: 'applied' })
  clock.now += MICROS.second
  const damages: [string, (row: Uint8Array) => Uint8Array][] = [
    ['no byte of it', (row) => row.subarray(0, 0)],
    ['half a stamp', (row) => row.subarray(0, 12)],
    ['an event time beyond all', (row) => row.fill(0xff, 0, 8)],
    ['a created time beyond all', (row) => row.fill(0, 8, 16)],
    ['a schema that never was', (row) => row.fill(0xff, 24, 28)],
    ['a byte too few', (row) => row.subarray(0, -1)],
  ]
  for (const [what, how] of damages) {
    damage = how
    for (const options of [{}, { at: clock.now as Instant }]) {
      const vector = await store.get(model, { user: 'ann' }, options)
      assert.deepEqual([vector.$statuses['score'], vector.score], ['error', null], what)
      assert.deepEqual([vector.$statuses['visits'], vector.name], ['error', 'Ann'], what)
    }
  }
})
