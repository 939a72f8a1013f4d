import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import type { Definition } from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import type { Severity } from './compare-definitions.ts'
import { definitionsOf, emptySnapshot, nextSnapshot } from './next-snapshot.ts'
import { diffSnapshots, planApply } from './plan.ts'
import type { Snapshot } from './snapshot.ts'

const AT = instant(1_704_067_200_000_000)

const airport = { kind: 'entity', name: 'airport', keys: [{ name: 'airport', type: { kind: 'string' } }] }
const raw = { kind: 'source', name: 'raw', reads: { format: 'csv', path: 'raw.csv' } }
const flights = {
  kind: 'source',
  name: 'flights',
  reads: { format: 'sql', query: 'SELECT *', sources: ['raw'] },
  eventTime: { column: 'date', zone: 'UTC' },
  created: { delay: '2h' },
}
const unread = { ...flights, name: 'unread' }
const trip = {
  kind: 'source',
  name: 'trip',
  reads: { format: 'request', fields: [field('distance'), field('unused')] },
}
const hourly = {
  kind: 'group',
  name: 'hourly',
  entity: 'airport',
  compute: { from: 'query', query: 'SELECT 1', sources: ['flights'] },
  schedule: { every: '1h' },
  features: [field('mean', 'float64'), field('spare', 'int64')],
  ttl: '7d',
}
const lonely = { ...hourly, name: 'lonely' }
const context = {
  kind: 'on_demand',
  name: 'context',
  inputs: [{ name: 'distance', from: { request: 'trip', field: 'distance' } }],
  features: [field('band'), field('idle')],
  code: { module: 'context.ts', fingerprint: 'c0de' },
}
const model = {
  kind: 'service',
  name: 'model',
  features: [
    { name: 'mean', group: 'hourly', feature: 'mean', keys: { airport: 'airport' } },
    { name: 'band', group: 'context', feature: 'band', keys: {} },
  ],
  consumers: [{ model: 'delay', version: '7', team: 'ops' }],
}
const idle = { ...model, name: 'idle', consumers: [] }
const BASE = [airport, raw, flights, unread, trip, hourly, lonely, context, model]

function field(name: string, kind = 'int32', rest: object = {}): object {
  return { name, type: { kind }, ...rest }
}

/** The base with each definition replaced that has the id of one given. */
function having(...changed: object[]): readonly Definition[] {
  const known = checkDefinitions(BASE).filter(
    (definition) => !ids(changed).includes(definitionId(definition)),
  )
  return checkDefinitions([...known, ...changed])
}

function ids(definitions: readonly object[]): string[] {
  return definitions.map((definition) => definitionId({ version: 1, ...definition } as Definition))
}

function without(...names: string[]): readonly Definition[] {
  return checkDefinitions(BASE).filter((definition) => !names.includes(definition.name))
}

function applied(definitions: readonly Definition[] = checkDefinitions(BASE)): Snapshot {
  return nextSnapshot(emptySnapshot('p'), definitions, AT)
}

const CONSUMER = 'delay@7 (ops)'
type Row = readonly [
  what: string,
  wanted: readonly Definition[],
  id: string,
  severity: Severity,
  consumers: string[],
]

