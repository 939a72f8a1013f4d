import { registryConformance } from '@asof/testing'
import { memoryRegistry } from './memory-registry.ts'

registryConformance('memory', async () => {
  const registry = memoryRegistry()
  return { open: async () => registry }
})
