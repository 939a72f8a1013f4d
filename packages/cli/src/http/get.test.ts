// What `POST /v1/get` answers, against what the same lookup answers in process.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  entity,
  featureGroup,
  featureService,
  float64,
  formatInstant,
  int32,
  int64,
  onDemand,
  project,
  request,
  string,
  type AsofError,
} from '@asof/core'
import { at, HOUR, NOON, refusal, SECOND } from '../faults/fault-store.ts'
import { openHttpStore } from './http-store.ts'

const user = entity('user', { keys: { user: string() } })
const account = entity('account', { keys: { id: int64() } })
const stats = featureGroup('stats', {
  entity: user,
  ttl: '2h',
  features: { score: float64({ default: 0.5 }), visits: int64() },
})
const limits = featureGroup('limits', { entity: account, features: { limit: int32() } })
const ask = request('ask', { fields: { amount: int64() } })
const ratio = onDemand('ratio', {
  module: import.meta.url,
  inputs: { amount: ask.field('amount'), limit: limits.feature('limit') },
  features: { share: float64() },
  compute: ({ amount, limit }) => ({
    share: amount === null || limit === null ? null : Number(amount) / limit,
  }),
})
const model = featureService('model', {
  features: [stats, limits, ratio],
  consumers: [{ model: 'risk', version: '3', team: 'fraud' }],
})
const shop = project('shop', [model])
const row = (user: string, micros: number, score: number | null, visits: bigint) => ({
  user,
  event_timestamp: at(micros),
  score,
  visits,
})
const LIMIT = { id: 9_007_199_254_740_993n, event_timestamp: at(-HOUR), limit: 50 }
const BIG = '9007199254740993'

interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly columns: Readonly<Record<string, readonly unknown[]>>
  readonly statuses: unknown
  readonly flags: unknown
  readonly eventTimes: unknown
  readonly [name: string]: unknown
}

test('one entity, many, rows and columns: the same as in process', async () => {
  await using http = await openHttpStore(shop)
  await http.store.push(stats, [row('ann', -SECOND, 1.5, 7n), row('bob', -3 * HOUR, -0, 8n)])
  await http.store.push(limits, [LIMIT], undefined, { wait: 'applied' })
  const fingerprint = (await http.store.servicePlan(model)).fingerprint
  const vector = await http.store.get(model, { user: 'ann', id: LIMIT.id }, { request: { amount: 25n } })

  // An integer beyond 2^53 in a key, as a number of JSON: every digit counts.
  const one = await http.ask(
    '/v1/get',
    `{"service":"model","keys":{"user":"ann","id":${BIG}},"request":{"amount":"25"},"include":["statuses","event_times","flags","types"]}`,
  )
  assert.equal(one.status, 200)
  assert.equal(one.headers.get('asof-fingerprint'), fingerprint)
  assert.deepEqual(one.json(), {
    service: 'model',
    revision: 1,
    fingerprint,
    at: formatInstant(vector.$at),
    source: 'online',
    features: ['score', 'visits', 'limit', 'share'],
    rows: [{ score: 1.5, visits: '7', limit: 50, share: 0.5 }],
    statuses: [{ score: 'present', visits: 'present', limit: 'present', share: 'present' }],
    eventTimes: [
      {
        score: formatInstant(at(-SECOND)),
        visits: formatInstant(at(-SECOND)),
        limit: formatInstant(at(-HOUR)),
        share: null,
      },
    ],
    flags: [{}],
    types: {
      score: { kind: 'float64' },
      visits: { kind: 'int64' },
      limit: { kind: 'int32' },
      share: { kind: 'float64' },
    },
  })

  const body = {
    service: 'model',
    entities: [
      { keys: { user: 'bob', id: null } },
      { keys: { user: 'nobody', id: BIG }, request: { amount: 5 } },
      { keys: { user: 'bob', id: null } },
    ],
    include: ['statuses', 'flags'],
  }
  const many = (await http.ask('/v1/get', { ...body, form: 'columns' })).json<Answer>()
  assert.deepEqual(many.columns, {
    score: [0.5, 0.5, 0.5],
    visits: [null, null, null],
    limit: [null, 50, null],
    share: [null, 0.1, null],
  })
  assert.deepEqual(many.statuses, {
    score: ['expired', 'not_found', 'expired'],
    visits: ['expired', 'not_found', 'expired'],
    limit: ['not_found', 'present', 'not_found'],
    share: ['null', 'present', 'null'],
  })
  assert.deepEqual(many.flags, {
    score: [{ defaulted: true }, { defaulted: true }, { defaulted: true }],
    limit: [{ null_key: true }, null, { null_key: true }],
  })
  const rows = (await http.ask('/v1/get', body)).json<Answer>()
  assert.deepEqual(
    rows.rows,
    [0, 1, 2].map((at) => Object.fromEntries(Object.entries(many.columns).map(([n, v]) => [n, v[at]]))),
  )
  const none = (
    await http.ask('/v1/get', { service: 'model', entities: [], include: ['statuses'] })
  ).json<Answer>()
  assert.deepEqual([none.rows, none.statuses], [[], []])
})

