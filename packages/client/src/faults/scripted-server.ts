import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Unpackr } from 'msgpackr'
import { AsofError, connect, type ConnectOptions, type FeatureClient } from '../index.ts'

export const TOKEN = 'canary-token-0123456789-0123456789-abcdef'

export interface Asked {
  readonly url: string
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: IncomingMessage['headers']
  /** Whether the client hung up before the answer. */
  isGone: boolean
}

export type Step = (response: ServerResponse, asked: Asked) => void | Promise<void>
export type Served = { readonly store: FeatureClient; readonly asked: Asked[]; readonly url: string }

/** Runs against a server whose answers are the script's, the last one again and again. */
export async function scripted(
  script: readonly Step[],
  options: ConnectOptions,
  use: (served: Served) => Promise<void>,
): Promise<void> {
  const unpackr = new Unpackr({ useRecords: false })
  const asked: Asked[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = unpackr.unpack(Buffer.concat(chunks)) as Asked['body']
    const one: Asked = { url: request.url ?? '', body, headers: request.headers, isGone: false }
    const step = script[Math.min(asked.push(one), script.length) - 1]!
    response.on('close', () => (one.isGone = !response.writableFinished))
    await step(response, one)
  }
  const server = createServer((request, response) => void serve(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const store = connect(url, options)
  try {
    await use({ store, asked, url })
  } finally {
    await store.close()
    server.closeAllConnections()
    server.close()
  }
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Step =>
  (response) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body))

export const problem = (
  status: number,
  kind: string,
  code: string,
  headers: Record<string, string> = {},
): Step =>
  json(
    status,
    {
      type: `urn:asof:problem:${code}`,
      title: 'x',
      status,
      detail: `${code} it is`,
      kind,
      code,
      retryable: status >= 500,
      details: { a: 1 },
    },
    { 'content-type': 'application/problem+json', ...headers },
  )

/** The answer to whatever was asked: the feature `n` is the key of each entity. */
export const answer: Step = (response, asked) => {
  const entities = asked.body['entities'] as { readonly keys: { readonly k: number } }[]
  const n = entities.map(({ keys }) => keys.k)
  const of = <T>(value: T): { n: T[] } => ({ n: entities.map(() => value) })
  void json(200, {
    service: 's',
    fingerprint: 'f1',
    at: '2024-01-01T00:00:00.000000Z',
    source: 'online',
    features: ['n'],
    columns: { n },
    statuses: of('present'),
    eventTimes: of(null),
    types: { n: { kind: 'int32' } },
  })(response, asked)
}
export const pushed: Step = json(200, {
  duplicate: false,
  accepted: 1,
  quarantined: 0,
  position: 3,
  at: '2024-01-01T00:00:00.000000Z',
})
export const busy = problem(503, 'unavailable', 'too_busy')
export const hangUp: Step = (response) => void response.socket?.destroy()
export const late =
  (ms: number, step: Step): Step =>
  async (response, asked) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    await step(response, asked)
  }
export const never: Step = () => undefined

export async function valueOf(store: FeatureClient, k: number, options: object = {}): Promise<unknown> {
  return ((await store.get('s', { k }, options)) as unknown as { readonly n: unknown }).n
}

export async function refusal(work: Promise<unknown>): Promise<AsofError> {
  const error = await work.then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof AsofError, String(error))
  for (const text of [error.message, error.stack ?? '', JSON.stringify(error.details), String(error.cause)]) {
    assert.ok(!text.includes(TOKEN), 'an error carries the token')
  }
  return error
}

export async function waitFor(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 200) assert.fail('it did not come')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
