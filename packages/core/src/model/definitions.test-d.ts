import type { Instant } from '../clock/instant.ts'
import { entity } from './entity.ts'
import { featureGroup } from './feature-group.ts'
import { alias, featureService } from './feature-service.ts'
import type { KeysOf, RequestOf, TrainingRowOf, VectorOf } from './feature-service.ts'
import { onDemand } from './on-demand.ts'
import { csv, delta, jsonl, parquet, request, sql } from './source.ts'
import {
  bool,
  bytes,
  float32,
  float64,
  int32,
  int64,
  list,
  map,
  string,
  struct,
  timestamp,
  vector,
} from './typed-field.ts'
import type { ValueOf } from './typed-field.ts'

// This file is compiled, never run: a wrong type is an error of `tsc`, and so is an `@ts-expect-error` without one.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._equal: Equal<A, B> extends true ? [] : [never]): void {}

// Values: one TypeScript type per declared type.
const everything = {
  flag: bool(),
  small: int32(),
  large: int64(),
  counted: int64({ as: 'number' }),
  single: float32(),
  double: float64(),
  text: string(),
  raw: bytes(),
  when: timestamp(),
  embedding: vector(3),
  words: list(string()),
  totals: list(int64({ as: 'number' })),
  weights: map(float64()),
  place: struct({ city: string(), floor: int32() }),
}
type Values = { [Name in keyof typeof everything]: ValueOf<(typeof everything)[Name]> }
same<
  Values,
  {
    flag: boolean
    small: number
    large: bigint
    counted: number
    single: number
    double: number
    text: string
    raw: Uint8Array
    when: bigint
    embedding: Float32Array
    words: readonly (string | null)[]
    totals: readonly (number | null)[]
    weights: ReadonlyMap<string, number | null>
    place: { readonly city: string | null; readonly floor: number | null }
  }
>()

// Defaults have the type of the value.
int64({ default: 7n })
int64({ as: 'number', default: 7 })
list(string(), { default: ['a', null] })
struct({ city: string() }, { default: { city: null } })
// @ts-expect-error a default of another type
int64({ default: 7 })
// @ts-expect-error a default of another type
int64({ as: 'number', default: 7n })
// @ts-expect-error a default of another type
string({ default: 1 })
// @ts-expect-error null is no default
float64({ default: null })
// @ts-expect-error lists are not nested
list(list(string()))
// @ts-expect-error maps hold scalars
map(vector(3))
// @ts-expect-error structs are flat
struct({ inner: struct({ a: int32() }) })

const airport = entity('airport', { keys: { airport: string() } })
const user = entity('user', { keys: { user_id: int64(), region: string() } })
const world = entity('world', { keys: {} })
// @ts-expect-error floats are no join keys
entity('place', { keys: { latitude: float64() } })

// Sources.
const flights = parquet('flights', { path: 'flights.parquet', eventTime: 'date', created: { delay: '2h' } })
csv('a', { path: 'a.csv', eventTime: { column: 'at', unit: 'ms' }, created: 'known_at' })
jsonl('b', { path: 'b.jsonl', eventTime: { column: 'at', zone: 'UTC' }, created: { column: 'known_at' } })
delta('c', { path: 'c', eventTime: 'at', created: 'commit', future: 'hold' })
sql('d', { query: 'SELECT * FROM flights', sources: [flights], eventTime: 'date', created: 'known_at' })
// @ts-expect-error a duration has a unit
parquet('e', { path: 'e', eventTime: 'at', created: { delay: '2 hours' } })
const trip = request('trip', { fields: { scheduled: timestamp(), distance: int32() } })
// @ts-expect-error the request has no such field
trip.field('nope')
// @ts-expect-error a request is no history for a query
sql('f', { query: 'SELECT 1', sources: [trip] })

// Groups.
const hourly = featureGroup('airport_hourly', {
  entity: airport,
  query: 'SELECT 1',
  sources: [flights],
  every: '1h',
  features: { delay_mean: float64(), flights: int64(), carriers: list(string()) },
})
const orders = featureGroup('orders', {
  entity: user,
  source: flights,
  key: { user_id: 'uid' },
  features: { total: int64({ as: 'number' }), place: struct({ city: string() }) },
})
const weather = featureGroup('weather', { entity: world, features: { storm: bool() } })
// @ts-expect-error the entity has no such join key
featureGroup('x', { entity: airport, source: flights, key: { nope: 'origin' }, features: { a: int32() } })
// @ts-expect-error a query needs a schedule
featureGroup('x', { entity: airport, query: 'SELECT 1', sources: [flights], features: { a: int32() } })
// @ts-expect-error a query or a source, not both
featureGroup('x', {
  entity: airport,
  source: flights,
  query: 'SELECT 1',
  every: '1h',
  features: { a: int32() },
})
// @ts-expect-error lookback belongs to a schedule
featureGroup('x', { entity: airport, source: flights, lookback: '1h', features: { a: int32() } })
// @ts-expect-error a push-only group has nothing to run
featureGroup('x', { entity: airport, every: '1h', features: { a: int32() } })
// @ts-expect-error a request is no history
featureGroup('x', { entity: airport, source: trip, features: { a: int32() } })
// @ts-expect-error the group has no such feature
hourly.feature('nope')
// @ts-expect-error the group has no such feature
hourly.pick('delay_mean', 'nope')

