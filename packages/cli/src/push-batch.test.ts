import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { columnOf, formatInstant } from '@asof/core'
import { openFaultStore, codeOf, at, HOUR, NOON, SECOND, type FaultStore } from './faults/fault-store.ts'
import { entity, featureGroup, featureService, float64, int64, jsonl, project, string } from './index.ts'

const user = entity('user', { keys: { user: string() } })
const clicks = featureGroup('clicks', { entity: user, features: { count: int64(), score: float64() } })
const orders = jsonl('orders', {
  path: 'orders.jsonl',
  eventTime: { column: 'placed' },
  created: { delay: '1h' },
})
const bought = featureGroup('bought', {
  entity: user,
  source: orders,
  key: { user: 'customer' },
  features: { amount: float64() },
})
const model = featureService('model', { features: [clicks, bought] })
const shop = project('shop', [model])

async function opened(): Promise<FaultStore> {
  const faults = await openFaultStore(shop)
  await faults.store.apply()
  return faults
}

const path = (faults: FaultStore, name: string): string => join(faults.folder, name)
const text = (micros: number): string => formatInstant(at(micros))

describe('a pushed batch', () => {
  it('is appended once for its name, by one record, and its file goes when both sinks have it', async () => {
    await using faults = await opened()
    const { store } = faults
    await faults.write('b.jsonl', [
      { user: 'a', event_timestamp: text(-2 * SECOND), count: 1, score: 0.5 },
      { user: 'a', event_timestamp: text(-SECOND), count: '9007199254740993', score: 'NaN' },
      { user: 'b', event_timestamp: text(-SECOND), count: null, score: null },
    ])
    const batch = { path: path(faults, 'b.jsonl'), format: 'jsonl' } as const
    const first = await store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 }, { wait: 'applied' })
    assert.deepEqual(
      { accepted: first.accepted, duplicate: first.duplicate, rejected: first.rejected },
      { accepted: 3, duplicate: false, rejected: 0 },
    )
    const vector = await store.get<typeof model>('model', { user: 'a' })
    assert.equal(vector.count, 9007199254740993n)
    assert.ok(Number.isNaN(vector.score))
    const again = await store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 })
    assert.deepEqual(
      { ...again, reasons: 0 },
      { ...again, duplicate: true, accepted: 0, position: first.position, at: first.at, reasons: 0 },
    )
    assert.equal((await faults.parts.log.read(0, 10)).length, 1)
    const rows = await faults.table('clicks')
    assert.equal(rows.length, 3)
    assert.ok(rows.every((row) => row['created_timestamp'] === BigInt(first.at)))
    assert.deepEqual(await readdir(join(faults.folder, '.asof/staging')), [])
  })

  it('of two at once under one name one is appended, and nothing is left of the other', async () => {
    await using faults = await opened()
    await faults.write('b.csv', `user,event_timestamp,count,score\na,${text(-1)},1,1.5\n`)
    const push = async (): Promise<boolean> => {
      const batch = { path: path(faults, 'b.csv'), format: 'csv' } as const
      return (await faults.store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 })).duplicate
    }
    assert.deepEqual((await Promise.all([push(), push(), push()])).sort(), [false, true, true])
    assert.equal((await readdir(join(faults.folder, '.asof/staging'))).length, 1)
    assert.equal((await faults.table('clicks')).length, 1)
  })

  it('keeps rows that do not fit in the quarantine and appends the others', async () => {
    await using faults = await opened()
    const { store } = faults
    await faults.write('b.jsonl', [
      { user: 'a', event_timestamp: text(-SECOND), count: 1, score: 1 },
      { user: 'a', event_timestamp: text(HOUR), count: 2, score: 1 },
      { user: null, event_timestamp: text(-SECOND), count: 3, score: 1 },
      { user: 'a', event_timestamp: 'yesterday', count: 4, score: 1 },
      { user: 'b', event_timestamp: text(-SECOND), count: 1.5, score: 1 },
    ])
    const batch = { path: path(faults, 'b.jsonl'), format: 'jsonl' } as const
    const result = await store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 })
    assert.deepEqual([result.accepted, result.quarantined, result.rejected], [1, 1, 3])
    assert.deepEqual(result.reasons, { future: 1, null_key: 1, invalid_event_time: 1, invalid_value: 1 })
    assert.equal((await store.quarantine.list('clicks@1')).length, 4)
  })

  it('leaves its name free when nothing of it is appended', async () => {
    await using faults = await opened()
    const { store } = faults
    const name = { producer: 'p', sequence: 1 }
    await faults.write('later.jsonl', [{ user: 'a', event_timestamp: text(HOUR), count: 2, score: 1 }])
    const batch = { path: path(faults, 'later.jsonl'), format: 'jsonl' } as const
    assert.equal((await store.pushBatch('clicks', batch, name)).quarantined, 1)
    faults.clock.now = NOON + HOUR
    assert.equal((await store.pushBatch('clicks', batch, name)).accepted, 1)
  })

  it('has the columns of the group and no others', async () => {
    await using faults = await opened()
    const push = async (content: string): Promise<string> => {
      await faults.write('b.csv', content)
      const batch = { path: path(faults, 'b.csv'), format: 'csv' } as const
      return await codeOf(() => faults.store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 }))
    }
    assert.equal(await push(`user,event_timestamp,count\na,${text(-1)},1\n`), 'missing_column')
    assert.equal(await push(`user,event_timestamp,count,score,more\na,${text(-1)},1,1,1\n`), 'unknown_column')
    assert.equal(await push(`customer,event_timestamp,count,score\na,${text(-1)},1,1\n`), 'unknown_column')
    assert.equal((await faults.parts.log.read(0, 1)).length, 0)
    assert.deepEqual(await readdir(join(faults.folder, '.asof/staging')), [])
  })

  it('brings rows of a group with a source by the names of the group, deletions, and times in microseconds', async () => {
    await using faults = await opened()
    const { store } = faults
    await faults.write('b.jsonl', [
      { user: 'a', event_timestamp: at(-SECOND), amount: 2.5, _deleted: null },
      { user: 'b', event_timestamp: at(-2 * SECOND), amount: 2, _deleted: false },
      { user: 'b', event_timestamp: at(-SECOND), amount: null, _deleted: true },
    ])
    const batch = { path: path(faults, 'b.jsonl'), format: 'jsonl' } as const
    const name = { producer: 'p', sequence: 1 }
    assert.equal((await store.pushBatch('bought', batch, name, { wait: 'applied' })).accepted, 3)
    assert.equal((await store.get<typeof model>('model', { user: 'a' })).amount, 2.5)
    const gone = await store.get<typeof model>('model', { user: 'b' })
    assert.equal(gone.$statuses['amount'], 'not_found')
  })

  it('may be columns', async () => {
    await using faults = await opened()
    const columns = {
      user: columnOf({ kind: 'string' }, ['a', 'b']),
      event_timestamp: columnOf({ kind: 'timestamp' }, [BigInt(at(-1)), BigInt(at(-1))]),
      count: columnOf({ kind: 'int64' }, [1n, 2n]),
      score: columnOf({ kind: 'float64' }, [-0, null]),
    }
    const batch = { relation: { kind: 'rows', batch: { rows: 2, columns } } } as const
    assert.equal((await faults.store.pushBatch('clicks', batch, { producer: 'p', sequence: 1 })).accepted, 2)
    assert.ok(Object.is((await faults.table('clicks'))[0]!['score'], -0))
  })

  it('takes a name as rows do', async () => {
    await using faults = await opened()
    const batch = { path: path(faults, 'none.csv'), format: 'csv' } as const
    const push = async (producer: string, sequence: number): Promise<string> =>
      await codeOf(() => faults.store.pushBatch('clicks', batch, { producer, sequence }))
    assert.equal(await push('asof:import:x', 1), 'invalid_producer')
    assert.equal(await push('p', 0.5), 'invalid_sequence')
    assert.equal(await push('', 1), 'invalid_log_name')
  })
})
