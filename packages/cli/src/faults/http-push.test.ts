// Rows pushed over HTTP: what is accepted, refused, repeated; exactly as in process.
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AsofError, parseInstant } from '@asof/core'
import { pack, Packr } from 'msgpackr'
import { around } from './failing-parts.ts'
import { NOON } from './fault-store.ts'
import { facts, openPushServer, type model } from './push-server.ts'

const ROWS = '/v1/groups/clicks/rows'
const E = '2024-06-01T11:59:59.000001Z'
const row = { user: 'a', event_timestamp: E, count: 1, score: 0.5 }

describe('a push of rows', () => {
  it('is durable when it is answered, and seen by lookups where it waits', async () => {
    await using it = await openPushServer()
    const pushed = await it.post(ROWS, { rows: [row], producer: 'p', sequence: 1, wait: 'applied' })
    assert.equal(pushed.status, 200)
    const { at, ...rest } = pushed.body
    assert.deepEqual(rest, { duplicate: false, accepted: 1, quarantined: 0, position: 0, superseded: 0 })
    assert.match(String(at), /^2024-06-01T12:00:0\d\.\d{6}Z$/)
    const vector = await it.faults.store.get<typeof model>('model', { user: 'a' })
    assert.equal(vector.count, 1n)
    const [record] = await it.faults.parts.log.read(0, 1)
    assert.equal(record!.at, parseInstant(String(at)))

    const again = await it.post(ROWS, { rows: [row], producer: 'p', sequence: 1, wait: 'applied' })
    assert.deepEqual(again.body, { duplicate: true, accepted: 0, quarantined: 0, position: 0, at })
    const older = { ...row, event_timestamp: '2024-06-01T11:00:00Z' }
    const late = await it.post(ROWS, { rows: [older], producer: 'p', sequence: 2, wait: 'applied' })
    assert.equal(late.body['superseded'], 1)
    // Without a name every push is one of its own.
    for (const position of [2, 3]) {
      assert.equal((await it.post(ROWS, { rows: [older] })).body['position'], position)
    }
  })

  it('brings every type, in JSON and in MessagePack, without losing a bit', async () => {
    await using it = await openPushServer()
    const json = `{"rows":[{"user":"j","event_timestamp":"${E}","flag":true,"small":-1,"big":9223372036854775807,
      "single":0.5,"double":"NaN","text":"__proto__ \\u0000 é","blob":"AP8=","seen":"0001-01-01T00:00:00.000001Z",
      "place":[0.5,"Infinity"],"tags":["a",null],"by_day":{"__proto__":"9007199254740993","x":null},
      "pair":{"left":7,"right":0.1}}]}`
    const pushed = await it.send('/v1/groups/facts/rows', json, { 'content-type': 'application/json' })
    assert.equal(pushed.status, 200, JSON.stringify(pushed.body))
    const packed = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'bigint' }).pack({
      rows: [
        {
          user: 'm',
          event_timestamp: parseInstant(E),
          flag: true,
          small: -1,
          big: 9223372036854775807n,
          single: 0.5,
          double: NaN,
          text: '__proto__ \u0000 é',
          blob: Buffer.from([0, 255]),
          seen: -62135596799999999n,
          place: [0.5, Infinity],
          tags: ['a', null],
          by_day: new Map([
            ['__proto__', 9007199254740993n],
            ['x', null],
          ]),
          pair: { left: 7, right: 0.1 },
        },
      ],
    })
    const other = await it.send('/v1/groups/facts@1/rows', new Uint8Array(packed), {
      'content-type': 'application/vnd.msgpack',
    })
    assert.equal(other.status, 200, JSON.stringify(other.body))
    const rows = await it.faults.table('facts')
    const values = rows.map((each) => facts.definition.features.map(({ name }) => each[name]))
    assert.equal(values.length, 2)
    assert.deepEqual(values[0], values[1])
    assert.deepEqual(values[0]!.slice(0, 3), [true, -1, 9223372036854775807n])
    assert.deepEqual(values[0]!.slice(5, 8), [
      '__proto__ \u0000 é',
      new Uint8Array([0, 255]),
      -62135596799999999n,
    ])
    assert.deepEqual(values[0]![8], Float32Array.of(0.5, Infinity))
    await it.post(ROWS, { rows: [{ ...row, score: '-0' }] })
    assert.ok(Object.is((await it.faults.table('clicks'))[0]!['score'], -0))
  })

  it('takes a whole number of MessagePack for an int64 and a timestamp, whatever its width', async () => {
    await using it = await openPushServer()
    const body = pack({ rows: [{ user: 'a', event_timestamp: NOON, count: 5, score: 1 }] })
    const headers = { 'content-type': 'application/vnd.msgpack', accept: 'application/vnd.msgpack' }
    const response = await fetch(`${it.url}${ROWS}`, { method: 'POST', body: new Uint8Array(body), headers })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/vnd.msgpack')
    const answered = new Packr({ useRecords: false, int64AsType: 'bigint' }).unpack(
      Buffer.from(await response.arrayBuffer()),
    ) as Record<string, unknown>
    assert.equal(answered['accepted'], 1)
    assert.equal(typeof answered['at'], 'bigint')
    assert.equal((await it.faults.table('clicks'))[0]!['count'], 5n)
  })

  it('is refused whole where a row does not fit, by name and place, and never with a value', async () => {
    await using it = await openPushServer()
    const cases: readonly (readonly [unknown, number, string])[] = [
      [{ rows: [row, { ...row, count: '12.5-secret' }] }, 400, 'invalid_value'],
      [{ rows: [{ ...row, count: true }] }, 400, 'invalid_value'],
      [{ rows: [{ ...row, count: 1.5 }] }, 400, 'invalid_value'],
      [{ rows: [{ ...row, more: 'secret' }] }, 400, 'unknown_column'],
      [{ rows: [{ user: 'a', event_timestamp: E, count: 1 }] }, 400, 'partial_row'],
      [{ rows: [{ ...row, user: null }] }, 400, 'null_key'],
      [{ rows: [{ ...row, event_timestamp: 'secret' }] }, 400, 'invalid_event_time'],
      [{ rows: [{ ...row, event_timestamp: '2024-06-01T11:59:59' }] }, 400, 'invalid_event_time'],
      [{ rows: [{ ...row, _deleted: true }] }, 400, 'invalid_tombstone'],
      [{ rows: [] }, 400, 'empty_push'],
      [{ rows: 'secret' }, 400, 'invalid_request'],
      [{ rows: ['secret'] }, 400, 'invalid_request'],
      [{ rows: [row], owner: 'me' }, 400, 'invalid_request'],
      [{ rows: [row], wait: 'secret' }, 400, 'invalid_request'],
      [{ rows: [row], producer: 'p' }, 400, 'invalid_push_name'],
      [{ rows: [row], sequence: 1 }, 400, 'invalid_push_name'],
      [{ rows: [row], producer: 'p', sequence: 1.5 }, 400, 'invalid_request'],
      [{ rows: [row], producer: 'p', sequence: '1' }, 400, 'invalid_request'],
      [{ rows: [row], producer: 'asof:x', sequence: 1 }, 400, 'invalid_producer'],
      [{}, 400, 'invalid_request'],
      ['secret', 400, 'invalid_request'],
    ]
    for (const [body, status, code] of cases) {
      const answer = await it.post(ROWS, body)
      assert.deepEqual([answer.status, answer.body['code']], [status, code], JSON.stringify(body))
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
      assert.doesNotMatch(JSON.stringify(answer.body), /secret/)
    }
    assert.equal((await it.post('/v1/groups/nobody/rows', { rows: [row] })).status, 404)
    assert.equal((await it.post('/v1/groups/clicks@9/rows', { rows: [row] })).status, 404)
    assert.equal((await it.post('/v1/groups/__proto__/rows', { rows: [row] })).status, 400)
    assert.equal((await it.faults.parts.log.read(0, 1)).length, 0)
  })

  it('is refused where its text could be read in two ways', async () => {
    await using it = await openPushServer()
    const send = async (text: string | Uint8Array<ArrayBuffer>): Promise<unknown> =>
      (await it.send(ROWS, text, { 'content-type': 'application/json' })).body['code']
    assert.equal(await send('{"rows":[],"rows":[{}]}'), 'invalid_json')
    assert.equal(await send('\uFEFF{"rows":[]}'), 'invalid_json')
    assert.equal(await send('{"rows":[{"user":"\\ud800"}]}'), 'invalid_json')
    assert.equal(await send('{"rows":[]} x'), 'invalid_json')
    assert.equal(await send(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 'invalid_json')
    assert.equal(await send(`{"rows":${'['.repeat(1_000)}${']'.repeat(1_000)}}`), 'invalid_json')
    assert.equal(
      await send('{"rows":[{"user":"a","event_timestamp":1e30,"count":1,"score":1}]}'),
      'invalid_event_time',
    )
    assert.equal(
      await send('{"rows":[{"user":"a","event_timestamp":1717243199,"count":1,"score":1}]}'),
      'invalid_event_time',
    )
    const csv = await it.send(ROWS, 'user\na\n', { 'content-type': 'text/csv' })
    assert.deepEqual([csv.status, csv.body['code']], [415, 'unsupported_media_type'])
  })

  it('is 413 where it is too large, by bytes and by rows', async () => {
    await using it = await openPushServer({ limits: { pushBodyBytesMax: 9_000_000 } })
    const large = await it.post(ROWS, { rows: [{ ...row, user: 'x'.repeat(9_000_000) }] })
    assert.deepEqual([large.status, large.body['code']], [413, 'payload_too_large'])
    const rows = Array.from({ length: 100_001 }, () => ({
      user: 'a',
      event_timestamp: NOON,
      count: 1,
      score: 1,
    }))
    const many = await it.post(ROWS, { rows })
    assert.deepEqual([many.status, many.body['code']], [413, 'push_too_large'])
  })

  it('is told to come back where all of them together are too large, and lookups are not', async () => {
    await using it = await openPushServer({ limits: { pushBodiesBytesMax: 1_000_000 } })
    const begun = Array.from({ length: 9 }, () => {
      const head = {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': '900000' },
      }
      const request = httpRequest(`${it.url}/v1/groups/clicks/rows`, head)
      request.on('error', () => undefined)
      request.write(' '.repeat(110_000))
      return request
    })
    await sleep(200)
    const body = { rows: [{ user: 'a', event_timestamp: E, count: 1, score: 1 }] }
    const large = ' '.repeat(200_000) + JSON.stringify(body)
    const refused = await it.send('/v1/groups/clicks/rows', large, { 'content-type': 'application/json' })
    assert.deepEqual([refused.status, refused.body['code']], [503, 'overloaded'])
    assert.equal(refused.headers.get('retry-after'), '1')
    assert.equal((await it.post('/v1/get', { service: 'model', keys: { user: 'a' } })).status, 200)
    for (const request of begun) request.destroy()
    await sleep(200)
    for (let times = 0; times < 6; times++) {
      const pushed = await it.send('/v1/groups/clicks/rows', large, { 'content-type': 'application/json' })
      assert.equal(pushed.status, 200)
    }
  })

  it('keeps rows dated too far ahead in the quarantine', async () => {
    await using it = await openPushServer()
    const ahead = { ...row, event_timestamp: '2024-06-01T13:00:00Z' }
    const { body } = await it.post(ROWS, { rows: [row, ahead] })
    assert.deepEqual([body['accepted'], body['quarantined']], [1, 1])
    assert.equal((await it.faults.store.quarantine.list('clicks@1')).length, 1)
  })

  it('of many at once each is appended', async () => {
    await using it = await openPushServer()
    const push = async (producer: string): Promise<unknown> =>
      (await it.post(ROWS, { rows: [row], producer, sequence: 1 })).body['position']
    const positions = await Promise.all(Array.from({ length: 40 }, (_, at) => push(`p${at}`)))
    assert.deepEqual(
      positions.toSorted((a, b) => Number(a) - Number(b)),
      Array.from({ length: 40 }, (_, at) => at),
    )
  })

  it('answers 503 while the disk is full, goes on serving, and takes the repeat once there is room', async () => {
    let isFull = false
    await using it = await openPushServer({
      wrap: (parts) => ({
        ...parts,
        log: around(parts.log, (method, call) => {
          if (isFull && method === 'append') throw full()
          return call()
        }),
      }),
    })
    await it.post(ROWS, { rows: [row], wait: 'applied' })
    isFull = true
    const push = {
      rows: [{ ...row, event_timestamp: '2024-06-01T12:00:00Z', count: 2 }],
      producer: 'p',
      sequence: 1,
    }
    const refused = await it.post(ROWS, push)
    assert.deepEqual([refused.status, refused.body['retryable']], [503, true])
    assert.equal(refused.headers.get('retry-after'), '1')
    assert.equal((await it.faults.store.get<typeof model>('model', { user: 'a' })).count, 1n)
    isFull = false
    assert.equal((await it.post(ROWS, { ...push, wait: 'applied' })).body['accepted'], 1)
    assert.equal((await it.faults.store.get<typeof model>('model', { user: 'a' })).count, 2n)
  })

  it('waits for lookups to see it, but not for ever', async () => {
    let isStuck = true
    await using it = await openPushServer({
      limits: { waitMsMax: 100 },
      wrap: (parts) => ({
        ...parts,
        // Another process holds the lease, and does nothing.
        log: around(parts.log, (method, call) => (isStuck && method === 'lease' ? undefined : call())),
      }),
    })
    const push = { rows: [row], producer: 'p', sequence: 1, wait: 'applied' }
    const late = await it.post(ROWS, push)
    assert.deepEqual([late.status, late.body['code'], late.body['retryable']], [503, 'not_applied_yet', true])
    assert.equal((await it.faults.parts.log.read(0, 2)).length, 1)
    const path = '/v1/groups/clicks/batches?producer=q&sequence=1&wait=applied'
    const batch = await it.send(path, JSON.stringify(row), { 'content-type': 'application/x-ndjson' })
    assert.equal(batch.body['code'], 'not_applied_yet')
    isStuck = false
    assert.equal((await it.post(ROWS, push)).body['duplicate'], true)
    assert.equal((await it.faults.store.get<typeof model>('model', { user: 'a' })).count, 1n)
  })

  it('needs a token that may write', async () => {
    const [reader, writer] = ['r'.repeat(32), 'w'.repeat(32)]
    await using it = await openPushServer({
      tokens: {
        check: (token) =>
          token === writer
            ? { scope: 'write', name: 'w' }
            : token === reader
              ? { scope: 'read', name: 'r' }
              : undefined,
      },
    })
    const status = async (path: string, authorization?: string): Promise<number> =>
      (await it.post(path, { rows: [row] }, authorization === undefined ? {} : { authorization })).status
    assert.equal(await status(ROWS), 401)
    assert.equal(await status(ROWS, `Bearer ${reader}`), 403)
    assert.equal(await status(ROWS, `Bearer ${writer}`), 200)
    assert.equal(await status('/v1/groups/clicks/batches?producer=p&sequence=1', `Bearer ${reader}`), 403)
    assert.equal((await fetch(`${it.url}/metrics`)).status, 401)
  })
})

