import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue } from '@asof/core'
import type { ColumnBatch, FeatureType, Value } from '@asof/core'
import { fieldsArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { openDatabase, run } from './database.ts'
import type { Database } from './database.ts'
import { identifier } from './sql-text.ts'
import { streamQuery } from './stream.ts'
import { appendBatches, sqlType } from './vectors.ts'
import type { TypedColumn } from './vectors.ts'

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

/** Rows through a table and back. */
async function readBack(
  columns: readonly TypedColumn[],
  rows: readonly (readonly (Value | null)[])[],
): Promise<(Value | null)[][]> {
  const fields = columns.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
  await run(database.connection, `CREATE OR REPLACE TABLE t (${fields.join(', ')})`)
  const values = columns.map(({ name, type }, at) => [
    name,
    columnOf(
      type,
      rows.map((row) => row[at] ?? null),
    ),
  ])
  const batch: ColumnBatch = { rows: rows.length, columns: Object.fromEntries(values) }
  assert.equal(await appendBatches(database.connection, 't', columns, [batch]), rows.length)
  const read: (Value | null)[][] = []
  for await (const got of streamQuery(database, 'SELECT * FROM t', columns)) {
    for (let row = 0; row < got.rows; row++) {
      read.push(columns.map(({ name }) => columnValue(got.columns[name]!, row)))
    }
  }
  return read
}

test('values of every type come back bit for bit', async () => {
  const table = fieldsArb({ minLength: 1, maxLength: 4 }).chain((columns) =>
    fc.tuple(
      fc.constant(columns),
      fc.array(fc.tuple(...columns.map(({ type }) => nullableValueArb(type))), { maxLength: 12 }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(table, async ([columns, rows]) => {
      const read = await readBack(columns, rows)
      assert.equal(read.length, rows.length)
      for (const [at, row] of rows.entries()) {
        for (const [column, { type }] of columns.entries()) {
          assert.ok(
            sameValue(type, row[column] ?? null, read[at]?.[column] ?? null),
            `row ${at} column ${column}`,
          )
        }
      }
    }),
    propertyRuns(),
  )
})

test('text keeps its byte order mark and its NUL, short and long', async () => {
  const rows = ['\uFEFFmark', '\uFEFF and more than twelve bytes', 'a\0b', `${'😀'.repeat(9)}\0`, ''].map(
    (text) => [text, [text, null]],
  )
  const columns = [
    { name: 's', type: { kind: 'string' } },
    { name: 'l', type: { kind: 'list', element: { kind: 'string' } } },
  ] as const
  assert.deepEqual(await readBack(columns, rows), rows)
})

test('more rows than a chunk holds, with and without nulls', async () => {
  const types: FeatureType[] = [
    { kind: 'int64' },
    { kind: 'string' },
    { kind: 'list', element: { kind: 'int32' } },
  ]
  const columns = types.map((type, at) => ({ name: `c${at}`, type }))
  const rows = Array.from({ length: 5000 }, (_, row) => [
    BigInt(row),
    row % 3 === 0 ? null : `text ${row}`,
    [row, null],
  ])
  assert.deepEqual(await readBack(columns, rows), rows)
})