// On-demand: the function's arguments and its result are the declared types.
const context = onDemand('context', {
  module: 'file:///context.ts',
  inputs: {
    scheduled: trip.field('scheduled'),
    mean: hourly.feature('delay_mean'),
    total: orders.feature('total'),
    newest: hourly.eventTime(),
  },
  features: { hour: int32(), label: string() },
  compute: (inputs, at) => {
    same<
      typeof inputs,
      {
        readonly scheduled: bigint | null
        readonly mean: number | null
        readonly total: number | null
        readonly newest: Instant | null
      }
    >()
    same<typeof at, Instant>()
    return { hour: inputs.scheduled === null ? null : 1, label: 'a' }
  },
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  // @ts-expect-error a result of another type
  compute: () => ({ hour: 'late' }),
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32(), label: string() },
  // @ts-expect-error a declared feature is absent
  compute: () => ({ hour: 1 }),
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  // @ts-expect-error a feature that was not declared
  compute: () => ({ hour: 1, label: 'a' }),
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  // @ts-expect-error an input may be null
  compute: ({ mean }) => ({ hour: Math.round(mean) }),
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  // @ts-expect-error an input that was not declared
  compute: ({ scheduled }) => ({ hour: scheduled === null ? 0 : 1 }),
})
onDemand('wrong', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('delay_mean') },
  features: { hour: int32() },
  // @ts-expect-error a pure function is synchronous
  compute: async () => ({ hour: 1 }),
})

// An input of an entity in a role brings the role's keys along.
const inRoles = onDemand('in_roles', {
  module: 'file:///context.ts',
  inputs: {
    bought: alias(orders, 'buyer', { user_id: 'buyer_id' }).feature('total'),
    sold: alias(orders, 'seller', { user_id: 'seller_id' }).feature('total'),
  },
  features: { hour: int32() },
  compute: (inputs) => {
    same<typeof inputs, { readonly bought: number | null; readonly sold: number | null }>()
    return { hour: null }
  },
})
const roles = featureService('roles', { features: [inRoles] })
same<
  KeysOf<typeof roles>,
  { readonly buyer_id: bigint | null; readonly seller_id: bigint | null; readonly region: string | null }
>()
// @ts-expect-error the features have no such one
alias(orders, 'buyer', { user_id: 'buyer_id' }).feature('buyer_total')

// Services: keys, request inputs and vector follow.
const service = featureService('service', {
  features: [hourly.pick('flights', 'carriers'), context, weather],
  consumers: [{ model: 'delay', version: '7', team: 'ops' }],
})
same<
  KeysOf<typeof service>,
  { readonly airport: string | null; readonly user_id: bigint | null; readonly region: string | null }
>()
same<RequestOf<typeof service>, { readonly scheduled: bigint | null }>()
same<
  VectorOf<typeof service>,
  {
    readonly flights: bigint | null
    readonly carriers: readonly (string | null)[] | null
    readonly hour: number | null
    readonly label: string | null
    readonly storm: boolean | null
  }
>()
same<
  TrainingRowOf<typeof service, { readonly at: Instant; readonly late: boolean }>,
  VectorOf<typeof service> extends infer V
    ? {
        readonly [N in keyof V | 'at' | 'late']: N extends 'at'
          ? Instant
          : N extends 'late'
            ? boolean
            : V[N & keyof V]
      }
    : never
>()
// @ts-expect-error a source is no set of features
featureService('x', { features: [flights] })
// @ts-expect-error a consumer has a team
featureService('x', { features: [hourly], consumers: [{ model: 'delay', version: '7' }] })

const fraud = featureService('fraud', {
  features: [
    alias(orders, 'buyer', { user_id: 'buyer_id' }),
    alias(orders.pick('total'), 'seller', { user_id: 'seller_id' }),
  ],
})
same<
  KeysOf<typeof fraud>,
  { readonly buyer_id: bigint | null; readonly region: string | null; readonly seller_id: bigint | null }
>()
same<keyof RequestOf<typeof fraud>, never>()
same<
  VectorOf<typeof fraud>,
  {
    readonly buyer_total: number | null
    readonly buyer_place: { readonly city: string | null } | null
    readonly seller_total: number | null
  }
>()
// @ts-expect-error the group has no such join key
alias(orders, 'buyer', { nope: 'buyer_id' })

// A lookup, as a store types it.
declare function get<S>(service: S, keys: KeysOf<S>, options: { request: RequestOf<S> }): VectorOf<S>
const answer = get(service, { airport: 'LAX', user_id: 1n, region: 'west' }, { request: { scheduled: 0n } })
same<typeof answer.hour, number | null>()
// @ts-expect-error no such feature in the vector
void answer.delay_mean
// @ts-expect-error a key of another type
get(service, { airport: 'LAX', user_id: 1, region: 'west' }, { request: { scheduled: 0n } })
// @ts-expect-error a key is absent
get(service, { airport: 'LAX', user_id: 1n }, { request: { scheduled: 0n } })
// @ts-expect-error a key too many
get(service, { airport: 'LAX', user_id: 1n, region: 'west', other: 1 }, { request: { scheduled: 0n } })
// @ts-expect-error a request input is absent
get(service, { airport: 'LAX', user_id: 1n, region: 'west' }, { request: {} })
