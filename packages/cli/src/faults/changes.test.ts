// Definitions and files that change between runs (B20), stores that fail in the middle of a push (P13), and many who change
// the same registry at once (P14).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  AsofError,
  entity,
  featureGroup,
  featureService,
  int32,
  int64,
  jsonl,
  project,
  string,
  type Project,
  type TypedFields,
} from '@asof/core'
import { around } from './failing-parts.ts'
import { codeOf, NOON, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const lines = jsonl('lines', { path: 'lines.jsonl', eventTime: 'at', created: { delay: '0s' } })

/** A project whose groups have some features. */
function shopOf(
  features: TypedFields,
  options: { readonly strict?: boolean; readonly online?: boolean } = {},
): Project {
  const { strict = false, online = true } = options
  const imported = featureGroup('imported', {
    entity: user,
    source: lines,
    features,
    ...(strict && { unknownColumns: 'strict' as const }),
  })
  const pushed = featureGroup('pushed', { entity: user, features, online })
  if (!online) return project('shop', [imported, pushed])
  return project('shop', [featureService('model', { features: [pushed] }), imported])
}

const shop = shopOf({ score: int32() })
const TEXT = '2024-06-01T11:00:00Z'

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(shop)
  await faults.store.apply()
})
after(async () => await faults[Symbol.asyncDispose]())

async function apply(to: Project, allowBreaking = true): Promise<unknown> {
  return await faults.store.apply({ definitions: to.definitions, allowBreaking })
}

async function scoreOf({ store }: FaultStore, name: string): Promise<unknown> {
  return Object.entries(await store.get('model', { user: name })).find(
    ([feature]) => feature === 'score',
  )?.[1]
}

test('B20: a file that gains, loses or retypes a column gives the declared columns, or is refused by name', async () => {
  const line = { user: 'a', at: TEXT, score: 1 }
  await faults.write('lines.jsonl', [{ ...line, surprise: 1 }])
  assert.equal((await faults.store.materialize('imported')).rows, 1)
  await faults.write('lines.jsonl', [{ user: 'b', at: TEXT, points: 1 }])
  const error = await refusal(async () => await faults.store.materialize('imported'))
  assert.deepEqual([error.code, error.details['column']], ['missing_column', 'score'])
  await faults.write('lines.jsonl', [
    { user: 'b', at: TEXT, score: 'high' },
    { ...line, user: 'c' },
  ])
  const drifted = await faults.store.materialize('imported')
  assert.deepEqual([drifted.rows, drifted.reasons], [1, { invalid_value: 1 }])
  await apply(shopOf({ score: int32() }, { strict: true }))
  await faults.write('lines.jsonl', [{ ...line, user: 'd', surprise: 1 }])
  assert.equal(await codeOf(async () => await faults.store.materialize('imported')), 'unknown_column')
  assert.deepEqual(
    (await faults.table('imported')).map((row) => row['user']),
    ['a', 'c'],
  )
  await apply(shop)
})

test('B20: another type is another version; a new feature is null in older rows, everywhere alike', async () => {
  const row = { user: 'b20', score: 1, event_timestamp: NOON - SECOND }
  await faults.store.push('pushed', [row], undefined, { wait: 'applied' })
  assert.equal(await codeOf(async () => await apply(shopOf({ score: int64() }))), 'forbidden_change')
  assert.equal(await codeOf(async () => await apply(shopOf({ other: int32() }), false)), 'breaking_change')
  await apply(shopOf({ score: int32(), more: int32() }))
  const error = await refusal(async () => await faults.store.push('pushed', [row]))
  assert.equal(error.details['absent'], 'more', 'a push in the old form is refused whole')
  faults.clock.now += SECOND
  const now = await faults.store.get('model', { user: 'b20' })
  const past = await faults.store.get('model', { user: 'b20' }, { asOf: now.$at })
  const { rows } = await faults.train('model', {
    user: [{ kind: 'string' }, ['b20']],
    at: [{ kind: 'timestamp' }, [BigInt(now.$at)]],
  })
  for (const seen of [Object.entries(now), Object.entries(past)]) {
    assert.deepEqual(seen, [
      ['score', 1],
      ['more', null],
    ])
  }
  assert.deepEqual([rows[0]!['score'], rows[0]!['more']], [1, null])
  await apply(shop)
  assert.deepEqual(Object.entries(await faults.store.get('model', { user: 'b20' })), [['score', 1]])
})

