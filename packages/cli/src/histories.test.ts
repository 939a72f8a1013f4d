// Random lives of a store: scheduled runs done early, late, again and restated, history imported twice, under a clock that
// moves on. In the end every path answers what the naive engine answers over the rows of the tables: online, as of the
// past, and in training; and no row ever changed once it was written.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  columnOf,
  columnValue,
  entity,
  featureGroup,
  featureService,
  float64,
  formatInstant,
  int64,
  jsonl,
  MICROS,
  project,
  string,
  type FeatureRow,
  type FeatureStore,
  type Instant,
  type ScalarValue,
  type Value,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { naiveValue, propertyRuns } from '@asof/testing'
import { openFeatureStore } from './embedded.ts'

/** Before 1970, so that every floor and bias is met below zero too. */
const START = -86_400_000_000 * 400
const NOW = 1_704_067_200_000_000

const user = entity('user', { keys: { user: string() } })
const orders = jsonl('orders', {
  path: 'orders.jsonl',
  eventTime: { column: 'placed' },
  created: { column: 'known' },
})
const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  delay: '10m',
  lookback: '2h',
  ttl: '3h',
  query: `SELECT "user", time_bucket(INTERVAL 1 HOUR, placed::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 count(*) AS orders, sum(amount::DOUBLE) AS amount FROM orders GROUP BY ALL`,
  features: { orders: int64(), amount: float64() },
})
const plain = featureGroup('plain', {
  entity: user,
  source: orders,
  delay: '1m',
  features: { amount: float64() },
  unknownColumns: 'additive',
})
const model = featureService('model', { features: [hourly] })
const latest = featureService('latest', { features: [plain] })
const shop = project('shop', [model, latest])

const orderArb = fc.record({
  user: fc.constantFrom('a', 'b', 'c'),
  placed: fc.integer({ min: 0, max: 8 * 60 }),
  late: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 6 * 60 })),
  amount: fc.constantFrom(0.1, 0.2, 1e16, -5.5),
})
const stepArb = fc.oneof(
  fc.record({ do: fc.constant('materialize' as const), to: fc.integer({ min: 0, max: 10 }) }),
  fc.record({
    do: fc.constant('restate' as const),
    from: fc.integer({ min: 0, max: 8 }),
    hours: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ do: fc.constant('import' as const) }),
  fc.record({
    do: fc.constant('found' as const),
    orders: fc.array(orderArb, { minLength: 1, maxLength: 5 }),
  }),
)

test('every path answers as the naive engine over the rows of the tables', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(orderArb, { minLength: 1, maxLength: 40 }),
      fc.array(stepArb, { minLength: 3, maxLength: 8 }),
      fc.array(
        fc.record({
          user: fc.constantFrom('a', 'b', 'z'),
          minute: fc.integer({ min: 0, max: 14 * 60 }),
          shift: fc.constantFrom(-1, 0, 1),
        }),
        { minLength: 8, maxLength: 16 },
      ),
      async (sold, steps, asked) => {
        const folder = await mkdtemp(join(tmpdir(), 'asof-histories-'))
        try {
          await live(folder, sold, steps, asked)
        } finally {
          await rm(folder, { recursive: true, force: true })
        }
      },
    ),
    propertyRuns(1 / 40),
  )
})

type Order = { user: string; placed: number; late: number; amount: number }
type Step =
  | { do: 'materialize'; to: number }
  | { do: 'restate'; from: number; hours: number }
  | { do: 'import' }
  | { do: 'found'; orders: Order[] }

