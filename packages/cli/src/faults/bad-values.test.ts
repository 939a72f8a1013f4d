// Values that break feature stores, by every way in (a push, a push of JSON, a file of JSON lines, a typed query) and every way
// out (looking up now, as of the past, the table, a training set): exact, refused with a reason, or quarantined.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import {
  bool,
  entity,
  featureGroup,
  featureService,
  float32,
  float64,
  int32,
  int64,
  jsonl,
  list,
  project,
  sql,
  string,
  timestamp,
  vector,
  type Value,
} from '@asof/core'
import { at, NOON, openFaultStore, refusal, SECOND, type FaultStore, type Row } from './fault-store.ts'

const sensor = entity('sensor', { keys: { sensor: string(), part: int64() } })
const features = {
  ratio: float64(),
  small: float32(),
  big: int64(),
  count: int32(),
  flag: bool(),
  seen: timestamp(),
  shape: vector(2),
  ids: list(int64()),
}
const times = { eventTime: 'at', created: { delay: '0s' } } as const
const lines = jsonl('lines', { path: 'lines.jsonl', ...times })
const typedLines = jsonl('typed_lines', { path: 'typed.jsonl', ...times })
const typed = sql('typed', {
  sources: [typedLines],
  query: `SELECT sensor, part, "at"::TIMESTAMPTZ AS "at", ratio::DOUBLE AS ratio, ratio::FLOAT AS small,
                 big::HUGEINT AS big, count::DOUBLE AS count, true AS flag, NULL::TIMESTAMPTZ AS seen,
                 NULL::FLOAT[] AS shape, NULL::BIGINT[] AS ids
          FROM typed_lines`,
  ...times,
})
const dear = sql('dear', {
  sources: [typedLines],
  query: `SELECT sensor, part, "at"::TIMESTAMPTZ AS "at", 1.10::DECIMAL(5, 2) AS price FROM typed_lines`,
  ...times,
})
const cheap = sql('cheap', {
  sources: [typedLines],
  query: `SELECT sensor, part, "at"::TIMESTAMPTZ AS "at", 1.10::DECIMAL(5, 2)::VARCHAR AS price FROM typed_lines`,
  ...times,
})
const pushed = featureGroup('pushed', { entity: sensor, features })
const imported = featureGroup('imported', { entity: sensor, features, source: lines })
const queried = featureGroup('queried', { entity: sensor, features, source: typed })
const priced = featureGroup('priced', { entity: sensor, features: { price: float64() }, source: dear })
const worded = featureGroup('worded', { entity: sensor, features: { price: string() }, source: cheap })
const services = {
  pushed: featureService('pushed_model', { features: [pushed] }),
  imported: featureService('imported_model', { features: [imported] }),
  queried: featureService('queried_model', { features: [queried] }),
}

const NOTHING = {
  ratio: null,
  small: null,
  big: null,
  count: null,
  flag: null,
  seen: null,
  shape: null,
  ids: null,
}
const TEXT = '2024-06-01T11:00:00Z'

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('sensors', [...Object.values(services), priced, worded]))
  await faults.store.apply()
  await faults.write('lines.jsonl', [])
  await faults.write('typed.jsonl', [{ sensor: 'a', part: 1, at: TEXT, ratio: 1, big: 1, count: 1 }])
})
after(async () => await faults[Symbol.asyncDispose]())

type Key = readonly [sensor: string, part: bigint]

/** A feature of some keys by every way out: now, as of now from the tables, in the table, in a training set. */
async function waysOut(
  group: keyof typeof services,
  keys: readonly Key[],
  feature: string,
): Promise<(Value | null)[][]> {
  faults.clock.now += SECOND
  const service = services[group]
  await faults.store.drain()
  const questions = keys.map(([name, part]) => ({ keys: { sensor: name, part } }))
  const now = await faults.store.getMany(service, questions)
  const asOf = now[0]!.$at
  const past = await faults.store.getMany(service, questions, { asOf })
  const table = await faults.table(group)
  const trained = await faults.train(service, {
    sensor: [{ kind: 'string' }, keys.map(([name]) => name)],
    part: [{ kind: 'int64' }, keys.map(([, part]) => part)],
    at: [{ kind: 'timestamp' }, keys.map(() => BigInt(asOf))],
  })
  return keys.map(([name, part], index) => {
    const stored = table.filter((row) => row['sensor'] === name && row['part'] === part).at(-1)
    const rows = [now[index], past[index], stored, trained.rows[index]] as unknown as Row[]
    return rows.map((row) => row[feature]!)
  })
}

/** The same of one key. */
async function everyWay(group: keyof typeof services, key: Key, feature: string): Promise<(Value | null)[]> {
  return (await waysOut(group, [key], feature))[0]!
}

async function import_(rows: string | readonly object[]): Promise<Record<string, number>> {
  await faults.write('lines.jsonl', rows)
  faults.clock.now += SECOND
  const { reasons } = await faults.store.materialize(imported)
  return { ...reasons }
}

