import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { instant } from '../clock/instant.ts'
import { memoryRegistry } from '../memory/memory-registry.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import type { Definition } from '../model/definition.ts'
import type { Registry } from '../ports/registry.ts'
import { applyDefinitions } from './apply.ts'
import { addConsumer, listConsumers, removeConsumer } from './consumers.ts'
import { loadSnapshot } from './load-snapshot.ts'
import { planApply } from './plan.ts'
import { consumerName } from './snapshot.ts'

const OPTIONS = { now: () => instant(1_704_067_200_000_000), author: 'ann', message: '' }
const NUMBER = { kind: 'float64' }

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const orders = group('orders')
const fraud = {
  kind: 'service',
  name: 'fraud',
  features: [{ name: 'total', group: 'orders', feature: 'total', keys: { user_id: 'user_id' } }],
  consumers: [{ model: 'fraud', version: '3', team: 'risk' }],
}
const idle = { ...fraud, name: 'idle', consumers: [] }
const model = { model: 'score', version: '1', team: 'growth' }

function group(name: string, rest: object = {}): object {
  const features = [{ name: 'total', type: NUMBER }]
  return { kind: 'group', name, entity: 'user', compute: { from: 'push' }, features, ...rest }
}

async function registryWith(...definitions: object[]): Promise<Registry> {
  const registry = memoryRegistry()
  await applyDefinitions(registry, 'shop', checkDefinitions(definitions), OPTIONS)
  return registry
}

async function names(registry: Registry): Promise<string[]> {
  return listConsumers(await loadSnapshot(registry, 'shop')).map(
    (each) => `${each.service} ${consumerName(each)} (${each.team}) ${each.from}`,
  )
}

