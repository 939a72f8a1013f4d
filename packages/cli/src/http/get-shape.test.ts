// What `POST /v1/get` says of a body of another shape than it takes: which property, in plain words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entity, featureGroup, featureService, int32, project, string } from '@asof/core'
import { openHttpStore } from './http-store.ts'

const user = entity('user', { keys: { user: string() } })
const stats = featureGroup('stats', { entity: user, features: { visits: int32() } })
const shop = project('shop', [featureService('model', { features: [stats] })])

const keys = { user: 'ann' }
const BODIES: readonly (readonly [body: unknown, detail: RegExp])[] = [
  ['', /^the body is empty: send a JSON object$/],
  [null, /rule=`must be object`/],
  [[], /rule=`must be object`/],
  [{}, /^the body lacks a property: service or features\./],
  [{ keys }, /^the body lacks a property: service or features\./],
  [{ service: 'model' }, /^the body lacks a property: keys or entities\./],
  [{ service: 'model', features: ['stats:visits'], keys }, /^give service or features, not both\./],
  [{ service: 'model', keys, entities: [{ keys }] }, /^give keys or entities, not both\./],
  [{ service: 'model', entities: [keys] }, /lacks a property: keys\. path=`body\.entities\.0`/],
  [{ service: 'model', entities: {} }, /path=`body\.entities` rule=`must be array`/],
  [{ service: 'model', keys, extra: 1 }, /has a property that this path does not take.*property=`extra`/],
]

test('a body of another shape is answered with what is missing', async () => {
  await using http = await openHttpStore(shop)
  for (const [body, detail] of BODIES) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await fetch(`${http.url}/v1/get`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
    })
    assert.equal(answer.status, 400, text)
    assert.match(((await answer.json()) as { detail: string }).detail, detail, text)
  }
  const both = await http.ask('/v1/get', { service: 'model', entities: [{ keys }] })
  assert.equal(both.status, 200)
})

test('a name that there is not is answered with those that may have been meant, in a detail of the problem', async () => {
  await using http = await openHttpStore(shop)
  for (const [body, similar] of [
    [{ service: 'modle', keys }, 'model'],
    [{ features: ['stat:visits'], keys }, 'stats'],
    [{ features: ['stats:visit'], keys }, 'visits'],
  ] as const) {
    const { status, json } = await http.ask('/v1/get', body)
    assert.deepEqual([status, json<{ details: { similar: string } }>().details.similar], [404, similar])
  }
  const pushed = await http.ask('/v1/groups/stas/rows', { rows: [{ user: 'ann' }] })
  assert.equal(pushed.json<{ details: { similar: string } }>().details.similar, 'stats')
})
