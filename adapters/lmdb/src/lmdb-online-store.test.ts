import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onlineStoreConformance, temporaryFolder } from '@asof/testing'
import { LmdbEnvironment } from './lmdb-environment.ts'
import { openLmdbOnlineStore } from './lmdb-online-store.ts'

onlineStoreConformance('LMDB', async () => {
  const folder = await temporaryFolder()
  return {
    open: async () => await openLmdbOnlineStore(folder.path),
    dispose: async () => await folder[Symbol.asyncDispose](),
  }
})

test('LMDB: a table that is there is provisioned without waiting for a writer', async () => {
  await using folder = await temporaryFolder()
  await using store = await openLmdbOnlineStore(folder.path)
  await using environment = await LmdbEnvironment.open(folder.path, 'online')
  await store.provision('a')
  const order: string[] = []
  const writing = environment.writeAside(() => order.push('written'))
  await store.provision('a')
  order.push('provisioned')
  await writing
  assert.deepEqual(order, ['provisioned', 'written'])
})
