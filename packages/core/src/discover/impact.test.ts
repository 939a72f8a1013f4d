import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { emptySnapshot, nextSnapshot } from '../apply/next-snapshot.ts'
import { planApply } from '../apply/plan.ts'
import { consumersOf, type Snapshot } from '../apply/snapshot.ts'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { definitionId, type Definition } from '../model/definition.ts'
import { groupSources } from '../model/definition-index.ts'
import { describe } from './describe.ts'
import { impact, impactOfPlan } from './impact.ts'
import type { ColumnsOf } from './lineage.ts'
import { referenceTo } from './reference.ts'

const AT = instant(1_704_067_200_000_000)
const NUMBER = { kind: 'float64' }

const airport = { kind: 'entity', name: 'airport', keys: [{ name: 'airport', type: { kind: 'string' } }] }
const flights = {
  kind: 'source',
  name: 'flights',
  reads: { format: 'csv', path: 'flights.csv' },
  eventTime: { column: 'date', zone: 'UTC' },
  created: { column: 'landed', zone: 'UTC' },
  owner: 'data',
}
const hourly = {
  kind: 'group',
  name: 'hourly',
  entity: 'airport',
  compute: { from: 'query', query: 'SELECT …', sources: ['flights'] },
  schedule: { every: '1h' },
  features: [
    { name: 'mean', type: NUMBER },
    { name: 'count', type: NUMBER, description: 'how many' },
  ],
  owner: 'ops',
}
const latest = {
  ...hourly,
  name: 'latest',
  key: { airport: 'origin' },
  compute: { from: 'source', source: 'flights' },
  schedule: undefined,
  features: [{ name: 'delay', type: NUMBER }],
}
const context = {
  kind: 'on_demand',
  name: 'context',
  inputs: [{ name: 'mean', from: { group: 'hourly', feature: 'mean' } }],
  features: [{ name: 'band', type: NUMBER }],
  code: { module: 'context.ts', fingerprint: 'c0de' },
  owner: 'ml',
}
const delays = {
  kind: 'service',
  name: 'delays',
  features: [
    { name: 'band', group: 'context', feature: 'band', keys: { airport: 'airport' } },
    { name: 'delay', group: 'latest', feature: 'delay', keys: { airport: 'airport' } },
  ],
  consumers: [{ model: 'delay', version: '7', team: 'risk' }],
  owner: 'ml',
}
const BASE = [airport, flights, hourly, latest, context, delays]

const columnsOf: ColumnsOf = () => ({
  columns: new Map([
    ['airport', [{ input: 'flights', column: 'origin' }]],
    ['event_timestamp', [{ input: 'flights', column: 'date' }]],
    ['mean', [{ input: 'flights', column: 'delay' }]],
    ['count', []],
  ]),
  rows: [{ input: 'flights', column: 'cancelled' }],
})

function snapshotOf(definitions: readonly object[], registered?: Snapshot['registered']): Snapshot {
  const snapshot = nextSnapshot(emptySnapshot('p'), checkDefinitions(definitions), AT)
  return registered === undefined ? snapshot : { ...snapshot, registered }
}

async function features(of: string, columns?: ColumnsOf): Promise<string[]> {
  const found = await impact(snapshotOf(BASE), of, columns)
  return found.features.map((id) => id.slice('p.group/'.length))
}

suite('impact', () => {
  test('names what is made of a feature, and whom to tell', async () => {
    const registered = new Map([['delays', [{ model: 'other', version: '1', team: 'growth' }]]])
    const found = await impact(snapshotOf(BASE, registered), 'hourly:mean')
    assert.deepEqual(found, {
      of: ['p.group/hourly@1:mean'],
      sources: [],
      features: [],
      onDemand: ['p.on_demand/context@1:band'],
      services: [{ service: 'delays', owner: 'ml', features: ['band'] }],
      models: [
        { model: 'delay', version: '7', team: 'risk', services: ['delays'] },
        { model: 'other', version: '1', team: 'growth', services: ['delays'] },
      ],
      tell: [
        { who: 'growth', about: ['model/other@1'] },
        { who: 'ml', about: ['on_demand/context@1', 'service/delays'] },
        { who: 'risk', about: ['model/delay@7'] },
      ],
    })
  })

  test('a column changes the values made of it; one that keys, dates or cuts rows changes all', async () => {
    assert.deepEqual(await features('source/flights:delay', columnsOf), ['hourly@1:mean', 'latest@1:delay'])
    const all = ['hourly@1:count', 'hourly@1:mean', 'latest@1:delay']
    for (const column of ['date', 'origin']) {
      assert.deepEqual(await features(`source/flights:${column}`, columnsOf), all, column)
    }
    assert.deepEqual(await features('source/flights:landed', columnsOf), ['latest@1:delay'])
    assert.deepEqual(await features('source/flights:cancelled', columnsOf), [
      'hourly@1:count',
      'hourly@1:mean',
    ])
    assert.deepEqual(await features('source/flights:unread', columnsOf), [])
    assert.deepEqual(await features('source/flights:unread'), ['hourly@1:count', 'hourly@1:mean'])
    assert.deepEqual(await features('entity/airport'), all)
  })

  test('of a plan it names the changes that break, and whom to tell', () => {
    const snapshot = snapshotOf(BASE)
    const plan = planApply(
      snapshot,
      checkDefinitions([
        airport,
        { ...flights, description: 'x' },
        { ...hourly, ttl: '1d' },
        latest,
        context,
        delays,
      ]),
    )
    const { changes, tell } = impactOfPlan(snapshot, plan)
    assert.deepEqual(
      changes.map(({ id }) => id),
      ['group/hourly@1'],
    )
    assert.deepEqual(tell, [
      { who: 'ml', about: ['service/delays'] },
      { who: 'risk', about: ['model/delay@7'] },
    ])
  })

  test('is what a naive walk over the definitions reaches', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), fc.nat(), async (definitions, which) => {
        const snapshot = snapshotOf(definitions)
        const start = definitions[which % definitions.length]!
        const found = await impact(snapshot, referenceTo('p', start))
        const reached = naiveReach(definitions, definitionId(start))
        const reachedServices = definitions.filter(
          (each) => each.kind === 'service' && each !== start && reached.has(definitionId(each)),
        )
        assert.deepEqual(
          new Set([
            ...[...found.sources, ...found.features, ...found.onDemand].map(
              (id) => /^p\.([^:]*)/.exec(id)![1]!,
            ),
            ...found.services.map(({ service }) => `service/${service}`),
          ]),
          new Set([...reached].filter((id) => id !== definitionId(start))),
        )
        const services = start.kind === 'service' ? [start] : reachedServices
        const models = services.flatMap((each) =>
          each.kind === 'service' ? consumersOf(snapshot, each).map(({ model }) => model) : [],
        )
        assert.deepEqual(new Set(found.models.map(({ model }) => model)), new Set(models))
      }),
      propertyRuns(0.5),
    )
  })
})

