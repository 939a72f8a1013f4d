// Whole batches pushed over HTTP: streamed to a file, staged, appended once; nothing is left of those that fail.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { AsofError, columnOf } from '@asof/core'
import { around } from './failing-parts.ts'
import { NOON } from './fault-store.ts'
import { openPushServer, type Answer, type model, type PushServer } from './push-server.ts'

const E = '2024-06-01T11:59:59Z'
const JSONL = { 'content-type': 'application/x-ndjson' }

function path(query: string = 'producer=p&sequence=1', group: string = 'clicks'): string {
  return `/v1/groups/${group}/batches?${query}`
}

function lines(rows: number): string {
  return Array.from(
    { length: rows },
    (_, at) => `${JSON.stringify({ user: `u${at}`, event_timestamp: E, count: at, score: at / 4 })}\n`,
  ).join('')
}

/** What the temporary folders hold; bodies are gone as soon as they are answered, staged files once both sinks have them. */
async function nothingLeft(it: PushServer): Promise<void> {
  assert.deepEqual(await it.left('incoming'), [])
  await it.faults.store.drain()
  assert.deepEqual(await it.left('staging'), [])
}

describe('a pushed batch', () => {
  it('is one record of the log, appended once, and seen by lookups where it waits', async () => {
    await using it = await openPushServer()
    const pushed = await it.send(path('producer=p&sequence=7&wait=applied'), lines(1_000), JSONL)
    const { at, ...rest } = pushed.body
    const counts = { duplicate: false, accepted: 1_000, quarantined: 0, rejected: 0 }
    assert.deepEqual([pushed.status, rest], [200, { ...counts, unchanged: 0, reasons: {}, position: 0 }])
    assert.equal((await it.faults.store.get<typeof model>('model', { user: 'u999' })).count, 999n)
    const again = await it.send(path('producer=p&sequence=7'), lines(1_000), JSONL)
    assert.deepEqual([again.body['duplicate'], again.body['position'], again.body['at']], [true, 0, at])
    assert.equal((await it.faults.parts.log.read(0, 10)).length, 1)
    assert.equal((await it.faults.table('clicks')).length, 1_000)
    await nothingLeft(it)
  })

  it('has whole rows: what one of them does not say is not null', async () => {
    await using it = await openPushServer()
    const row = (user: string, rest: string): string => `{"user":"${user}","event_timestamp":"${E}"${rest}}\n`
    const whole = row('a', ',"count":1,"score":null')
    const partial = await it.send(path(), whole + row('b', ',"count":2') + row('c', ',"count":2'), JSONL)
    assert.deepEqual([partial.status, partial.body['code']], [400, 'partial_row'])
    assert.deepEqual(partial.body['details'], { absent: 'score', rows: 2 })
    const gone = await it.send(path(), whole + row('b', ',"_deleted":true'), JSONL)
    assert.deepEqual([gone.status, gone.body['accepted']], [200, 2])
    await nothingLeft(it)
  })

  it('has no number that its type has not', async () => {
    await using it = await openPushServer()
    for (const [sequence, score] of ['1e400', '-1e400'].entries()) {
      const line = `{"user":"a","event_timestamp":"${E}","count":1,"score":${score}}\n`
      const refused = await it.send(path(`producer=p&sequence=${sequence}`), line, JSONL)
      assert.deepEqual([refused.body['accepted'], refused.body['rejected']], [0, 1], score)
    }
    const said = `{"user":"a","event_timestamp":"${E}","count":1,"score":"Infinity"}\n`
    assert.equal((await it.send(path('producer=p&sequence=9'), said, JSONL)).body['accepted'], 1)
  })

  it('may be CSV or Parquet', async () => {
    await using it = await openPushServer()
    const csv = await it.send(
      path('producer=p&sequence=1'),
      `user,event_timestamp,count,score\na,${E},1,NaN\n`,
      {
        'content-type': 'text/csv; charset=utf-8',
      },
    )
    assert.equal(csv.body['accepted'], 1, JSON.stringify(csv.body))
    const columns = {
      user: columnOf({ kind: 'string' }, ['b']),
      event_timestamp: columnOf({ kind: 'timestamp' }, [BigInt(NOON)]),
      count: columnOf({ kind: 'int64' }, [2n ** 60n]),
      score: columnOf({ kind: 'float64' }, [-0]),
    }
    const folder = join(it.faults.folder, 'parquet')
    await mkdir(folder)
    const [file] = await it.faults.parts.parquet.write(folder, {
      columns: Object.entries(columns).map(([name, { type }]) => ({ name, type, nullable: true })),
      rows: (async function* () {
        yield { rows: 1, columns }
      })(),
      sortBy: [],
      partitionBy: [],
    })
    const body = new Uint8Array(await readFile(file!.localPath))
    const parquet = await it.send(path('producer=p&sequence=2'), body, {
      'content-type': 'application/vnd.apache.parquet',
    })
    assert.equal(parquet.body['accepted'], 1, JSON.stringify(parquet.body))
    const rows = await it.faults.table('clicks')
    const b = rows.find((row) => row['user'] === 'b')!
    assert.equal(b['count'], 2n ** 60n)
    assert.ok(Object.is(b['score'], -0))
    await nothingLeft(it)
  })

  it('puts rows that do not fit into the quarantine', async () => {
    await using it = await openPushServer()
    const bad = `${lines(1)}${JSON.stringify({ user: 'b', event_timestamp: E, count: 0.5, score: 1 })}\n${JSON.stringify({ user: 'c', event_timestamp: '2024-06-01T13:00:00Z', count: 1, score: 1 })}\n`
    const { body } = await it.send(path(), bad, JSONL)
    assert.deepEqual([body['accepted'], body['rejected'], body['quarantined']], [1, 1, 1])
    assert.deepEqual(body['reasons'], { invalid_value: 1, future: 1 })
    const page = await it.metrics()
    for (const [outcome, rows] of [
      ['accepted', 1],
      ['rejected', 1],
      ['quarantined', 1],
    ] as const) {
      assert.ok(
        page.includes(`asof_pushed_rows_total{group="clicks@1",outcome="${outcome}"} ${rows}\n`),
        outcome,
      )
    }
  })

  it('is refused where it is no batch of the group, and nothing is left', async () => {
    await using it = await openPushServer()
    const code = ({ status, body }: Answer): unknown => [status, body['code']]
    const csv = { 'content-type': 'text/csv' }
    const parquet = { 'content-type': 'application/vnd.apache.parquet' }
    assert.deepEqual(code(await it.send(path(), 'user,count\na,1\n', csv)), [400, 'missing_column'])
    assert.deepEqual(code(await it.send(path(), `${lines(1)}{"broken\n`, JSONL)), [400, 'invalid_batch'])
    assert.deepEqual(code(await it.send(path(), 'no parquet', parquet)), [400, 'invalid_batch'])
    assert.deepEqual(code(await it.send(path(), '', JSONL)), [400, 'invalid_batch'])
    const broken = `user,event_timestamp,count,score\nsecret,${E},1,1\nsecret,"${E},1,secret\nsecret\n`
    const answer = await it.send(path(), broken, csv)
    assert.deepEqual(code(answer), [400, 'invalid_batch'])
    assert.doesNotMatch(JSON.stringify(answer.body), /secret|incoming|tmp/)
    const line = await it.send(path(), `${lines(2)}{"broken secret\n`, JSONL)
    assert.doesNotMatch(JSON.stringify(line.body), /secret|incoming|tmp/)
    assert.deepEqual(code(await it.post(path(), { rows: [] })), [415, 'unsupported_media_type'])
    assert.deepEqual(code(await it.send(path(), lines(1), { 'content-type': 'text/plain' })), [
      415,
      'unsupported_media_type',
    ])
    const gzip = { ...JSONL, 'content-encoding': 'gzip' }
    assert.deepEqual(code(await it.send(path(), lines(1), gzip)), [415, 'unsupported_media_type'])
    for (const query of [
      'sequence=1',
      'producer=p',
      'producer=p&sequence=x',
      'producer=p&sequence=1&wait=1',
      'producer=&sequence=1',
      'producer=p&sequence=1&owner=me',
      'producer=p&producer=q&sequence=1',
    ]) {
      assert.deepEqual(code(await it.send(path(query), lines(1), JSONL)), [400, 'invalid_request'], query)
    }
    const own = path('producer=asof%3Aimport&sequence=1')
    assert.deepEqual(code(await it.send(own, lines(1), JSONL)), [400, 'invalid_producer'])
    assert.deepEqual(code(await it.send(path(undefined, 'nobody'), lines(1), JSONL)), [
      404,
      'group_not_found',
    ])
    assert.equal((await it.faults.parts.log.read(0, 1)).length, 0)
    await nothingLeft(it)
  })

  it('is 413 where it is too large, whether it says so or not', async () => {
    await using it = await openPushServer({ limits: { batchBodyBytesMax: 50_000 } })
    const said = await it.send(path(), lines(2_000), JSONL).catch(() => undefined)
    if (said !== undefined) assert.deepEqual([said.status, said.body['code']], [413, 'payload_too_large'])
    assert.equal(await chunked(it, lines(2_000)), 413)
    await nothingLeft(it)
    const small = await it.send(path(), lines(100), JSONL)
    assert.equal(small.body['accepted'], 100)
  })

  it('leaves nothing when its client goes away in the middle', async () => {
    await using it = await openPushServer()
    const text = lines(5_000)
    for (let cut = 0; cut < 5; cut++) {
      const leaving = send(it, { 'content-length': String(text.length) })
      leaving.write(text.slice(0, 50_000 * (cut + 1)))
      await until(async () => (await it.left('incoming')).length > 0)
      leaving.destroy()
      await until(async () => (await it.left('incoming')).length === 0)
    }
    assert.equal((await it.faults.parts.log.read(0, 1)).length, 0)
    assert.equal((await it.send(path(), text, JSONL)).body['accepted'], 5_000)
    await nothingLeft(it)
  })

  it('is never in memory as a whole', async () => {
    await using it = await openPushServer()
    const text = lines(10_000)
    // Nothing is appended, so that only what receives it is seen.
    const growing = process.memoryUsage().arrayBuffers
    let most = 0
    const sending = send(it, {})
    for (let part = 0; part < 200; part++) {
      if (!sending.write(`${' '.repeat(text.length)}\n`)) await new Promise((go) => sending.once('drain', go))
      most = Math.max(most, process.memoryUsage().arrayBuffers - growing)
    }
    sending.end()
    const status = await new Promise<number | undefined>((resolve) =>
      sending.once('response', (response) => resolve(response.resume().statusCode)),
    )
    assert.equal(status, 400)
    // 130 MB were sent, by this very process.
    assert.ok(most < 80_000_000, `${most}`)
    await nothingLeft(it)
  })

  it('answers 503 where the disk is full, and takes the repeat once there is room', async () => {
    let isFull = true
    await using it = await openPushServer({
      wrap: (parts) => ({
        ...parts,
        staging: around(parts.staging, (method, call) => {
          if (isFull && method === 'sync') throw new AsofError('unavailable', 'disk_full', 'the disk is full')
          return call()
        }),
      }),
    })
    const refused = await it.send(path(), lines(10), JSONL)
    assert.deepEqual([refused.status, refused.body['retryable']], [503, true])
    assert.equal((await fetch(`${it.url}/readyz`)).status, 200)
    await nothingLeft(it)
    isFull = false
    assert.equal((await it.send(path(), lines(10), JSONL)).body['accepted'], 10)
  })

  it('waits for its turn, and is told to come back where too many do', async () => {
    let [running, most] = [0, 0]
    await using it = await openPushServer({
      limits: { batchesAtOnceMax: 2, batchesInFlightMax: 6 },
      wrap: (parts) => ({
        ...parts,
        engine: around(parts.engine, async (method, call) => {
          if (method !== 'extract') return await call()
          most = Math.max(most, ++running)
          try {
            return await call()
          } finally {
            running--
          }
        }),
      }),
    })
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, at) => it.send(path(`producer=p${at}&sequence=1`), lines(50), JSONL)),
    )
    const statuses = answers.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 200).length, 6)
    const refused = answers.find(({ status }) => status === 503)!
    assert.deepEqual([refused.body['code'], refused.headers.get('retry-after')], ['overloaded', '1'])
    assert.equal(most, 2)
    assert.equal((await it.send(path('producer=p11&sequence=1'), lines(50), JSONL)).status, 200)
  })
})

/** A request for a batch whose body is the caller's to write. */
function send(it: PushServer, headers: Readonly<Record<string, string>>): ReturnType<typeof httpRequest> {
  const sending = httpRequest(`${it.url}${path()}`, { method: 'POST', headers: { ...JSONL, ...headers } })
  sending.on('error', () => undefined)
  return sending
}

/** Sends a body whose length is not said, slowly enough that an early answer is seen. */
async function chunked(it: PushServer, text: string): Promise<number | undefined> {
  const sending = send(it, {})
  const answered = new Promise<number | undefined>((resolve) =>
    sending.once('response', (response) => resolve(response.resume().statusCode)),
  )
  for (let at = 0; at < text.length; at += 20_000) {
    sending.write(text.slice(at, at + 20_000))
    await sleep(5)
  }
  sending.end()
  return await Promise.race([answered, sleep(5_000, undefined, { ref: false })])
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 1_000; round++) {
    if (await holds()) return
    await sleep(5)
  }
  throw new Error('it never came')
}
