import { invalid } from '../errors/asof-error.ts'
import { checkObjectPath } from '../ports/object-store.ts'
import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts'

/**
 * An object store that lives and dies with the process, for tests and simulations. It has no local paths and cannot
 * adopt local files.
 *
 * @param nowMs tells the time of a change in milliseconds since 1970; always 0 by default
 * @example
 * ```ts
 * const objects = memoryObjectStore()
 * await objects.put('a/b', new Uint8Array([1]), { ifAbsent: true }) // true
 * ```
 */
export function memoryObjectStore(nowMs: () => number = () => 0): ObjectStore {
  const bodies = new Map<string, { readonly body: Uint8Array; readonly modifiedMs: number }>()
  return {
    async get(path, range) {
      const body = bodies.get(checkObjectPath(path))?.body
      return body?.slice(range?.from ?? 0, range?.to)
    },

    async put(path, body, options) {
      if (options?.ifAbsent === true && bodies.has(checkObjectPath(path))) return false
      bodies.set(checkObjectPath(path), { body: body.slice(), modifiedMs: nowMs() })
      return true
    },

    async *list(prefix, options): AsyncIterable<ObjectEntry> {
      const below = prefix === '' ? '' : `${checkObjectPath(prefix)}/`
      const after = options?.after
      const paths = [...bodies.keys()]
        .filter((path) => path.startsWith(below))
        .filter((path) => after === undefined || compareBytes(path, after) > 0)
        .sort(compareBytes)
      for (const path of paths) {
        const found = bodies.get(path)
        if (found !== undefined) yield { path, bytes: found.body.length, modifiedMs: found.modifiedMs }
      }
    },

    async delete(path) {
      bodies.delete(checkObjectPath(path))
    },

    localPath(path) {
      checkObjectPath(path)
      return undefined
    },

    async adopt(_localFile, path) {
      throw invalid('no_local_files', 'a store in memory takes no local files in; put the bytes', {
        path: checkObjectPath(path),
      })
    },
  }
}

const encoder = new TextEncoder()

/** Order of UTF-8 bytes, which is the order of code points and not that of JavaScript's `<`. */
function compareBytes(a: string, b: string): number {
  const left = encoder.encode(a)
  const right = encoder.encode(b)
  const shared = Math.min(left.length, right.length)
  for (let at = 0; at < shared; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
