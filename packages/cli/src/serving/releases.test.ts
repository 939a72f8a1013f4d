// F37: two releases that meet: rows, stores and the wire of one that is later are read, or refused by version.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type AsofError } from '@asof/client'
import { entity, featureGroup, featureService, int32, project, string } from '@asof/core'
import { createServer } from '@asof/server'
import { around } from '../faults/failing-parts.ts'
import { NOON, openFaultStore, SECOND } from '../faults/fault-store.ts'
import { openHttpStore } from '../http/http-store.ts'

const user = entity('user', { keys: { user: string() } })
const before = featureGroup('pushed', { entity: user, features: { a: int32() } })
const after = featureGroup('pushed', { entity: user, features: { a: int32(), b: int32({ default: 7 }) } })
const names = featureGroup('names', { entity: user, features: { name: string() } })
const old = project('younger', [featureService('model', { features: [before.pick('a'), names] })])
const young = project('younger', [featureService('model', { features: [after.pick('a'), names] })])
const ASK = { service: 'model', keys: { user: 'x' }, include: ['statuses'] }
const row = (more: object): object => ({ user: 'x', event_timestamp: NOON - SECOND, ...more })

test('F37: a server of before and one of after a change push and answer on one store', async () => {
  await using opened = await openFaultStore(old)
  const { store, folder } = opened
  await store.apply()
  await using server = createServer({ store })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  await using http = await openHttpStore(old, { faults: { folder } })
  assert.equal((await http.ask('/v1/get', ASK)).status, 200)
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const answered = (await answer.json()) as Record<string, unknown>
    assert.equal(answer.status, 200, JSON.stringify(answered))
    return answered
  }
  await post('/v1/groups/pushed/rows', { rows: [row({ a: 1 })], wait: 'applied' })
  assert.deepEqual((await http.ask('/v1/get', ASK)).json()['rows'], [{ a: 1, name: null }])

  // Of the two one knows more now; what it writes the other reads, and it reads what was written before.
  await store.apply({ definitions: young.definitions })
  const both = { features: ['pushed:a', 'pushed:b'], keys: { user: 'x' } }
  assert.deepEqual((await post('/v1/get', both))['rows'], [{ 'pushed:a': 1, 'pushed:b': null }])
  const rows = [row({ a: 2, b: 3, event_timestamp: NOON })]
  await post('/v1/groups/pushed/rows', { rows, wait: 'applied' })
  assert.deepEqual((await http.ask('/v1/get', ASK)).json()['rows'], [{ a: 2, name: null }])
  assert.deepEqual((await post('/v1/get', both))['rows'], [{ 'pushed:a': 2, 'pushed:b': 3 }])
})

test('F37: a row in a format of a later release costs its own values, and says so', async () => {
  const damage = { isOn: false }
  await using http = await openHttpStore(old, {
    faults: {
      wrap: (parts) => ({
        ...parts,
        online: around(parts.online, (method, call) => {
          if (method !== 'read' || !damage.isOn) return call()
          return (call() as Promise<(Uint8Array | undefined)[]>).then((rows) =>
            rows.map((bytes, index) => (index === 0 && bytes !== undefined ? ofLater(bytes) : bytes)),
          )
        }),
      }),
    },
  })
  await http.ask('/v1/groups/pushed/rows', { rows: [row({ a: 1 })] })
  await http.ask('/v1/groups/names/rows', { rows: [row({ name: 'Ann' })], wait: 'applied' })
  damage.isOn = true
  const answer = await http.ask('/v1/get', ASK)
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.json()['rows'], [{ a: null, name: 'Ann' }])
  assert.deepEqual(answer.json()['statuses'], [{ a: 'error', name: 'present' }])
})

test('F37: what a later server says besides is not in the way of a client of before', async () => {
  await using http = await openHttpStore(old)
  await http.ask('/v1/groups/pushed/rows', { rows: [row({ a: 1 })], wait: 'applied' })
  const later: typeof fetch = async (input, init) => {
    const accept = new Headers(init?.headers)
    accept.set('accept', 'application/json')
    const answer = await fetch(input, { ...init, headers: accept })
    const text = await answer.text()
    const body = JSON.parse(text) as Record<string, unknown>
    const more = JSON.stringify({ ...body, trust: 0.5, more: { deeply: [1] } })
    const headers = new Headers(answer.headers)
    headers.delete('content-length')
    headers.set('asof-more', 'yes')
    return new Response(more, { status: answer.status, headers })
  }
  await using store = connect(http.url, { fetch: later, deadline: 20_000 })
  const vector = (await store.get('model', { user: 'x' })) as unknown as Record<string, unknown>
  assert.deepEqual([vector['a'], vector['name']], [1, null])
  const refused = await store.get('nope', { user: 'x' }).catch((error: unknown) => error as AsofError)
  assert.equal((refused as AsofError).code, 'service_not_found')
})

test('F37: what a later client asks besides is refused by name, and so is a version of the paths', async () => {
  await using http = await openHttpStore(old)
  const refused = await http.ask('/v1/get', { ...ASK, explain: true })
  assert.deepEqual([refused.status, refused.json()['code']], [400, 'invalid_request'])
  assert.match(String(refused.json()['detail']), /explain/)
  assert.equal((await http.ask('/v2/get', ASK)).status, 404)
  const typed = await http.ask('/v1/get', ASK, {
    headers: { 'content-type': 'application/vnd.asof.v2+json' },
  })
  assert.equal(typed.status, 415)
  const accepted = await http.ask('/v1/get', ASK, { headers: { accept: 'application/vnd.asof.v2+json' } })
  assert.equal(accepted.status, 406)
})

/** A row with a flag that no release has given a meaning yet. */
function ofLater(row: Uint8Array): Uint8Array {
  const later = row.slice()
  later[28] = 0x02
  return later
}
