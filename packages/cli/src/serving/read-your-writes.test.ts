// F36: who has pushed with `wait: 'applied'` sees the row in the next lookup, of the process that took it and of any other.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@asof/client'
import { temporaryFolder } from '@asof/testing'
import { NOON, openFaultStore } from '../faults/fault-store.ts'
import { prepareStore, startProcess } from './serve-process.ts'
import { steadyProject } from './steady-load.ts'

const ROUNDS = 60

interface Services {
  readonly model: {
    readonly keys: { readonly user: string }
    readonly request: object
    readonly vector: { readonly count: bigint | null; readonly score: number | null }
  }
}

test(
  'F36: a push that waited is read at once, in the same process and in another',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const child = [join(import.meta.dirname, 'serving-child.ts'), folder.path]
    await using one = await startProcess(['--expose-gc', ...child])
    await using other = await startProcess(['--expose-gc', ...child])
    const options = { deadline: 20_000 }
    await using first = connect<Services>(one.url, options)
    await using second = connect<Services>(other.url, options)
    for (let round = 0; round < ROUNDS; round++) {
      const [writer, reader] = round % 2 === 0 ? [first, second] : [second, first]
      // Asked for before, so that whoever remembers an answer would give it again.
      const users = Array.from(
        { length: 4 },
        (_, number) => `u${number % 2 === 0 ? number : `${round}-${number}`}`,
      )
      const asked = async (): Promise<unknown[]> =>
        await Promise.all(
          users.flatMap((user) =>
            [writer, reader].map(async (store) => (await store.get('model', { user })).count),
          ),
        )
      const before = await asked()
      assert.ok(before.every((count) => count !== BigInt(round)))
      const rows = users.map((user) => ({
        user,
        event_timestamp: Date.now() * 1_000,
        count: BigInt(round),
        score: null,
      }))
      await writer.push('clicks', rows, undefined, { wait: 'applied' })
      assert.deepEqual(
        await asked(),
        users.flatMap(() => [BigInt(round), BigInt(round)]),
        `round ${round}`,
      )
    }
  },
)

test('F36: what another process appended a moment ahead of this clock is applied, not held', async () => {
  await using first = await openFaultStore(steadyProject)
  await first.store.apply()
  const row = { user: 'a', event_timestamp: NOON, score: null }
  // The one that applies the log for both.
  await first.store.push('clicks', [{ ...row, count: 1n }], undefined, { wait: 'applied' })
  await using second = await openFaultStore(steadyProject, { folder: first.folder })
  second.clock.now += 900
  await second.store.push('clicks', [{ ...row, count: 2n }])
  await first.store.drain({ offline: false })
  const vector = (await second.store.get('model', { user: 'a' })) as unknown as { count: bigint }
  assert.equal(vector.count, 2n)
})

test(
  'F36: many who ask for one entity while it is pushed see it go forward alone',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const child = [join(import.meta.dirname, 'serving-child.ts'), folder.path]
    await using one = await startProcess(['--expose-gc', ...child])
    await using other = await startProcess(['--expose-gc', ...child])
    const written = { last: -1n, isOver: false }
    const readers = [one, other].flatMap(({ url }) =>
      Array.from({ length: 4 }, async () => {
        await using store = connect<Services>(url, { deadline: 20_000, batch: false })
        let seen = -1n
        while (!written.isOver) {
          const floor = written.last
          const { count } = await store.get('model', { user: 'a' })
          const now = count ?? -1n
          assert.ok(now >= floor && now >= seen, `${now} after ${seen}, when ${floor} was acknowledged`)
          seen = now
        }
      }),
    )
    const reading = Promise.all(readers).finally(() => (written.isOver = true))
    try {
      await using writer = connect<Services>(other.url, { deadline: 20_000 })
      for (let count = 0n; count < 80n && !written.isOver; count++) {
        const row = { user: 'a', event_timestamp: Date.now() * 1_000, count, score: 1 }
        await writer.push('clicks', [row], undefined, { wait: 'applied' })
        written.last = count
      }
    } finally {
      written.isOver = true
    }
    await reading
  },
)
