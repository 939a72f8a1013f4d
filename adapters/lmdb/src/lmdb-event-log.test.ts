import { eventLogConformance, temporaryFolder } from '@asof/testing'
import { openLmdbEventLog } from './lmdb-event-log.ts'

eventLogConformance('LMDB', async (wall) => {
  const folder = await temporaryFolder()
  return {
    open: async () => await openLmdbEventLog(folder.path, { wall }),
    dispose: async () => await folder[Symbol.asyncDispose](),
  }
})
