// A server over a store in a folder of its own, as the tests that push over HTTP use it.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeatureStoreParts } from '@asof/core'
import {
  createServer,
  metricsRoute,
  serverMetrics,
  type FeatureServer,
  type RouteModule,
  type ServerLog,
  type ServerOptions,
} from '@asof/server'
import {
  bytes,
  entity,
  featureGroup,
  featureService,
  float32,
  float64,
  int32,
  int64,
  list,
  map,
  project,
  string,
  struct,
  timestamp,
  vector,
  bool,
} from '../index.ts'
import { openFaultStore, type FaultStore } from './fault-store.ts'

export const user = entity('user', { keys: { user: string() } })
/** A group that is only pushed. */
export const clicks = featureGroup('clicks', {
  entity: user,
  features: { count: int64(), score: float64() },
})
/** Every type, pushed. */
export const facts = featureGroup('facts', {
  entity: user,
  features: {
    flag: bool(),
    small: int32(),
    big: int64(),
    single: float32(),
    double: float64(),
    text: string(),
    blob: bytes(),
    seen: timestamp(),
    place: vector(2),
    tags: list(string()),
    by_day: map(int64()),
    pair: struct({ left: int32(), right: float64() }),
  },
})
export const model = featureService('model', { features: [clicks, facts] })
export const shop = project('shop', [model])

/** An answer as it came. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON. */
  readonly body: Record<string, unknown>
}

/** A running server and the store behind it. */
export class PushServer implements AsyncDisposable {
  readonly faults: FaultStore
  readonly server: FeatureServer
  readonly url: string

  constructor(faults: FaultStore, server: FeatureServer, url: string) {
    this.faults = faults
    this.server = server
    this.url = url
  }

  /** Sends JSON. */
  async post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return await this.send(path, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
  }

  /** Sends a body as it is. */
  async send(
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, { method: 'POST', body, headers })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : { text },
    }
  }

  /** The page of metrics. */
  async metrics(): Promise<string> {
    return await (await fetch(`${this.url}/metrics`)).text()
  }

  /** Files in a folder of the store, those of bodies on their way and staged ones. */
  async left(folder: 'incoming' | 'staging'): Promise<string[]> {
    const entries = await readdir(join(this.faults.folder, '.asof', folder), { recursive: true })
    return entries.filter((name) => name.includes('.p'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close()
    await this.faults[Symbol.asyncDispose]()
  }
}

/** How a server for tests is made. */
export interface PushServerOptions extends Pick<ServerOptions, 'limits' | 'tokens'> {
  readonly log?: ServerLog
  readonly watchers?: readonly RouteModule[]
  readonly wrap?: (parts: FeatureStoreParts) => FeatureStoreParts
}

/** Starts a server over a fresh store whose definitions are applied. */
export async function openPushServer(options: PushServerOptions = {}): Promise<PushServer> {
  const metrics = serverMetrics()
  const { telemetry } = metrics
  const { wrap, watchers = [], ...rest } = options
  const faults = await openFaultStore(shop, {
    wrap: (parts) => ({ ...(wrap?.(parts) ?? parts), telemetry }),
  })
  await faults.store.apply()
  faults.store.start()
  const server = createServer({
    ...rest,
    store: faults.store,
    telemetry,
    incoming: join(faults.folder, '.asof/incoming'),
    watchers: [...watchers, metricsRoute(metrics)],
  })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  return new PushServer(faults, server, url)
}
