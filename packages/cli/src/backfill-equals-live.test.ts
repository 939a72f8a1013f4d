// A backfill writes what a live schedule would have written: the same source, once computed run by run under a clock that
// keeps the schedule, once afterwards in one go. Row for row in key, event time, values and order, and in created time too,
// as the simulated runs take exactly `runtime`.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  columnValue,
  entity,
  featureGroup,
  float64,
  formatInstant,
  int64,
  jsonl,
  MICROS,
  project,
  string,
  type FeatureStore,
  type Instant,
  type Value,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { propertyRuns } from '@asof/testing'
import { openFeatureStore } from './embedded.ts'

const START = 1_704_067_200_000_000 // 2024-01-01T00:00:00Z
const RUNS = 5
const RUNTIME = 90 * MICROS.second

const shop = entity('shop', { keys: { shop: string() } })
const sales = jsonl('sales', {
  path: 'sales.jsonl',
  eventTime: { column: 'sold' },
  created: { column: 'known' },
})
const hourly = featureGroup('hourly', {
  entity: shop,
  sources: [sales],
  every: '1h',
  delay: '5m',
  runtime: '90s',
  lookback: '2h',
  query: `SELECT shop, time_bucket(INTERVAL 1 HOUR, sold::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 count(*) AS sales, sum(amount::DOUBLE) AS amount, bool_or(closed) AS _deleted FROM sales GROUP BY ALL`,
  features: { sales: int64(), amount: float64() },
})
const definitions = project('shops', [hourly])

const saleArb = fc.record({
  shop: fc.constantFrom('a', 'b'),
  sold: fc.integer({ min: -2 * 60, max: RUNS * 60 }).map((minute) => START + minute * MICROS.minute),
  late: fc.oneof(
    fc.constantFrom(0, 1),
    fc.integer({ min: 0, max: 5 * 60 }).map((minute) => minute * MICROS.minute),
  ),
  amount: fc.constantFrom(0.1, 0.2, 0.3, 1e16, -1e16, 5),
  closed: fc.nat(12).map((roll) => roll === 0),
})

test('a backfill equals what a live schedule wrote', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(saleArb, { minLength: 5, maxLength: 60 }), async (sold) => {
      const folder = await mkdtemp(join(tmpdir(), 'asof-live-'))
      try {
        const lines = sold.map(({ sold: at, late, ...sale }) =>
          JSON.stringify({
            ...sale,
            sold: formatInstant(at as Instant),
            known: formatInstant((at + late) as Instant),
          }),
        )
        await mkdir(folder, { recursive: true })
        await writeFile(join(folder, 'sales.jsonl'), `${lines.join('\n')}\n`)
        const live = await compute(folder, 'live', async (store, setClock) => {
          for (let run = 1; run <= RUNS; run++) {
            const at = START + run * MICROS.hour + 5 * MICROS.minute
            setClock(at + RUNTIME - 1) // The append takes the next microsecond.
            const result = await store.materialize(hourly, { from: START as Instant, to: at as Instant })
            assert.equal(result.runs, 1)
          }
        })
        const backfilled = await compute(folder, 'backfill', async (store) => {
          const end = START + RUNS * MICROS.hour + 5 * MICROS.minute
          const result = await store.materialize(hourly, { from: START as Instant, to: end as Instant })
          assert.equal(result.runs, RUNS)
        })
        assert.deepEqual(backfilled, live)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }),
    propertyRuns(1 / 40),
  )
})

/** The rows that some work writes, in the order of their sequence. */
async function compute(
  folder: string,
  kind: 'live' | 'backfill',
  work: (store: FeatureStore, setClock: (to: number) => void) => Promise<void>,
): Promise<(Value | null)[][]> {
  // A live group is applied before its first run, a backfilled one long after its last.
  let wall = kind === 'live' ? START : START + 30 * MICROS.day
  const store = await openFeatureStore({
    project: definitions,
    projectFolder: folder,
    folder: kind,
    threads: 1,
    memoryMb: 256,
    wall: () => wall as Instant,
  })
  try {
    await store.apply()
    await work(store, (to) => (wall = to))
    await store.drain()
  } finally {
    await store.close()
  }
  const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: folder, threads: 1, memoryMb: 256 })
  const objects = diskObjectStore(join(folder, kind, 'offline'))
  const tables = deltaTables({ objects, parquet, now: () => wall as Instant, randomId: () => 'unused' })
  const table = await tables.snapshot('shops/hourly/v1')
  const rows: { s: bigint; row: (Value | null)[] }[] = []
  if (table === undefined) return []
  for await (const batch of parquet.read(table.files, table.schema.columns)) {
    for (let row = 0; row < batch.rows; row++) {
      const value = (name: string): Value | null => columnValue(batch.columns[name]!, row)
      const names = ['shop', 'event_timestamp', 'created_timestamp', 'is_deleted', 'sales', 'amount']
      rows.push({ s: value('seq') as bigint, row: names.map(value) })
    }
  }
  return rows.sort((a, b) => (a.s < b.s ? -1 : 1)).map(({ row }) => row)
}