it('counts what became of rows, without a key or a value', async () => {
  await using it = await openPushServer()
  await it.post(ROWS, { rows: [{ ...row, user: 'canary-key' }], producer: 'p', sequence: 1 })
  await it.post(ROWS, { rows: [{ ...row, user: 'canary-key' }], producer: 'p', sequence: 1 })
  await it.post(ROWS, { rows: [{ ...row, event_timestamp: '2024-06-01T13:00:00Z' }] })
  await it.post('/v1/groups/canary_group/rows', { rows: [row] })
  await fetch(`${it.url}/canary/path?canary`)
  const page = await it.metrics()
  for (const line of [
    'asof_pushed_rows_total{group="clicks@1",outcome="accepted"} 1',
    'asof_pushed_rows_total{group="clicks@1",outcome="duplicate"} 1',
    'asof_pushed_rows_total{group="clicks@1",outcome="quarantined"} 1',
    'asof_request_seconds_count{method="POST",route="/v1/groups/:group/rows",status="200"} 3',
    'asof_request_seconds_count{method="POST",route="/v1/groups/:group/rows",status="404"} 1',
    'asof_group_lag_seconds{group="clicks@1"} ',
    'asof_group_freshness_seconds{group="clicks@1"} ',
    'asof_sink_position{sink="online"} ',
    'asof_sink_lag_positions{sink="offline"} ',
    'asof_snapshot_age_seconds ',
    'asof_connections ',
    'process_resident_memory_bytes ',
    'process_cpu_seconds_total ',
  ]) {
    assert.ok(page.includes(`\n${line}`), `${line}\n${page.slice(0, 4_000)}`)
  }
  assert.doesNotMatch(page, /canary/)
  // Every line is one of the format.
  for (const line of page.split('\n')) {
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_\d]+ .+|[a-z_\d]+(\{([a-z_]+="[^"]*",?)+\})? (-?[\d.e+-]+|[+-]Inf|Nan)|)$/i,
    )
  }
})

function full(): AsofError {
  return new AsofError(
    'unavailable',
    'disk_refused_write',
    'the disk refused the write and nothing has changed',
  )
}

it('looks at the store once a second for its page of metrics, however often it is asked', async () => {
  await using it = await openPushServer()
  const gauge = async (): Promise<string | undefined> =>
    /^asof_log_end_position (\d+)$/m.exec(await it.metrics())?.[1]
  assert.equal(await gauge(), '0')
  await it.post(ROWS, { rows: [row], wait: 'applied' })
  assert.equal(await gauge(), '0')
  await new Promise((go) => setTimeout(go, 1_010))
  assert.equal(await gauge(), '1')
})

it('has a page of metrics also when the store cannot be looked at', async () => {
  await using it = await openPushServer()
  await it.faults.store.close()
  await it.metrics()
  const page = await it.metrics()
  assert.match(page, /^asof_scrape_failures_total 1$/m)
  assert.match(page, /^asof_connections \d+$/m)
  assert.doesNotMatch(page, /asof_group_lag_seconds/)
})
