import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { isAsofError } from '../errors/asof-error.ts'
import { exportDefinitions, parseDefinitions } from './definitions-json.ts'
import { entity } from './entity.ts'
import { featureGroup } from './feature-group.ts'
import { featureService } from './feature-service.ts'
import { canonicalJson } from './fingerprint.ts'
import { onDemand } from './on-demand.ts'
import { project } from './project.ts'
import { parquet, request } from './source.ts'
import { float64, int32, int64, list, map, string, struct, timestamp } from './typed-field.ts'

const airport = entity('airport', { keys: { airport: string() } })
const flights = parquet('flights', { path: 'flights.parquet', eventTime: 'date', created: { delay: '2h' } })
const trip = request('trip', { fields: { scheduled: timestamp() } })
const hourly = featureGroup('hourly', {
  entity: airport,
  query: 'SELECT 1',
  sources: [flights],
  every: '60m',
  features: {
    mean: float64({ default: Number.NaN }),
    flights: int64({ default: 2n ** 60n, description: 'how many' }),
    carriers: list(string(), { default: ['AA', null] }),
    delays: map(int32(), {
      default: new Map([
        ['b', 1],
        ['a', null],
      ]),
    }),
    place: struct({ town: string(), floor: int32() }, { default: { town: 'x', floor: null } }),
  },
})
const context = onDemand('context', {
  module: 'file:///context.ts',
  inputs: { scheduled: trip.field('scheduled'), newest: hourly.eventTime() },
  features: { hour: int32() },
  compute: () => ({ hour: 1 }),
})
const flightsProject = project('flights', [
  featureService('model', {
    features: [hourly, context],
    consumers: [{ model: 'delay', version: '7', team: 'ops' }],
  }),
])

/** A change to exported JSON, by path; undefined takes the property away. */
function changed(path: readonly (string | number)[], value: unknown): string {
  const json: unknown = JSON.parse(exportDefinitions(flightsProject))
  let at = json as Record<string | number, unknown>
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>
  const last = path.at(-1)!
  if (value === undefined) delete at[last]
  else at[last] = value
  return JSON.stringify(json)
}

