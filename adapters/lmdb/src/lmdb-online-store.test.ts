import { onlineStoreConformance, temporaryFolder } from '@asof/testing'
import { openLmdbOnlineStore } from './lmdb-online-store.ts'

onlineStoreConformance('LMDB', async () => {
  const folder = await temporaryFolder()
  return {
    open: async () => await openLmdbOnlineStore(folder.path),
    dispose: async () => await folder[Symbol.asyncDispose](),
  }
})
