// An on-demand group that reads one stored group in two roles: looked up, as of the past, in a training set, and by the naive one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  alias,
  exportDefinitions,
  entity,
  featureGroup,
  featureService,
  float64,
  int64,
  onDemand,
  parseDefinitions,
  project,
} from '@asof/core'
import { codeOf, NOON, openFaultStore, SECOND } from './faults/fault-store.ts'

const user = entity('user', { keys: { user_id: int64() } })
const stats = featureGroup('stats', { entity: user, features: { orders: int64({ default: 1n }) } })
const buyer = alias(stats, 'buyer', { user_id: 'buyer_id' })
const seller = alias(stats, 'seller', { user_id: 'seller_id' })
const trust = onDemand('trust', {
  module: import.meta.url,
  inputs: { bought: buyer.feature('orders'), sold: seller.feature('orders') },
  features: { ratio: float64() },
  compute: ({ bought, sold }) => ({
    ratio: bought === null || sold === null ? null : Number(bought) / Number(sold),
  }),
})
const fraud = featureService('fraud', { features: [trust, buyer] })
const returns = featureService('returns', {
  features: [alias(trust, 'back', { buyer_id: 'seller_id', seller_id: 'buyer_id' })],
})
const shop = project('shop', [fraud, returns])

test('each input is of the entity in its role, in every path', async () => {
  await using faults = await openFaultStore(shop)
  const { store } = faults
  await store.apply()
  const row = (user_id: bigint, orders: bigint) => ({ user_id, orders, event_timestamp: NOON - SECOND })
  await store.push(stats, [row(1n, 10n), row(2n, 4n)], undefined, { wait: 'applied' })
  const keys = { buyer_id: 1n, seller_id: 2n }
  const vector = await store.get(fraud, keys)
  assert.deepEqual([vector.ratio, vector.buyer_orders], [2.5, 10n])
  assert.equal((await store.get(fraud, { buyer_id: 2n, seller_id: 1n })).ratio, 0.4)
  assert.equal(
    (await store.get(fraud, { buyer_id: 1n, seller_id: 7n })).ratio,
    10,
    'the default of one who is unknown',
  )
  assert.equal((await store.get(returns, keys)).back_ratio, 0.4, 'roles of roles')
  assert.equal(await codeOf(async () => await store.get(fraud, { buyer_id: 1n } as never)), 'absent_value')
  const { at } = await store.push(stats, [row(1n, 20n)])
  assert.equal((await store.get(fraud, keys, { asOf: at })).ratio, 5)
  await store.drain()
  const asked = (key: bigint, other: bigint, instant: number) =>
    ({
      buyer_id: [{ kind: 'int64' }, [key, other]],
      seller_id: [{ kind: 'int64' }, [other, key]],
      at: [{ kind: 'timestamp' }, [BigInt(instant), BigInt(instant)]],
    }) as const
  const set = await faults.train(fraud, asked(1n, 2n, at))
  assert.deepEqual(
    set.rows.map((each) => each['ratio']),
    [5, 0.2],
  )
  const verified = await store.verify(set.folder, { sample: 'all' })
  assert.deepEqual([verified.ok, verified.rowsChecked], [true, 2])
})

test('the names are part of the definition, also in JSON, and are checked', async () => {
  const text = exportDefinitions(shop)
  const read = parseDefinitions(text)
  assert.deepEqual(read.definitions, shop.definitions)
  const [bought] = trust.definition.inputs
  assert.deepEqual(bought!.keys, { user_id: 'buyer_id' })
  const wrong = {
    ...trust,
    definition: { ...trust.definition, inputs: [{ ...bought!, keys: { nobody: 'buyer_id' } }] },
  }
  assert.equal(await codeOf(() => project('shop', [wrong as never])), 'unknown_reference')
  assert.equal(await codeOf(() => buyer.feature('nope' as never)), 'feature_not_found')
})
