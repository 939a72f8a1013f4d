import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { type Instant, instant } from '../clock/instant.ts'
import { isAsofError } from '../errors/asof-error.ts'
import { memoryRegistry } from '../memory/memory-registry.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import type { Definition } from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import { canonicalJson } from '../model/fingerprint.ts'
import type { Registry } from '../ports/registry.ts'
import type { ApplyOptions, ApplyResult } from './apply.ts'
import { applyDefinitions } from './apply.ts'
import { loadSnapshot, loadSnapshots } from './load-snapshot.ts'
import { definitionsOf } from './next-snapshot.ts'
import type { Snapshot } from './snapshot.ts'

const START = instant(1_704_067_200_000_000)

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const orders = group('orders', { features: [field('total'), field('place', 'string')] })
const fraud = {
  kind: 'service',
  name: 'fraud',
  features: [{ name: 'total', group: 'orders', feature: 'total', keys: { user_id: 'user_id' } }],
  consumers: [{ model: 'fraud', version: '3', team: 'risk' }],
}

function group(name: string, rest: object = {}): object {
  return { kind: 'group', name, entity: 'user', compute: { from: 'push' }, features: [field('a')], ...rest }
}

function field(name: string, kind = 'int32', rest: object = {}): object {
  return { name, type: { kind }, ...rest }
}

function defined(...definitions: object[]): readonly Definition[] {
  return checkDefinitions(definitions)
}

/** Applies at `START` plus the number of times it was called, in seconds. */
function applying(
  registry: Registry,
): (
  definitions: readonly Definition[],
  options?: Partial<ApplyOptions>,
  project?: string,
) => Promise<ApplyResult> {
  let calls = 0
  return async (definitions, options = {}, project = 'shop') =>
    await applyDefinitions(registry, project, definitions, {
      now: () => (START + calls++ * 1_000_000) as Instant,
      author: 'ann',
      message: 'a change',
      ...options,
    })
}

/** What a snapshot says, for comparing one that was read with one that was made. */
function said(snapshot: Snapshot): unknown {
  const groups = [...snapshot.groups, ...(snapshot.retired ?? [])]
  return JSON.parse(
    canonicalJson({
      revision: snapshot.revision,
      definitions: definitionsOf(snapshot),
      groups: groups.map(([id, { schemas, firstApplied, entity }]) => ({
        id,
        firstApplied,
        entity,
        schemas: schemas.map((schema) => schema.map(({ name, type }) => ({ name, type }))),
      })),
    }),
  )
}

/** A registry that counts its calls and what is written to it. */
function counted(registry: Registry): { registry: Registry; calls: string[]; written: () => number } {
  const calls: string[] = []
  let written = 0
  const counting: Registry = {
    head: async () => (calls.push('head'), await registry.head()),
    revision: async (number) => (calls.push('revision'), await registry.revision(number)),
    put: async (objects) => {
      calls.push('put')
      written += objects.length
      await registry.put(objects)
    },
    get: async (hashes) => (calls.push('get'), await registry.get(hashes)),
    commit: async (parent, revision) => (calls.push('commit'), await registry.commit(parent, revision)),
    [Symbol.asyncDispose]: async () => await registry[Symbol.asyncDispose](),
  }
  return { registry: counting, calls, written: () => written }
}

