import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryObjectStore } from '@asof/core'
import type { Instant, ObjectStore } from '@asof/core'
import { faultyObjectStore } from '@asof/testing'
import { commitNext } from './delta-commit.ts'
import type { CommitDraft } from './delta-commit.ts'
import { createDraft } from './delta-ensure.ts'
import { readDeltaLog } from './delta-log.ts'
import { commitPath } from './delta-path.ts'
import { NewestLogs } from './newest-logs.ts'

const SCHEMA = { columns: [{ name: 'a', type: { kind: 'int64' }, nullable: true }], partitionBy: [] } as const
const parquet = { readRecords: () => Promise.reject(new Error('there is no checkpoint')) }

let ids = 0

function writer(objects: ObjectStore, name: string, now = 1_000_000) {
  const newest = new NewestLogs({ objects, parquet })
  const parts = { objects, now: () => now as Instant, randomId: () => String(ids++) }
  return {
    newest,
    create: () => commitNext(parts, newest, 't', (log) => (log ? undefined : createDraft('t', SCHEMA, name))),
    /** As an append does: nothing where the writer has already come so far, else its sequence and a file. */
    append: (sequence: number) =>
      commitNext(parts, newest, 't', (log): CommitDraft | undefined => {
        if (Number(log?.txns.get(name)?.version ?? 0) >= sequence) return undefined
        const add = {
          path: `${name}-${sequence}`,
          partitionValues: {},
          size: 1,
          modificationTime: 0,
          dataChange: true,
        }
        return { actions: [{ txn: { appId: name, version: sequence } }, { add }], info: {} }
      }),
  }
}

const files = async (objects: ObjectStore): Promise<string[]> =>
  [...((await readDeltaLog({ objects, parquet }, 't'))?.files.keys() ?? [])].sort()

describe('a commit', () => {
  it('of every one of many racing writers is kept, in versions without a gap', async () => {
    const objects = memoryObjectStore()
    const writers = Array.from({ length: 8 }, (_, index) => writer(objects, `w${index}`))
    await Promise.all(writers.map((each) => each.create()))
    await Promise.all(
      writers.map(async (each) => {
        for (let sequence = 1; sequence <= 20; sequence++) assert.ok((await each.append(sequence)).committed)
      }),
    )
    const log = await readDeltaLog({ objects, parquet }, 't')
    assert.equal(log?.version, 160)
    assert.equal(log.files.size, 160)
    assert.ok([...log.txns.values()].every(({ version }) => version === 20))
  })

  it('is dated by its clock, rounded up, and after the version before it', async () => {
    const objects = memoryObjectStore()
    await writer(objects, 'a', 5_000_001).create()
    assert.equal((await writer(objects, 'b', 9_000_000).append(1)).log.timestamp, 9_000)
    assert.equal((await writer(objects, 'c', 2_000_000).append(1)).log.timestamp, 9_001)
    assert.equal((await readDeltaLog({ objects, parquet }, 't', { version: 0 }))?.timestamp, 5_001)
  })

  it('of which the answer was lost is known by its id, and done once', async () => {
    const objects = memoryObjectStore()
    await writer(objects, 'a').create()
    for (let failAt = 1; failAt <= 5; failAt++) {
      for (const when of ['before', 'after'] as const) {
        const name = `${when}${failAt}`
        const faulty = faultyObjectStore(objects, { failAt, when, afterwards: 'recovers' })
        const each = writer(faulty, name)
        const outcome = await each.append(1).catch((error: { code: string }) => error.code)
        if (typeof outcome === 'string') assert.equal(outcome, 'injected_fault')
        else assert.ok(outcome.committed)
        await each.append(1)
        assert.equal((await files(objects)).filter((path) => path === `${name}-1`).length, 1)
      }
    }
  })

  it('that lost to itself, as of a put that the store had tried twice, is a success', async () => {
    const objects = memoryObjectStore()
    await writer(objects, 'a').create()
    const twice: ObjectStore = {
      ...objects,
      put: async (path, body, options) => (
        await objects.put(path, body, options),
        objects.put(path, body, options)
      ),
    }
    assert.ok((await writer(twice, 'b').append(1)).committed)
    assert.equal((await readDeltaLog({ objects, parquet }, 't'))?.version, 1)
  })

  it('whose fate cannot be told says so, and a retry does it once', async () => {
    const objects = memoryObjectStore()
    await writer(objects, 'a').create()
    for (const stored of [true, false]) {
      let blind = false
      const lost: ObjectStore = {
        ...objects,
        async put(path, body, options) {
          if (stored) await objects.put(path, body, options)
          blind = true
          throw new Error('timed out')
        },
        get: (path) => (blind ? Promise.reject(new Error('timed out')) : objects.get(path)),
      }
      await assert.rejects(writer(lost, 'b').append(stored ? 1 : 2), {
        code: 'commit_unknown',
        retryable: true,
      })
      assert.equal((await writer(objects, 'b').append(stored ? 1 : 2)).committed, !stored)
    }
    assert.deepEqual(await files(objects), ['b-1', 'b-2'])
  })

  it('that a foreign commit of garbage precedes is refused, not stored over it', async () => {
    const objects = memoryObjectStore()
    await writer(objects, 'a').create()
    await objects.put(commitPath('t', 1), new TextEncoder().encode('{"add'))
    await assert.rejects(writer(objects, 'b').append(1), { code: 'corrupt_commit', message: /0001\.json/ })
  })
})

