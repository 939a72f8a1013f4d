import { onlineStoreConformance } from '@asof/testing'
import { memoryOnlineStore } from './memory-online-store.ts'

onlineStoreConformance('memory', async () => {
  const online = memoryOnlineStore()
  return { open: async () => online }
})
