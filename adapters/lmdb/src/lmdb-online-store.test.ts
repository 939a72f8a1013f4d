import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeStamp, type Instant } from '@asof/core'
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

onlineStoreConformance('LMDB, tables together', async () => {
  const folder = await temporaryFolder()
  return {
    open: async () => {
      const store = await openLmdbOnlineStore(folder.path)
      const provision = store.provision.bind(store)
      store.provision = async (table) => await provision(table, { together: true })
      return store
    },
    dispose: async () => await folder[Symbol.asyncDispose](),
  }
})

test('LMDB: tables of both kinds keep out of each other', async () => {
  await using folder = await temporaryFolder()
  await using store = await openLmdbOnlineStore(folder.path)
  const stamp = encodeStamp({ e: 1 as Instant, c: 1 as Instant, s: 0 })
  const rows = ['', 'a', 'a\0', 'a\0\u00ff', 'b'].map((key) => ({
    key: Buffer.from(key, 'latin1'),
    stamp,
    payload: stamp,
  }))
  for (const table of ['apart', 'one', 'other']) {
    await store.provision(table, { together: table !== 'apart' })
    await store.write(table, rows)
  }
  await store.remove('one', [rows[1]!.key])
  await store.drop('other')
  const found = async (table: string): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of store.scan(table)) keys.push(Buffer.from(key).toString('latin1'))
    return keys
  }
  assert.deepEqual(await found('apart'), ['', 'a', 'a\0', 'a\0\u00ff', 'b'])
  assert.deepEqual(await found('one'), ['', 'a\0', 'a\0\u00ff', 'b'])
  await store.provision('other', { together: true })
  assert.deepEqual(await found('other'), [])
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
