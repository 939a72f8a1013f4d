import { registryConformance, temporaryFolder } from '@asof/testing'
import { openLmdbRegistry } from './lmdb-registry.ts'

registryConformance('LMDB', async () => {
  const folder = await temporaryFolder()
  return {
    open: async () => await openLmdbRegistry(folder.path),
    dispose: async () => await folder[Symbol.asyncDispose](),
  }
})
