// Serving as of T equals training at T equals the naive engine, bit for bit: random histories over every type, composite
// keys, roles, tombstones, null keys, rows that are still in the log, and labels in any order.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  alias,
  bool,
  bytes,
  columnOf,
  columnValue,
  entity,
  featureGroup,
  featureService,
  float32,
  float64,
  int32,
  int64,
  list,
  map,
  project,
  string,
  struct,
  timestamp,
  vector,
  type ColumnBatch,
  type FeatureRow,
  type FeatureType,
  type Instant,
  type Value,
} from '@asof/core'
import { duckdbParquetFiles } from '@asof/duckdb'
import { naiveValue, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import { openFeatureStore } from './embedded.ts'

const START = 1_700_000_000_000_000
const SECOND = 1_000_000

const account = entity('account', { keys: { bank: string(), number: int64() } })
const world = entity('world', { keys: {} })
const everyType = {
  a_bool: bool(),
  an_int32: int32(),
  an_int64: int64(),
  a_float32: float32(),
  a_float64: float64(),
  a_string: string(),
  some_bytes: bytes(),
  a_timestamp: timestamp(),
  a_vector: vector(3),
  a_list: list(int64()),
  a_map: map(float64()),
  a_struct: struct({ inner: string(), other: float32() }),
}
const wide = featureGroup('wide', { entity: account, features: everyType, ttl: '5s' })
const strict = featureGroup('strict', {
  entity: account,
  features: { amount: float64() },
  boundary: 'exclusive',
  partition: 'day',
})
const weather = featureGroup('weather', { entity: world, features: { rain: float32() } })
const model = featureService('model', {
  features: [wide, alias(strict, 'payer', { bank: 'payer_bank', number: 'payer_number' }), strict, weather],
})
const shop = project('shop', [model])
const GROUPS = [wide, strict, weather] as const

const KEYS: readonly (readonly [string, bigint])[] = [
  ['a', 1n],
  ['a:1', 2n],
  ['a', 2n ** 60n],
  ['', -1n],
]

test('serving as of T equals training at T equals the naive engine', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0 }), async (seed) => await compare(seed)),
    propertyRuns(1 / 40),
  )
})