suite('consumers', () => {
  test('are listed with those that services declare', async () => {
    const registry = await registryWith(user, orders, fraud, idle)
    const { committed } = await addConsumer(registry, 'shop', 'idle', model, OPTIONS)
    assert.equal(committed, true)
    await addConsumer(registry, 'shop', 'fraud', model, OPTIONS)
    assert.deepEqual(await names(registry), [
      'fraud fraud@3 (risk) declared',
      'fraud score@1 (growth) registered',
      'idle score@1 (growth) registered',
    ])
  })

  test('the same again makes no revision; another team takes the place of the first', async () => {
    const registry = await registryWith(user, orders, idle)
    await addConsumer(registry, 'shop', 'idle', model, OPTIONS)
    assert.equal((await addConsumer(registry, 'shop', 'idle', model, OPTIONS)).committed, false)
    await addConsumer(registry, 'shop', 'idle', { ...model, team: 'other' }, OPTIONS)
    assert.deepEqual(await names(registry), ['idle score@1 (other) registered'])
    assert.equal((await registry.head())?.number, 3)
  })

  test('are named by whom a change breaks, and refuse it', async () => {
    const registry = await registryWith(user, orders, idle)
    await addConsumer(registry, 'shop', 'idle', model, OPTIONS)
    const snapshot = await loadSnapshot(registry, 'shop')
    for (const [what, definitions] of [
      ['the service removed', [user, orders]],
      ['its group changed', [user, group('orders', { ttl: '1d' }), idle]],
      ['its vector changed', [user, orders, { ...idle, features: [{ ...idle.features[0], name: 'sum' }] }]],
    ] as const) {
      const plan = planApply(snapshot, checkDefinitions(definitions))
      assert.equal(plan.severity, 'breaking', what)
      assert.ok(
        plan.changes.some((change) => change.consumers.includes('score@1 (growth)')),
        what,
      )
      await assert.rejects(applyDefinitions(registry, 'shop', checkDefinitions(definitions), OPTIONS), {
        code: 'breaking_change',
        message: /score@1 \(growth\)/,
      })
    }
    await removeConsumer(registry, 'shop', 'idle', model, OPTIONS)
    const { severity } = planApply(await loadSnapshot(registry, 'shop'), checkDefinitions([user, orders]))
    assert.equal(severity, 'safe')
  })

  test('a group that they read does not go back to staging', async () => {
    const registry = await registryWith(user, orders, idle)
    await addConsumer(registry, 'shop', 'idle', model, OPTIONS)
    const plan = planApply(
      await loadSnapshot(registry, 'shop'),
      checkDefinitions([user, group('orders', { status: 'staging' }), idle]),
    )
    assert.equal(plan.severity, 'breaking')
  })

  test('what cannot be registered is refused', async () => {
    const registry = await registryWith(user, orders, fraud, group('trial', { status: 'staging' }), {
      ...idle,
      features: [{ ...idle.features[0], group: 'trial' }],
    })
    for (const [service, consumer, code] of [
      ['nobody', model, 'service_not_found'],
      ['idle', model, 'staging_group'],
      ['fraud', { ...model, team: '' }, 'invalid_consumer'],
      ['fraud', { ...model, model: 'a\nb' }, 'invalid_consumer'],
      ['fraud', { ...model, version: '1@2' }, 'invalid_consumer'],
      ['fraud', { model: 'fraud', version: '3', team: 'other' }, 'consumer_declared'],
    ] as const) {
      await assert.rejects(addConsumer(registry, 'shop', service, consumer, OPTIONS), { code })
    }
    await assert.rejects(removeConsumer(registry, 'shop', 'fraud', model, OPTIONS), {
      code: 'consumer_not_found',
    })
    await assert.rejects(
      removeConsumer(registry, 'shop', 'fraud', { model: 'fraud', version: '3' }, OPTIONS),
      {
        code: 'consumer_declared',
      },
    )
    assert.equal((await registry.head())?.number, 1)
  })

  test('sixteen registered at once, while definitions are applied: none is lost', async () => {
    const registry = await registryWith(user, orders, idle)
    const numbers = Array.from({ length: 16 }, (_, number) => number)
    await Promise.all([
      ...numbers.map(async (number) => {
        await addConsumer(registry, 'shop', 'idle', { ...model, version: `${number}` }, OPTIONS)
      }),
      applyDefinitions(registry, 'shop', checkDefinitions([user, orders, idle, group('more')]), OPTIONS),
      applyDefinitions(registry, 'other', checkDefinitions([user]), OPTIONS),
    ])
    assert.equal((await names(registry)).length, 16)
    assert.equal((await loadSnapshot(registry, 'shop')).groups.size, 2)
  })

  test('are kept apart whatever they are called', async () => {
    const text = fc.oneof(
      fc.constantFrom('a', 'a@b', 'a/b', '__proto__', 'a@', ' '),
      fc.string({ unit: 'grapheme', maxLength: 4 }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ model: text, version: text, team: text }), { maxLength: 6 }),
        async (all) => {
          const registry = await registryWith(user, orders, idle)
          const known = new Map<string, object>()
          for (const consumer of all) {
            try {
              await addConsumer(registry, 'shop', 'idle', consumer, OPTIONS)
              known.set(JSON.stringify([consumer.model, consumer.version]), consumer)
            } catch (error) {
              assert.equal((error as { code?: string }).code, 'invalid_consumer')
            }
          }
          const listed = listConsumers(await loadSnapshot(registry, 'shop'))
          assert.deepEqual(
            new Set(listed.map(({ model: name, version, team }) => JSON.stringify([name, version, team]))),
            new Set([...known.values()].map((each) => JSON.stringify(Object.values(each)))),
          )
        },
      ),
      propertyRuns(0.5),
    )
  })

  test('survive whatever is applied after them', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), definitionsArb(), async (first, second) => {
        const registry = memoryRegistry()
        const apply = async (definitions: readonly Definition[]): Promise<void> => {
          await applyDefinitions(registry, 'shop', definitions, { ...OPTIONS, allowBreaking: true }).catch(
            (error: unknown) => assert.equal((error as { code?: string }).code, 'forbidden_change'),
          )
        }
        await apply(first)
        for (const { name } of (await loadSnapshot(registry, 'shop')).services.values()) {
          await addConsumer(registry, 'shop', name, model, OPTIONS)
        }
        const { registered } = await loadSnapshot(registry, 'shop')
        await apply(second)
        await apply(first)
        assert.deepEqual((await loadSnapshot(registry, 'shop')).registered, registered)
      }),
      propertyRuns(0.25),
    )
  })
})
