import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { columnOf, parseTimestamp } from '@asof/core'
import type { Relation, SourceRelation } from '@asof/core'
import { duckdbEngine } from './duckdb-engine.ts'

const engine = duckdbEngine({ folders: [], tempFolder: tmpdir() })

test('a relation is described by its columns', async () => {
  const sql = `SELECT 1::DECIMAL(9, 2) AS price, TIMESTAMP '2024-01-01' AS "at", [1] AS list, '{}'::JSON AS json`
  assert.deepEqual(await engine.describe({ kind: 'query', sql, inputs: {} }), [
    { name: 'price', physical: 'DECIMAL(9,2)' },
    { name: 'at', physical: 'TIMESTAMP' },
    { name: 'list', physical: 'INTEGER[]' },
    { name: 'json', physical: 'JSON' },
  ])
})

test('the bounds of a source are those of its valid rows', async () => {
  const times = ['2024-01-02T00:00:00Z', '2024-01-01T00:00:00Z', '0001-01-01T00:00:00Z'].map((text) =>
    parseTimestamp(text),
  )
  const of = (values: (bigint | null)[]): SourceRelation => {
    const relation: Relation = {
      kind: 'rows',
      batch: { rows: values.length, columns: { at: columnOf({ kind: 'timestamp' }, values) } },
    }
    return { name: 's', relation, eventTime: { column: 'at' }, created: { delay: '0s' } }
  }
  assert.deepEqual(await engine.bounds(of([...times, null])), {
    first: Number(times[1]),
    last: Number(times[0]),
  })
  assert.equal(await engine.bounds(of([null])), undefined)
  // Where there are times and none can be read, silence would pass for "nothing is due".
  await assert.rejects(engine.bounds(of([times[2]!])), { code: 'unreadable_times' })
  const { eventTime: _, ...reference } = of(times)
  assert.equal(await engine.bounds(reference), undefined)
})
