import type { Registry, Revision } from '../ports/registry.ts'

/**
 * A registry in memory, for tests and short-lived stores. It holds its content until it is garbage; disposing it does
 * nothing.
 */
export function memoryRegistry(): Registry {
  const objects = new Map<string, Uint8Array>()
  const revisions: Revision[] = []
  return {
    head: async () => revisions.at(-1),
    revision: async (number) => (number >= 1 ? revisions[number - 1] : undefined),
    put: async (given) => {
      // `slice` of a Buffer would share its bytes.
      for (const { hash, body } of given) if (!objects.has(hash)) objects.set(hash, new Uint8Array(body))
    },
    get: async (hashes) => hashes.map((hash) => objects.get(hash)?.slice()),
    commit: async (parent, { root, at, author, message }) => {
      if (parent !== revisions.length) return undefined
      const revision: Revision = { number: parent + 1, root, at, author, message }
      revisions.push(revision)
      return revision
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