suite('applying', () => {
  test('what is applied is loaded, also an earlier revision; no change makes no revision', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    const first = await apply(defined(user, orders))
    assert.deepEqual([first.committed, first.snapshot.revision?.number, first.plan.base], [true, 1, 0])
    assert.deepEqual(first.snapshot.revision, { ...(await registry.head()) })
    const second = await apply(defined(user, orders, fraud))
    const again = await apply(defined(user, orders, fraud))
    assert.deepEqual([again.committed, again.plan.changes, again.snapshot.revision?.number], [false, [], 2])
    assert.deepEqual(said(await loadSnapshot(registry, 'shop')), said(second.snapshot))
    assert.deepEqual(said(await loadSnapshot(registry, 'shop', 1)), said(first.snapshot))
    await assert.rejects(loadSnapshot(registry, 'shop', 3), { code: 'revision_not_found' })
    assert.equal(definitionsOf(await loadSnapshot(registry, 'nobody')).length, 0)
  })

  test('any definitions come back as they were applied', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), definitionsArb(), async (before, after) => {
        await using registry = memoryRegistry()
        const apply = applying(registry)
        const first = await apply(before)
        const loaded = await loadSnapshot(registry, 'shop')
        assert.deepEqual(said(loaded), said(first.snapshot))
        const second = await apply(after, { allowBreaking: true }).catch((error: unknown) => {
          assert.ok(isAsofError(error, 'conflict') && error.code === 'forbidden_change', String(error))
        })
        const now = await loadSnapshot(registry, 'shop')
        assert.deepEqual(said(now), said(second?.snapshot ?? first.snapshot))
      }),
      propertyRuns(0.25),
    )
  })

  test('a group keeps its first instant and every list of features it had', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders))
    await apply(
      defined(
        user,
        group('orders', { features: [field('total'), field('place', 'string', { description: 'x' })] }),
      ),
    )
    const grown = group('orders', {
      features: [field('total', 'int32', { default: 0 }), field('city', 'string')],
    })
    await apply(defined(user, grown), { allowBreaking: true })
    const { schemas, firstApplied, definition } = (await loadSnapshot(registry, 'shop')).groups.get(
      'orders@1',
    )!
    assert.equal(firstApplied, START)
    assert.deepEqual(
      schemas.map((schema) => schema.map(({ name }) => name)),
      [
        ['total', 'place'],
        ['total', 'city'],
      ],
    )
    assert.equal(schemas.at(-1), definition.features, "the last is today's, with its defaults")
  })

  test('a removed group that comes back goes on with its history', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders))
    await apply(defined(user))
    const gone = await loadSnapshot(registry, 'shop')
    assert.equal(gone.groups.size, 0)
    assert.equal(gone.retired?.get('orders@1')?.firstApplied, START)
    const other = group('orders', { features: [field('total', 'string')] })
    await assert.rejects(apply(defined(user, other), { allowBreaking: true }), { code: 'forbidden_change' })
    await apply(defined(user, group('orders', { features: [field('total')] })))
    const back = await loadSnapshot(registry, 'shop')
    assert.equal(back.retired?.size, 0)
    assert.equal(back.groups.get('orders@1')?.firstApplied, START)
    assert.equal(back.groups.get('orders@1')?.schemas.length, 2)
  })

  test('a breaking change is refused with the names of those it breaks, unless allowed', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders, fraud))
    const changed = defined(user, { ...orders, ttl: '1d' }, fraud)
    await assert.rejects(apply(changed), (error) => {
      assert.ok(isAsofError(error, 'conflict'))
      assert.equal(error.code, 'breaking_change')
      assert.match(error.message, /group\/orders@1: ttl.*services=`fraud`.*consumers=`fraud@3 \(risk\)`/)
      return true
    })
    assert.equal((await registry.head())?.number, 1, 'nothing was written')
    assert.equal(
      (await apply(changed, { allowBreaking: true })).snapshot.groups.get('orders@1')?.definition.ttl,
      '1d',
    )
    const retyped = defined(user, group('orders', { ttl: '1d', features: [field('total', 'string')] }), fraud)
    await assert.rejects(apply(retyped, { allowBreaking: true }), { code: 'forbidden_change' })
  })

  test('two projects with the same names do not meet', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders))
    await apply(defined(user, group('orders', { features: [field('other', 'bytes')] })), {}, 'bank')
    await apply([], {}, 'bank')
    const shop = await loadSnapshot(registry, 'shop')
    assert.deepEqual(
      shop.groups.get('orders@1')?.definition.features.map(({ name }) => name),
      ['total', 'place'],
    )
    assert.equal((await loadSnapshot(registry, 'bank')).groups.size, 0)
    await assert.rejects(apply([], {}, '__proto__'), { code: 'invalid_name' })
  })

  test('the instant of a revision never steps back', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user))
    const { snapshot } = await apply(defined(user, orders), { now: () => (START - 5) as Instant })
    assert.equal(snapshot.revision?.at, START)
    assert.equal(snapshot.groups.get('orders@1')?.firstApplied, START)
  })
})

suite('applying at the same time', () => {
  const numbers = Array.from({ length: 16 }, (_, number) => number)

  test('sixteen applies to different names of one project: none is lost', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    const { snapshot: base } = await apply(defined(user, orders))
    const results = await Promise.all(
      numbers.map(async (number) => await apply(defined(user, orders, group(`g_${number}`)), { base })),
    )
    assert.ok(results.every((result) => result.committed))
    assert.equal((await registry.head())?.number, 17)
    const { groups } = await loadSnapshot(registry, 'shop')
    assert.deepEqual(
      [...groups.keys()].sort(),
      [...numbers.map((number) => `g_${number}@1`), 'orders@1'].sort(),
    )
  })

  test('sixteen applies to different projects: none is lost', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await Promise.all(numbers.map(async (number) => await apply(defined(user, orders), {}, `p_${number}`)))
    for (const number of numbers) assert.equal((await loadSnapshot(registry, `p_${number}`)).groups.size, 1)
    assert.equal((await registry.head())?.number, 16)
  })

  test('sixteen equal applies: one revision', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    const results = await Promise.all(numbers.map(async () => await apply(defined(user, orders))))
    assert.equal(results.filter((result) => result.committed).length, 1)
    assert.equal((await registry.head())?.number, 1)
  })

  test('the same name to different ends: one wins, the other is told', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    const { snapshot: base } = await apply(defined(user, orders))
    const ttls = ['1d', '2d'].map((ttl) => defined(user, { ...orders, ttl }))
    const settled = await Promise.allSettled(
      ttls.map(async (ttl) => await apply(ttl, { base, allowBreaking: true })),
    )
    assert.deepEqual(settled.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const refused = settled.find((result) => result.status === 'rejected')
    assert.ok(isAsofError(refused?.reason, 'conflict'))
    assert.equal(refused.reason.code, 'concurrent_change')
    assert.equal(refused.reason.details['id'], 'group/orders@1')
  })

  test('what does not fit what someone else has done is refused, and nothing is written', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    const { snapshot: base } = await apply(defined(user, orders))
    await apply(defined(user, orders, fraud))
    await assert.rejects(
      apply(defined(user), { base }),
      { code: 'concurrent_change' },
      'the group is read by now',
    )
    await assert.rejects(apply(defined(user, { ...orders, ttl: '1d' }), { base }), {
      code: 'breaking_change',
    })
    const kept = await apply(defined(user, { ...orders, description: 'x' }), { base })
    assert.ok(
      kept.snapshot.services.has('fraud'),
      'a plan made before the service was there does not remove it',
    )
    assert.equal((await registry.head())?.number, 3)
  })
})

