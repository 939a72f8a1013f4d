import type { Registry, Revision } from '@asof/core'
import type { Database } from 'lmdb'
import { LmdbEnvironment } from './lmdb-environment.ts'

/**
 * A registry in a folder, shared by the processes of one machine.
 *
 * @throws {AsofError} `wrong_folder`, `unknown_format`
 * @example
 * ```ts
 * await using registry = await openLmdbRegistry('lmdb/registry')
 * await registry.head() // undefined
 * ```
 */
export async function openLmdbRegistry(folder: string): Promise<Registry> {
  return new LmdbRegistry(await LmdbEnvironment.open(folder, 'registry'))
}

class LmdbRegistry implements Registry {
  readonly #environment: LmdbEnvironment
  readonly #objects: Database<Uint8Array, Uint8Array>
  readonly #revisions: Database<Revision, number>

  constructor(environment: LmdbEnvironment) {
    this.#environment = environment
    this.#objects = environment.bytes('objects')
    this.#revisions = environment.json<Revision, number>('revisions')
  }

  async head(): Promise<Revision | undefined> {
    this.#environment.fresh()
    return this.#head()
  }

  async revision(number: number): Promise<Revision | undefined> {
    this.#environment.fresh()
    return this.#revisions.get(number)
  }

  async put(objects: readonly { readonly hash: string; readonly body: Uint8Array }[]): Promise<void> {
    this.#environment.write(() => {
      for (const { hash, body } of objects) {
        const key = Buffer.from(hash, 'utf8')
        if (!this.#objects.doesExist(key)) this.#objects.putSync(key, body)
      }
    })
  }

  async get(hashes: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.#environment.fresh()
    return hashes.map((hash) => this.#objects.getBinary(Buffer.from(hash, 'utf8')))
  }

  async commit(parent: number, given: Omit<Revision, 'number'>): Promise<Revision | undefined> {
    const { root, at, author, message } = given
    return this.#environment.write(() => {
      if ((this.#head()?.number ?? 0) !== parent) return undefined
      const revision: Revision = { number: parent + 1, root, at, author, message }
      this.#revisions.putSync(revision.number, revision)
      return revision
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#environment[Symbol.asyncDispose]()
  }

  #head(): Revision | undefined {
    for (const { value } of this.#revisions.getRange({ reverse: true, limit: 1 })) return value
    return undefined
  }
}