test('B1: NaN, the infinities and -0 are exact on every way in and out', async () => {
  const odd: readonly (readonly [number, string])[] = [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [-0, '-0'],
  ]
  const row = { ...NOTHING, event_timestamp: TEXT }
  await faults.store.push(
    pushed,
    odd.map(([value], index) => ({ ...row, sensor: 'b1', part: BigInt(index), ratio: value, small: value })),
  )
  await faults.store.push(
    pushed,
    odd.map(([, text], index) => ({ ...row, sensor: 'b1j', part: String(index), ratio: text, small: text })),
    undefined,
    { json: true },
  )
  const rows = odd.map(([, text], part) => ({ sensor: 'b1', part, at: TEXT, ratio: text, big: 1, count: 1 }))
  assert.deepEqual(await import_(rows.map((each) => ({ ...NOTHING, ...each, small: each.ratio }))), {})
  await faults.write('typed.jsonl', rows)
  assert.equal((await faults.store.materialize(queried)).quarantined, 0)
  for (const feature of ['ratio', 'small']) {
    const keys = (name: string): Key[] => odd.map((_, index) => [name, BigInt(index)])
    const seen = [
      await waysOut('pushed', keys('b1'), feature),
      await waysOut('pushed', keys('b1j'), feature),
      await waysOut('imported', keys('b1'), feature),
      await waysOut('queried', keys('b1'), feature),
    ]
    for (const [index, [value]] of odd.entries()) {
      for (const found of seen.flatMap((each) => each[index]!)) {
        assert.ok(Object.is(found, value), `${feature} ${value}: ${inspect(found)}`)
      }
    }
  }
  const vectorOf = await faults.store.get(services.pushed, { sensor: 'b1', part: 0n })
  assert.equal(vectorOf.$statuses['ratio'], 'present', 'NaN is a value')
})

test('B1: a column with a NaN says nothing about its least and greatest value', async () => {
  const table = await faults.parts.offline.snapshot('sensors/queried/v1')
  for (const file of table!.files) {
    assert.equal(file.min['ratio'], undefined)
    assert.equal(file.max['ratio'], undefined)
  }
})

test('B2: integers beyond 2^53 keep their digits, as values, as keys and in lists', async () => {
  const huge = 9_007_199_254_740_993n
  const row = { ...NOTHING, sensor: 'b2', event_timestamp: TEXT }
  await faults.store.push(pushed, [{ ...row, part: huge, big: -huge, ids: [huge, null, 2n ** 63n - 1n] }])
  await faults.store.push(
    pushed,
    [{ ...row, part: `${huge - 2n}`, big: `${-(2n ** 63n)}`, ids: [`${huge}`] }],
    undefined,
    { json: true },
  )
  // Digits that JSON.stringify would not write.
  const raw = `{"sensor":"b2","part":${huge},"at":"${TEXT}","big":${huge},"ratio":null,"small":null,"count":null,"flag":null,"seen":null,"shape":null,"ids":[${huge}]}\n`
  assert.deepEqual(
    await import_(raw + raw.replaceAll(`:${huge}`, ':null').replace('"part":null', '"part":1')),
    {},
  )
  assert.deepEqual(await everyWay('pushed', ['b2', huge], 'big'), Array(4).fill(-huge))
  for (const ids of await everyWay('pushed', ['b2', huge], 'ids')) {
    assert.deepEqual(ids, [huge, null, 2n ** 63n - 1n])
  }
  const least = Array(4).fill(-(2n ** 63n))
  assert.deepEqual(await everyWay('pushed', ['b2', huge - 2n], 'big'), least)
  assert.deepEqual(await everyWay('imported', ['b2', huge], 'big'), Array(4).fill(huge))
  // The neighbour that a float would have made of the key is somebody else.
  const neighbour = await faults.store.get(services.imported, { sensor: 'b2', part: huge - 1n })
  assert.equal(neighbour.$statuses['big'], 'not_found')
})

test('B2: a JSON number beyond 2^53 is refused, as its digits are lost already', async () => {
  const row = { ...NOTHING, sensor: 'b2', part: 1, event_timestamp: TEXT, big: 2 ** 53 }
  const error = await refusal(async () => await faults.store.push(pushed, [row], undefined, { json: true }))
  assert.equal(error.details['path'], 'rows[0].big')
})

