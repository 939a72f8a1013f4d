import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AsofError } from '@asof/core'
import { openFaultStore, HOUR, NOON, SECOND, at } from './faults/fault-store.ts'
import { entity, featureGroup, featureService, int64, jsonl, project, string } from './index.ts'

const user = entity('user', { keys: { user: string() } })
const clicks = featureGroup('clicks', { entity: user, freshness: '1m', features: { count: int64() } })
const orders = jsonl('orders', {
  path: 'orders.jsonl',
  eventTime: { column: 'placed' },
  created: { delay: '1m' },
})
const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  query: `SELECT "user", time_bucket(INTERVAL 1 HOUR, placed::TIMESTAMPTZ) AS event_timestamp, count(*) AS orders
          FROM orders GROUP BY ALL`,
  features: { orders: int64() },
})
const model = featureService('model', { features: [clicks, hourly] })
const shop = project('shop', [model])

it('tells where the sinks and the groups stand', async () => {
  await using faults = await openFaultStore(shop)
  const { store } = faults
  await store.apply()
  const before = await store.progress()
  assert.equal(before.revision, 1)
  assert.deepEqual([before.end, before.sinks.online.position, before.failure], [0, 0, undefined])
  assert.deepEqual(
    before.groups.map(({ group, online, freshness }) => ({ group, online, freshness })),
    [
      { group: 'clicks@1', online: true, freshness: 60 * SECOND },
      { group: 'hourly@1', online: true, freshness: undefined },
    ],
  )
  assert.equal(before.groups[1]!.completeThrough, undefined, 'no run was ever done')

  const { at: pushed } = await store.push('clicks', [{ user: 'a', event_timestamp: at(0), count: 1n }])
  faults.clock.now = NOON + 2 * HOUR
  const behind = await store.progress()
  assert.deepEqual([behind.end, behind.sinks.online.position, behind.sinks.offline.position], [1, 0, 0])
  assert.equal(behind.groups[0]!.completeThrough, pushed - 1)

  await faults.write('orders.jsonl', [{ user: 'a', placed: '2024-06-01T12:30:00Z' }])
  await store.materialize('hourly')
  const done = await store.progress()
  assert.equal(done.sinks.online.position, done.end)
  assert.equal(done.groups[0]!.completeThrough, done.now)
  assert.equal(done.groups[1]!.completeThrough, at(2 * HOUR))
})

it('goes on answering with the last definitions while the registry does not, and tells their age', async () => {
  let isDown = false
  await using faults = await openFaultStore(shop, {
    wrap: (parts) => ({
      ...parts,
      registry: {
        head: async () => {
          if (isDown) throw new AsofError('unavailable', 'registry_down', 'the registry is down')
          return await parts.registry.head()
        },
        revision: async (number) => await parts.registry.revision(number),
        put: async (objects) => await parts.registry.put(objects),
        get: async (hashes) => await parts.registry.get(hashes),
        commit: async (parent, revision) => await parts.registry.commit(parent, revision),
        [Symbol.asyncDispose]: async () => await parts.registry[Symbol.asyncDispose](),
      },
    }),
  })
  const { store } = faults
  await store.apply()
  const { lookedAt } = await store.progress()
  isDown = true
  faults.clock.now += 10 * SECOND
  await store.push('clicks', [{ user: 'a', event_timestamp: at(0), count: 1n }], undefined, {
    wait: 'applied',
  })
  assert.equal((await store.get<typeof model>('model', { user: 'a' })).count, 1n)
  // A name that nobody knows is looked up in the registry; that it is down does not make it forget the others.
  await assert.rejects(store.get('other', { user: 'a' }), { code: 'service_not_found' })
  await assert.rejects(store.push('other', [{}]), { code: 'registry_down' })
  assert.equal((await store.get<typeof model>('model', { user: 'a' })).count, 1n)
  const late = await store.progress()
  assert.equal(late.lookedAt, lookedAt)
  assert.ok(late.now - late.lookedAt! >= 10 * SECOND)
  isDown = false
  assert.ok((await store.progress()).lookedAt! > lookedAt!)
})
