import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { applyDefinitions } from '../apply/apply.ts'
import { addConsumer, removeConsumer } from '../apply/consumers.ts'
import { loadSnapshot } from '../apply/load-snapshot.ts'
import { definitionsOf } from '../apply/next-snapshot.ts'
import { instant } from '../clock/instant.ts'
import { memoryRegistry } from '../memory/memory-registry.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import type { Registry } from '../ports/registry.ts'
import { diffRevisions, projectRevisions, restoreRevision } from './revisions.ts'

const START = 1_704_067_200_000_000

let calls = 0
const OPTIONS = { now: () => instant(START + calls++ * 1_000_000), author: 'ann', message: '' }

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const service = {
  kind: 'service',
  name: 'model',
  features: [{ name: 'a', group: 'orders', feature: 'a', keys: { user_id: 'user_id' } }],
}

function group(name: string, rest: object = {}): object {
  const features = [{ name: 'a', type: { kind: 'float64' } }]
  return { kind: 'group', name, entity: 'user', compute: { from: 'push' }, features, ...rest }
}

async function apply(
  registry: Registry,
  definitions: readonly object[],
  project = 'shop',
  message = '',
): Promise<void> {
  await applyDefinitions(registry, project, checkDefinitions(definitions), {
    ...OPTIONS,
    message,
    allowBreaking: true,
  })
}

/** Four revisions of one project, with others between them. */
async function history(): Promise<Registry> {
  const registry = memoryRegistry()
  await apply(registry, [user, group('orders')], 'shop', 'first')
  await apply(registry, [user], 'other')
  await apply(
    registry,
    [user, group('orders', { description: 'x' }), group('more'), service],
    'shop',
    'second',
  )
  await apply(registry, [user, group('more')], 'other')
  await apply(registry, [user, group('orders', { description: 'x' }), service], 'shop', 'third')
  await addConsumer(registry, 'shop', 'model', { model: 'm', version: '1', team: 'ops' }, OPTIONS)
  return registry
}

suite('revisions', () => {
  test('are those that changed the project, the newest first, with how much', async () => {
    const registry = await history()
    const counts = { added: 0, changed: 0, removed: 0, consumers: 0 }
    assert.deepEqual(
      (await projectRevisions(registry, 'shop')).map(
        ({ number, message, added, changed, removed, consumers }) => ({
          number,
          message,
          added,
          changed,
          removed,
          consumers,
        }),
      ),
      [
        { number: 6, message: '', ...counts, consumers: 1 },
        { number: 5, message: 'third', ...counts, removed: 1 },
        { number: 3, message: 'second', ...counts, added: 2, changed: 1 },
        { number: 1, message: 'first', ...counts, added: 2 },
      ],
    )
    const numbers = async (options: { limit?: number; before?: number }): Promise<number[]> =>
      (await projectRevisions(registry, 'shop', options)).map(({ number }) => number)
    assert.deepEqual(await numbers({ limit: 1 }), [6])
    assert.deepEqual(await numbers({ before: 5, limit: 1 }), [3])
    assert.deepEqual(await numbers({ before: 1 }), [])
    assert.deepEqual(await projectRevisions(registry, 'nobody'), [])
    assert.deepEqual(await projectRevisions(memoryRegistry(), 'shop'), [])
  })

  test('more of them than are read at once', async () => {
    const registry = memoryRegistry()
    for (let number = 0; number < 150; number++) {
      await apply(
        registry,
        [user, group('orders', { description: `${number}` })],
        number % 3 === 0 ? 'shop' : 'other',
      )
    }
    const numbers = (await projectRevisions(registry, 'shop', { limit: 100 })).map(({ number }) => number)
    assert.deepEqual(
      numbers,
      Array.from({ length: 50 }, (_, at) => 148 - 3 * at),
    )
  })

  test('differ by definitions and consumers, in either direction', async () => {
    const registry = await history()
    const forth = await diffRevisions(registry, 'shop', 1, 6)
    assert.deepEqual(
      forth.changes.map(({ id, change }) => `${change} ${id}`),
      ['change group/orders@1', 'add service/model'],
    )
    assert.deepEqual(forth.consumers, { added: ['model m@1 (ops)'], removed: [] })
    const back = await diffRevisions(registry, 'shop', 6, 1)
    assert.deepEqual(back.consumers, { added: [], removed: ['model m@1 (ops)'] })
    assert.equal(back.changes.find(({ id }) => id === 'service/model')?.severity, 'breaking')
    await assert.rejects(diffRevisions(registry, 'shop', 1, 7), { code: 'revision_not_found' })
  })

  test('are restored as an apply: refused where they break, leaving consumers alone', async () => {
    const registry = await history()
    await assert.rejects(restoreRevision(registry, 'shop', 1, OPTIONS), {
      code: 'breaking_change',
      message: /m@1 \(ops\)/,
    })
    const { committed, snapshot } = await restoreRevision(registry, 'shop', 1, {
      ...OPTIONS,
      allowBreaking: true,
    })
    assert.equal(committed, true)
    assert.deepEqual(snapshot.revision?.message, 'restore revision 1')
    const restored = await loadSnapshot(registry, 'shop')
    assert.deepEqual(definitionsOf(restored), definitionsOf(await loadSnapshot(registry, 'shop', 1)))
    assert.equal(restored.registered?.get('model')?.length, 1)
    assert.deepEqual([...(restored.retired?.keys() ?? [])], ['more@1'])
    await removeConsumer(registry, 'shop', 'model', { model: 'm', version: '1' }, OPTIONS)
    assert.equal((await restoreRevision(registry, 'shop', 1, OPTIONS)).committed, false)
  })

  test('a project that was not there is not restored to nothing', async () => {
    const registry = await history()
    await assert.rejects(restoreRevision(registry, 'other', 1, OPTIONS), { code: 'project_not_found' })
    await assert.rejects(restoreRevision(registry, 'shop', 99, OPTIONS), { code: 'revision_not_found' })
  })

  test('what is restored differs in nothing, whatever came between', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), definitionsArb(), async (first, second) => {
        const registry = memoryRegistry()
        await apply(registry, first)
        try {
          await apply(registry, second)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'forbidden_change')
          return
        }
        const { committed } = await restoreRevision(registry, 'shop', 1, {
          ...OPTIONS,
          allowBreaking: true,
        }).catch((error: unknown) => {
          assert.equal((error as { code?: string }).code, 'forbidden_change')
          return { committed: undefined }
        })
        if (committed === undefined) return
        const head = (await registry.head())!.number
        assert.deepEqual((await diffRevisions(registry, 'shop', 1, head)).changes, [])
        const [was, is] = [await loadSnapshot(registry, 'shop', 1), await loadSnapshot(registry, 'shop')]
        assert.deepEqual(definitionsOf(is), definitionsOf(was))
        assert.equal((await projectRevisions(registry, 'shop'))[0]?.number, head)
      }),
      propertyRuns(0.5),
    )
  })
})