const SEVERITY: readonly Row[] = [
  ['a description', having({ ...hourly, description: 'x' }), 'group/hourly@1', 'safe', []],
  ['a tag', having({ ...flights, tags: ['x'] }), 'source/flights', 'safe', []],
  ['an owner', having({ ...model, owner: 'x' }), 'service/model', 'safe', []],
  [
    "a feature's description",
    having({
      ...hourly,
      features: [field('mean', 'float64', { description: 'x' }), field('spare', 'int64')],
    }),
    'group/hourly@1',
    'safe',
    [],
  ],
  ['a status', having({ ...hourly, status: 'deprecated' }), 'group/hourly@1', 'safe', []],
  ['a freshness promise', having({ ...hourly, freshness: '1h' }), 'group/hourly@1', 'safe', []],
  ['unknown columns', having({ ...hourly, unknownColumns: 'additive' }), 'group/hourly@1', 'safe', []],
  ['a new group', having({ ...hourly, name: 'fresh' }), 'group/fresh@1', 'safe', []],
  ['a new entity', having({ ...airport, name: 'port' }), 'entity/port', 'safe', []],
  ['a new on-demand version', having({ ...context, version: 2 }), 'on_demand/context@2', 'safe', []],
  ['a new service', having(idle), 'service/idle', 'safe', []],
  ['a new version', having({ ...hourly, version: 2, ttl: '1d' }), 'group/hourly@2', 'needs_data', []],
  [
    'a new feature',
    having({ ...hourly, features: [...hourly.features, field('extra')] }),
    'group/hourly@1',
    'needs_data',
    [],
  ],
  ['out of the online store', having({ ...hourly, online: false }), 'group/hourly@1', 'breaking', [CONSUMER]],
  ['out of the online store, unread', having({ ...lonely, online: false }), 'group/lonely@1', 'safe', []],
  [
    'features in another order',
    having({ ...hourly, features: hourly.features.toReversed() }),
    'group/hourly@1',
    'safe',
    [],
  ],
  [
    'a query',
    having({ ...hourly, compute: { ...hourly.compute, query: 'SELECT 2' } }),
    'group/hourly@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'a query of a group that nobody reads',
    having({ ...lonely, compute: { ...hourly.compute, query: 'SELECT 2' } }),
    'group/lonely@1',
    'breaking',
    [],
  ],
  ['a ttl', having({ ...hourly, ttl: '1d' }), 'group/hourly@1', 'breaking', [CONSUMER]],
  ['no ttl any more', having({ ...hourly, ttl: undefined }), 'group/hourly@1', 'breaking', [CONSUMER]],
  ['a boundary', having({ ...hourly, boundary: 'exclusive' }), 'group/hourly@1', 'breaking', [CONSUMER]],
  ['a schedule', having({ ...hourly, schedule: { every: '2h' } }), 'group/hourly@1', 'breaking', [CONSUMER]],
  [
    'a runtime',
    having({ ...hourly, schedule: { every: '1h', runtime: '5m' } }),
    'group/hourly@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'a key column',
    having({ ...hourly, key: { airport: 'origin' } }),
    'group/hourly@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'a default',
    having({ ...hourly, features: [field('mean', 'float64', { default: 1 }), field('spare', 'int64')] }),
    'group/hourly@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'a default that nobody reads',
    having({ ...hourly, features: [field('mean', 'float64'), field('spare', 'int64', { default: '1' })] }),
    'group/hourly@1',
    'breaking',
    [],
  ],
  [
    'int64 as a number',
    having({
      ...hourly,
      features: [field('mean', 'float64'), { name: 'spare', type: { kind: 'int64', as: 'number' } }],
    }),
    'group/hourly@1',
    'breaking',
    [],
  ],
  [
    'a type',
    having({ ...hourly, features: [field('mean', 'float32'), field('spare', 'int64')] }),
    'group/hourly@1',
    'forbidden',
    [CONSUMER],
  ],
  [
    'a type that nobody reads',
    having({ ...hourly, features: [field('mean', 'float64'), field('spare')] }),
    'group/hourly@1',
    'forbidden',
    [],
  ],
  ['a partition', having({ ...hourly, partition: 'month' }), 'group/hourly@1', 'forbidden', [CONSUMER]],
  [
    'a join key',
    having({ ...airport, keys: [{ name: 'airport', type: { kind: 'bytes' } }] }),
    'entity/airport',
    'forbidden',
    [CONSUMER],
  ],
  [
    'a removed feature that nobody reads',
    having({ ...hourly, features: [field('mean', 'float64')] }),
    'group/hourly@1',
    'safe',
    [],
  ],
  [
    'a removed feature',
    having({ ...hourly, features: [field('spare', 'int64')] }, { ...model, features: [model.features[1]] }),
    'group/hourly@1',
    'breaking',
    [CONSUMER],
  ],
  ['a removed group that nobody reads', without('lonely'), 'group/lonely@1', 'safe', []],
  ['a removed group', without('hourly', 'model'), 'group/hourly@1', 'breaking', [CONSUMER]],
  ['a removed service', without('model'), 'service/model', 'breaking', [CONSUMER]],
  [
    'a source under groups',
    having({ ...flights, created: { delay: '3h' } }),
    'source/flights',
    'breaking',
    [CONSUMER],
  ],
  [
    'a source under a sql source under groups',
    having({ ...raw, reads: { format: 'csv', path: 'other.csv' } }),
    'source/raw',
    'breaking',
    [CONSUMER],
  ],
  [
    'a source that nobody reads',
    having({ ...unread, created: { delay: '3h' } }),
    'source/unread',
    'safe',
    [],
  ],
  ['a removed source', without('unread'), 'source/unread', 'safe', []],
  [
    'a request field',
    having({ ...trip, reads: { format: 'request', fields: [field('distance', 'int64'), field('unused')] } }),
    'source/trip',
    'breaking',
    [CONSUMER],
  ],
  [
    'a request field that nobody reads',
    having({ ...trip, reads: { format: 'request', fields: [field('distance')] } }),
    'source/trip',
    'safe',
    [],
  ],
  [
    'on-demand code',
    having({ ...context, code: { module: 'context.ts', fingerprint: 'beef' } }),
    'on_demand/context@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'on-demand code that moves',
    having({ ...context, code: { module: 'b.ts', fingerprint: 'c0de' } }),
    'on_demand/context@1',
    'safe',
    [],
  ],
  [
    'an on-demand type',
    having({ ...context, features: [field('band', 'int64'), field('idle')] }),
    'on_demand/context@1',
    'breaking',
    [CONSUMER],
  ],
  [
    'an on-demand feature that nobody reads',
    having({ ...context, features: [field('band')] }),
    'on_demand/context@1',
    'safe',
    [],
  ],
  [
    'another vector',
    having({ ...model, features: model.features.toReversed() }),
    'service/model',
    'breaking',
    [CONSUMER],
  ],
  [
    'another vector for another model',
    having({
      ...model,
      features: model.features.toReversed(),
      consumers: [{ model: 'delay', version: '8', team: 'ops' }],
    }),
    'service/model',
    'safe',
    [],
  ],
  [
    'a consumer more',
    having({ ...model, consumers: [...model.consumers, { model: 'x', version: '1', team: 'ops' }] }),
    'service/model',
    'safe',
    [],
  ],
]