test('F14: a row that was acknowledged before its group was removed is there when the group comes back', async () => {
  await faults.store.push('pushed', [{ user: 'removed', score: 7, event_timestamp: NOON }])
  await apply(project('shop', [entity('user', { keys: { user: string() } })]))
  await faults.store.drain()
  await apply(shop)
  assert.equal(await scoreOf(faults, 'removed'), 7)
  const rows = (await faults.table('pushed')).filter((row) => row['user'] === 'removed')
  assert.equal(rows.length, 1)
})

test('a group that was kept offline only does not come online without its rows', async () => {
  await using other = await openFaultStore(shopOf({ score: int32() }, { online: false }))
  await other.store.apply()
  await other.store.push('pushed', [{ user: 'a', score: 1, event_timestamp: NOON }])
  await other.store.drain()
  const online = async () => await other.store.apply({ definitions: shop.definitions, allowBreaking: true })
  assert.equal(await codeOf(online), 'forbidden_change')
})

test('P13: a push whose stores fail is in the log whole, or nowhere; the repeat is a duplicate, or the first', async () => {
  let failing: string | undefined
  await using store = await openFaultStore(shop, {
    wrap: (parts) => {
      const guard = <Part extends object>(name: string, part: Part): Part =>
        around(part, (method, call) => {
          if (failing === `${name}.${method}`)
            throw new AsofError('unavailable', 'down', 'this store is down')
          return call()
        })
      return {
        ...parts,
        log: guard('log', parts.log),
        online: guard('online', parts.online),
        offline: guard('offline', parts.offline),
      }
    },
  })
  await store.store.apply()
  const wait = { wait: 'applied' } as const
  for (const [sequence, [place, logged]] of (
    [
      ['log.append', false],
      ['online.read', true],
      ['online.write', true],
      ['log.advance', true],
      ['offline.append', true],
    ] as const
  ).entries()) {
    const name = { producer: 'client', sequence }
    const rows = [0, 1].map((n) => ({ user: `${place} ${n}`, score: sequence, event_timestamp: NOON }))
    failing = place
    if (place === 'offline.append') await store.store.push('pushed', rows, name)
    else
      assert.equal(
        await codeOf(async () => await store.store.push('pushed', rows, name, wait)),
        'down',
        place,
      )
    assert.equal(
      await codeOf(async () => await store.store.drain()).catch(() => 'none'),
      place === 'log.append' ? 'none' : 'down',
    )
    failing = undefined
    const again = await store.store.push('pushed', rows, name, wait)
    assert.equal(again.duplicate, logged, place)
    for (const { user: each } of rows) {
      assert.equal(await scoreOf(store, each), sequence, place)
    }
  }
  const users = (await store.table('pushed')).map((row) => row['user'])
  assert.deepEqual([users.length, new Set(users).size], [10, 10])
})

test('P14: stores that apply, push and compute at once lose nothing of each other', async () => {
  await using first = await openFaultStore(shop)
  await first.store.apply()
  await first.write('lines.jsonl', [{ user: 'a', at: TEXT, score: 1 }])
  const others = await Promise.all(
    [1, 2, 3].map(async () => await openFaultStore(shop, { folder: first.folder })),
  )
  const stores = [first, ...others].map((each) => each.store)
  try {
    const described = stores.map(async (store, n) => {
      const definitions = shop.definitions.map((each) =>
        each.name === 'lines' ? { ...each, description: `by ${n}` } : each,
      )
      return await store.apply({ definitions })
    })
    const computed = stores.map(async (store) => await store.materialize('imported'))
    const pushes = stores.map(
      async (store, n) => await store.push('pushed', [{ user: `u${n}`, score: n, event_timestamp: NOON }]),
    )
    const settled = await Promise.allSettled(described)
    assert.ok(settled.some((each) => each.status === 'fulfilled'))
    const imports = await Promise.allSettled(computed)
    const rows = imports.map((each) => (each.status === 'fulfilled' ? each.value.rows : 0))
    assert.equal(
      rows.reduce((sum, each) => sum + each, 0),
      1,
      'one of them brought the row',
    )
    for (const each of imports) {
      if (each.status === 'rejected') assert.equal((each.reason as AsofError).code, 'sequence_moved')
    }
    await Promise.all(pushes)
    assert.equal((await first.table('pushed')).length, 4)
    assert.equal((await first.table('imported')).length, 1)
    const snapshot = await first.store.snapshot()
    assert.deepEqual(
      [...snapshot.groups.keys()].sort((a, b) => (a < b ? -1 : 1)),
      ['imported@1', 'pushed@1'],
    )
    assert.match(snapshot.sources.get('lines')?.description ?? '', /^by \d$/)
  } finally {
    for (const each of others) await each.store.close()
  }
})
