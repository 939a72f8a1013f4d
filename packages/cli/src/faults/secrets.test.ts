// A secret and a feature value are planted, everything is done and everything goes wrong; neither is ever found in logs, metrics,
// spans, or in what is answered to others.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { propagation, trace, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace'
import { AsofError } from '@asof/core'
import { jsonLog, requestLog, tracing, type TokenCheck } from '@asof/server'
import { around } from './failing-parts.ts'
import { openPushServer, type PushServer } from './push-server.ts'

const TOKEN = 'canary-token-0123456789abcdefghijklmnop'
const READER = 'canary-reader-0123456789abcdefghijklmnop'
const KEY = 'canary-key'
const VALUE = 'canary-value'
const NUMBER = 918273645
const E = '2024-06-01T11:59:59Z'
const auth = { authorization: `Bearer ${TOKEN}` }

const tokens: TokenCheck = {
  check: (token) =>
    token === TOKEN
      ? { scope: 'write', name: 'w' }
      : token === READER
        ? { scope: 'read', name: 'r' }
        : undefined,
}

const exporter = new InMemorySpanExporter()
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
before(() => {
  trace.setGlobalTracerProvider(provider)
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
})
after(async () => {
  trace.disable()
  propagation.disable()
  await provider.shutdown()
})

function opened(lines: string[], options: Parameters<typeof openPushServer>[0] = {}): Promise<PushServer> {
  const log = jsonLog({ level: 'debug', to: { write: (line: string) => void lines.push(line) } })
  return openPushServer({ ...options, log, tokens, watchers: [tracing, requestLog] })
}

/** Whole rows of `facts` whose every value is a canary. */
const row = {
  user: KEY,
  event_timestamp: E,
  flag: true,
  small: NUMBER,
  big: String(NUMBER),
  single: 1,
  double: NUMBER,
  text: VALUE,
  blob: 'AAAA',
  seen: E,
  place: [1, 2],
  tags: [VALUE],
  by_day: { [VALUE]: NUMBER },
  pair: { left: NUMBER, right: NUMBER },
}