async function live(
  folder: string,
  sold: readonly Order[],
  steps: readonly Step[],
  asked: readonly { user: string; minute: number; shift: number }[],
): Promise<void> {
  const file = join(folder, 'orders.jsonl')
  await writeFile(file, lines(sold))
  let wall = NOW
  await using store = await openFeatureStore({
    project: shop,
    projectFolder: folder,
    threads: 1,
    memoryMb: 256,
    wall: () => wall as Instant,
  })
  await store.apply()
  const before = new Map<string, string[]>()
  await store.materialize(plain)
  await store.materialize(hourly, { from: START as Instant, to: (START + 2 * MICROS.hour) as Instant })
  for (const step of steps) {
    wall += 7 * MICROS.second
    if (step.do === 'materialize') {
      await store.materialize(hourly, { to: (START + step.to * MICROS.hour) as Instant })
    } else if (step.do === 'restate') {
      const from = (START + step.from * MICROS.hour) as Instant
      const range = { from, to: (from + step.hours * MICROS.hour) as Instant }
      await store.restate(hourly, range)
      assert.equal((await store.restate(hourly, range)).rows, 0, 'a second restatement finds nothing new')
    } else if (step.do === 'import') {
      await store.materialize(plain)
      assert.equal((await store.materialize(plain)).rows, 0, 'a second import finds nothing new')
    } else {
      await appendFile(file, lines(step.orders))
    }
    for (const group of ['hourly', 'plain'] as const) {
      const rows = (await tableRows(folder, group)).map(asText).sort()
      assert.deepEqual(
        rows.filter((row) => before.get(group)?.includes(row)),
        before.get(group) ?? [],
        'the past moved',
      )
      assert.equal(new Set(rows.map((row) => row.split('|')[0])).size, rows.length, 'a sequence is used once')
      before.set(group, rows)
    }
  }
  wall += MICROS.minute
  const histories = { hourly: await tableRows(folder, 'hourly'), plain: await tableRows(folder, 'plain') }
  const ttl = 3 * MICROS.hour
  for (const name of ['a', 'b', 'z']) {
    const vector = await store.get(latest, { user: name })
    const { row } = naiveValue(histories.plain, [name], vector.$at, {
      ttl: undefined,
      boundary: 'inclusive',
      knowledge: 'as-known',
    })
    assert.equal(vector.amount, row?.values[0] ?? null)
  }
  const through = START + 2 * MICROS.hour
  const labels = asked.map(({ user: name, minute, shift }) => ({
    user: name,
    at: Math.min(START + minute * MICROS.minute + shift, through + 600 * MICROS.second - 1) as Instant,
  }))
  const trained = await trainedOn(store, folder, labels)
  for (const [index, { user: name, at }] of labels.entries()) {
    const [past] = await store.getMany(model, [{ keys: { user: name } }], { asOf: at })
    const { row, status } = naiveValue(histories.hourly, [name], at, {
      ttl,
      boundary: 'inclusive',
      knowledge: 'as-known',
    })
    const what = `${name} at ${formatInstant(at)}`
    assert.equal(past!.$statuses['orders'], row === undefined ? status : 'present', what)
    assert.equal(past!.orders, row?.values[0] ?? null, what)
    assert.equal(past!.amount, row?.values[1] ?? null, what)
    assert.equal(trained('orders', index), row?.values[0] ?? null, what)
    assert.equal(trained('amount', index), row?.values[1] ?? null, what)
  }
}

function lines(sold: readonly Order[]): string {
  return sold
    .map(({ user: name, placed, late, amount }) => {
      const e = START + placed * MICROS.minute
      const times = {
        placed: formatInstant(e as Instant),
        known: formatInstant((e + late * MICROS.minute) as Instant),
      }
      return `${JSON.stringify({ user: name, ...times, amount })}\n`
    })
    .join('')
}

function asText(row: FeatureRow): string {
  return [row.s, row.e, row.c, row.key, row.deleted, ...row.values].map(String).join('|')
}

async function trainedOn(
  store: FeatureStore,
  folder: string,
  labels: readonly { user: string; at: Instant }[],
): Promise<(feature: string, row: number) => Value | null> {
  const to = join(folder, 'set')
  const columns = {
    user: columnOf(
      { kind: 'string' },
      labels.map((label) => label.user),
    ),
    at: columnOf(
      { kind: 'timestamp' },
      labels.map((label) => BigInt(label.at)),
    ),
  }
  await store.train(model, {
    labels: { kind: 'rows', batch: { rows: labels.length, columns } },
    at: 'at',
    to,
  })
  const names = (await readdir(to)).filter((name) => name.endsWith('.parquet')).sort()
  const features = [
    { name: 'orders', type: { kind: 'int64' }, nullable: true },
    { name: 'amount', type: { kind: 'float64' }, nullable: true },
  ] as const
  const values: Record<string, (Value | null)[]> = { orders: [], amount: [] }
  const files = names.map((name) => ({ localPath: join(to, name), constants: {} }))
  for await (const batch of parquetOf(folder).read(files, features)) {
    for (const { name } of features) {
      for (let row = 0; row < batch.rows; row++) values[name]!.push(columnValue(batch.columns[name]!, row))
    }
  }
  return (feature, row) => values[feature]![row]!
}

function parquetOf(folder: string): ReturnType<typeof duckdbParquetFiles> {
  return duckdbParquetFiles({ folders: [folder], tempFolder: folder, threads: 1, memoryMb: 256 })
}

/** All rows of a group's table, read past the store. */
async function tableRows(folder: string, group: 'hourly' | 'plain'): Promise<FeatureRow[]> {
  const objects = diskObjectStore(join(folder, '.asof/offline'))
  const parquet = parquetOf(folder)
  const tables = deltaTables({ objects, parquet, now: () => 0 as Instant, randomId: () => 'unused' })
  const table = await tables.snapshot(`shop/${group}/v1`)
  const rows: FeatureRow[] = []
  if (table === undefined) return rows
  const features = group === 'hourly' ? ['orders', 'amount'] : ['amount']
  for await (const batch of parquet.read(table.files, table.schema.columns)) {
    for (let row = 0; row < batch.rows; row++) {
      const value = (name: string): Value | null => columnValue(batch.columns[name]!, row)
      rows.push({
        key: [value('user') as ScalarValue],
        e: Number(value('event_timestamp')) as Instant,
        c: Number(value('created_timestamp')) as Instant,
        s: Number(value('seq')),
        deleted: value('is_deleted') === true,
        values: features.map(value),
      })
    }
  }
  return rows
}
