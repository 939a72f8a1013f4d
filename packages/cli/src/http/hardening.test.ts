// What a server refuses, how it says so, and what those who misuse it cost the others.
import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  entity,
  featureGroup,
  featureService,
  float64,
  project,
  string,
  type FeatureStoreParts,
  type OnlineRead,
} from '@asof/core'
import { createServer, silentLog, tokenFile } from '@asof/server'
import { refusal } from '../faults/fault-store.ts'
import { openHttpStore, type HttpAnswer } from './http-store.ts'

const user = entity('user', { keys: { user: string() } })
const stats = featureGroup('stats', { entity: user, features: { score: float64() } })
const shop = project('shop', [featureService('model', { features: [stats] })])
const ASK = { service: 'model', keys: { user: 'ann' } }
const JSON_BODY = JSON.stringify(ASK)

/** Fails unless the answer is a problem of this status and code; answers its detail. */
function problem(answer: HttpAnswer, status: number, code: string): string {
  const body = answer.json<Record<string, unknown>>()
  assert.equal(answer.status, status, JSON.stringify(body))
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.deepEqual([body['status'], body['code'], body['type']], [status, code, `urn:asof:problem:${code}`])
  assert.deepEqual(Object.keys(body).sort(), [
    'code',
    'detail',
    'details',
    'kind',
    'retryable',
    'status',
    'title',
    'type',
  ])
  return String(body['detail'])
}

test('every error is a problem, whatever was wrong', async () => {
  await using http = await openHttpStore(shop)
  const get = async (body: string | Uint8Array, headers: Record<string, string> = {}): Promise<HttpAnswer> =>
    await http.ask('/v1/get', body, { headers })
  problem(await http.ask('/nowhere'), 404, 'path_not_found')
  problem(await http.ask('/v1/get/', ASK), 404, 'path_not_found')
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const refused = await http.ask('/v1/get', method === 'GET' ? undefined : ASK, { method })
    problem(refused, 405, 'method_not_allowed')
    assert.equal(refused.headers.get('allow'), 'POST')
  }
  problem(await get(JSON_BODY, { accept: 'image/png' }), 406, 'not_acceptable')
  problem(await get(JSON_BODY, { 'content-type': 'text/plain' }), 415, 'unsupported_media_type')
  problem(
    await get(JSON_BODY, { 'content-type': 'application/json; charset=utf-16' }),
    415,
    'unsupported_media_type',
  )
  problem(await get(JSON_BODY, { 'content-encoding': 'gzip' }), 415, 'unsupported_media_type')
  problem(await get(`"${'x'.repeat(1_100_000)}"`), 413, 'payload_too_large')
  problem(await http.ask('/%zz'), 400, 'invalid_request')
  problem(await get(new Uint8Array([0x22, 0xff, 0x22])), 400, 'invalid_json')
  for (const text of ['', '{', '\uFEFF{}', '{"a":1,"a":2}', '{"a":"\\ud800"}', '{} x', 'NaN']) {
    problem(await get(text), 400, 'invalid_json')
  }
  problem(await get('['.repeat(100_000)), 400, 'invalid_json')
  problem(await get(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), 400, 'invalid_json')
  const packed = { 'content-type': 'application/vnd.msgpack' }
  for (const bytes of [
    [],
    [0xc1],
    [0xdd, 255, 255, 255, 255],
    [0x82, 0xa1, 97, 1, 0xa1, 97, 2],
    [0xd6, 255, 0, 0, 0, 0],
  ]) {
    problem(await get(new Uint8Array(bytes), packed), 400, 'invalid_msgpack')
  }
  problem(await get(new Uint8Array(100_000).fill(0x91), packed), 400, 'invalid_msgpack')
  for (const body of [
    'null',
    '[]',
    '"x"',
    '{}',
    '{"service":"model"}',
    '{"service":"model","features":["stats:score"],"keys":{}}',
    '{"service":"model","keys":{},"entities":[]}',
    '{"service":"model","keys":[]}',
    '{"service":7,"keys":{}}',
    '{"service":"model","keys":{},"__proto__":{}}',
    '{"service":"model","keys":{},"constructor":1}',
    '{"service":"model","keys":{},"include":["secrets"]}',
    '{"service":"model","keys":{},"deadlineMs":-1}',
    '{"features":[],"keys":{}}',
  ]) {
    problem(await get(body), 400, 'invalid_request')
  }
  problem(await get('{"service":"model","keys":{"__proto__":1}}'), 400, 'unknown_key')
  problem(await get('{"service":"__proto__","keys":{}}'), 404, 'service_not_found')
  problem(await get('{"service":"model","keys":{"user":"a"},"at":"yesterday"}'), 400, 'invalid_request')
  problem(await get('{"service":"model","keys":{"user":"a"},"at":1717243200}'), 400, 'invalid_instant')
})

