import { eventLogConformance } from '@asof/testing'
import { memoryEventLog } from './memory-event-log.ts'

eventLogConformance('memory', async (wall) => {
  const log = memoryEventLog({ wall })
  return { open: async () => log }
})
