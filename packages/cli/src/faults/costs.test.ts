// What calls cost, counted: round trips to the online store, and files read for a training set.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { alias, entity, featureGroup, featureService, int32, project, string, type Instant } from '@asof/core'
import { around } from './failing-parts.ts'
import { HOUR, NOON, openFaultStore, SECOND, type FaultStore } from './fault-store.ts'

const DAY = 24 * HOUR
const user = entity('user', { keys: { user: string() } })
const world = entity('world', { keys: {} })
const group = <Name extends string>(name: Name) =>
  featureGroup(name, { entity: user, features: { [name]: int32() } })
const groups = [group('one'), group('two'), group('three')] as const
const weather = featureGroup('weather', { entity: world, features: { rain: int32() } })
const daily = featureGroup('daily', { entity: user, features: { n: int32() }, partition: 'day', ttl: '2d' })
const loose = featureGroup('loose', { entity: user, features: { m: int32() } })
const three = featureService('three_groups', { features: groups })
const wide = featureService('wide', {
  features: [
    ...groups,
    weather,
    alias(groups[0], 'other', { user: 'other' }),
    alias(groups[1], 'other', { user: 'other' }),
  ],
})
const history = featureService('history', { features: [daily, loose] })

const calls: string[] = []
let requests = 0
let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('costs', [three, wide, history]), {
    wrap: (parts) => ({
      ...parts,
      online: around(parts.online, (method, call, given) => {
        calls.push(method === 'write' ? `write ${String(given[0])}` : method)
        if (method === 'read') requests = (given[0] as unknown[]).length
        return call()
      }),
      registry: around(parts.registry, (method, call) => {
        calls.push(`registry.${method}`)
        return call()
      }),
      offline: around(parts.offline, (method, call) => {
        calls.push(`offline.${method}`)
        return call()
      }),
    }),
  })
  await faults.store.apply()
  for (const each of groups) {
    const rows = ['a', 'b'].map((name) => ({
      user: name,
      [each.definition.name]: 1,
      event_timestamp: NOON - SECOND,
    }))
    await faults.store.push(each, rows)
  }
  await faults.store.drain({ offline: false })
  await faults.store.get('wide', { user: 'a', other: 'b' })
  await faults.store.get('three_groups', { user: 'a' })
})
after(async () => await faults[Symbol.asyncDispose]())

async function counted(work: () => Promise<unknown>): Promise<readonly string[]> {
  calls.length = 0
  await work()
  return [...calls]
}

test('a service over three groups on one entity is one read, and nothing else', async () => {
  assert.deepEqual(await counted(async () => await faults.store.get('three_groups', { user: 'a' })), ['read'])
  assert.equal(requests, 3)
  assert.deepEqual(await counted(async () => await faults.store.get('wide', { user: 'a', other: 'b' })), [
    'read',
  ])
  assert.equal(requests, 6)
})

test('getMany of any number of entities is one read, each distinct key asked once', async () => {
  const names = Array.from({ length: 500 }, (_, index) => `user ${index % 100}`)
  const many = async () =>
    await faults.store.getMany(
      'three_groups',
      names.map((name) => ({ keys: { user: name } })),
    )
  assert.deepEqual(await counted(many), ['read'])
  assert.equal(requests, 300)
  assert.deepEqual(await counted(async () => await faults.store.getMany('three_groups', [])), [])
})

test('a request at a decision time that the newest row answers is one read too', async () => {
  faults.clock.now += SECOND / 10
  const at = faults.clock.now as Instant
  faults.clock.now += SECOND / 10
  assert.deepEqual(await counted(async () => await faults.store.get('three_groups', { user: 'a' }, { at })), [
    'read',
  ])
})

test('a push is no read of the online store, and a refused one no call at all', async () => {
  const row = { user: 'a', one: 1, event_timestamp: NOON }
  assert.deepEqual(await counted(async () => await faults.store.push('one', [row])), [])
  assert.deepEqual(
    await counted(async () => await faults.store.push('one', [{ ...row, one: 'x' }]).catch(() => undefined)),
    [],
  )
})

test('pushes that wait together are one write of a table', async () => {
  for (let n = 0; n < 20; n++) {
    await faults.store.push('two', [{ user: `w${n}`, two: n, event_timestamp: NOON }])
  }
  const made = await counted(async () => await faults.store.drain())
  const written = made.filter((call) => call.startsWith('write')).sort((a, b) => (a < b ? -1 : 1))
  assert.deepEqual(written, ['write costs/one@1', 'write costs/one@1#recent', 'write costs/two@1'])
  assert.ok(made.filter((call) => call === 'offline.append').length <= 3)
})

test('a training set reads only files that its label times can need, however the table is cut', async () => {
  for (let day = 9; day >= 0; day--) {
    const e = NOON - day * DAY - HOUR
    await faults.store.push(daily, [{ user: 'a', n: day, event_timestamp: e }])
    await faults.store.push(loose, [{ user: 'a', m: day, event_timestamp: e }])
    await faults.store.drain()
  }
  // All of it became known just now, so labels see it in event-time mode.
  const set = async (...times: readonly number[]) => {
    const { rows, manifest } = await faults.train(
      'history',
      { user: [{ kind: 'string' }, times.map(() => 'a')], at: [{ kind: 'timestamp' }, times.map(BigInt)] },
      { knowledge: 'event-time' },
    )
    const files = manifest.groups.map(({ filesRead, filesTotal }) => [filesRead, filesTotal])
    return { rows: rows.map((row) => [row['n'], row['m']]), files }
  }
  const middle = await set(NOON - 5 * DAY)
  assert.deepEqual(middle.rows, [[5, 5]])
  const [ofDaily, ofLoose] = middle.files as [[number, number], [number, number]]
  assert.deepEqual([ofDaily[1], ofLoose[1]], [10, 10])
  assert.ok(ofDaily[0] <= 4, `the ttl cuts below, the label above: ${ofDaily[0]}`)
  assert.ok(ofLoose[0] <= 6, `the label cuts above: ${ofLoose[0]}`)
  assert.deepEqual((await set(NOON - 30 * DAY)).files, [
    [0, 10],
    [0, 10],
  ])
  assert.deepEqual((await set(NOON)).rows, [[0, 0]])
  const known = await faults.train('history', {
    user: [{ kind: 'string' }, ['a']],
    at: [{ kind: 'timestamp' }, [BigInt(NOON - DAY)]],
  })
  assert.deepEqual(
    known.manifest.groups.map((each) => each.filesRead),
    [0, 0],
    'nothing of it was known then',
  )
})

test('looking into the past reads one snapshot of a table for each group', async () => {
  const made = await counted(async () => await faults.store.get('history', { user: 'a' }, { asOf: NOON }))
  assert.deepEqual(made, ['offline.snapshot', 'offline.snapshot'])
})