test('a problem never says what was sent', async () => {
  await using http = await openHttpStore(shop)
  const canary = 'canary-7f3a'
  for (const body of [
    `{"service":"model","keys":{"user":["${canary}"]}}`,
    `{"service":"model","keys":{"user":"a"},"request":{"x":"${canary}"}}`,
    `{"service":"model","keys":{"user":"a"},"include":["${canary}"]}`,
    `{"service":"model","keys":{"user":"a"},"deadlineMs":"${canary}"}`,
    canary,
    `{"service":"model","keys":{"user":"${canary}`,
  ]) {
    const answer = await http.ask('/v1/get', body)
    assert.equal(answer.status, 400)
    assert.doesNotMatch(new TextDecoder().decode(answer.bytes), /canary/)
  }
})

test('what is no HTTP is answered and closed; a slow request does not stay', async () => {
  const limits = { headersTimeoutMs: 300, requestTimeoutMs: 400 }
  await using http = await openHttpStore(shop, { limits })
  assert.match(
    await raw(http.url, 'HELLO\r\n\r\n'),
    /^HTTP\/1\.1 400 .*application\/problem\+json.*malformed_http/s,
  )
  const smuggled =
    'POST /v1/get HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'
  assert.match(await raw(http.url, smuggled), /^HTTP\/1\.1 400 /)
  const long = `GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`
  assert.match(await raw(http.url, long), /^HTTP\/1\.1 431 .*headers_too_large/s)
  assert.match(
    await raw(http.url, 'GET /livez HTTP/1.1\r\nhost: localhost\r\nx: '),
    /^HTTP\/1\.1 408 .*request_timeout/s,
  )
  const slow =
    'POST /v1/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{'
  assert.match(await raw(http.url, slow), /^HTTP\/1\.1 408 /)
  assert.equal((await http.ask('/v1/get', ASK)).status, 200)
})

test('connections that say nothing cost the others nothing', async () => {
  await using http = await openHttpStore(shop)
  const { port } = new URL(http.url)
  const silent: Socket[] = []
  try {
    for (let batch = 0; batch < 10; batch++) {
      const opened = Array.from({ length: 100 }, async () => {
        const socket = connect(Number(port), '127.0.0.1')
        silent.push(socket)
        await new Promise((resolve) => socket.once('connect', resolve))
      })
      await Promise.all(opened)
    }
    for (let turn = 0; turn < 5; turn++) assert.equal((await http.ask('/v1/get', ASK)).status, 200)
  } finally {
    for (const socket of silent) socket.destroy()
  }
})

test('tokens: asked for everywhere but by probes, by scope, and read again when the file changes', async () => {
  const [reader, writer, later] = ['r'.repeat(40), 'w'.repeat(32), 'L'.repeat(64)] as const
  const said: string[] = []
  let now = 0
  await using folder = await openHttpStore(shop)
  const file = join(process.env['TMPDIR'] ?? '/tmp', `asof-tokens-${process.pid}`)
  try {
    await writeFile(file, `# tokens\n${reader} read dashboard\n\n${writer} write\n`)
    const log = { ...silentLog, error: (_: object, text: string) => void said.push(text) }
    const server = createServer({ store: folder.store, tokens: tokenFile(file, log, () => now) })
    const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
    const ask = async (path: string, token?: string, body?: string): Promise<number> => {
      const response = await fetch(url + path, {
        redirect: 'manual',
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { method: 'POST', body }),
      })
      if (response.status === 401) assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/)
      return response.status
    }
    const rows = '{"rows":[{"user":"ann","event_timestamp":"2024-06-01T11:00:00Z","score":1}]}'
    assert.deepEqual([await ask('/livez'), await ask('/readyz')], [200, 200])
    for (const path of ['/', '/docs', '/openapi.json', '/v1/services', '/nowhere']) {
      assert.equal(await ask(path), 401, path)
    }
    assert.equal(await ask('/v1/get', undefined, JSON_BODY), 401)
    for (const wrong of ['x', `${reader}x`, reader.slice(1), later]) {
      assert.equal(await ask('/v1/get', wrong, JSON_BODY), 401)
    }
    assert.equal(await ask('/v1/get', reader, JSON_BODY), 200)
    assert.equal(await ask('/v1/get', writer, JSON_BODY), 200)
    assert.equal(await ask('/v1/groups/stats/rows', reader, rows), 403)
    assert.equal(await ask('/v1/groups/stats/rows', writer, rows), 200)

    await writeFile(`${file}.new`, `${later} read\n`)
    await rename(`${file}.new`, file)
    assert.equal(await ask('/v1/get', later, JSON_BODY), 401, 'not looked at yet')
    now += 2_000
    assert.equal(await ask('/v1/get', later, JSON_BODY), 200)
    assert.equal(await ask('/v1/get', reader, JSON_BODY), 401)
    for (const broken of ['', 'short read\n', `${reader} admin\n`]) {
      await writeFile(file, broken)
      now += 2_000
      assert.equal(await ask('/v1/get', later, JSON_BODY), 200, 'a broken file leaves the tokens')
    }
    await rm(file)
    now += 2_000
    assert.equal(await ask('/v1/get', later, JSON_BODY), 200)
    assert.equal(said.length, 4)
    assert.ok(said.every((text) => !text.includes(later) && !text.includes(reader)))
    await server.close()
  } finally {
    await rm(file, { force: true })
  }
})

