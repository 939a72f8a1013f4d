import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TIMESTAMP_MAX, TIMESTAMP_MIN, columnOf, columnValue } from '@asof/core'
import type { Column, ColumnBatch, FeatureType, ScalarType, ScalarValue, Value } from '@asof/core'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { openDatabase, run } from './database.ts'
import type { Database } from './database.ts'
import { identifier, literal } from './sql-text.ts'
import { streamQuery } from './stream.ts'
import { appendBatches, sqlType } from './vectors.ts'

let folder: string
let database: Database

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-vectors-'))
  database = await openDatabase({ folders: [folder], tempFolder: folder })
})
after(async () => {
  database.close()
  await rm(folder, { recursive: true })
})

const SCALARS: readonly ScalarType[] = [
  { kind: 'bool' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'float32' },
  { kind: 'float64' },
  { kind: 'string' },
  { kind: 'bytes' },
  { kind: 'timestamp' },
]

function scalar(type: ScalarType): fc.Arbitrary<ScalarValue> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean()
    case 'int32':
      return fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0))
    case 'int64':
      return fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n))
    case 'float32':
      return fc.oneof(fc.float(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity))
    case 'float64':
      return fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 5e-324))
    case 'string':
      return fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom(
          '',
          '\0',
          'a\0b',
          '\uFEFFmark',
          '\uFEFF and more than twelve bytes',
          '😀'.repeat(20),
          '\'"\\',
        ),
      )
    case 'bytes':
      return fc.uint8Array({ maxLength: 40 })
    case 'timestamp':
      return fc.oneof(
        fc.bigInt(TIMESTAMP_MIN, TIMESTAMP_MAX),
        fc.constantFrom(TIMESTAMP_MIN, TIMESTAMP_MAX, -1n),
      )
  }
}

const ofScalar = fc.constantFrom(...SCALARS)
const anyType: fc.Arbitrary<FeatureType> = fc.oneof(
  { weight: 3, arbitrary: ofScalar },
  fc.integer({ min: 1, max: 5 }).map((size): FeatureType => ({ kind: 'vector', size })),
  ofScalar.map((element): FeatureType => ({ kind: 'list', element })),
  ofScalar.map((value): FeatureType => ({ kind: 'map', value })),
  fc
    .dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,5}$/), ofScalar, {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    })
    .map((fields): FeatureType => ({ kind: 'struct', fields })),
)

function valueOf(type: FeatureType): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'vector':
      return fc
        .array(scalar({ kind: 'float32' }), { minLength: type.size, maxLength: type.size })
        .map((items) => Float32Array.from(items as number[]))
    case 'list':
      return fc.array(fc.option(scalar(type.element)), { maxLength: 4 })
    case 'map':
      return fc
        .array(fc.tuple(scalar({ kind: 'string' }) as fc.Arbitrary<string>, fc.option(scalar(type.value))), {
          maxLength: 4,
        })
        .map((entries) => new Map(entries))
    case 'struct':
      return fc.record<Record<string, ScalarValue | null>>(
        Object.fromEntries(
          Object.entries(type.fields).map(([name, field]) => [name, fc.option(scalar(field))]),
        ),
      )
    default:
      return scalar(type)
  }
}

/** What tells values apart to the last bit. */
function bits(value: Value | null): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : `${value}`
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (value instanceof Float32Array) return Array.from(value, bits)
  if (value instanceof Map) return Array.from(value, ([key, item]) => [key, bits(item)])
  if (Array.isArray(value)) return value.map((item: Value | null) => bits(item))
  return Object.entries(value as Record<string, Value | null>).map(([name, item]) => [name, bits(item)])
}

const table = fc.array(anyType, { minLength: 1, maxLength: 4 }).chain((types) =>
  fc.record({
    types: fc.constant(types),
    rows: fc.array(fc.tuple(...types.map((type) => fc.option(valueOf(type), { freq: 4 }))), {
      maxLength: 12,
    }),
  }),
)

async function readBack(
  types: readonly FeatureType[],
  rows: readonly (readonly (Value | null)[])[],
  through: 'memory' | 'parquet',
): Promise<(Value | null)[][]> {
  const columns = types.map((type, at) => ({ name: `c${at}`, type }))
  const batch: ColumnBatch = {
    rows: rows.length,
    columns: Object.fromEntries(
      types.map((type, at) => [
        `c${at}`,
        columnOf(
          type,
          rows.map((row) => row[at] ?? null),
        ),
      ]),
    ),
  }
  const fields = columns.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
  await run(database.connection, `CREATE OR REPLACE TABLE t (${fields.join(', ')})`)
  await appendBatches(database.connection, 't', columns, [batch])
  let from = 't'
  if (through === 'parquet') {
    from = `read_parquet(${literal(join(folder, 't.parquet'))})`
    await run(
      database.connection,
      `COPY t TO ${literal(join(folder, 't.parquet'))} (FORMAT parquet, DICTIONARY_SIZE_LIMIT 0)`,
    )
  }
  const read: (Value | null)[][] = []
  for await (const got of streamQuery(database, `SELECT * FROM ${from}`, columns)) {
    const sources = columns.map(({ name }) => got.columns[name] as Column)
    for (let row = 0; row < got.rows; row++) read.push(sources.map((column) => columnValue(column, row)))
  }
  return read
}

test('values of every type come back bit for bit, from memory and from a Parquet file', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom('memory' as const, 'parquet' as const),
      async ({ types, rows }, through) => {
        const read = await readBack(types, rows, through)
        assert.deepEqual(
          read.map((row) => row.map(bits)),
          rows.map((row) => row.map(bits)),
        )
      },
    ),
    propertyRuns(),
  )
})

test('more rows than a chunk holds, with and without nulls', async () => {
  const rows = Array.from({ length: 5000 }, (_, row) => [
    BigInt(row),
    row % 3 === 0 ? null : `text ${row}`,
    [row, null],
  ])
  const types: FeatureType[] = [
    { kind: 'int64' },
    { kind: 'string' },
    { kind: 'list', element: { kind: 'int32' } },
  ]
  assert.deepEqual(await readBack(types, rows, 'parquet'), rows)
})