describe('a canary', () => {
  it('is found in no log, metric, span, or answer to others', async () => {
    const lines: string[] = []
    exporter.reset()
    let failing: unknown
    await using it = await opened(lines, {
      limits: { batchBodyBytesMax: 100_000 },
      wrap: (parts) => ({
        ...parts,
        log: around(parts.log, (method, call) => {
          if (failing !== undefined && method === 'append') throw failing
          return call()
        }),
      }),
    })
    const own: string[] = []
    const post = async (
      path: string,
      body: unknown,
      headers: Record<string, string> = auth,
    ): Promise<void> => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const answer = await it.send(path, text, { 'content-type': 'application/json', ...headers })
      own.push(`${answer.status} ${JSON.stringify(answer.body)}`)
    }
    const rows = '/v1/groups/facts/rows'
    const get = { service: 'model', keys: { user: KEY } }
    // What works.
    await post(rows, { rows: [row], producer: 'p', sequence: 1, wait: 'applied' })
    await post('/v1/get', { ...get, include: ['statuses', 'types', 'event_times', 'flags'] })
    assert.match(own[1]!, /^200 .*canary-value/)
    own.length = 0
    const jsonl = { ...auth, 'content-type': 'application/x-ndjson' }
    const batch = (producer: string): string => `/v1/groups/facts/batches?producer=${producer}&sequence=1`
    await post(batch('b1'), JSON.stringify(row), jsonl)
    // What is refused.
    for (const wrong of [
      { small: VALUE },
      { big: VALUE },
      { double: VALUE },
      { text: NUMBER },
      { blob: `${VALUE}!` },
      { seen: VALUE },
      { place: [VALUE, 1] },
      { tags: VALUE },
      { by_day: [VALUE] },
      { pair: { left: VALUE, right: 1 } },
      { event_timestamp: VALUE },
      { event_timestamp: NUMBER },
      { event_timestamp: '2024-06-01T13:00:00Z' },
      { user: null },
      { flag: undefined },
      { text: VALUE.repeat(10_000) },
    ]) {
      await post(rows, { rows: [{ ...row, ...wrong }] })
    }
    await post(rows, `{"rows": [{"user": "${KEY}", ${VALUE}`)
    await post(rows, `{"rows": ["${VALUE}"]}`)
    await post(rows, `"${VALUE}"`)
    await post(rows, { rows: [row], wait: VALUE })
    await post(rows, { rows: [row], producer: 'p', sequence: VALUE })
    await post(rows, Buffer.from([0x81, 0xa4, 0xff]).toString('latin1'), {
      ...auth,
      'content-type': 'application/vnd.msgpack',
    })
    await post('/v1/get', { service: 'model', keys: { user: NUMBER } })
    await post('/v1/get', { service: 'model', keys: { user: KEY }, at: VALUE })
    await post('/v1/get', { service: 'model', keys: { user: KEY }, asOf: VALUE })
    await post('/v1/get', { service: 'model', keys: { user: KEY }, include: [VALUE] })
    await post('/v1/get', { service: 'model', keys: KEY })
    await post(batch('b2'), `{"user":"${KEY}","text":"${VALUE}`, jsonl)
    await post(batch('b3'), `user,text\n${KEY},"${VALUE}\n`, { ...auth, 'content-type': 'text/csv' })
    await post(batch('b4'), VALUE, { ...auth, 'content-type': 'application/vnd.apache.parquet' })
    await post(batch('b5'), JSON.stringify({ ...row, small: VALUE }), jsonl)
    await post(batch('b6'), `${VALUE}\n`.repeat(10_000), jsonl)
    await post(`/v1/groups/facts/rows?${VALUE}=${TOKEN}`, { rows: [] })
    await post(`/${VALUE}/${KEY}?token=${TOKEN}`, {})
    await post(rows, { rows: [row] }, { authorization: `Bearer ${TOKEN}x` })
    await post(rows, { rows: [row] }, { authorization: `Bearer ${READER}` })
    await post(rows, { rows: [row] }, { ...auth, 'content-type': `text/${VALUE}` })
    await post('/v1/get', get, {
      ...auth,
      accept: `text/${VALUE}`,
      'x-request-id': `${VALUE}\n${TOKEN}`,
    }).catch(() => undefined)
    // What breaks, with causes that speak of what they were doing.
    for (const error of [
      new Error(`cannot write ${VALUE} of ${KEY} with ${TOKEN}`),
      new TypeError(`Cannot read "${VALUE}" of undefined`),
      new SyntaxError(`Cannot convert ${VALUE} to a BigInt`),
      new AsofError('internal', 'internal', 'it broke', { row: VALUE, token: TOKEN }),
      new AsofError('unavailable', 'disk_refused_write', 'the disk refused the write', {
        reason: `at ${VALUE}`,
      }),
      new AsofError(
        'corrupt',
        'damaged_store',
        'the pages are damaged',
        {},
        {
          cause: new Error(
            `authorization: Bearer ${TOKEN} https://ann:${TOKEN}@example.com/?token=${TOKEN} ${VALUE}`,
          ),
        },
      ),
    ]) {
      failing = error
      await post(rows, { rows: [row] })
    }
    failing = undefined
    assert.ok(own.some((each) => each.startsWith('500')) && own.some((each) => each.startsWith('503')))
    const page = await (await fetch(`${it.url}/metrics`, { headers: auth })).text()
    const other = await (await fetch(`${it.url}/v1/groups/facts`, { headers: auth })).text()
    const spans = exporter.getFinishedSpans()
    assert.ok(lines.length > 40 && spans.length > 40)
    const everything = {
      page,
      other,
      spans: spans.map(shown).join('\n'),
      log: lines.join(''),
      own: own.join('\n'),
    }
    for (const [place, text] of Object.entries(everything)) {
      for (const canary of [TOKEN, READER, KEY, VALUE, String(NUMBER)]) {
        const found = text.indexOf(canary)
        assert.equal(found, -1, `${canary} in ${place}: ${text.slice(Math.max(0, found - 200), found + 100)}`)
      }
    }
  })
})