async function compare(seed: number): Promise<void> {
  const random = fc.sample(fc.noBias(fc.double({ min: 0, max: 1, noNaN: true })), { numRuns: 2_000, seed })
  let drawn = 0
  const chance = (): number => random[drawn++ % random.length]!
  const below = (n: number): number => Math.min(n - 1, Math.floor(chance() * n))
  const folder = await mkdtemp(join(tmpdir(), 'asof-past-'))
  let wall = START
  try {
    await using store = await openFeatureStore({
      project: shop,
      projectFolder: folder,
      wall: () => wall as Instant,
      memoryMb: 512,
    })
    await store.apply()
    const histories = new Map<string, FeatureRow[]>(GROUPS.map((group) => [group.definition.name, []]))
    for (let step = 0; step < 25; step++) {
      wall += below(2 * SECOND)
      const group = GROUPS[below(3)]!
      const { name, features } = group.definition
      const types = features.map((feature) => feature.type)
      const sampled = fc.sample(fc.tuple(...types.map((type) => nullableValueArb(type))), {
        numRuns: 3,
        seed: seed + step,
      })
      const pushed = sampled.map((values) => {
        const key = group === weather ? [] : KEYS[below(KEYS.length)]!
        const e = wall + below(4 * SECOND) - 3 * SECOND
        return { key, e, deleted: below(8) === 0, values }
      })
      const rows = pushed.map(({ key, e, deleted, values }) => ({
        ...(key.length > 0 && { bank: key[0], number: key[1] }),
        event_timestamp: e,
        ...(deleted
          ? { _deleted: true }
          : Object.fromEntries(features.map((feature, index) => [feature.name, values[index]]))),
      }))
      const { at, position } = await store.push(group, rows)
      pushed.forEach(({ key, e, deleted, values }, index) => {
        const stamp = { e: e as Instant, c: at, s: position + index }
        histories.get(name)!.push({ ...stamp, key, deleted, values: deleted ? [] : values })
      })
      if (below(6) === 0) await store.drain()
    }
    wall += 3 * SECOND

    const times = Array.from({ length: 4 }, () => {
      const rows = histories.get(GROUPS[below(3)]!.definition.name)!
      const border =
        rows.length === 0
          ? wall
          : rows[below(rows.length)]!.e + [-1, 0, 1, 5 * SECOND, 5 * SECOND + 1][below(5)]!
      return Math.min(wall - 1, chance() < 0.5 ? border : START + below(wall - START)) as Instant
    })
    const labels = Array.from({ length: 24 }, () => {
      const key = KEYS[below(KEYS.length)]!
      const payer = KEYS[below(KEYS.length)]!
      return {
        at: times[below(times.length)]!,
        keys: {
          bank: below(9) === 0 ? null : key[0],
          number: key[1],
          payer_bank: payer[0],
          payer_number: payer[1],
        },
      }
    })

    const served: Record<string, Value | null>[] = []
    for (const { at, keys } of labels) {
      const [past] = await store.getMany(model, [{ keys }], { asOf: at })
      assert.equal(past!.$source, 'offline')
      served.push(past as unknown as Record<string, Value | null>)
    }
    const to = join(folder, 'set')
    const { manifest } = await store.train(model, {
      labels: { kind: 'rows', batch: labelBatch(labels) },
      at: 'at',
      to,
      statuses: true,
    })
    assert.equal(manifest.labels.rows, labels.length)
    const trained = await readSet(to)

    for (const [index, { at, keys }] of labels.entries()) {
      for (const feature of model.definition.features) {
        const group = GROUPS.find((candidate) => candidate.definition.name === feature.group)!
        const place = group.definition.features.findIndex((field) => field.name === feature.feature)
        const { type } = group.definition.features[place]!
        const asked =
          group === weather
            ? []
            : [
                keys[(feature.keys['bank'] ?? 'bank') as 'bank'],
                keys[(feature.keys['number'] ?? 'number') as 'number'],
              ]
        const { row } = naiveValue(histories.get(feature.group)!, asked, at, {
          ttl: group === wide ? 5 * SECOND : undefined,
          boundary: group.definition.boundary,
          knowledge: 'as-known',
        })
        const expected = row?.values[place] ?? null
        const what = `label ${index}, ${feature.name}`
        assert.ok(sameValue(type, served[index]![feature.name]!, expected), `served: ${what}`)
        assert.ok(sameValue(type, trained(feature.name, type, index), expected), `trained: ${what}`)
      }
    }
    const verified = await store.verify(to, { sample: 'all' })
    assert.ok(verified.ok)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function labelBatch(labels: readonly { at: Instant; keys: Record<string, Value | null> }[]): ColumnBatch {
  const column = (name: string, type: FeatureType): [string, ReturnType<typeof columnOf>] => [
    name,
    columnOf(
      type,
      labels.map((label) => (name === 'at' ? BigInt(label.at) : label.keys[name]!)),
    ),
  ]
  return {
    rows: labels.length,
    columns: Object.fromEntries([
      column('at', { kind: 'timestamp' }),
      column('bank', { kind: 'string' }),
      column('number', { kind: 'int64' }),
      column('payer_bank', { kind: 'string' }),
      column('payer_number', { kind: 'int64' }),
    ]),
  }
}

/** A training set's values by feature and label row. */
async function readSet(
  folder: string,
): Promise<(name: string, type: FeatureType, row: number) => Value | null> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.parquet')).sort()
  const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: folder, threads: 1, memoryMb: 256 })
  const columns = model.definition.features.map((feature) => {
    const group = GROUPS.find((candidate) => candidate.definition.name === feature.group)!
    const { type } = group.definition.features.find((field) => field.name === feature.feature)!
    return { name: feature.name, type, nullable: true }
  })
  const values = new Map<string, (Value | null)[]>(columns.map(({ name }) => [name, []]))
  const paths = files.map((file) => ({ localPath: join(folder, file), constants: {} }))
  for await (const batch of parquet.read(paths, columns)) {
    for (const { name } of columns) {
      for (let row = 0; row < batch.rows; row++)
        values.get(name)!.push(columnValue(batch.columns[name]!, row))
    }
  }
  return (name, _type, row) => values.get(name)![row] ?? null
}
