// Inputs that are too large, too deep, ambiguous or named to do harm, and requests that ask for too much, over HTTP.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import {
  entity,
  featureGroup,
  featureService,
  float64,
  int64,
  map,
  project,
  string,
  struct,
  vector,
} from '@asof/core'
import { around } from '../faults/failing-parts.ts'
import { openPushServer } from '../faults/push-server.ts'
import { openHttpStore, type HttpAnswer, type HttpStore } from '../http/http-store.ts'
import { toPacked } from './wire-values.ts'

const user = entity('user', { keys: { user: string() } })
const numbers = featureGroup('numbers', { entity: user, features: { count: int64(), score: float64() } })
const large = featureGroup('large', {
  entity: user,
  features: {
    embedding: vector(768),
    text: string(),
    by_name: map(float64()),
    pair: struct({ left: int64() }),
  },
})
const shop = project('shop', [featureService('model', { features: [numbers, large] })])
const E = '2024-06-01T11:59:59Z'
/** Names that mean something to JavaScript. */
const EVIL = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'then']

/** A row of the group `large` that is as it should be. */
const fine = (): Record<string, unknown> => ({
  user: 'a',
  event_timestamp: E,
  embedding: Array.from({ length: 768 }, () => 0.5),
  text: 'x',
  by_name: {},
  pair: { left: '1' },
})

function codeOf(answer: HttpAnswer): unknown[] {
  return [answer.status, answer.json()['code']]
}

async function push(http: HttpStore, row: object): Promise<HttpAnswer> {
  return await http.ask('/v1/groups/large/rows', { rows: [row] })
}