test('B3: nothing is coerced: a push is refused with the path, a row of a file is quarantined', async () => {
  const wrong: readonly (readonly [string, unknown])[] = [
    ['count', 2 ** 31],
    ['count', 1.5],
    ['count', '12'],
    ['count', true],
    ['big', 2n ** 63n],
    ['big', 12],
    ['flag', 1],
    ['flag', 'true'],
    ['ratio', '1.5'],
    ['ratio', 1n],
    ['small', 0.1],
    ['seen', TEXT],
    ['shape', [1]],
    ['shape', [1, 2, 3]],
    ['ids', [1]],
    ['ids', 'a'],
  ]
  const end = await faults.parts.log.end()
  for (const [feature, value] of wrong) {
    const good = { ...NOTHING, sensor: 'b3', part: 0n, event_timestamp: TEXT }
    const error = await refusal(
      async () => await faults.store.push(pushed, [good, { ...good, [feature]: value }]),
      `${feature} ${String(value)}`,
    )
    assert.equal(error.kind, 'invalid')
    assert.match(String(error.details['path']), new RegExp(`^rows\\[1\\]\\.${feature}`))
  }
  assert.equal(await faults.parts.log.end(), end, 'nothing of a refused push is in the log')
  const bad = [
    { count: 1.5 },
    { count: '12' },
    { count: true },
    { count: 2 ** 31 },
    { flag: 1 },
    { big: 0.5 },
  ]
  const rows = bad.map((each, part) => ({ ...NOTHING, sensor: 'b3', part, at: TEXT, ...each }))
  const whole = { ...NOTHING, sensor: 'b3', part: 100, at: TEXT }
  const text = `${JSON.stringify(whole).replace('"count":null', '"count":7.0')}\n`
  assert.deepEqual(await import_(rows.map((row) => `${JSON.stringify(row)}\n`).join('') + text), {
    invalid_value: bad.length,
  })
  assert.deepEqual(await everyWay('imported', ['b3', 100n], 'count'), [7, 7, 7, 7])
  const kept = await faults.store.quarantine.list('imported@1')
  const columns = kept.map((row) => row.column ?? '').sort((a, b) => (a < b ? -1 : 1))
  assert.deepEqual(columns, ['big', 'count', 'count', 'count', 'count', 'flag'])
})

test('B4: a decimal is cast by the one who knows how, and the error prints the cast', async () => {
  const error = await refusal(async () => await faults.store.materialize(priced))
  assert.equal(error.code, 'needs_cast')
  assert.match(error.message, /CAST/)
  await faults.store.materialize(worded)
  const rows = await faults.table('worded')
  assert.ok(rows.length > 0)
  assert.ok(rows.every((row) => row['price'] === '1.10'))
})

test('B7: a feature of type timestamp spans the years 0001 to 9999, and no further', async () => {
  const least = -62_135_596_800_000_000n
  const greatest = 253_402_300_799_999_999n
  const row = { ...NOTHING, sensor: 'b7', event_timestamp: TEXT }
  await faults.store.push(pushed, [
    { ...row, part: 0n, seen: least },
    { ...row, part: 1n, seen: greatest },
  ])
  assert.deepEqual(await everyWay('pushed', ['b7', 0n], 'seen'), Array(4).fill(least))
  assert.deepEqual(await everyWay('pushed', ['b7', 1n], 'seen'), Array(4).fill(greatest))
  for (const seen of [least - 1n, greatest + 1n]) {
    const error = await refusal(async () => await faults.store.push(pushed, [{ ...row, part: 2n, seen }]))
    assert.equal(error.details['path'], 'rows[0].seen')
  }
})

test('P9: an int64 beyond 2^53 is exact with a null beside it, in labels and in features', async () => {
  const huge = 9_007_199_254_740_993n
  const row = { ...NOTHING, sensor: 'p9', event_timestamp: TEXT }
  await faults.store.push(pushed, [
    { ...row, part: huge, big: huge },
    { ...row, part: 2n, big: null },
  ])
  faults.clock.now += SECOND
  const { rows } = await faults.train(services.pushed, {
    sensor: [{ kind: 'string' }, ['p9', 'p9', 'p9']],
    part: [{ kind: 'int64' }, [huge, null, 2n]],
    at: [
      { kind: 'timestamp' },
      [BigInt(at(0)), BigInt(at(0)), BigInt(faults.clock.now)].map(() => BigInt(faults.clock.now)),
    ],
  })
  assert.deepEqual(
    rows.map((each) => [each['part'], each['big']]),
    [
      [huge, huge],
      [null, null],
      [2n, null],
    ],
  )
})

test('P10: NaN is present and NaN; a null timestamp is null', async () => {
  await faults.store.push(pushed, [
    { ...NOTHING, sensor: 'p10', part: 0n, event_timestamp: NOON - SECOND, ratio: Number.NaN },
  ])
  assert.deepEqual(await everyWay('pushed', ['p10', 0n], 'ratio'), Array(4).fill(Number.NaN))
  assert.deepEqual(await everyWay('pushed', ['p10', 0n], 'seen'), Array(4).fill(null))
  const answer = await faults.store.get(services.pushed, { sensor: 'p10', part: 0n })
  assert.equal(answer.$statuses['ratio'], 'present')
  assert.equal(answer.$statuses['seen'], 'null')
})