test('a server without tokens listens on this machine alone, and answers to its names alone', async () => {
  await using http = await openHttpStore(shop)
  const open = createServer({ store: http.store })
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.com']) {
    const error = await refusal(() => open.listen({ host, port: 0 }))
    assert.deepEqual([error.code, error.kind], ['token_file_needed', 'denied'])
  }
  const { port } = new URL(http.url)
  const busy = await refusal(() => open.listen({ host: '127.0.0.1', port: Number(port) }))
  assert.equal(busy.code, 'address_in_use')
  await open.close()
  const named = async (host: string): Promise<number> =>
    await new Promise((resolve, reject) => {
      const asked = request(`${http.url}/v1/services`, { headers: { host } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      asked.once('error', reject).end()
    })
  assert.equal(await named(`localhost:${port}`), 200)
  assert.equal(await named('[::1]'), 200)
  assert.equal(await named(`rebound.example.com:${port}`), 403)
  const spoofed = await http.ask('/v1/services', undefined, {
    headers: { 'x-forwarded-host': 'localhost', 'x-forwarded-for': '10.0.0.1' },
  })
  assert.equal(spoofed.status, 200)
  assert.equal(spoofed.headers.get('access-control-allow-origin'), null)
})

test('a server with too much to do turns requests away, and probes go through', async () => {
  const store = heldStore()
  await using http = await openHttpStore(shop, {
    limits: { requestsInFlightMax: 2 },
    faults: { wrap: store.wrap },
  })
  assert.equal((await http.ask('/v1/get', ASK)).status, 200)
  store.hold()
  const late = await http.ask('/v1/get', { ...ASK, deadlineMs: 30 })
  problem(late, 504, 'deadline_exceeded')
  const waiting = [http.ask('/v1/get', ASK), http.ask('/v1/get', ASK)]
  await sleep(50)
  const shed = await http.ask('/v1/get', ASK)
  problem(shed, 503, 'overloaded')
  assert.equal(shed.headers.get('retry-after'), '1')
  assert.deepEqual((await http.ask('/readyz')).json(), { status: 'degraded' })
  store.release()
  for (const answered of await Promise.all(waiting)) assert.equal(answered.status, 200)
  assert.equal((await http.ask('/v1/get', ASK)).status, 200)
  assert.deepEqual((await http.ask('/readyz')).json(), { status: 'ready' })
})

test('a request that does not end does not keep a server from stopping', async () => {
  const store = heldStore()
  await using http = await openHttpStore(shop, {
    limits: { stopMsMax: 200 },
    faults: { wrap: store.wrap },
  })
  assert.equal((await http.ask('/v1/get', ASK)).status, 200)
  store.hold()
  const failing = assert.rejects(http.ask('/v1/get', ASK))
  await sleep(50)
  await http.server.close()
  await failing
  store.release()
})

/** Parts whose online store can be made to hold its reads back. */
function heldStore(): {
  readonly wrap: (parts: FeatureStoreParts) => FeatureStoreParts
  readonly hold: () => void
  readonly release: () => void
} {
  let held: PromiseWithResolvers<void> | undefined
  return {
    hold: () => (held = Promise.withResolvers()),
    release() {
      held?.resolve()
      held = undefined
    },
    wrap: (parts) => ({
      ...parts,
      online: new Proxy(parts.online, {
        get(target, name) {
          if (name !== 'read') {
            const member: unknown = Reflect.get(target, name, target)
            return typeof member === 'function' ? (member.bind(target) as unknown) : member
          }
          return async (requests: readonly OnlineRead[]) => {
            await held?.promise
            return await target.read(requests)
          }
        },
      }),
    }),
  }
}

test('a request has an id: its own where that is sane', async () => {
  await using http = await openHttpStore(shop)
  const idOf = async (given: string): Promise<string | null> =>
    (await http.ask('/livez', undefined, { headers: { 'x-request-id': given } })).headers.get('x-request-id')
  assert.equal(await idOf('order-17.a:b_c'), 'order-17.a:b_c')
  for (const insane of ['a b', 'x'.repeat(65), '<script>', '"']) {
    assert.match((await idOf(insane)) ?? '', /^[0-9a-f-]{36}$/)
  }
})

test('a server that stops says so, answers on, and fails nobody', async () => {
  await using http = await openHttpStore(shop)
  const closing = http.server.close({ drainMs: 300 })
  const unready = await http.ask('/readyz')
  assert.deepEqual([unready.status, unready.json()], [503, { status: 'draining' }])
  assert.equal((await http.ask('/livez')).status, 200)
  const answered = await http.ask('/v1/get', ASK)
  assert.equal(answered.status, 200)
  assert.equal(answered.headers.get('connection'), 'close')
  await closing
  await assert.rejects(http.ask('/livez'))
})

/** Sends text as it is and answers everything that comes until the connection ends. */
async function raw(url: string, text: string): Promise<string> {
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  let said = ''
  socket.setEncoding('utf8').on('data', (part: string) => (said += part))
  socket.on('error', () => undefined)
  socket.write(text)
  await new Promise((resolve) => socket.once('close', resolve))
  return said
}
