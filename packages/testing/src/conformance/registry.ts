import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { instant, type Registry, type Revision } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'

/** One empty registry to test, and how to get at it. */
export interface RegistrySetup {
  /** A handle on it; each call as another process would open it. The suite disposes what it opened. */
  readonly open: () => Promise<Registry>
  readonly dispose?: () => Promise<void>
}

/**
 * What every registry must do, as tests of node:test.
 *
 * @param make gives a new, empty registry for each test
 * @example
 * ```ts
 * registryConformance('memory', async () => {
 *   const registry = memoryRegistry()
 *   return { open: async () => registry }
 * })
 * ```
 */
export function registryConformance(name: string, make: () => Promise<RegistrySetup>): void {
  const on = async (body: (open: () => Promise<Registry>) => Promise<void>): Promise<void> => {
    const setup = await make()
    const opened: Registry[] = []
    try {
      await body(async () => {
        const registry = await setup.open()
        opened.push(registry)
        return registry
      })
    } finally {
      for (const registry of opened) await registry[Symbol.asyncDispose]()
      await setup.dispose?.()
    }
  }

  describe(`registry: ${name}`, () => {
    it('has no head before the first commit', () =>
      on(async (open) => {
        const registry = await open()
        assert.equal(await registry.head(), undefined)
        assert.equal(await registry.revision(1), undefined)
        assert.equal(await registry.commit(1, given('r')), undefined)
        assert.equal(await registry.head(), undefined)
      }))

    it('numbers revisions from 1, without gaps, and gives each back as it was', () =>
      on(async (open) => {
        const registry = await open()
        const revisions: Revision[] = []
        for (let parent = 0; parent < 5; parent++) {
          const revision = await registry.commit(parent, {
            root: `root-${parent}`,
            at: instant(-1_000_000 + parent),
            author: 'Zoë "quote" \u{1F680}',
            message: parent === 0 ? '' : 'two\nlines',
          })
          assert.equal(revision?.number, parent + 1)
          revisions.push(revision)
          assert.deepEqual(await registry.head(), revision)
        }
        for (const revision of revisions) assert.deepEqual(await registry.revision(revision.number), revision)
        for (const absent of [0, 6, -1]) assert.equal(await registry.revision(absent), undefined)
      }))

    it('refuses a parent that is not the head, and changes nothing', () =>
      on(async (open) => {
        const registry = await open()
        await registry.commit(0, given('one'))
        const head = await registry.commit(1, given('two'))
        for (const parent of [0, 1, 3, -1])
          assert.equal(await registry.commit(parent, given('lost')), undefined)
        assert.deepEqual(await registry.head(), head)
        assert.equal(await registry.revision(3), undefined)
      }))

    it('lets exactly one of several commits on one parent succeed', () =>
      on(async (open) => {
        const registries = [await open(), await open()]
        for (let parent = 0; parent < 5; parent++) {
          const outcomes = await Promise.all(
            Array.from({ length: 6 }, (_, racer) =>
              registries[racer % 2]!.commit(parent, given(`racer-${racer}`)),
            ),
          )
          const won = outcomes.filter((outcome) => outcome !== undefined)
          assert.equal(won.length, 1)
          assert.deepEqual(await registries[0]!.head(), won[0])
        }
      }))

    it('keeps objects under their hash, in the order asked, and nothing for a miss', () =>
      on(async (open) => {
        const registry = await open()
        assert.deepEqual(await registry.get([]), [])
        await registry.put([])
        await registry.put([
          { hash: 'aa', body: bytes(1, 2, 3) },
          { hash: 'bb', body: bytes() },
          { hash: 'cc', body: new Uint8Array(300_000).fill(7) },
        ])
        const found = await registry.get(['cc', 'none', 'aa', 'bb', 'aa'])
        assert.deepEqual(
          found.map((body) => body?.length),
          [300_000, undefined, 3, 0, 3],
        )
        assert.deepEqual([...found[2]!], [1, 2, 3])
        assert.ok(found[0]!.every((byte) => byte === 7))
      }))

    it('changes nothing when an object is stored again, by one or by two at once', () =>
      on(async (open) => {
        const [one, two] = [await open(), await open()]
        await Promise.all([
          one.put([{ hash: 'aa', body: bytes(1) }]),
          two.put([{ hash: 'aa', body: bytes(1) }]),
        ])
        await one.put([{ hash: 'aa', body: bytes(9) }])
        assert.deepEqual([...(await two.get(['aa']))[0]!], [1])
      }))

    it('keeps no hold on the bytes given or handed out', () =>
      on(async (open) => {
        const registry = await open()
        const body = Buffer.from([1, 2])
        await registry.put([{ hash: 'aa', body }])
        body[0] = 9
        const [read] = await registry.get(['aa'])
        read![1] = 9
        assert.deepEqual([...(await registry.get(['aa']))[0]!], [1, 2])
      }))

    it('shows a committed revision to another reader at its next look', () =>
      on(async (open) => {
        const [writer, reader] = [await open(), await open()]
        assert.equal(await reader.head(), undefined)
        for (let parent = 0; parent < 3; parent++) {
          await writer.put([{ hash: `h${parent}`, body: bytes(parent) }])
          const revision = await writer.commit(parent, given(`h${parent}`))
          assert.deepEqual(await reader.head(), revision)
          assert.deepEqual([...(await reader.get([`h${parent}`]))[0]!], [parent])
        }
      }))

    it('keeps everything when it is opened anew', () =>
      on(async (open) => {
        const first = await open()
        await first.put([{ hash: 'aa', body: bytes(5) }])
        const revision = await first.commit(0, given('aa'))
        await first[Symbol.asyncDispose]()
        const second = await open()
        assert.deepEqual(await second.head(), revision)
        assert.deepEqual([...(await second.get(['aa']))[0]!], [5])
        assert.equal((await second.commit(1, given('aa')))?.number, 2)
      }))

    it('does what a list of revisions does, for any order of commits', () =>
      on(async (open) => {
        const registries = [await open(), await open()]
        const model: Revision[] = []
        const steps = fc.array(fc.record({ by: fc.nat(1), behind: fc.nat(2), root: fc.string() }), {
          maxLength: 10,
        })
        await fc.assert(
          fc.asyncProperty(steps, async (script) => {
            for (const { by, behind, root } of script) {
              const parent = model.length - behind
              const answer = await registries[by]!.commit(parent, given(root))
              if (behind === 0) model.push({ number: parent + 1, ...given(root) })
              assert.deepEqual(answer, behind === 0 ? model.at(-1) : undefined)
              assert.deepEqual(await registries[1 - by]!.head(), model.at(-1))
            }
          }),
          propertyRuns(0.25),
        )
        for (const revision of model)
          assert.deepEqual(await registries[0]!.revision(revision.number), revision)
      }))
  })
}

function given(root: string): Omit<Revision, 'number'> {
  return { root, at: instant(1_704_067_200_000_000), author: 'ada', message: 'why' }
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}
