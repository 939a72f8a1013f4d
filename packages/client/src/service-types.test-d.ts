import {
  bool,
  bytes,
  csv,
  entity,
  featureGroup,
  featureService,
  float64,
  int32,
  int64,
  list,
  map,
  onDemand,
  request,
  string,
  struct,
  timestamp,
  vector,
  type FeatureStore,
  type KeysOf as KeysInProcess,
  type RequestOf as RequestInProcess,
  type VectorOf as VectorInProcess,
} from '@asof/core'
import { connect } from './client.ts'
import type { FeatureClient, KeysOf, Lookups, RequestOf, VectorOf } from './service-types.ts'

// This file is compiled, never run: a wrong type is an error of `tsc`, and so is an `@ts-expect-error` without one.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._equal: Equal<A, B> extends true ? [] : [never]): void {}

const airport = entity('airport', { keys: { airport: string() } })
const user = entity('user', { keys: { user_id: int64() } })
const flights = csv('flights', { path: 'flights.csv', eventTime: 'date', created: { delay: '2h' } })
const trip = request('trip', { fields: { scheduled: timestamp(), distance: int32() } })
const hourly = featureGroup('hourly', {
  entity: airport,
  query: 'SELECT 1',
  sources: [flights],
  every: '1h',
  features: {
    delay_mean: float64(),
    flights: int64(),
    counted: int64({ as: 'number' }),
    carriers: list(string()),
  },
})
const profile = featureGroup('profile', {
  entity: user,
  features: {
    member: bool(),
    raw: bytes(),
    since: timestamp(),
    taste: vector(3),
    totals: map(int64()),
    home: struct({ city: string() }),
  },
})
const context = onDemand('context', {
  module: 'file:///context.ts',
  inputs: { scheduled: trip.field('scheduled'), mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  compute: () => ({ hour: 1 }),
})
const delayModel = featureService('delay_model', { features: [hourly, profile, context] })
const weather = featureService('weather', {
  features: [featureGroup('world', { entity: entity('world', { keys: {} }), features: { storm: bool() } })],
})

// What a declared service says is the same here as in process.
same<KeysOf<typeof delayModel>, KeysInProcess<typeof delayModel>>()
same<RequestOf<typeof delayModel>, RequestInProcess<typeof delayModel>>()
same<VectorOf<typeof delayModel>, VectorInProcess<typeof delayModel>>()
same<VectorOf<typeof weather>, { readonly storm: boolean | null }>()
same<
  VectorOf<typeof delayModel>,
  {
    readonly delay_mean: number | null
    readonly flights: bigint | null
    readonly counted: number | null
    readonly carriers: readonly (string | null)[] | null
    readonly member: boolean | null
    readonly raw: Uint8Array | null
    readonly since: bigint | null
    readonly taste: Float32Array | null
    readonly totals: ReadonlyMap<string, bigint | null> | null
    readonly home: { readonly city: string | null } | null
    readonly hour: number | null
  }
>()

// Services as they were declared, by value or by type alone.
const store = connect('http://127.0.0.1:8700')
const key = { airport: 'LAX', user_id: 1n }
const scheduled = { scheduled: 0n }
const vectorOfModel = await store.get(delayModel, key, { request: scheduled })
same<typeof vectorOfModel.flights, bigint | null>()
same<typeof vectorOfModel.$at, number>()
const byType = await store.get<typeof delayModel>('delay_model', key, { at: vectorOfModel.$at, deadline: 20 })
same<typeof byType.taste, Float32Array | null>()
const [several] = await store.getMany(delayModel, [{ keys: key, request: scheduled }], { expect: 'a' })
same<NonNullable<typeof several>['hour'], number | null>()
await store.push(hourly, [{ airport: 'LAX', event_timestamp: 0, delay_mean: 1 }])
await store.push('hourly@1', [], { producer: 'p', sequence: 1 }, { wait: 'applied' })
// @ts-expect-error no such feature in the vector
void vectorOfModel.delay_median
// @ts-expect-error a value may be null
void (vectorOfModel.delay_mean + 1)
// @ts-expect-error a vector is not written to
vectorOfModel.delay_mean = 1
// @ts-expect-error a key of another type
await store.get(delayModel, { airport: 'LAX', user_id: 1 })
// @ts-expect-error a key is absent
await store.get(delayModel, { airport: 'LAX' })
// @ts-expect-error a key too many
await store.get(delayModel, { airport: 'LAX', user_id: 1n, other: 1 })
// @ts-expect-error a request input of another type
await store.get(delayModel, key, { request: { scheduled: 0 } })
// @ts-expect-error an input of no such name
await store.get(delayModel, key, { request: { scheduled: 0n, distance: 1 } })
// @ts-expect-error an instant is a number
await store.get(delayModel, key, { at: '2024-01-01T00:00:00Z' })
// @ts-expect-error no such option
await store.get(delayModel, key, { timeout: 5 })
// @ts-expect-error a group is no service
await store.get(hourly, key)
// @ts-expect-error questions have keys
await store.getMany(delayModel, [{ airport: 'LAX' }])
// @ts-expect-error pushes wait for being applied, or not at all
await store.push(hourly, [], undefined, { wait: 'durable' })
// @ts-expect-error a name has a sequence
await store.push(hourly, [], { producer: 'p' })

// Services as `asof types` writes them.
interface Services {
  delay_model: {
    keys: { airport: string | null; user_id: bigint | null }
    request: { scheduled: bigint | null }
    vector: { delay_mean: number | null; flights: bigint | null }
  }
  weather: { keys: {}; request: {}; vector: { storm: boolean | null } }
}
const typed = connect<Services>('http://127.0.0.1:8700')
const generated = await typed.get('delay_model', key, { request: scheduled })
same<typeof generated.delay_mean, number | null>()
same<typeof generated.flights, bigint | null>()
const skies = await typed.getMany('weather', [{ keys: {} }])
same<NonNullable<(typeof skies)[0]>['storm'], boolean | null>()
// @ts-expect-error no such service
await typed.get('delay_modle', key)
// @ts-expect-error a key of another type
await typed.get('delay_model', { airport: 'LAX', user_id: 1 })
// @ts-expect-error no such feature in the vector
void generated.storm
// @ts-expect-error a request input of another type
await typed.get('delay_model', key, { request: { scheduled: 'now' } })
// @ts-expect-error not an option
connect('http://127.0.0.1:8700', { timeout: 5 })
// @ts-expect-error a hedge has a time
connect('http://127.0.0.1:8700', { hedge: true })

// One function for both, and one line that differs.
async function score(lookups: Lookups<typeof delayModel>): Promise<number> {
  const answer = await lookups.get(delayModel, key, { request: scheduled })
  return answer.$statuses['delay_mean'] === 'present' ? (answer.delay_mean ?? 0) : answer.$at
}
declare const inProcess: FeatureStore
await score(store)
await score(inProcess)

async function withStore(use: FeatureStore): Promise<bigint | null> {
  const answer = await use.get(delayModel, key, {
    request: scheduled,
    at: (await use.get(delayModel, key)).$at,
  })
  await use.push(hourly, [{ airport: 'LAX' }], undefined, { wait: 'applied' })
  await use.close()
  return answer.flights
}
async function withClient(use: FeatureClient): Promise<bigint | null> {
  const answer = await use.get(delayModel, key, {
    request: scheduled,
    at: (await use.get(delayModel, key)).$at,
  })
  await use.push(hourly, [{ airport: 'LAX' }], undefined, { wait: 'applied' })
  await use.close()
  return answer.flights
}
void [withStore, withClient]