describe('the log', () => {
  it('has a line of JSON for each request but those of probes', async () => {
    const lines: string[] = []
    await using it = await opened(lines)
    await it.post('/v1/groups/clicks/rows', { rows: [] }, { ...auth, 'x-request-id': 'r-1' })
    await fetch(`${it.url}/livez`)
    await fetch(`${it.url}/no/such?path=1`, { headers: auth })
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      told.map(({ level, msg, method, route, status, request }) => [
        level,
        msg,
        method,
        route,
        status,
        request === 'r-1',
      ]),
      [
        ['info', 'answered', 'POST', '/v1/groups/:group/rows', 400, true],
        ['info', 'answered', 'GET', 'none', 404, false],
      ],
    )
    assert.ok(Number(told[0]!['ms']) > 0 && Number(told[0]!['bytes']) > 0)
    assert.match(String(told[0]!['time']), /^\d{4}-\d\d-\d\dT.*Z$/)
  })

  it('has no line that a text begins, and no secret', () => {
    const lines: string[] = []
    const log = jsonLog({ to: { write: (line: string) => void lines.push(line) } })
    const text = 'a\nb\u001b[31m"},{"level":"fatal\r'
    log.warn(
      { text, authorization: 'Basic x', nested: { 'x-api-key': 'k1', url: 'redis://ann:pass@host/0' } },
      text,
    )
    log.error({ error: new Error('secret') }, 'x-api-key: k1, bearer abc.def, password=hunter2')
    log.debug({}, 'not at this level')
    assert.equal(lines.length, 2)
    for (const line of lines) {
      assert.doesNotMatch(line.slice(0, -1), /\p{Cc}/u)
      assert.doesNotMatch(line, /k1|ann:pass|abc\.def|hunter2|"secret"|Basic x/)
    }
    const first = JSON.parse(lines[0]!) as Record<string, unknown>
    assert.equal(first['text'], text)
    assert.equal(first['level'], 'warn')
  })
})

describe('a trace', () => {
  it('has a span for the request, below that of its caller, and one for each stage', async () => {
    await using it = await opened([])
    exporter.reset()
    const parent = '0af7651916cd43dd8448eb211c80319c'
    const traced = { ...auth, traceparent: `00-${parent}-b7ad6b7169203331-01` }
    const e = { event_timestamp: E, count: 1, score: 1 }
    await it.post('/v1/groups/clicks/rows', { rows: [{ user: 'a', ...e }], wait: 'applied' }, traced)
    await it.post('/v1/get', { service: 'model', keys: { user: 'a' } }, traced)
    await it.post('/v1/get', { service: 'nobody', keys: { user: 'a' } }, traced)
    await fetch(`${it.url}/livez`)
    await until(() => exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.SERVER).length === 3)
    const spans = exporter.getFinishedSpans()
    assert.ok(spans.every((span) => span.spanContext().traceId === parent))
    const [push, get, missing] = spans.filter(({ kind }) => kind === SpanKind.SERVER)
    assert.equal(push!.name, 'POST /v1/groups/:group/rows')
    assert.equal(push!.parentSpanContext?.spanId, 'b7ad6b7169203331')
    assert.deepEqual(push!.attributes, {
      'http.request.method': 'POST',
      'http.route': '/v1/groups/:group/rows',
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'http.response.status_code': 200,
    })
    assert.equal(missing!.attributes['error.type'], 'service_not_found')
    assert.equal(missing!.status.code, SpanStatusCode.UNSET)
    const stages = (of: ReadableSpan): string[] =>
      spans
        .filter((span) => span.parentSpanContext?.spanId === of.spanContext().spanId)
        .map(({ name }) => name)
    assert.deepEqual(stages(push!), ['parse', 'push'])
    assert.deepEqual(stages(get!), ['parse', 'lookup', 'assemble', 'write'])
    const lookup = spans.find(({ name }) => name === 'lookup')!
    assert.deepEqual(lookup.attributes, { 'asof.service': 'model' })
    assert.ok(seconds(lookup.startTime) >= seconds(get!.startTime) - 0.002, 'it began within its request')
    assert.ok(seconds(lookup.endTime) <= seconds(get!.endTime) + 0.002)
    const page = await (await fetch(`${it.url}/metrics`, { headers: auth })).text()
    for (const stage of ['parse', 'lookup', 'assemble', 'write', 'push']) {
      assert.match(page, new RegExp(`asof_stage_seconds_count\\{[^}]*stage="${stage}"\\} [1-9]`))
    }
    assert.match(page, /asof_values_total\{service="model",status="present"\} 2\n/)
    assert.match(page, /asof_values_total\{service="model",status="not_found"\} 12\n/)
  })

  it('is not kept where the caller says so', async () => {
    await using it = await opened([])
    exporter.reset()
    const unsampled = { ...auth, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }
    await it.post('/v1/get', { service: 'model', keys: { user: 'a' } }, unsampled)
    assert.deepEqual(exporter.getFinishedSpans(), [])
  })
})

function shown({ name, attributes, events, status, links }: ReadableSpan): string {
  return JSON.stringify({ name, attributes, events, status, links })
}

function seconds([whole, nanos]: readonly [number, number]): number {
  return whole + nanos / 1e9
}

async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 1_000 && !holds(); round++) await new Promise((go) => setTimeout(go, 2))
}
