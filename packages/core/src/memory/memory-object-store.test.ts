import { objectStoreConformance } from '@asof/testing'
import { memoryObjectStore } from './memory-object-store.ts'

objectStoreConformance('memory', async () => ({
  open: (() => {
    const store = memoryObjectStore(() => 1_700_000_000_000)
    return () => store
  })(),
}))
