import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { emptySnapshot, nextSnapshot } from './next-snapshot.ts'
import { serviceFingerprint } from './service-fingerprint.ts'

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const raw = { kind: 'source', name: 'raw', reads: { format: 'csv', path: 'raw.csv' } }
const sold = {
  kind: 'source',
  name: 'sold',
  reads: { format: 'sql', query: 'SELECT *', sources: ['raw'] },
  eventTime: { column: 'at', zone: 'UTC' },
  created: { column: 'known_at', zone: 'UTC' },
}
const trip = {
  kind: 'source',
  name: 'trip',
  reads: { format: 'request', fields: [field('amount'), field('unused')] },
}
const orders = {
  kind: 'group',
  name: 'orders',
  entity: 'user',
  compute: { from: 'source', source: 'sold' },
  features: [field('total'), field('behind'), field('unused')],
}
const context = {
  kind: 'on_demand',
  name: 'context',
  inputs: [
    { name: 'amount', from: { request: 'trip', field: 'amount' } },
    { name: 'behind', from: { group: 'orders', feature: 'behind' } },
  ],
  features: [field('ratio', 'float64'), field('unused')],
  code: { module: 'context.ts', fingerprint: 'c0de' },
}
const fraud = {
  kind: 'service',
  name: 'fraud',
  features: [
    { name: 'total', group: 'orders', feature: 'total', keys: { user_id: 'user_id' } },
    { name: 'ratio', group: 'context', feature: 'ratio', keys: { user_id: 'user_id' } },
  ],
}

function field(name: string, kind = 'int32', rest: object = {}): object {
  return { name, type: { kind }, ...rest }
}

/** The fingerprint of the service where some definitions differ. */
function fingerprintWith(...changed: { readonly kind: string; readonly name: string }[]): string {
  const all = [user, raw, sold, trip, orders, context, fraud].map(
    (definition) => changed.find((other) => other.name === definition.name) ?? definition,
  )
  const snapshot = nextSnapshot(emptySnapshot('shop'), checkDefinitions(all), instant(0))
  return serviceFingerprint(snapshot, snapshot.services.get('fraud')!)
}

suite('the fingerprint of a service', () => {
  const BASE = fingerprintWith()

  test('is 64 hexadecimal digits, the same on every machine', () => {
    assert.equal(BASE, 'e9c19e6fe15c98a3333271e58964ce44d4939275b600186dc1d6c51d8f65d39f')
  })

  const KEEPS = {
    'what people say': [
      { ...orders, description: 'x', owner: 'y', tags: ['z'] },
      { ...sold, description: 'x' },
      { ...fraud, owner: 'y' },
      { ...user, tags: ['z'] },
    ],
    'a description of a feature': [
      {
        ...orders,
        features: [field('total', 'int32', { description: 'x' }), field('behind'), field('unused')],
      },
    ],
    'promises and storage': [
      {
        ...orders,
        freshness: '1h',
        status: 'deprecated',
        online: false,
        partition: 'day',
        unknownColumns: 'strict',
      },
    ],
    'features it does not read': [
      { ...orders, features: [field('more'), field('behind'), field('total')] },
      { ...context, features: [field('ratio', 'float64')] },
    ],
    'request fields it does not read': [{ ...trip, reads: { format: 'request', fields: [field('amount')] } }],
    'its consumers': [{ ...fraud, consumers: [{ model: 'm', version: '1', team: 't' }] }],
    'where the code lies': [{ ...context, code: { module: 'other.ts', fingerprint: 'c0de' } }],
  }
  for (const [what, changed] of Object.entries(KEEPS)) {
    test(`stays with ${what}`, () => assert.equal(fingerprintWith(...changed), BASE))
  }

  const CHANGES = {
    'the order of the vector': { ...fraud, features: fraud.features.toReversed() },
    'a name in the vector': {
      ...fraud,
      features: [{ ...fraud.features[0], name: 'sum' }, fraud.features[1]],
    },
    'a role': {
      ...fraud,
      features: [{ ...fraud.features[0], keys: { user_id: 'buyer_id' } }, fraud.features[1]],
    },
    'a key type': { ...user, keys: [{ name: 'user_id', type: { kind: 'string' } }] },
    'a type': { ...orders, features: [field('total', 'int64'), field('behind'), field('unused')] },
    'a default': {
      ...orders,
      features: [field('total', 'int32', { default: 0 }), field('behind'), field('unused')],
    },
    'a default behind an on-demand group': {
      ...orders,
      features: [field('total'), field('behind', 'int32', { default: 0 }), field('unused')],
    },
    'a ttl': { ...orders, ttl: '1d' },
    'a boundary': { ...orders, boundary: 'exclusive' },
    'a delay': { ...orders, delay: '1h' },
    'a schedule': { ...orders, schedule: { every: '1h' } },
    'a key column': { ...orders, key: { user_id: 'uid' } },
    'a query': {
      ...orders,
      schedule: { every: '1h' },
      compute: { from: 'query', query: 'SELECT 1', sources: ['sold'] },
    },
    'a source': { ...sold, created: { delay: '1h' } },
    'a source below a source': { ...raw, reads: { format: 'csv', path: 'other.csv' } },
    'on-demand code': { ...context, code: { module: 'context.ts', fingerprint: 'beef' } },
    'an on-demand input': { ...context, inputs: [context.inputs[1]] },
    'the type of a request field': {
      ...trip,
      reads: { format: 'request', fields: [field('amount', 'int64')] },
    },
  }
  const seen = new Map([[BASE, 'nothing']])
  for (const [what, changed] of Object.entries(CHANGES)) {
    test(`changes with ${what}`, () => {
      const fingerprint = fingerprintWith(changed)
      assert.equal(seen.get(fingerprint), undefined)
      seen.set(fingerprint, what)
    })
  }
})
