// Two processes on one store: one adds a feature and writes rows with it, the other has not looked at the registry since.
import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { entity, featureGroup, featureService, int32, jsonl, project, string } from '@asof/core'
import { around } from './failing-parts.ts'
import { NOON, openFaultStore, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const orders = jsonl('orders', { path: 'orders.jsonl', eventTime: 'at', created: { delay: '0s' } })
const before = {
  pushed: featureGroup('pushed', { entity: user, features: { a: int32() } }),
  imported: featureGroup('imported', {
    entity: user,
    source: orders,
    unknownColumns: 'additive',
    features: { a: int32() },
  }),
}
const after_ = {
  pushed: featureGroup('pushed', { entity: user, features: { a: int32(), b: int32() } }),
  imported: featureGroup('imported', {
    entity: user,
    source: orders,
    unknownColumns: 'additive',
    features: { a: int32(), b: int32() },
  }),
}
const model = featureService('model', { features: [before.pushed] })
const younger = featureService('model', { features: [after_.pushed.pick('a')] })
const old = project('younger', [before.pushed, before.imported, model])
const young = project('younger', [after_.pushed, after_.imported, younger])

let first: FaultStore
let second: FaultStore
const heads = { count: 0 }
beforeEach(async () => {
  await second?.[Symbol.asyncDispose]()
  await first?.[Symbol.asyncDispose]()
  first = await openFaultStore(old)
  await first.store.apply()
  await first.store.push('pushed', [{ user: 'x', a: 1, event_timestamp: NOON - SECOND }])
  await first.store.drain()
  second = await openFaultStore(old, {
    folder: first.folder,
    wrap: (parts) => ({
      ...parts,
      registry: around(parts.registry, (method, call) => {
        if (method === 'head') heads.count++
        return call()
      }),
    }),
  })
  // What it knows now is believed for a second.
  assert.equal((await second.store.get(model, { user: 'x' })).a, 1)
  await first.store.apply({ definitions: young.definitions })
})
after(async () => {
  await second[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
})

const row = { user: 'x', a: 2, b: 3, event_timestamp: NOON }

test('a row of a schema that is not known yet is answered, after one look at the registry', async () => {
  await first.store.push('pushed', [row], undefined, { wait: 'applied' })
  heads.count = 0
  const vector = await second.store.get(model, { user: 'x' })
  assert.deepEqual([vector.a, vector.$statuses.a], [2, 'present'])
  const looked = heads.count
  assert.ok(looked > 0 && looked <= 2, `${looked}`)
  for (let n = 0; n < 5; n++) await second.store.get(model, { user: 'x' })
  assert.equal(heads.count, looked, 'the lookups after it look no more')
})

test('as of a past instant too, out of the log', async () => {
  const pushed = await first.store.push('pushed', [row])
  second.clock.now += SECOND / 10
  const vector = await second.store.get(model, { user: 'x' }, { asOf: pushed.at })
  assert.deepEqual([vector.a, vector.$statuses.a], [2, 'present'])
})

test('the sinks of the process that does not know it yet bring all of it into both stores', async () => {
  await first.store.push('pushed', [{ ...row, a: 5, event_timestamp: NOON - 2 * SECOND }])
  await first.store.push('pushed', [row])
  await second.store.drain()
  const rows = (await second.table('pushed')).map(({ a, b }) => [a, b])
  assert.deepEqual(rows, [
    [5, 3],
    [1, null],
    [2, 3],
  ])
})

test('a batch of a schema that is not known yet keeps its new columns', async () => {
  await first.write('orders.jsonl', [{ user: 'x', at: '2024-06-01T11:00:00Z', a: 7, b: 8 }])
  const { log } = first.parts
  // The process dies after its append.
  const advance = log.advance.bind(log)
  log.advance = async () => await Promise.reject(new Error('gone'))
  await assert.rejects(first.store.materialize('imported'), /gone/)
  log.advance = advance
  await log.release('sinks', first.parts.owner)
  await second.store.drain()
  assert.deepEqual(
    (await second.table('imported')).map(({ a, b }) => [a, b]),
    [[7, 8]],
  )
  const plan = await second.store.groupPlan('imported')
  const stored = [...(await second.online('imported')).values()].map(
    (bytes) => plan.reader.decode(bytes).values,
  )
  assert.deepEqual(stored, [[7, 8]])
})