suite('what the registry costs and keeps', () => {
  test('loading costs one head and three gets, and afterwards what is new; a changed word costs three objects of any number', async () => {
    await using memory = memoryRegistry()
    const { registry, calls, written } = counted(memory)
    const apply = applying(registry)
    const groups = Array.from({ length: 200 }, (_, number) => group(`g_${number}`))
    await apply(defined(user, ...groups))
    calls.length = 0
    await loadSnapshot(registry, 'shop')
    assert.deepEqual(calls, ['head', 'get', 'get', 'get'])
    calls.length = 0
    const before = written()
    await apply(defined(user, ...groups.slice(1), group('g_0', { description: 'x' })))
    assert.deepEqual(calls, ['head', 'get', 'put', 'commit'])
    assert.equal(written() - before, 3)
  })

  test('what has not changed stays the same object from revision to revision', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders, fraud))
    const before = await loadSnapshot(registry, 'shop')
    await apply(defined(user, orders, { ...fraud, owner: 'risk' }))
    await apply(defined(user), {}, 'other')
    const after = await loadSnapshot(registry, 'shop')
    assert.equal(after.revision?.number, 3)
    assert.equal(after.groups.get('orders@1'), before.groups.get('orders@1'))
    assert.notEqual(after.services.get('fraud'), before.services.get('fraud'))
    assert.equal((await loadSnapshot(registry, 'shop', 1)).services.get('fraud')?.owner, undefined)
    assert.equal((await loadSnapshot(registry, 'shop')).services.get('fraud')?.owner, 'risk')
  })

  test('a group has the entity of its revision, though the group itself has not changed', async () => {
    await using registry = memoryRegistry()
    const apply = applying(registry)
    await apply(defined(user, orders))
    await loadSnapshot(registry, 'shop')
    const { snapshot } = await apply(defined({ ...user, description: 'x' }, orders))
    for (const each of [snapshot, await loadSnapshot(registry, 'shop')]) {
      assert.equal(each.groups.get('orders@1')?.entity.description, 'x')
    }
  })

  test('every project is read in three gets', async () => {
    await using memory = memoryRegistry()
    const { registry, calls } = counted(memory)
    const apply = applying(registry)
    for (const name of ['b', 'a', 'c']) await apply(defined(user, group(`g_${name}`)), {}, name)
    const { registry: fresh, calls: costs } = counted(memory)
    const snapshots = await loadSnapshots(fresh)
    assert.deepEqual(costs, ['head', 'get', 'get', 'get'])
    assert.deepEqual([...snapshots.keys()], ['a', 'b', 'c'])
    assert.ok(snapshots.get('b')?.groups.has('g_b@1') === true && calls.length > 0)
  })

  test('an object that is missing or was altered is named, not passed over', async () => {
    await using memory = memoryRegistry()
    await applying(memory)(defined(user, orders))
    for (const body of [undefined, new TextEncoder().encode('{}')]) {
      const damaged: Registry = { ...memory, get: async (hashes) => hashes.map(() => body) }
      await assert.rejects(loadSnapshot(damaged, 'shop'), { kind: 'corrupt', code: 'corrupt_registry' })
    }
  })

  test('the definitions applied are those that the next process reads', async () => {
    await using registry = memoryRegistry()
    await applying(registry)(defined(user, orders, fraud))
    const loaded = definitionsOf(await loadSnapshot(registry, 'shop'))
    assert.deepEqual(loaded.map(definitionId), ['entity/user', 'group/orders@1', 'service/fraud'])
    assert.deepEqual(checkDefinitions(loaded), defined(user, orders, fraud))
    assert.throws(() => Object.assign(loaded[0]!, { name: 'x' }), TypeError)
  })
})
