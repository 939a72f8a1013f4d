import { AsofError } from '@asof/core'
import type { ObjectStore } from '@asof/core'

/** Which call fails, and how. */
export interface FaultPlan {
  /** The number of the call that fails, from 1 on; local paths are no calls. */
  readonly failAt: number
  /** Whether it fails before it has done anything, or after it has done all (as when only the answer is lost). */
  readonly when: 'before' | 'after'
  /** Whether later calls work again, or fail too, as those of a process that died. */
  readonly afterwards: 'recovers' | 'dies'
}

/** A faulty store, and how many calls it has seen. */
export interface FaultyObjectStore extends ObjectStore {
  readonly calls: number
  readonly hasFailed: boolean
}

/**
 * An object store of which one call fails: run a path with `failAt` 1, 2, 3 … until nothing fails any more, and every place where
 * it can break has been seen.
 *
 * @example
 * ```ts
 * const objects = faultyObjectStore(memoryObjectStore(), { failAt: 2, when: 'after', afterwards: 'dies' })
 * await objects.put('a', new Uint8Array([1]))
 * await objects.get('a') // throws: injected_fault
 * ```
 */
export function faultyObjectStore(inner: ObjectStore, plan: FaultPlan): FaultyObjectStore {
  let calls = 0
  const attempt = async <T>(act: () => Promise<T>): Promise<T> => {
    const call = ++calls
    const dead = plan.afterwards === 'dies' && call > plan.failAt
    if (dead || (call === plan.failAt && plan.when === 'before')) throw injected(call)
    const result = await act()
    if (call === plan.failAt) throw injected(call)
    return result
  }
  return {
    get: (path, range) => attempt(() => inner.get(path, range)),
    put: (path, body, options) => attempt(() => inner.put(path, body, options)),
    delete: (path) => attempt(() => inner.delete(path)),
    adopt: (localFile, path) => attempt(() => inner.adopt(localFile, path)),
    async *list(prefix, options) {
      await attempt(async () => undefined)
      yield* inner.list(prefix, options)
    },
    localPath: (path) => inner.localPath(path),
    get calls() {
      return calls
    },
    get hasFailed() {
      return calls >= plan.failAt
    },
  }
}

function injected(call: number): AsofError {
  return new AsofError('unavailable', 'injected_fault', 'this call was made to fail', { call })
}
