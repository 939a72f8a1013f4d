import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FeatureType, TableColumn } from '@asof/core'
import { checkSchema, schemaOf, schemaString, toField } from './delta-schema.ts'

const SCALARS = ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
const TYPES: readonly FeatureType[] = [
  ...SCALARS.map((kind) => ({ kind })),
  ...SCALARS.map((kind) => ({ kind: 'list', element: { kind } }) as const),
  ...SCALARS.map((kind) => ({ kind: 'map', value: { kind } }) as const),
  { kind: 'struct', fields: Object.fromEntries(SCALARS.map((kind) => [`f_${kind}`, { kind }])) },
  { kind: 'vector', size: 768 },
]

function metadata(text: string, partitionColumns: string[] = []) {
  return {
    id: 'x',
    format: { provider: 'parquet', options: {} },
    schemaString: text,
    partitionColumns,
    configuration: {},
  }
}

describe('table schemas', () => {
  it('come back with asof’s own types, sizes of vectors and computed partitions', () => {
    const columns: TableColumn[] = TYPES.map((type, index) => ({
      name: `c${index}`,
      type,
      nullable: index % 2 === 0,
    }))
    const partitionOf = { column: 'c7', unit: 'month' } as const
    columns.push({ name: 'month', type: { kind: 'string' }, nullable: false, partitionOf })
    const read = schemaOf(metadata(schemaString(columns.map(toField)), ['month']), 't')
    assert.deepEqual(JSON.parse(JSON.stringify(read.columns)), JSON.parse(JSON.stringify(columns)))
    assert.deepEqual(read.partitionBy, ['month'])
  })

  it('name the types of other writers that are none of asof’s', () => {
    const field = (name: string, type: unknown) => ({ name, type, nullable: true, metadata: {} })
    const fields = [
      field('a', 'decimal(5,3)'),
      field('b', 'date'),
      field('c', 'short'),
      field('d', {
        type: 'array',
        elementType: { type: 'array', elementType: 'long', containsNull: true },
        containsNull: true,
      }),
      field('e', { type: 'map', keyType: 'integer', valueType: 'long', valueContainsNull: true }),
      field('f', { type: 'array', elementType: 'float', containsNull: true }),
    ]
    const { columns } = schemaOf(metadata(JSON.stringify({ type: 'struct', fields })), 't')
    assert.deepEqual(
      columns.map(({ type, foreign }) => [type.kind, foreign?.slice(0, 12)]),
      [
        ['string', 'decimal(5,3)'],
        ['string', 'date'],
        ['int32', 'short'],
        ['string', '{"type":"arr'],
        ['string', '{"type":"map'],
        ['list', undefined],
      ],
    )
  })

  it('are refused when they cannot be a table', () => {
    const text: FeatureType = { kind: 'string' }
    const column = (name: string, type: FeatureType = text): TableColumn => ({ name, type, nullable: true })
    const refused = (columns: TableColumn[], partitionBy: string[] = []): void =>
      assert.throws(() => checkSchema({ columns, partitionBy }, 't'), { code: 'invalid_schema' })
    refused([])
    refused([column('a'), column('A')])
    refused([column('')])
    refused([column('a')], ['b'])
    refused([column('a')], ['a'])
    refused([column('a'), column('b', { kind: 'float64' })], ['b'])
    refused([column('a'), { ...column('d'), partitionOf: { column: 'a', unit: 'day' } }], ['d'])
    refused([
      column('a', { kind: 'timestamp' }),
      { ...column('d'), partitionOf: { column: 'a', unit: 'day' } },
    ])
    assert.throws(
      () => checkSchema({ columns: [column('v', { kind: 'vector', size: 0 })], partitionBy: [] }, 't'),
      {
        code: 'invalid_type',
      },
    )
    assert.throws(() => schemaOf(metadata('{'), 't'), { code: 'corrupt_schema' })
    assert.throws(() => schemaOf(metadata('{"type":"struct","fields":[]}', ['x']), 't'), {
      code: 'corrupt_schema',
    })
  })
})