test('features by reference, in the order asked, twice where they were asked for twice', async () => {
  await using http = await openHttpStore(shop)
  await http.store.push(stats, [row('ann', -SECOND, 1.5, 7n)], undefined, { wait: 'applied' })
  const features = ['stats@1:visits', 'stats:score', 'stats@1:visits', 'ratio:share']
  const answered = await http.ask('/v1/get', { features, keys: { user: 'ann', id: BIG } })
  const answer = answered.json<Answer>()
  assert.deepEqual(answer['features'], features)
  assert.deepEqual(answer.rows, [{ 'stats@1:visits': '7', 'stats:score': 1.5, 'ratio:share': null }])
  assert.equal(answer['service'], undefined)
  const again = (await http.ask('/v1/get', { features, keys: { user: 'ann', id: BIG } })).json<Answer>()
  assert.equal(again['fingerprint'], answer['fingerprint'])
  const other = (
    await http.ask('/v1/get', { features: features.slice(0, 2), keys: { user: 'ann' } })
  ).json<Answer>()
  assert.notEqual(other['fingerprint'], answer['fingerprint'])
  for (const [listed, code] of [
    [['stats:scor'], 'feature_not_found'],
    [['stat:score'], 'group_not_found'],
    [['stats@2:score'], 'group_not_found'],
    [['nonsense'], 'invalid_reference'],
    [[], 'invalid_request'],
  ] as const) {
    const refused = await http.ask('/v1/get', { features: listed, keys: { user: 'ann' } })
    assert.equal(refused.json()['code'], code)
  }
})

test('at, asOf and expect mean what they mean in process', async () => {
  await using http = await openHttpStore(shop)
  await http.store.push(stats, [row('ann', -20 * SECOND, 1, 1n)])
  http.clock.now += 10 * SECOND
  const between = http.clock.now
  http.clock.now += SECOND
  await http.store.push(stats, [row('ann', -10 * SECOND, 2, 2n)])
  await http.store.drain()
  const score = async (extra: object): Promise<unknown> => {
    const body = { service: 'model', keys: { user: 'ann', id: 1 }, ...extra }
    const { rows, source } = (await http.ask('/v1/get', body)).json<Answer>()
    return [rows[0]!['score'], source]
  }
  assert.deepEqual(await score({}), [2, 'online'])
  assert.deepEqual(await score({ at: between }), [1, 'online'])
  assert.deepEqual(await score({ at: formatInstant(between as never) }), [1, 'online'])
  assert.deepEqual(await score({ asOf: between }), [1, 'offline'])
  assert.deepEqual(await score({ asOf: between - HOUR }), [0.5, 'offline'])

  const keys = { user: 'ann', id: 1n }
  for (const [sent, inProcess] of [
    [{ expect: 'other' }, { expect: 'other' }],
    [{ at: NOON - 2 * HOUR }, { at: at(-2 * HOUR) }],
    [{ at: NOON + HOUR }, { at: at(HOUR) }],
    [{ asOf: NOON + HOUR }, { asOf: at(HOUR) }],
    [
      { at: NOON, asOf: NOON },
      { at: NOON, asOf: NOON },
    ],
    [{ request: { sum: 1 } }, { request: { sum: 1 } }],
  ] as const) {
    const answered = await http.ask('/v1/get', { service: 'model', keys: { user: 'ann', id: 1 }, ...sent })
    const error: AsofError = await refusal(() => http.store.get('model', keys, inProcess))
    const { code, kind, retryable, details } = answered.json()
    assert.deepEqual(
      { code, kind, retryable, details },
      {
        code: error.code,
        kind: error.kind,
        retryable: error.retryable,
        details: { ...error.details },
      },
    )
  }
})