suite('definitions as JSON', () => {
  test('what is exported is parsed to the same definitions, and exported to the same text', () => {
    fc.assert(
      fc.property(definitionsArb(), (definitions) => {
        const text = exportDefinitions({ name: 'flights', definitions })
        const parsed = parseDefinitions(text)
        assert.equal(parsed.project, 'flights')
        assert.deepEqual(parsed.definitions, definitions)
        assert.equal(exportDefinitions({ name: 'flights', definitions: parsed.definitions }), text)
      }),
      propertyRuns(),
    )
  })

  test('the order in which definitions are given does not matter', () => {
    fc.assert(
      fc.property(
        definitionsArb().chain((definitions) =>
          fc.tuple(
            fc.constant(definitions),
            fc.shuffledSubarray([...definitions], { minLength: definitions.length }),
          ),
        ),
        ([definitions, shuffled]) => {
          assert.equal(
            exportDefinitions({ name: 'p', definitions: shuffled }),
            exportDefinitions({ name: 'p', definitions }),
          )
        },
      ),
      propertyRuns(0.5),
    )
  })

  test('builders and JSON give the same values', () => {
    const { definitions } = parseDefinitions(exportDefinitions(flightsProject))
    assert.deepEqual(definitions, flightsProject.definitions)
    const group = definitions.find((definition) => definition.kind === 'group')
    assert.equal(group?.schedule?.every, '1h', 'durations have one writing')
    assert.deepEqual(
      group?.features.map((field) => canonicalJson(field.default)),
      ['"NaN"', '"1152921504606846976"', '["AA",null]', '{"a":null,"b":1}', '{"floor":null,"town":"x"}'],
    )
  })

  test('what has a default may be left out', () => {
    const text = JSON.stringify({
      asof: 1,
      project: 'p',
      definitions: [
        {
          kind: 'group',
          name: 'g',
          entity: 'e',
          compute: { from: 'push' },
          features: [{ name: 'a', type: { kind: 'int32' } }],
        },
        { kind: 'entity', name: 'e', keys: [] },
      ],
    })
    const group = parseDefinitions(text).definitions[1]
    assert.equal(group?.kind === 'group' && group.version, 1)
    assert.equal(group?.kind === 'group' && group.unknownColumns, 'strict')
  })

  // Sorted as exported: entity, two sources, group, on-demand group, service.
  const refusals: readonly (readonly [what: string, text: string, code: string, at: string])[] = [
    [
      'an unknown property',
      changed(['definitions', 3, 'colour'], 'red'),
      'invalid_definition',
      'definitions[3].colour',
    ],
    [
      'an unknown nested property',
      changed(['definitions', 3, 'features', 0, 'type', 'size'], 3),
      'invalid_definition',
      'definitions[3].features[0].type.size',
    ],
    ['an unknown property of the file', changed(['extra'], 1), 'invalid_definition', 'json.extra'],
    ['a later format', changed(['asof'], 2), 'invalid_definition', 'json.asof'],
    [
      'a missing property',
      changed(['definitions', 3, 'entity'], undefined),
      'invalid_definition',
      'definitions[3].entity',
    ],
    [
      'a number for a text',
      changed(['definitions', 1, 'reads', 'path'], 7),
      'invalid_definition',
      'definitions[1].reads.path',
    ],
    [
      'an array for an object',
      changed(['definitions', 3, 'compute'], []),
      'invalid_definition',
      'definitions[3].compute',
    ],
    [
      'a text for a flag',
      changed(['definitions', 3, 'online'], 'true'),
      'invalid_definition',
      'definitions[3].online',
    ],
    [
      'half a version',
      changed(['definitions', 3, 'version'], 1.5),
      'invalid_definition',
      'definitions[3].version',
    ],
    [
      'no such kind',
      changed(['definitions', 0, 'kind'], 'table'),
      'invalid_definition',
      'definitions[0].kind',
    ],
    [
      'no such type',
      changed(['definitions', 3, 'features', 0, 'type', 'kind'], 'decimal'),
      'invalid_definition',
      'definitions[3].features[0].type.kind',
    ],
    [
      'a nested list',
      changed(['definitions', 3, 'features', 2, 'type', 'element'], { kind: 'list' }),
      'invalid_definition',
      'definitions[3].features[2].type.element.kind',
    ],
    [
      'a float as join key',
      changed(['definitions', 0, 'keys', 0, 'type', 'kind'], 'float64'),
      'invalid_type',
      'definitions[0].keys[0].type',
    ],
    [
      'a default of another type',
      changed(['definitions', 3, 'features', 1, 'default'], 1.5),
      'invalid_value',
      'definitions[3].features[1].default',
    ],
    [
      'a null default',
      changed(['definitions', 3, 'features', 1, 'default'], null),
      'invalid_default',
      'definitions[3].features[1].default',
    ],
    [
      'a default of a request field',
      changed(['definitions', 2, 'reads', 'fields', 0, 'default'], '2024-01-01T00:00:00Z'),
      'invalid_default',
      'definitions[2].reads.fields[0].default',
    ],
    ['a bad name', changed(['definitions', 0, 'name'], 'Airport'), 'invalid_name', 'definitions[0].name'],
    ['a bad project name', changed(['project'], 'a.b'), 'invalid_name', 'json.project'],
    [
      'a duration without a unit',
      changed(['definitions', 3, 'ttl'], '7'),
      'invalid_duration',
      'definitions[3].ttl',
    ],
    [
      'a schedule every 0',
      changed(['definitions', 3, 'schedule', 'every'], '0s'),
      'invalid_duration',
      'definitions[3].schedule.every',
    ],
    [
      'a lone surrogate',
      changed(['definitions', 0, 'description'], 'a\ud800'),
      'invalid_definition',
      'definitions[0].description',
    ],
    [
      'a commit time of a Parquet source',
      changed(['definitions', 1, 'created'], 'commit'),
      'invalid_created',
      'definitions[1]',
    ],
  ]
  for (const [what, text, code, at] of refusals) {
    test(`refused with its path: ${what}`, () => {
      assert.throws(
        () => parseDefinitions(text),
        (error) => {
          assert.ok(isAsofError(error, 'invalid'), String(error))
          assert.equal(error.code, code, error.message)
          assert.equal(error.details['path'], at, error.message)
          return true
        },
      )
    })
  }

  for (const name of ['__proto__', 'constructor', 'prototype']) {
    test(`refused: the property ${name}`, () => {
      const plain = exportDefinitions(flightsProject)
      for (const text of [
        plain.replace('"kind": "entity"', `"kind": "entity", "${name}": {}`),
        plain.replace('"project": ', `"${name}": {}, "project": `),
        plain.replace('"key": {', `"key": { "${name}": "a"`),
        plain.replace('"floor": {', `"${name}": { "kind": "int32" }, "floor": {`),
      ]) {
        assert.notEqual(text, plain)
        assert.throws(
          () => parseDefinitions(text),
          (error) => isAsofError(error, 'invalid') && error.message.includes(name),
        )
      }
    })
  }

  test('a property written twice is refused, also where the two are equal', () => {
    const text = exportDefinitions(flightsProject)
    const twice = text.replace('"kind": "entity"', '"kind": "entity", "ki\\u006ed": "entity"')
    assert.throws(() => parseDefinitions(twice), { code: 'invalid_json' })
    assert.throws(() => parseDefinitions(`${text}x`), { code: 'invalid_json' })
  })

  test('a text larger than the limit is refused before it is read', () => {
    assert.throws(() => parseDefinitions(' '.repeat(64 * 1024 * 1024 + 1)), { code: 'definitions_too_large' })
    // As many characters as the limit has bytes, but more bytes.
    assert.throws(() => parseDefinitions('é'.repeat(33 * 1024 * 1024)), { code: 'definitions_too_large' })
  })

  test('deep nesting is refused, not followed', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    for (const text of [
      deep,
      changed(['definitions', 3, 'features', 0, 'default'], 0).replace('"default":0', `"default":${deep}`),
    ]) {
      assert.throws(
        () => parseDefinitions(text),
        (error) => isAsofError(error, 'invalid'),
      )
    }
  })
})
