// The set-up that the tests of the server share: an embedded store in a folder of its own, and a real server over it.
import type { FeatureStore, Project } from '@asof/core'
import { createServer, type FeatureServer, type ServerOptions } from '@asof/server'
import { openFaultStore, type FaultStoreOptions } from '../faults/fault-store.ts'

/** What was answered. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  /** The body as JSON. */
  readonly json: <T = Readonly<Record<string, unknown>>>() => T
}

/** A store, a server over it, and a way to ask. */
export interface HttpStore extends AsyncDisposable {
  readonly store: FeatureStore
  readonly server: FeatureServer
  readonly url: string
  /** Of the store's clock, in microseconds. */
  readonly clock: { now: number }
  /** Sends a body as it is; an object as JSON. */
  ask(
    path: string,
    body?: object | string | Uint8Array,
    init?: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<HttpAnswer>
}

/** Opens a store with the definitions applied, and serves it on a free port. */
export async function openHttpStore(
  project: Project,
  options: Omit<ServerOptions, 'store'> & { readonly faults?: FaultStoreOptions } = {},
): Promise<HttpStore> {
  const { faults, ...rest } = options
  const opened = await openFaultStore(project, faults)
  const { store } = opened
  await store.apply()
  const server = createServer({ store, ...rest })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    store,
    server,
    url,
    clock: opened.clock,
    async ask(path, body, { method, headers } = {}) {
      const plain = typeof body === 'string' || body instanceof Uint8Array
      const response = await fetch(`${url}${path}`, {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        redirect: 'manual',
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: plain ? (body as string) : JSON.stringify(body) }),
      })
      const bytes = new Uint8Array(await response.arrayBuffer())
      return {
        status: response.status,
        headers: response.headers,
        bytes,
        json: <T>() => JSON.parse(new TextDecoder().decode(bytes)) as T,
      }
    },
    async [Symbol.asyncDispose]() {
      await server.close()
      await opened[Symbol.asyncDispose]()
    },
  }
}