suite('planning', () => {
  for (const [what, wanted, id, severity, consumers] of SEVERITY) {
    test(`${severity}: ${what}`, () => {
      const plan = planApply(applied(), wanted)
      const change = plan.changes.find((candidate) => candidate.id === id)
      assert.equal(change?.severity, severity, change?.reasons.join('; '))
      assert.deepEqual(change.consumers, consumers)
      assert.ok(Object.isFrozen(plan) && Object.isFrozen(plan.changes) && Object.isFrozen(change.reasons))
    })
  }

  test('a removal names the services where no model is registered', () => {
    const base = having({ ...model, consumers: [] })
    const plan = planApply(
      applied(base),
      base.filter(({ name }) => name !== 'model' && name !== 'hourly'),
    )
    assert.deepEqual(
      plan.changes.map(({ id, severity, services }) => [id, severity, services]),
      [
        ['group/hourly@1', 'breaking', ['model']],
        ['service/model', 'safe', []],
      ],
    )
  })

  test('changing a source is safe when its groups change their version with it', () => {
    const plan = planApply(
      applied(),
      checkDefinitions([
        airport,
        raw,
        { ...flights, created: { delay: '3h' } },
        unread,
        trip,
        context,
        { ...hourly, version: 2 },
        { ...model, features: [{ ...model.features[0], version: 2 }, model.features[1]] },
      ]),
    )
    assert.equal(plan.changes.find(({ id }) => id === 'source/flights')?.severity, 'safe')
    assert.equal(plan.severity, 'breaking', 'the model still reads version 1')
  })

  test('join keys may change once no group is stored under them', () => {
    const entity = { ...airport, keys: [{ name: 'iata', type: { kind: 'string' } }] }
    const plan = planApply(
      applied(),
      checkDefinitions([
        entity,
        { ...hourly, name: 'other', compute: { from: 'push' }, schedule: undefined },
      ]),
    )
    assert.equal(plan.changes.find(({ id }) => id === 'entity/airport')?.severity, 'breaking')
  })

  test('a version that comes back must fit the rows it left behind', () => {
    const gone = nextSnapshot(applied(), without('lonely'), AT)
    const back = (changed: object): Severity | undefined =>
      planApply(gone, having({ ...lonely, ...changed })).changes.find(({ id }) => id === 'group/lonely@1')
        ?.severity
    assert.equal(back({}), 'safe')
    assert.equal(back({ ttl: '1d' }), 'breaking')
    assert.equal(back({ features: [...lonely.features, field('extra')] }), 'needs_data')
    assert.equal(back({ features: [field('mean', 'string')] }), 'forbidden')

    const allGone = nextSnapshot(applied(), checkDefinitions([trip]), AT)
    const entity = { ...airport, keys: [{ name: 'iata', type: { kind: 'string' } }] }
    const plan = planApply(allGone, checkDefinitions([entity, raw, flights, lonely]))
    assert.equal(plan.changes.find(({ id }) => id === 'group/lonely@1')?.severity, 'forbidden')
  })

  test('a group that was kept offline only does not come into the online store, which lacks its rows', () => {
    const offline = nextSnapshot(applied(), having({ ...lonely, online: false }), AT)
    assert.equal(planApply(offline, having(lonely)).severity, 'forbidden')
    const gone = nextSnapshot(offline, without('lonely'), AT)
    assert.equal(planApply(gone, having(lonely)).severity, 'forbidden')
  })

  test('a feature that comes back keeps the type of its stored column', () => {
    const fewer = nextSnapshot(applied(), having({ ...lonely, features: [field('mean', 'float64')] }), AT)
    const plan = planApply(
      fewer,
      having({ ...lonely, features: [field('mean', 'float64'), field('spare', 'string')] }),
    )
    assert.equal(plan.severity, 'forbidden')
  })

  test('an on-demand group without its code is refused', () => {
    const bare = having({ ...context, code: { module: '', fingerprint: '' } })
    assert.throws(() => planApply(applied(), bare), { code: 'code_missing' })
  })

  test('nothing changes where nothing differs; what a plan leads to needs no plan', () => {
    fc.assert(
      fc.property(definitionsArb(), definitionsArb(), (before, after) => {
        const was = applied(before)
        assert.deepEqual(planApply(was, before).changes, [])
        const plan = planApply(was, after)
        const next = nextSnapshot(was, after, AT)
        assert.deepEqual(planApply(next, after).changes, [])
        assert.deepEqual(definitionsOf(next), after)
        assert.deepEqual(diffSnapshots(was, next), plan.changes)

        const beforeIds = before.map(definitionId)
        const afterIds = after.map(definitionId)
        const of = (change: string): string[] =>
          plan.changes.filter((each) => each.change === change).map(({ id }) => id)
        assert.deepEqual(
          of('add'),
          afterIds.filter((id) => !beforeIds.includes(id)),
        )
        assert.deepEqual(
          of('remove'),
          beforeIds.filter((id) => !afterIds.includes(id)),
        )
      }),
      propertyRuns(0.5),
    )
  })
})