test('B17: what is too large is refused by its limit, before it does any work', async () => {
  let calls = 0
  await using http = await openHttpStore(shop, {
    limits: { answerValuesMax: 1_000 },
    faults: {
      wrap: (parts) => ({
        ...parts,
        online: around(parts.online, (method, call) => {
          if (method === 'read') calls++
          return call()
        }),
      }),
    },
  })
  assert.equal((await push(http, fine())).status, 200)
  for (const [row, code] of [
    [{ ...fine(), embedding: Array.from({ length: 769 }, () => 0) }, 'invalid_value'],
    [{ ...fine(), embedding: Array.from({ length: 767 }, () => 0) }, 'invalid_value'],
    [{ ...fine(), embedding: [] }, 'invalid_value'],
    [{ ...fine(), text: 'x'.repeat(65_537) }, 'value_too_large'],
    [{ ...fine(), text: 'é'.repeat(32_769) }, 'value_too_large'],
    [{ ...fine(), text: 'x'.repeat(10_000_000) }, 'value_too_large'],
    [{ ...fine(), user: 'x'.repeat(513) }, 'key_too_long'],
  ] as const) {
    const refused = await push(http, row)
    assert.deepEqual(codeOf(refused), [400, code])
    assert.ok(refused.bytes.length < 2_000, 'a refusal repeats nothing')
  }
  // Lookups: entities, features, values in all, and keys.
  const entities = (count: number): object => ({
    service: 'model',
    entities: Array.from({ length: count }, (_, at) => ({ keys: { user: `u${at}` } })),
  })
  const asked = async (body: object): Promise<unknown[]> => codeOf(await http.ask('/v1/get', body))
  assert.deepEqual(await asked(entities(10_001)), [400, 'invalid_request'])
  assert.deepEqual(await asked(entities(1_000)), [400, 'answer_too_large'])
  const features = Array.from({ length: 2_001 }, () => 'numbers:count')
  assert.deepEqual(await asked({ features, keys: { user: 'a' } }), [400, 'invalid_request'])
  assert.deepEqual(await asked({ features: [`numbers:${'x'.repeat(300)}`], keys: { user: 'a' } }), [
    400,
    'invalid_request',
  ])
  assert.deepEqual(await asked({ service: 'model', keys: { user: 'x'.repeat(513) } }), [400, 'key_too_long'])
  assert.deepEqual(await asked({ service: 'x'.repeat(64), keys: {} }), [400, 'invalid_request'])
  assert.equal(calls, 0, 'no store was asked')
  // A body that only says that it is too large is refused by what it says.
  const head = `POST /v1/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5000000000\r\n\r\n`
  assert.match(await firstAnswer(http.url, head), /^HTTP\/1\.1 413 /)
  // And one that does not say how long it is as soon as it is too long.
  const chunk = `${(1 << 20).toString(16)}\r\n${'x'.repeat(1 << 20)}\r\n`
  const chunked = `POST /v1/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
  assert.match(await firstAnswer(http.url, chunked + chunk + chunk), /^HTTP\/1\.1 413 /)
  assert.equal((await http.ask('/v1/get', { service: 'model', keys: { user: 'a' } })).status, 200)
})

test('B18: names that mean something to JavaScript are names like any other, and none of asof', async () => {
  await using http = await openHttpStore(shop)
  for (const name of EVIL) {
    // As it stands in a text: an object of JavaScript would not have it.
    const json = (body: string): Promise<HttpAnswer> => http.ask('/v1/get', body.replaceAll('NAME', name))
    for (const [body, status] of [
      ['{"service":"NAME","keys":{"user":"a"}}', 404],
      ['{"service":"model","keys":{"user":"a","NAME":1}}', 400],
      ['{"service":"model","keys":{"NAME":1}}', 400],
      ['{"service":"model","keys":{"user":"a"},"request":{"NAME":1}}', 400],
      ['{"service":"model","keys":{"user":"a"},"NAME":1}', 400],
      ['{"service":"model","entities":[{"keys":{"user":"a"},"NAME":{}}]}', 400],
      ['{"service":"model","keys":{"user":{"NAME":1}}}', 400],
    ] as const) {
      assert.equal((await json(body)).status, status, `${body} ${name}`)
    }
    for (const reference of [`NAME:count`, `numbers:NAME`, `NAME@1:NAME`]) {
      const listed = await json(`{"features":["${reference}"],"keys":{"user":"a"}}`)
      assert.ok([400, 404].includes(listed.status), `${reference} ${name}: ${listed.status}`)
    }
    for (const path of [`/v1/services/${name}`, `/v1/groups/${name}`, `/${name}`]) {
      assert.ok([400, 404].includes((await http.ask(path)).status), path)
    }
    const row = `{"user":"${name}","event_timestamp":"${E}","count":1,"score":1}`
    const column = await http.ask('/v1/groups/numbers/rows', `{"rows":[${row.slice(0, -1)},"${name}":1}]}`)
    assert.deepEqual(codeOf(column), [400, 'unknown_column'])
    const inner = JSON.stringify(fine()).replace('"left"', JSON.stringify(name))
    assert.equal((await http.ask('/v1/groups/large/rows', `{"rows":[${inner}]}`)).status, 400)
    // As the key of an entity, and in a map, it is a text.
    const mapped = JSON.stringify({ ...fine(), user: name }).replace(
      '"by_name":{}',
      `"by_name":{"${name}":2.5}`,
    )
    assert.equal(
      (await http.ask('/v1/groups/large/rows', `{"rows":[${mapped}],"wait":"applied"}`)).status,
      200,
    )
    const found = await http.ask('/v1/get', { features: ['large:by_name'], keys: { user: name } })
    assert.match(new TextDecoder().decode(found.bytes), new RegExp(`"large:by_name":\\{"${name}":2\\.5\\}`))
    const packed = toPacked({
      rows: [{ user: 'p', event_timestamp: E, count: 1n, score: 1, [`${name}x`]: 1 }],
    })
    const evil = Buffer.from(packed)
    evil.write(name, evil.indexOf(`${name}x`) + 1)
    const headers = { 'content-type': 'application/vnd.msgpack' }
    assert.equal((await http.ask('/v1/groups/numbers/rows', new Uint8Array(evil), { headers })).status, 400)
  }
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

test('B19: a text that could be read in two ways is refused, in a lookup, a push and a batch alike', async () => {
  await using it = await openPushServer()
  const row = (user: string, more = ''): string =>
    `{"user":"${user}","event_timestamp":"${E}","count":1,"score":0.5${more}}`
  // Text as Latin-1, so that bytes that are no UTF-8 can be written too.
  for (const [what, text] of [
    ['a property twice', row('a', ',"count":2')],
    ['a property twice, escaped once', row('a', ',"co\\u0075nt":2')],
    ['half a surrogate pair', row('\\ud800')],
    ['half a surrogate pair, the other half', row('\\udc00x')],
    ['a byte that is no UTF-8', row('\xff')],
    ['an overlong form', row('\xc0\xaf')],
    ['a surrogate in UTF-8', row('\xed\xa0\x80')],
    ['something after it', `${row('a')} x`],
    ['no end', row('a').slice(0, -1)],
    ['a control character', row('a\x01b')],
  ] as const) {
    const bytes = (wrapped: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(wrapped, 'latin1'))
    const json = { 'content-type': 'application/json' }
    const lookup = await it.send('/v1/get', bytes(`{"service":"model","keys":${text}}`), json)
    assert.deepEqual([lookup.status, lookup.body['code']], [400, 'invalid_json'], `lookup: ${what}`)
    const push = await it.send('/v1/groups/clicks/rows', bytes(`{"rows":[${text}]}`), json)
    assert.deepEqual([push.status, push.body['code']], [400, 'invalid_json'], `push: ${what}`)
    const batch = await it.send('/v1/groups/clicks/batches?producer=p&sequence=1', bytes(`${text}\n`), {
      'content-type': 'application/x-ndjson',
    })
    assert.deepEqual([batch.status, batch.body['code']], [400, 'invalid_batch'], `batch: ${what}`)
  }
  assert.equal((await it.faults.parts.log.read(0, 1)).length, 0)
})

test('B21: nothing asked is nothing answered; what is asked twice is answered twice; P7: nobody is not_found', async () => {
  await using http = await openHttpStore(shop)
  for (const form of ['rows', 'columns']) {
    const none = await http.ask('/v1/get', {
      service: 'model',
      entities: [],
      form,
      include: ['statuses', 'flags'],
    })
    assert.equal(none.status, 200)
    const empty =
      form === 'rows' ? [] : { count: [], score: [], embedding: [], text: [], by_name: [], pair: [] }
    assert.deepEqual([none.json()[form], none.json()['statuses']], [empty, empty])
  }
  assert.deepEqual(codeOf(await http.ask('/v1/get', { features: [], keys: { user: 'a' } })), [
    400,
    'invalid_request',
  ])
  assert.deepEqual(codeOf(await http.ask('/v1/groups/numbers/rows', { rows: [] })), [400, 'empty_push'])
  const nobody = await http.ask('/v1/get', {
    features: ['numbers:count', 'numbers@1:count', 'numbers:count'],
    entities: [{ keys: { user: 'nobody' } }, { keys: { user: 'nobody' } }],
    include: ['statuses', 'event_times'],
  })
  const each = { 'numbers:count': 'not_found', 'numbers@1:count': 'not_found' }
  assert.deepEqual(nobody.json()['features'], ['numbers:count', 'numbers@1:count', 'numbers:count'])
  assert.deepEqual(nobody.json()['statuses'], [each, each])
  assert.deepEqual(nobody.json()['rows'], [
    { 'numbers:count': null, 'numbers@1:count': null },
    { 'numbers:count': null, 'numbers@1:count': null },
  ])
})

test('S5: no request makes a server do more than its limits say', async () => {
  let reads = 0
  await using http = await openHttpStore(shop, {
    limits: { deadlineMsMax: 50, bodyDepthMax: 8 },
    faults: {
      wrap: (parts) => ({
        ...parts,
        online: around(parts.online, (method, call) => {
          if (method !== 'read') return call()
          reads++
          return reads > 3 ? new Promise(() => undefined) : call()
        }),
      }),
    },
  })
  // However many entities and duplicates, one read.
  const entities = Array.from({ length: 5_000 }, (_, at) => ({ keys: { user: `u${at % 7}` } }))
  assert.equal((await http.ask('/v1/get', { service: 'model', entities })).status, 200)
  const features = Array.from({ length: 2_000 }, () => 'numbers:count')
  assert.equal((await http.ask('/v1/get', { features, keys: { user: 'a' } })).status, 200)
  assert.equal(reads, 2)
  reads = 3
  // A deadline is as long as the server allows, whatever is asked for.
  const late = await http.ask('/v1/get', { service: 'model', keys: { user: 'a' }, deadlineMs: 600_000 })
  assert.deepEqual(codeOf(late), [504, 'deadline_exceeded'])
  assert.deepEqual(codeOf(await http.ask('/v1/get', `{"keys":${'['.repeat(9)}${']'.repeat(9)}}`)), [
    400,
    'invalid_json',
  ])
  // Texts that are hard for patterns that go back; the shape of a path and of a header is decided in one pass.
  const hard = `${'a'.repeat(40_000)}!`
  const hardOnes = [
    async () => await http.ask(`/v1/groups/${'a_'.repeat(2_000)}@`),
    async () => await http.ask('/v1/get', { features: [`numbers:${'a'.repeat(190)}`], keys: {} }),
    async () =>
      await http.ask('/v1/get', { service: 'model', keys: { user: 'a' }, at: `2024-${'0'.repeat(5_000)}` }),
    async () => await http.ask('/v1/get', { service: 'model', keys: { user: 'a' }, expect: hard }),
    async () =>
      await http.ask('/v1/services', undefined, { headers: { accept: `${'a/b;q=0.1,'.repeat(1_000)}c` } }),
    async () =>
      await http.ask('/v1/services', undefined, {
        headers: { authorization: `Bearer ${' '.repeat(9_000)}x!` },
      }),
    async () => await http.ask(`/v1/search?q=${encodeURIComponent('(a+)+$ .* '.repeat(40))}`),
    async () => await http.ask(`/v1/search?q=${encodeURIComponent(hard)}`),
    async () => await http.ask(`/v1/search?q=a&limit=1000000000`),
    async () => await http.ask(`/v1/lineage?of=${'a:'.repeat(140)}`),
  ]
  for (const ask of hardOnes) {
    const { status } = await ask()
    assert.ok(status < 500, `${status}`)
  }
})

test('S7: no request says what is the server’s to say', async () => {
  await using http = await openHttpStore(shop)
  const row = { user: 'a', event_timestamp: E, count: '1', score: 1 }
  for (const name of ['created_timestamp', 'seq', 'c', 's', 'is_deleted', 'owner', '_schema']) {
    const refused = await http.ask('/v1/groups/numbers/rows', { rows: [{ ...row, [name]: 1 }] })
    assert.deepEqual(codeOf(refused), [400, 'unknown_column'], name)
  }
  for (const name of ['at', 'position', 'duplicate', 'json', 'hold', 'group', 'tenant', 'created']) {
    const refused = await http.ask('/v1/groups/numbers/rows', { rows: [row], [name]: true })
    assert.deepEqual(codeOf(refused), [400, 'invalid_request'], name)
  }
  for (const name of ['source', 'revision', 'knowledge', 'default', 'project', 'owner', 'signal']) {
    const refused = await http.ask('/v1/get', { service: 'model', keys: { user: 'a' }, [name]: 'x' })
    assert.deepEqual(codeOf(refused), [400, 'invalid_request'], name)
  }
  const consumer = { service: 'model', model: 'risk', version: '1', team: 'fraud' }
  for (const name of ['status', 'revision', 'author', 'project', 'declared']) {
    const refused = await http.ask('/v1/consumers', { ...consumer, [name]: 'x' })
    assert.deepEqual(codeOf(refused), [400, 'invalid_request'], name)
  }
  // The name of a push is the client's, but not one of the store's own.
  const own = await http.ask('/v1/groups/numbers/rows', { rows: [row], producer: 'asof:sinks', sequence: 1 })
  assert.deepEqual(codeOf(own), [400, 'invalid_producer'])
  assert.equal((await http.ask('/v1/services/model')).json<{ consumers: unknown[] }>().consumers.length, 0)
})

test('P13: a push whose online store fails is in the log, whole, and the repeat is a duplicate', async () => {
  const broken = { isOn: false }
  await using http = await openHttpStore(shop, {
    faults: {
      wrap: (parts) => ({
        ...parts,
        online: around(parts.online, (method, call) => {
          if (broken.isOn && method === 'write') throw new Error('the online store is gone')
          return call()
        }),
      }),
    },
  })
  const rows = Array.from({ length: 3 }, (_, at) => ({
    user: `u${at}`,
    event_timestamp: E,
    count: String(at),
    score: 1,
  }))
  const named = { rows, producer: 'p', sequence: 1 }
  broken.isOn = true
  const failed = await http.ask('/v1/groups/numbers/rows', { ...named, wait: 'applied' })
  assert.equal(failed.status, 500)
  assert.doesNotMatch(new TextDecoder().decode(failed.bytes), /gone|node_modules|\.ts/)
  const unapplied = await http.ask('/v1/groups/numbers/rows', { ...named, sequence: 2 })
  assert.equal(unapplied.status, 200, 'durable in the log is enough for who does not wait')
  broken.isOn = false
  const again = await http.ask('/v1/groups/numbers/rows', { ...named, wait: 'applied' })
  assert.deepEqual([again.status, again.json()['duplicate']], [200, true])
  const entities = rows.map(({ user: name }) => ({ keys: { user: name } }))
  const found = await http.ask('/v1/get', { features: ['numbers:count'], entities, form: 'columns' })
  assert.deepEqual(found.json()['columns'], { 'numbers:count': ['0', '1', '2'] })
})

/** Sends bytes as they are; resolves with the first that come back. */
async function firstAnswer(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  try {
    return await new Promise((resolve) => {
      let said = ''
      socket.setEncoding('utf8').on('data', (part: string) => {
        said += part
        resolve(said)
      })
      socket.once('close', () => resolve(said))
      socket.write(text)
    })
  } finally {
    socket.destroy()
  }
}
