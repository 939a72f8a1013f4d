import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { instant } from '../clock/instant.ts'
import { emptySnapshot, nextSnapshot } from '../apply/next-snapshot.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { lineage, type ColumnsOf, type LineageDirection } from './lineage.ts'
import { findReference, referenceTo } from './reference.ts'

const AT = instant(1_704_067_200_000_000)
const NUMBER = { kind: 'float64' }

const DEFINITIONS = [
  { kind: 'entity', name: 'airport', keys: [{ name: 'airport', type: { kind: 'string' } }] },
  { kind: 'source', name: 'raw', reads: { format: 'csv', path: 'raw.csv' } },
  {
    kind: 'source',
    name: 'flights',
    reads: { format: 'sql', query: 'SELECT …', sources: ['raw'] },
    eventTime: { column: 'date', zone: 'UTC' },
    created: { column: 'landed', zone: 'UTC' },
  },
  { kind: 'source', name: 'trip', reads: { format: 'request', fields: [{ name: 'miles', type: NUMBER }] } },
  {
    kind: 'group',
    name: 'latest',
    entity: 'airport',
    key: { airport: 'origin' },
    compute: { from: 'source', source: 'flights' },
    features: [
      { name: 'delay', type: NUMBER },
      { name: 'taxi', type: NUMBER },
    ],
  },
  {
    kind: 'group',
    name: 'hourly',
    entity: 'airport',
    compute: { from: 'query', query: 'SELECT …', sources: ['flights'] },
    schedule: { every: '1h' },
    features: [
      { name: 'mean', type: NUMBER },
      { name: 'odd', type: NUMBER },
    ],
  },
  {
    kind: 'on_demand',
    name: 'context',
    inputs: [
      { name: 'miles', from: { request: 'trip', field: 'miles' } },
      { name: 'mean', from: { group: 'hourly', feature: 'mean' } },
      { name: 'at', from: { eventTimeOf: 'latest' } },
    ],
    features: [{ name: 'band', type: NUMBER }],
    code: { module: 'context.ts', fingerprint: 'c0de' },
  },
  {
    kind: 'service',
    name: 'delays',
    features: [
      { name: 'delay', group: 'latest', feature: 'delay', keys: { airport: 'airport' } },
      { name: 'band', group: 'context', feature: 'band', keys: { airport: 'airport' } },
    ],
    consumers: [{ model: 'delay', version: '7', team: 'ops' }],
  },
]

const columnsOf: ColumnsOf = ({ id }) => ({
  rows: [],
  columns:
    id === 'source/flights'
      ? new Map([
          ['date', [{ input: 'raw', column: 'date' }]],
          ['delay', [{ input: 'raw', column: 'delay' }]],
          ['origin', [{ input: 'raw', column: 'from' }]],
        ])
      : new Map([['mean', [{ input: 'flights', column: 'delay' }]]]),
})

function snapshotOf(definitions: readonly object[], project = 'p'): Snapshot {
  return nextSnapshot(emptySnapshot(project), checkDefinitions(definitions), AT)
}

async function reached(of: string, direction: LineageDirection, columns?: ColumnsOf): Promise<string[]> {
  const found = await lineage(snapshotOf(DEFINITIONS), of, direction, columns)
  return found.nodes.map((node) => node.id.slice('p.'.length)).sort()
}

