import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkDefinitions } from './check-definitions.ts'
import type { Declared } from './declared.ts'
import { entity } from './entity.ts'
import { featureGroup } from './feature-group.ts'
import { alias, featureService } from './feature-service.ts'
import { onDemand } from './on-demand.ts'
import { project, withCode } from './project.ts'
import { csv, delta, parquet, request, sql } from './source.ts'
import { bool, bytes, float64, int32, int64, string, vector } from './typed-field.ts'

const airport = entity('airport', { keys: { airport: string() } })
const user = entity('user', { keys: { user_id: int64() } })
const flights = parquet('flights', { path: 'flights.parquet', eventTime: 'date', created: { delay: '2h' } })
const trip = request('trip', { fields: { distance: int32() } })
const hourly = featureGroup('hourly', {
  entity: airport,
  source: flights,
  features: { mean: float64(), count: int64() },
})
const orders = featureGroup('orders', { entity: user, features: { total: int64() } })
const context = onDemand('context', {
  module: 'file:///context.ts',
  inputs: { mean: hourly.feature('mean'), total: orders.feature('total'), distance: trip.field('distance') },
  features: { band: int32() },
  compute: ({ distance }) => ({ band: distance }),
})

/** The plain definition, with some properties replaced. */
function like(declared: Declared, replaced: object): object {
  return { ...declared.definition, ...replaced }
}

function refusedAs(code: string, make: () => unknown, pattern?: RegExp): void {
  assert.throws(make, (error: Error & { code?: string }) => {
    assert.equal(error.code, code, error.message)
    if (pattern !== undefined) assert.match(error.message, pattern)
    return true
  })
}

suite('a project', () => {
  test('brings along everything that its definitions refer to', () => {
    const flightsProject = project('flights', [
      featureService('model', { features: [context, hourly.pick('count')] }),
    ])
    assert.deepEqual(
      flightsProject.definitions.map((definition) => `${definition.kind} ${definition.name}`),
      [
        'entity airport',
        'entity user',
        'source flights',
        'source trip',
        'group hourly',
        'group orders',
        'on_demand context',
        'service model',
      ],
    )
    assert.equal(flightsProject.functions.get('context@1'), context.compute)
    assert.deepEqual([...flightsProject.onDemandModules], [['context@1', 'file:///context.ts']])
  })

  test('an on-demand group brings the keys of the groups it reads', () => {
    assert.deepEqual(context.features, [
      {
        name: 'band',
        group: 'context',
        version: 1,
        feature: 'band',
        keys: { airport: 'airport', user_id: 'user_id' },
      },
    ])
  })

  test('aliases name keys and features by role', () => {
    const service = featureService('fraud', {
      features: [
        alias(orders, 'buyer', { user_id: 'buyer_id' }),
        alias(context, 'seller', { user_id: 'seller_id' }),
      ],
    })
    assert.deepEqual(
      service.definition.features.map(({ name, keys }) => [name, keys]),
      [
        ['buyer_total', { user_id: 'buyer_id' }],
        ['seller_band', { airport: 'airport', user_id: 'seller_id' }],
      ],
    )
    const twice = alias(alias(orders, 'buyer', { user_id: 'buyer_id' }), 'first', { buyer_id: 'b' })
    assert.deepEqual(twice.features[0]?.keys, { user_id: 'b' })
    assert.equal(twice.features[0]?.name, 'first_buyer_total')
    const unknown: object = { nope: 'b' }
    refusedAs('unknown_key', () => alias(orders, 'buyer', unknown))
  })

  test('pick keeps the order named, and refuses what is not there', () => {
    assert.deepEqual(
      hourly.pick('count', 'mean').features.map((feature) => feature.name),
      ['count', 'mean'],
    )
    refusedAs('feature_not_found', () => hourly.pick('nope' as 'mean'))
  })

  test('code is filled in by group version', () => {
    const given = project('flights', [context])
    const code = { module: 'context.ts', fingerprint: 'abc' }
    const filled = withCode(given, new Map([['context@1', code]]))
    assert.deepEqual(filled.definitions.find((definition) => definition.kind === 'on_demand')?.code, code)
    assert.equal(filled.functions, given.functions)
    refusedAs('code_missing', () => withCode(given, new Map()))
  })

  test('definitions are frozen', () => {
    assert.throws(() => Object.assign(hourly.definition, { ttl: '1d' }), TypeError)
    assert.throws(() => Object.assign(hourly.definition.features[0]!, { name: 'x' }), TypeError)
    assert.throws(() => Object.assign(hourly.definition.features[0]!.type, { kind: 'int32' }), TypeError)
  })
})

