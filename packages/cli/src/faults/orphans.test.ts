// Staged files that a process left behind which died before its record was in the log.
import assert from 'node:assert/strict'
import { utimes, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { entity, featureGroup, int32, jsonl, project, string } from '@asof/core'
import { HOUR, NOON, openFaultStore, SECOND } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const orders = jsonl('orders', { path: 'orders.jsonl', eventTime: 'at', created: { delay: '0s' } })
const imported = featureGroup('imported', { entity: user, source: orders, features: { a: int32() } })

test('a staged file that no record names is removed when it is an hour old, and no other', async () => {
  await using faults = await openFaultStore(project('orphans', [imported]))
  const { staging, log } = faults.parts
  await faults.store.apply()
  const stage = async (micros: number): Promise<string> => {
    const name = staging.create()
    await writeFile(staging.localPath(name), 'x')
    await utimes(staging.localPath(name), micros / 1e6, micros / 1e6)
    return name
  }
  const [orphan, fresh] = [await stage(NOON - SECOND), await stage(NOON + HOUR)]
  // A batch in the log that is not applied yet: its file is old too, and needed.
  await faults.write('orders.jsonl', [{ user: 'x', at: '2024-06-01T11:00:00Z', a: 7 }])
  const advance = log.advance.bind(log)
  log.advance = async () => await Promise.reject(new Error('gone'))
  await assert.rejects(faults.store.materialize('imported'), /gone/)
  log.advance = advance
  const staged = (await staging.list())
    .map(({ name }) => name)
    .find((name) => name !== orphan && name !== fresh)!
  await utimes(staging.localPath(staged), NOON / 1e6, NOON / 1e6)

  faults.clock.now = NOON + HOUR + SECOND / 2
  const names = async (): Promise<string[]> => (await staging.list()).map(({ name }) => name).sort()

  await faults.store.drain({ offline: false })
  assert.deepEqual(await names(), [fresh, staged].sort())
  await faults.store.drain()
  assert.deepEqual(await names(), [fresh])
  assert.deepEqual(
    (await faults.table('imported')).map(({ a }) => a),
    [7],
  )
})
