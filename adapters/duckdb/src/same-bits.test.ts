import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, valueFromJson } from '@asof/core'
import type { Value } from '@asof/core'
import { featureTypeArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { openDatabase, run } from './database.ts'
import type { Database } from './database.ts'
import { selectColumns } from './relation-sql.ts'
import { rowJson } from './row-json.ts'
import { sameBits } from './same-bits.ts'
import { appendBatches, readBatch, sqlType } from './vectors.ts'

let database: Database
before(async () => {
  database = await openDatabase({ folders: [], tempFolder: tmpdir() })
})
after(() => {
  database.close()
})

test('sameness to the bit, and the JSON of a row, for every type', async () => {
  const pair = featureTypeArb().chain((type) =>
    fc.tuple(fc.constant(type), nullableValueArb(type), nullableValueArb(type), fc.boolean()),
  )
  await fc.assert(
    fc.asyncProperty(pair, async ([type, a, other, equal]) => {
      const b = equal ? a : other
      await run(database.connection, `CREATE OR REPLACE TABLE pair (a ${sqlType(type)}, b ${sqlType(type)})`)
      const columns = { a: columnOf(type, [a]), b: columnOf(type, [b]) }
      const fields = ['a', 'b'].map((name) => ({ name, type }))
      await appendBatches(database.connection, 'pair', fields, [{ rows: 1, columns }])
      const json = rowJson(await selectColumns(database.connection, 'SELECT * FROM pair'))
      const result = await run(
        database.connection,
        `SELECT ${sameBits('a', 'b', type)} AS same, ${json} AS json FROM pair`,
      )
      const batch = readBatch((await result.fetchChunk())!, [
        { name: 'same', type: { kind: 'bool' } },
        { name: 'json', type: { kind: 'string' } },
      ])
      assert.equal(columnValue(batch.columns['same']!, 0), sameValue(type, a, b))
      const row = JSON.parse(columnValue(batch.columns['json']!, 0) as string) as Record<string, unknown>
      for (const [name, value] of [
        ['a', a],
        ['b', b],
      ] as [string, Value | null][]) {
        assert.ok(sameValue(type, value, valueFromJson(type, row[name], name)), JSON.stringify(row))
      }
    }),
    propertyRuns(),
  )
})
