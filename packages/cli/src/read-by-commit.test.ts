// A Delta source whose rows are known from the commit that brought them: each run reads the version of its own instant.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  columnOf,
  delta,
  entity,
  featureGroup,
  featureService,
  int64,
  MICROS,
  parseInstant,
  project,
  string,
  type ColumnBatch,
  type Instant,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { openFeatureStore } from './embedded.ts'

const DAY1 = parseInstant('2024-03-01T00:00:00Z')
const shop = entity('shop', { keys: { shop: string() } })
const sales = delta('sales', { path: 'lake/sales', eventTime: { column: 'sold' }, created: 'commit' })
const daily = featureGroup('daily', {
  entity: shop,
  sources: [sales],
  every: '1d',
  lookback: '2d',
  query: `SELECT shop, time_bucket(INTERVAL 1 DAY, sold) + INTERVAL 1 DAY AS event_timestamp, count(*) AS sales
          FROM sales GROUP BY ALL`,
  features: { sales: int64() },
})
const model = featureService('model', { features: [daily] })

test("a run reads its source as it was committed by then; what comes later is a later run's correction", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-commit-'))
  try {
    const clock = { now: DAY1 as number }
    const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: folder, threads: 1, memoryMb: 256 })
    const lake = deltaTables({
      objects: diskObjectStore(folder),
      parquet,
      now: () => clock.now as Instant,
      randomId: () => crypto.randomUUID(),
    })
    await lake.ensure('lake/sales', {
      columns: [
        { name: 'shop', type: { kind: 'string' }, nullable: false },
        { name: 'sold', type: { kind: 'timestamp' }, nullable: false },
      ],
      partitionBy: [],
    })
    const commit = async (at: number, sold: readonly number[]): Promise<void> => {
      clock.now = at
      const writers = [{ writer: 'till', sequence: at }]
      await lake.append('lake/sales', { rows: batchOf(sold), writers, sortBy: [] })
    }
    // Two sales of the first day are committed in the evening, a third with a day's delay.
    await commit(DAY1 + 20 * MICROS.hour, [DAY1 + MICROS.hour, DAY1 + 2 * MICROS.hour])
    await commit(DAY1 + 30 * MICROS.hour, [DAY1 + 3 * MICROS.hour, DAY1 + 25 * MICROS.hour])

    await using store = await openFeatureStore({
      project: project('shops', [model]),
      projectFolder: folder,
      threads: 1,
      memoryMb: 256,
      wall: () => (DAY1 + 10 * MICROS.day) as Instant,
    })
    await store.apply()
    const result = await store.materialize(daily, { from: DAY1, to: (DAY1 + 3 * MICROS.day) as Instant })
    assert.deepEqual([result.runs, result.rows, result.corrections], [3, 3, 1])
    const asOf = async (hours: number): Promise<unknown> =>
      (await store.get(model, { shop: 'a' }, { asOf: (DAY1 + hours * MICROS.hour) as Instant })).sales
    assert.equal(await asOf(24), 2n, 'the first run knew two sales')
    assert.equal(await asOf(47), 2n, 'until the next run')
    assert.equal(await asOf(48), 1n, "the second day's")
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

async function* batchOf(sold: readonly number[]): AsyncGenerator<ColumnBatch> {
  const columns = {
    shop: columnOf(
      { kind: 'string' },
      sold.map(() => 'a'),
    ),
    sold: columnOf({ kind: 'timestamp' }, sold.map(BigInt)),
  }
  yield { rows: sold.length, columns }
}