suite('lineage', () => {
  test('goes from a model up to the columns of files and the fields of requests', async () => {
    assert.deepEqual(await reached('model/delay@7', 'up', columnsOf), [
      'group/hourly@1:mean',
      'group/latest@1:delay',
      'group/latest@1:event_timestamp',
      'model/delay@7',
      'on_demand/context@1:band',
      'service/delays:band',
      'service/delays:delay',
      'source/flights:date',
      'source/flights:delay',
      'source/raw:date',
      'source/raw:delay',
      'source/trip:miles',
    ])
  })

  test('goes from a column down to the models, by column where the query tells', async () => {
    const below = await reached('source/raw:delay', 'down', columnsOf)
    assert.ok(below.includes('model/delay@7') && below.includes('group/hourly@1:mean'))
    // The query does not tell where these come from: any column may be in them.
    assert.ok(below.includes('group/hourly@1:odd') && below.includes('source/flights:taxi'))
    assert.ok(!below.includes('source/flights:date'))
  })

  test('knows tables alone without the columns of queries', async () => {
    assert.deepEqual(await reached('hourly:mean', 'up'), [
      'group/hourly@1:mean',
      'source/flights',
      'source/raw',
    ])
  })

  test('a key decides whose row it is, not what its values are', async () => {
    assert.deepEqual(await reached('source/flights:origin', 'down', columnsOf), [
      'group/hourly@1:event_timestamp',
      'group/hourly@1:odd',
      'source/flights:origin',
    ])
  })

  test('a count of rows comes from the tables, and from no column of them', async () => {
    const counting: ColumnsOf = async (query) => {
      const { rows, columns } = (await columnsOf(query))!
      return { rows, columns: query.id === 'source/flights' ? columns : new Map([...columns, ['odd', []]]) }
    }
    const above = await lineage(snapshotOf(DEFINITIONS), 'hourly:odd', 'up', counting)
    assert.deepEqual(
      above.edges.filter(({ to }) => to.includes('hourly')),
      [{ from: 'p.source/flights', to: 'p.group/hourly@1:odd' }],
    )
    assert.ok((await reached('source/flights', 'down', counting)).includes('group/hourly@1:odd'))
    assert.ok((await reached('source/raw', 'down', counting)).includes('group/hourly@1:odd'))
    for (const column of ['source/flights:delay', 'source/raw:delay']) {
      const below = await reached(column, 'down', counting)
      assert.ok(below.includes('group/hourly@1:mean') && !below.includes('group/hourly@1:odd'), column)
    }
  })

  test('shows the features of an entity', async () => {
    const below = await reached('entity/airport', 'down', columnsOf)
    assert.ok(below.includes('group/latest@1:taxi') && below.includes('model/delay@7'))
  })

  test('what is above something has it below, whatever the definitions', async () => {
    await fc.assert(
      fc.asyncProperty(definitionsArb(), async (definitions) => {
        const snapshot = snapshotOf(definitions)
        for (const definition of definitions) {
          if (definition.kind === 'entity' || definition.kind === 'source') continue
          const [start] = (await lineage(snapshot, referenceTo('p', definition), 'up')).of
          for (const { id } of (await lineage(snapshot, start!, 'up')).nodes) {
            const below = (await lineage(snapshot, id, 'down')).nodes.map((node) => node.id)
            assert.ok(below.includes(start!), `${start} is below ${id}`)
          }
        }
      }),
      propertyRuns(0.25),
    )
  })
})

suite('references', () => {
  const snapshot = snapshotOf(DEFINITIONS)

  test('every definition and every part of it is found by its full name', () => {
    fc.assert(
      fc.property(definitionsArb(), (definitions) => {
        const all = snapshotOf(definitions)
        for (const definition of definitions) {
          const parts = 'features' in definition ? definition.features.map(({ name }) => name) : []
          for (const part of [undefined, ...parts]) {
            const found = findReference(all, referenceTo('p', definition, part))
            assert.deepEqual(found, { kind: 'definition', definition, part })
          }
        }
      }),
      propertyRuns(0.5),
    )
  })

  test('a name alone is a group before it is a service, and the part decides', () => {
    const found = (reference: string): string => {
      const what = findReference(snapshot, reference)
      return what.kind === 'model' ? what.services.join() : referenceTo('p', what.definition, what.part)
    }
    assert.equal(found('hourly'), 'p.group/hourly@1')
    assert.equal(found('p.delays:band'), 'p.service/delays:band')
    assert.equal(found('model/delay@7'), 'delays')
    assert.equal(found('airport'), 'p.entity/airport')
  })

  for (const [reference, code] of [
    ['no such thing', 'invalid_reference'],
    ['hourly:absent', 'reference_not_found'],
    ['hourly@2:mean', 'reference_not_found'],
    ['other.hourly', 'reference_not_found'],
    ['model/delay@8', 'reference_not_found'],
    ['service/hourly', 'reference_not_found'],
  ] as const) {
    test(`${reference} is refused: ${code}`, () => {
      assert.throws(() => findReference(snapshot, reference), { name: 'AsofError', code })
    })
  }
})