suite('what is refused', () => {
  const features = { a: int32() }

  test('names', () => {
    for (const name of ['', 'A', '1a', 'a-b', 'a.b', 'a'.repeat(64), '__proto__', 'constructor', 'then']) {
      refusedAs('invalid_name', () => entity(name, { keys: {} }))
      refusedAs('invalid_name', () => entity('e', { keys: Object.fromEntries([[name, string()]]) }))
      refusedAs('invalid_name', () => featureGroup(name, { entity: user, features }))
      refusedAs('invalid_name', () =>
        featureGroup('g', { entity: user, features: Object.fromEntries([[name, int32()]]) }),
      )
      refusedAs('invalid_name', () => project(name, [hourly]))
    }
    refusedAs('reserved_name', () =>
      featureGroup('g', { entity: user, features: { event_timestamp: int32() } }),
    )
  })

  test('a history that does not say when its rows became known, naming the three choices', () => {
    refusedAs(
      'created_missing',
      () => parquet('p', { path: 'p', eventTime: 'at' }),
      /created: 'a column'.*created: \{ delay: '2h' \}.*created: 'commit'/,
    )
    const raw = csv('raw', { path: 'raw.csv' })
    const known = sql('known', { query: 'SELECT *', sources: [raw], eventTime: 'at', created: 'known_at' })
    const ok = featureGroup('g', { entity: user, source: known, features })
    assert.ok(project('p', [ok]).definitions.length > 0, 'a raw file under a sql source that declares both')
    refusedAs('created_missing', () =>
      project('p', [
        featureGroup('g', { entity: user, query: 'SELECT 1', sources: [raw], every: '1h', features }),
      ]),
    )
  })

  test('times that cannot be', () => {
    refusedAs('invalid_created', () => parquet('p', { path: 'p', eventTime: 'at', created: 'commit' }))
    refusedAs('invalid_created', () => parquet('p', { path: 'p', created: { delay: '1h' } }))
    assert.equal(delta('d', { path: 'd', eventTime: 'at', created: 'commit' }).definition.created, 'commit')
    refusedAs('invalid_definition', () =>
      parquet('p', { path: 'p', eventTime: { column: 'at', zone: 'UTC', unit: 'ms' }, created: 'known_at' }),
    )
    refusedAs('invalid_definition', () =>
      parquet('p', { path: 'p', eventTime: { column: 'at', zone: "'; DROP" }, created: 'known_at' }),
    )
  })

  test('a reference table as the source of a group; as an input of a query it is fine', () => {
    const airports = parquet('airports', { path: 'airports.parquet', created: 'known_at' })
    const query = {
      entity: airport,
      query: 'SELECT 1',
      sources: [flights, airports],
      every: '1h',
      features,
    } as const
    assert.ok(project('p', [featureGroup('g', query)]).definitions.length > 0)
    refusedAs('source_without_event_time', () =>
      project('p', [featureGroup('g', { entity: airport, source: airports, features })]),
    )
    refusedAs('source_without_event_time', () =>
      project('p', [featureGroup('g', { entity: airport, source: airports, every: '1h', features })]),
    )
  })

  test('schedules without input, inputs without schedule', () => {
    const untyped = featureGroup as (name: string, options: object) => Declared
    refusedAs(
      'query_without_schedule',
      () => untyped('g', { entity: airport, query: 'SELECT 1', sources: [flights], features }),
      /add every, or put the query into a sql source/,
    )
    refusedAs('schedule_without_input', () => untyped('g', { entity: airport, every: '1h', features }))
    refusedAs('invalid_definition', () =>
      untyped('g', { entity: airport, source: flights, lookback: '1h', features }),
    )
    refusedAs('invalid_definition', () => untyped('g', { entity: airport, delay: '1h', features }))
    refusedAs('invalid_definition', () =>
      untyped('g', { entity: airport, source: flights, query: 'SELECT 1', every: '1h', features }),
    )
    for (const [name, value] of [
      ['every', '0s'],
      ['ttl', '-1d'],
      ['lookback', '1 day'],
      ['delay', 5],
      ['freshness', '0s'],
    ]) {
      const options = { entity: airport, source: flights, every: '1h', features, [String(name)]: value }
      assert.throws(() => untyped('g', options), { kind: 'invalid' }, String(name))
    }
    assert.ok(
      untyped('g', { entity: airport, source: flights, every: '1h', lookback: '0s', ttl: '0s', features }),
    )
  })

  test('references to nowhere', () => {
    refusedAs('unknown_reference', () => checkDefinitions([hourly.definition, flights.definition]))
    refusedAs('unknown_reference', () => checkDefinitions([hourly.definition, airport.definition]))
    refusedAs('unknown_reference', () => checkDefinitions([context.definition]))
    const all = project('p', [featureService('s', { features: [hourly, context] })]).definitions
    for (const missing of all) {
      if (missing.kind === 'service') continue
      refusedAs('unknown_reference', () =>
        checkDefinitions(all.filter((definition) => definition !== missing)),
      )
    }
    refusedAs('unknown_key', () =>
      checkDefinitions([like(hourly, { key: { nope: 'x' } }), airport.definition, flights.definition]),
    )
  })

  test('sql sources in a circle, and no others', () => {
    const a = { kind: 'source', name: 'a', reads: { format: 'sql', query: 'q', sources: ['b'] } }
    const b = { ...a, name: 'b', reads: { ...a.reads, sources: ['a'] } }
    refusedAs('source_cycle', () => checkDefinitions([a, b]))
    refusedAs('source_cycle', () => checkDefinitions([{ ...a, reads: { ...a.reads, sources: ['a'] } }]))
    // Forty layers of two sources that each read both of the layer below: 2^40 ways, no circle.
    const layers = Array.from({ length: 80 }, (_, at) => ({
      kind: 'source',
      name: `s_${at}`,
      reads:
        at < 2
          ? { format: 'csv', path: 'x' }
          : { format: 'sql', query: 'q', sources: [`s_${at - (at % 2) - 2}`, `s_${at - (at % 2) - 1}`] },
    }))
    assert.equal(checkDefinitions(layers).length, 80)
  })

  test('one name for two things', () => {
    refusedAs('duplicate_name', () =>
      project('p', [hourly, featureGroup('hourly', { entity: user, features })]),
    )
    refusedAs('duplicate_name', () =>
      project('p', [hourly, onDemand('hourly', { ...noInputs, features, compute: () => ({ a: 1 }) })]),
    )
    refusedAs('duplicate_name', () =>
      project('p', [featureGroup('g', { entity: user, features: { user_id: int32() } })]),
    )
    refusedAs(
      'duplicate_feature',
      () =>
        featureService('s', {
          features: [hourly, featureGroup('daily', { entity: airport, features: { mean: float64() } })],
        }),
      /hourly@1:mean.*daily@1:mean/,
    )
    const badly = onDemand('badly', {
      ...noInputs,
      inputs: { d: trip.field('distance') },
      features: { distance: int32() },
      compute: () => ({ distance: 1 }),
    })
    refusedAs('duplicate_name', () => project('p', [featureService('s', { features: [badly] })]))
  })

  const noInputs = { module: 'file:///m.ts', inputs: {} }

  test('one key name for two types', () => {
    const other = entity('other', { keys: { user_id: string() } })
    const scores = featureGroup('scores', { entity: other, features: { score: float64() } })
    refusedAs('key_conflict', () => project('p', [featureService('s', { features: [orders, scores] })]))
    assert.ok(
      project('p', [
        featureService('s', { features: [orders, alias(scores, 'x', { user_id: 'other_id' })] }),
      ]),
    )
    refusedAs('key_conflict', () =>
      project('p', [
        onDemand('both', {
          ...noInputs,
          inputs: { a: orders.feature('total'), b: scores.feature('score') },
          features,
          compute: () => ({ a: 1 }),
        }),
      ]),
    )
    const far = request('far', { fields: { distance: float64() } })
    const second = onDemand('second', {
      ...noInputs,
      inputs: { d: far.field('distance') },
      features: { b: int32() },
      compute: () => ({ b: 1 }),
    })
    refusedAs('request_conflict', () => project('p', [featureService('s', { features: [context, second] })]))
  })

  test('a request as a source, an on-demand group as an input', () => {
    refusedAs('request_as_source', () =>
      checkDefinitions([
        like(hourly, { compute: { from: 'source', source: 'trip' } }),
        airport.definition,
        trip.definition,
      ]),
    )
    const chained = {
      ...context.definition,
      name: 'chained',
      inputs: [{ name: 'band', from: { group: 'context', version: 1, feature: 'band' } }],
    }
    refusedAs('on_demand_chain', () => checkDefinitions([...project('p', [context]).definitions, chained]))
  })

  test('a staging group under consumers, also through an on-demand group', () => {
    const staged = featureGroup('staged', { entity: user, status: 'staging', features })
    const over = onDemand('over', {
      ...noInputs,
      inputs: { a: staged.feature('a') },
      features: { b: bool() },
      compute: () => ({ b: true }),
    })
    const consumers = [{ model: 'm', version: '1', team: 't' }]
    assert.ok(project('p', [featureService('s', { features: [staged] })]))
    refusedAs('staging_group', () => project('p', [featureService('s', { features: [staged], consumers })]))
    refusedAs('staging_group', () => project('p', [featureService('s', { features: [over], consumers })]))
  })

  test('defaults of another type, limits', () => {
    refusedAs('invalid_value', () => int32({ default: 1.5 }))
    refusedAs('invalid_value', () => string({ default: 1 as never }))
    refusedAs('invalid_value', () => vector(3, { default: new Float32Array(2) }))
    refusedAs('invalid_definition', () => vector(0))
    refusedAs('value_too_large', () => bytes({ default: new Uint8Array(64 * 1024 + 1) }))
    const many = Object.fromEntries(Array.from({ length: 2001 }, (_, at) => [`f_${at}`, int32()]))
    refusedAs('too_many_features', () => featureGroup('g', { entity: user, features: many }))
    refusedAs('invalid_definition', () => featureGroup('g', { entity: user, features: {} }))
    refusedAs('invalid_definition', () => featureService('s', { features: [] }))
  })
})