describe('all interleavings of two writers', () => {
  it('keep both appends', async () => {
    assert.ok((await explore(['a', 'b'])) > 100)
  })

  it('keep one append of a retry that races its first attempt', async () => {
    assert.ok((await explore(['a', 'a'])) > 50)
  })
})

/** Runs every schedule; answers how many there were. */
async function explore(names: readonly string[], schedule: readonly number[] = []): Promise<number> {
  const choices = await runScheduled(names, schedule)
  let schedules = 1
  for (let at = schedule.length; at < choices.length; at++) {
    for (let other = 1; other < (choices[at] ?? 0); other++) {
      const first = Array<number>(at - schedule.length).fill(0)
      schedules += await explore(names, [...schedule, ...first, other])
    }
  }
  return schedules
}

/**
 * Writers append at the same time, the first one twice; before each call to the store the schedule says which of those waiting goes on. Answers how
 * many were waiting at each step.
 */
async function runScheduled(names: readonly string[], schedule: readonly number[]): Promise<number[]> {
  const objects = memoryObjectStore()
  await writer(objects, 'creator').create()
  const waiting: (() => void)[] = []
  const running = new Set(names.keys())
  const turn = (): Promise<void> => new Promise((resume) => waiting.push(resume))
  const scheduled: ObjectStore = {
    ...objects,
    get: async (path, range) => (await turn(), objects.get(path, range)),
    put: async (path, body, options) => (await turn(), objects.put(path, body, options)),
  }
  const log = await readDeltaLog({ objects, parquet }, 't')
  const body = await objects.get(commitPath('t', 0))
  assert.ok(log && body)
  const done = Promise.all(
    names.map(async (name, index) => {
      const each = writer(scheduled, name)
      each.newest.remember('t', log, body)
      try {
        return index === 0 ? [await each.append(1), await each.append(2)] : [await each.append(1)]
      } finally {
        running.delete(index)
      }
    }),
  )
  const choices: number[] = []
  while (running.size > 0) {
    await new Promise(setImmediate)
    if (waiting.length === 0) continue
    choices.push(waiting.length)
    waiting.splice(schedule[choices.length - 1] ?? 0, 1)[0]?.()
  }
  const outcomes = (await done).flat()
  const distinct = [...new Set(names)]
  assert.deepEqual(
    await files(objects),
    names.length === distinct.length ? ['a-1', 'a-2', 'b-1'] : ['a-1', 'a-2'],
  )
  assert.equal(outcomes.filter(({ committed }) => committed).length, distinct.length + 1)
  return choices
}