/** Every definition of which one of the definitions it reads is reached, over and over until there is none. */
function naiveReach(definitions: readonly Definition[], start: string): ReadonlySet<string> {
  const reached = new Set([start])
  for (let before = 0; before < reached.size;) {
    before = reached.size
    for (const definition of definitions) {
      if (reads(definition, definitions).some((id) => reached.has(id))) reached.add(definitionId(definition))
    }
  }
  return reached
}

function reads(definition: Definition, all: readonly Definition[]): string[] {
  switch (definition.kind) {
    case 'entity':
      return []
    case 'source':
      return definition.reads.format === 'sql' ? definition.reads.sources.map((name) => `source/${name}`) : []
    case 'group':
      return [`entity/${definition.entity}`, ...groupSources(definition).map((name) => `source/${name}`)]
    case 'on_demand':
      return definition.inputs.map(({ from }) => {
        if ('request' in from) return `source/${from.request}`
        return `group/${'group' in from ? from.group : from.eventTimeOf}@${from.version}`
      })
    case 'service':
      return definition.features.map(({ group, version }) => {
        const isOnDemand = all.some(
          (each) => each.kind === 'on_demand' && each.name === group && each.version === version,
        )
        return `${isOnDemand ? 'on_demand' : 'group'}/${group}@${version}`
      })
    default:
      return definition satisfies never
  }
}

suite('describing', () => {
  test('a feature: its type, its group, where it comes from, who reads it', async () => {
    const shown = await describe(snapshotOf(BASE), 'hourly:mean')
    assert.equal(shown.kind, 'feature')
    assert.equal(shown.type, 'float64')
    assert.equal(shown.definition?.owner, 'ops')
    assert.equal(shown.firstApplied, AT)
    assert.deepEqual(shown.from, ['p.source/flights'])
    assert.deepEqual(shown.readBy.definitions, ['p.on_demand/context@1'])
    assert.deepEqual(shown.readBy.services, ['delays'])
    assert.deepEqual(
      shown.readBy.models.map(({ team }) => team),
      ['risk'],
    )
  })

  test('a group: its versions, and the highest active one where none is named', async () => {
    const newer = { ...hourly, version: 2, status: 'staging' }
    const shown = await describe(snapshotOf([...BASE, newer]), 'hourly')
    assert.equal(shown.id, 'p.group/hourly@1')
    assert.deepEqual(shown.versions, [
      { version: 1, status: 'active', firstApplied: AT, features: 2 },
      { version: 2, status: 'staging', firstApplied: AT, features: 2 },
    ])
  })

  test('a service, a source, an entity, a model', async () => {
    const snapshot = snapshotOf(BASE)
    const service = await describe(snapshot, 'delays')
    assert.match(service.fingerprint ?? '', /^[0-9a-f]{64}$/)
    assert.deepEqual(service.sources, ['flights'])
    assert.deepEqual(service.from, ['p.on_demand/context@1:band', 'p.group/latest@1:delay'])
    assert.equal((await describe(snapshot, 'delays:band')).type, 'float64')
    const source = await describe(snapshot, 'flights')
    assert.deepEqual(source.readBy.definitions, [
      'p.group/hourly@1',
      'p.group/latest@1',
      'p.on_demand/context@1',
    ])
    assert.equal((await describe(snapshot, 'entity/airport:airport')).type, 'string')
    assert.deepEqual((await describe(snapshot, 'model/delay@7')).from, ['p.service/delays'])
  })

  test('everything there is, without a failure', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), async (definitions) => {
        const snapshot = snapshotOf(definitions)
        for (const definition of definitions) {
          const shown = await describe(snapshot, referenceTo('p', definition))
          assert.equal(shown.definition, snapshot.groups.get(shown.name)?.definition ?? shown.definition)
          for (const from of shown.from) assert.ok((await describe(snapshot, from)).id === from)
          for (const by of shown.readBy.definitions) assert.ok((await describe(snapshot, by)).id === by)
        }
      }),
      propertyRuns(0.2),
    )
  })
})