test('a deprecated group is announced in the answer and its headers', async () => {
  const old = featureGroup('old', {
    entity: user,
    status: 'deprecated',
    deprecation: { after: '2027-03-01', replacement: 'stats@1' },
    features: { age: int32() },
  })
  await using http = await openHttpStore(
    project('shop', [featureService('model', { features: [stats, old] })]),
  )
  const answered = await http.ask('/v1/get', { service: 'model', keys: { user: 'ann' } })
  assert.deepEqual(answered.json<Answer>()['deprecated'], [
    { group: 'old@1', after: '2027-03-01', replacement: 'stats@1' },
  ])
  assert.equal(answered.headers.get('deprecation'), `@${Date.UTC(2027, 2, 1) / 1_000}`)
  assert.equal(answered.headers.get('sunset'), 'Mon, 01 Mar 2027 00:00:00 GMT')
})

test('the registry over HTTP: services and groups', async () => {
  await using http = await openHttpStore(shop)
  const { services } = (await http.ask('/v1/services')).json<{ services: readonly object[] }>()
  const consumers = [{ model: 'risk', version: '3', team: 'fraud' }]
  assert.deepEqual(services, [{ name: 'model', features: 4, consumers }])
  const service = (await http.ask('/v1/services/model')).json()
  assert.deepEqual(service['keys'], [
    { name: 'user', type: { kind: 'string' } },
    { name: 'id', type: { kind: 'int64' } },
  ])
  assert.deepEqual(service['consumers'], consumers)
  const { groups } = (await http.ask('/v1/groups')).json<{ groups: readonly { group: string }[] }>()
  assert.deepEqual(
    groups.map(({ group }) => group),
    ['limits@1', 'stats@1'],
  )
  const group = (await http.ask('/v1/groups/stats')).json<{ definition: { ttl: string }; rows: number }>()
  assert.deepEqual([group.definition.ttl, group.rows], ['2h', 0])
  for (const path of ['/v1/services/none', '/v1/groups/none', '/v1/groups/stats@7']) {
    assert.equal((await http.ask(path)).status, 404, path)
  }
})

test('the registry over HTTP: search, lineage, impact, consumers', async () => {
  await using http = await openHttpStore(shop)
  const found = (await http.ask('/v1/search?q=visits&limit=5')).json<{ results: { id: string }[] }>()
  assert.equal(found.results[0]?.id, 'shop.group/stats@1:visits')
  const { nodes } = (await http.ask('/v1/lineage?of=limits:limit&direction=down')).json<{
    nodes: { id: string }[]
  }>()
  assert.ok(
    nodes.some(({ id }) => id.includes('share')),
    JSON.stringify(nodes),
  )
  const body = { service: 'model', model: 'ads', version: '1', team: 'growth' }
  assert.equal((await http.ask('/v1/consumers', body)).json()['committed'], true)
  assert.equal((await http.ask('/v1/consumers', body)).json()['committed'], false)
  const { models } = (await http.ask('/v1/impact?of=stats:score')).json<{ models: { model: string }[] }>()
  assert.deepEqual(models.map(({ model }) => model).sort(), ['ads', 'risk'])
  for (const [path, status] of [
    ['/v1/search', 400],
    ['/v1/search?q=x&limit=0', 400],
    ['/v1/search?q=x&more=1', 400],
    ['/v1/lineage?of=nothing:here', 404],
    ['/v1/lineage?of=stats:score&direction=sideways', 400],
    ['/v1/impact?of=none', 404],
  ] as const) {
    assert.equal((await http.ask(path)).status, status, path)
  }
  assert.equal((await http.ask('/v1/consumers', { ...body, service: 'none' })).status, 404)
  assert.equal((await http.ask('/v1/consumers', { ...body, owner: 'me' })).status, 400)
})
