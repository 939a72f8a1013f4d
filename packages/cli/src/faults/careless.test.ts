// What careless users do: odd names of files, sources that are empty, broken or gone, stores opened twice and closed in the
// middle of things, outputs over what is precious, requests of the wrong shape, and a clock that steps back.
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  csv,
  entity,
  featureGroup,
  featureService,
  int32,
  isAsofError,
  jsonl,
  parquet,
  project,
  string,
  type Instant,
  type Source,
} from '@asof/core'
import { at, codeOf, HOUR, NOON, openFaultStore, refusal, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const features = { score: int32() }
const times = { eventTime: 'at', created: { delay: '0s' } } as const
const pushed = featureGroup('pushed', { entity: user, features })
const offlineOnly = featureGroup('offline_only', { entity: user, features, online: false })
const orders = jsonl('orders', { path: 'orders.jsonl', ...times })
const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  query: `SELECT "user", score AS n FROM orders WHERE score > 0`,
  features: { n: int32({ default: 5 }) },
})
const model = featureService('model', { features: [pushed] })
const hourlyModel = featureService('hourly_model', { features: [hourly] })

const FILES: Readonly<Record<string, readonly [make: typeof csv, path: string]>> = {
  brackets: [csv, 'odd [a].csv'],
  question: [csv, 'odd ?.csv'],
  quotes: [csv, `it's "q".csv`],
  inner: [csv, 'p[1]/x.csv'],
  many: [csv, 'many*.csv'],
  header: [csv, 'header.csv'],
  mark: [csv, 'mark.csv'],
  returns: [csv, 'returns.csv'],
  missing: [csv, 'missing.csv'],
  none: [csv, 'none*.csv'],
  folder: [csv, 'p[1]'],
  nothing: [csv, 'nothing.csv'],
  nothing_lines: [jsonl, 'nothing.jsonl'],
  nothing_parquet: [parquet, 'nothing.parquet'],
  torn: [jsonl, 'torn.jsonl'],
  ragged: [csv, 'ragged.csv'],
  text: [parquet, 'header.csv'],
}
const fileGroups = Object.entries(FILES).map(([name, [make, path]]) => {
  const source: Source = make(`${name}_source`, { path, ...times })
  return featureGroup(name, { entity: user, features, source })
})
const shop = project('shop', [model, hourlyModel, offlineOnly, ...fileGroups])

const HEADER = 'user,at,score\n'
const LINE = 'a,2024-06-01T11:00:00Z,1\n'

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(shop)
  await faults.store.apply()
  for (const [, path] of Object.values(FILES).slice(0, 4)) await faults.write(path, HEADER + LINE)
  // What these names are as patterns.
  for (const path of ['odd a.csv', 'p1/x.csv'])
    await faults.write(path, `${HEADER}WRONG,2024-06-01T11:00:00Z,9\n`)
  await faults.write('many1.csv', HEADER + LINE)
  await faults.write('many2.csv', 'score,at,user\n2,2024-06-01T11:00:00Z,b\n')
  await faults.write('header.csv', HEADER)
  await faults.write('mark.csv', `\ufeff${HEADER}${LINE}`)
  await faults.write('returns.csv', (HEADER + LINE).replaceAll('\n', '\r\n'))
  for (const path of ['nothing.csv', 'nothing.jsonl', 'nothing.parquet']) await faults.write(path, '')
  await faults.write(
    'torn.jsonl',
    '{"user":"a","at":"2024-06-01T11:00:00Z","score":1}\n{"user":"b","at":"2024-06',
  )
  await faults.write('ragged.csv', `${HEADER}${LINE}b,2024-06-01T11:00:00Z,1,2\n`)
  await faults.write('orders.jsonl', [{ user: 'a', at: '2024-06-01T10:30:00Z', score: 0 }])
})
after(async () => await faults[Symbol.asyncDispose]())

const row = (name: string, score = 1, e: number = NOON) => ({ user: name, score, event_timestamp: e })
const labels = (name: string, ...instants: readonly number[]) =>
  ({
    user: [{ kind: 'string' }, instants.map(() => name)],
    at: [{ kind: 'timestamp' }, instants.map(BigInt)],
  }) as const

test('a file is the file of that name, whatever is in the name, and a pattern is all its files', async () => {
  for (const name of ['brackets', 'question', 'quotes', 'inner', 'mark', 'returns']) {
    await faults.store.materialize(name)
    const rows = (await faults.table(name)).map((each) => [each['user'], each['score']])
    assert.deepEqual(rows, [['a', 1]], name)
  }
  assert.equal((await faults.store.materialize('many')).rows, 2)
})

test('a source without rows gives none; one that is missing, empty or broken is refused by name', async () => {
  const { rows, quarantined } = await faults.store.materialize('header')
  assert.deepEqual([rows, quarantined], [0, 0])
  const codes: Record<string, string> = {}
  for (const name of [
    'missing',
    'none',
    'folder',
    'nothing',
    'nothing_lines',
    'nothing_parquet',
    'torn',
    'ragged',
    'text',
  ]) {
    codes[name] = await codeOf(async () => await faults.store.materialize(name))
  }
  assert.deepEqual(codes, {
    missing: 'source_file_not_found',
    none: 'source_file_not_found',
    folder: 'source_file_not_found',
    nothing: 'missing_column',
    nothing_lines: 'no_columns',
    nothing_parquet: 'damaged_file',
    torn: 'query_failed',
    ragged: 'query_failed',
    text: 'damaged_file',
  })
})

test('a schedule whose query finds nothing is done all the same; a source that vanishes stops it and harms nothing', async () => {
  assert.equal(
    await codeOf(async () => await faults.train(hourlyModel, labels('a', NOON))),
    'not_materialized',
  )
  const unborn = await faults.store.get(hourlyModel, { user: 'a' })
  assert.deepEqual([unborn.n, unborn.$statuses['n']], [5, 'not_found'])
  const range = { from: NOON, to: at(HOUR) }
  assert.equal(await codeOf(async () => await faults.store.restate(hourly, range)), 'not_materialized')
  const done = await faults.store.materialize(hourly)
  assert.deepEqual([done.runs, done.rows, done.through], [2, 0, NOON])
  assert.deepEqual((await faults.train(hourlyModel, labels('a', NOON))).rows[0]!['n'], 5)
  const text = await readFile(join(faults.folder, 'orders.jsonl'), 'utf8')
  await rm(join(faults.folder, 'orders.jsonl'))
  faults.clock.now += HOUR
  assert.equal(await codeOf(async () => await faults.store.materialize(hourly)), 'source_file_not_found')
  assert.equal((await faults.store.get(hourlyModel, { user: 'a' })).n, 5)
  await faults.write('orders.jsonl', text.replace('"score":0', '"score":7'))
  assert.equal((await faults.store.materialize(hourly)).rows, 1)
  assert.equal((await faults.store.get(hourlyModel, { user: 'a' })).n, 7)
})

test('a store with a group that is kept offline only is drained, trained on and followed', async () => {
  await faults.store.push(offlineOnly, [row('a', 3, faults.clock.now)])
  await faults.store.drain()
  assert.equal((await faults.table('offline_only')).length, 1)
})

test('pushes without a name, all at once, are all there', async () => {
  const ahead = row('ahead', 1, faults.clock.now + HOUR)
  const pushes = Array.from({ length: 30 }, async (_, n) => {
    // Rows for the quarantine hold a push up, so that others overtake it.
    return await faults.store.push(pushed, [
      row(`together ${n}`, n),
      ...(n % 3 === 0 ? [{ ...ahead, score: n }] : []),
    ])
  })
  const results = await Promise.all(pushes)
  assert.ok(results.every((result) => !result.duplicate && result.accepted === 1))
  const users = (await faults.table('pushed')).map((each) => each['user'])
  assert.equal(new Set(users).size, 30)
})

test('what is no row, no push, no key, no instant and no service is refused', async () => {
  const { store } = faults
  const pushes: readonly unknown[] = [null, undefined, {}, 'rows', [null], [undefined], [[]], ['a'], [1]]
  for (const rows of pushes) {
    assert.match(await codeOf(async () => await store.push(pushed, rows as never)), /^invalid_(push|row)$/)
  }
  for (const name of [
    { producer: '', sequence: 1 },
    { producer: 'asof:runs:x', sequence: 1 },
    { producer: 'quarantine:pushed@1:0', sequence: 1 },
    { producer: 'p', sequence: 0.5 },
  ]) {
    assert.match(await codeOf(async () => await store.push(pushed, [row('a')], name)), /^invalid_/)
  }
  for (const keys of [null, undefined, 'a', 1, new Map([['user', 'a']]), { user: 'a', other: 1 }, {}]) {
    const error = await refusal(async () => await store.get(model, keys as never))
    assert.match(String(error.details['path']), /^keys\[0\]/)
  }
  for (const time of [
    Number.NaN,
    NOON / 1_000,
    NOON / 1_000_000,
    -3e15,
    1.5,
    '2024-06-01T11:00:00Z',
    new Date(),
    1n,
  ]) {
    for (const option of ['at', 'asOf']) {
      assert.equal(
        await codeOf(async () => await store.get(model, { user: 'a' }, { [option]: time as never })),
        'invalid_instant',
      )
    }
    assert.equal(
      await codeOf(async () => await store.materialize(hourly, { from: time as never })),
      'invalid_instant',
    )
  }
  const both = { at: NOON, asOf: NOON }
  assert.equal(await codeOf(async () => await store.get(model, { user: 'a' }, both)), 'at_and_as_of')
  assert.equal(
    await codeOf(async () => await store.get(model, { user: 'a' }, { deadline: Number.NaN })),
    'invalid_deadline',
  )
  const many = Array.from({ length: 10_001 }, () => ({ keys: { user: 'a' } }))
  for (const options of [{}, { asOf: NOON }]) {
    assert.equal(await codeOf(async () => await store.getMany(model, many, options)), 'too_many_entities')
  }
  const tooMany = Array.from({ length: 100_001 }, () => row('a'))
  assert.equal(await codeOf(async () => await store.push(pushed, tooMany)), 'push_too_large')
  assert.equal(
    await codeOf(async () => await store.restate(hourly, { from: at(HOUR), to: NOON })),
    'invalid_range',
  )
})

test('labels of no rows make a set of none; other shapes of labels are refused by name', async () => {
  const { store, folder } = faults
  const train = async (file: string, text: string) => {
    await faults.write(file, text)
    return await store.train(model, { labels: file, at: 'at', to: join(folder, `set of ${file}`) })
  }
  assert.equal((await train('no [rows].csv', 'user,at\n')).manifest.labels.rows, 0)
  assert.equal(
    (await train('labels.jsonl', '{"user":"a","at":"2024-06-01T12:00:00Z"}\n')).manifest.labels.rows,
    1,
  )
  const refused: readonly (readonly [file: string, text: string, code: string])[] = [
    ['empty.csv', '', 'label_time_missing'],
    ['no-user.csv', 'at\n2024-06-01T12:00:00Z\n', 'label_column_missing'],
    ['no-time.csv', 'user\na\n', 'label_time_missing'],
    ['null-time.csv', 'user,at\na,\n', 'label_time_null'],
    ['no-zone.csv', 'user,at\na,2024-06-01T12:00:00\n', 'label_time_invalid'],
    ['number.jsonl', '{"user":"a","at":1717243200}\n', 'number_without_unit'],
    ['taken.csv', 'user,at,score\na,2024-06-01T12:00:00Z,1\n', 'label_column_taken'],
    ['labels.txt', 'user,at\n', 'labels_not_found'],
  ]
  for (const [file, text, code] of refused)
    assert.equal(await codeOf(async () => await train(file, text)), code, file)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.includes('.building')),
    [],
  )
})

test('a training set takes no place but its own', async () => {
  const { store, folder } = faults
  await mkdir(join(folder, 'precious'))
  await faults.write('precious/work.txt', 'of years')
  const train = async (to: string, overwrite: boolean) =>
    await store.train(model, { labels: 'labels.jsonl', at: 'at', to, overwrite })
  for (const to of [folder, join(folder, 'precious'), join(folder, 'labels.jsonl'), join(folder, '.asof')]) {
    assert.equal(await codeOf(async () => await train(to, false)), 'output_exists')
    assert.equal(await codeOf(async () => await train(to, true)), 'output_not_a_set')
  }
  for (const to of ['', 'sets/relative'])
    assert.equal(await codeOf(async () => await train(to, true)), 'invalid_path')
  assert.equal(
    await codeOf(async () => await train(join(folder, 'labels.jsonl', 'set'), false)),
    'disk_failed',
  )
  assert.equal(await readFile(join(folder, 'precious/work.txt'), 'utf8'), 'of years')
  const odd = join(folder, 'set [1] ?*')
  await train(odd, false)
  await train(odd, true)
  assert.ok((await store.verify(odd, { sample: 'all' })).ok)
})

test('P14: two stores on one folder, in one process: nothing is lost or done twice, whoever closes first', async () => {
  await using one = await openFaultStore(shop)
  await one.write('orders.jsonl', [{ user: 'a', at: '2024-06-01T09:30:00Z', score: 1 }])
  const two = await openFaultStore(shop, { folder: one.folder })
  const both = [one.store, two.store] as const
  const applied = await Promise.all(both.map(async (store) => await store.apply()))
  assert.equal(applied.filter((each) => each.committed).length, 1)
  const pushes = Array.from({ length: 20 }, async (_, n) => await both[n % 2]!.push(pushed, [row(`u${n}`)]))
  const same = Array.from(
    { length: 6 },
    async (_, n) => await both[n % 2]!.push(pushed, [row('named')], { producer: 'p', sequence: 1 }),
  )
  assert.ok((await Promise.all(pushes)).every((result) => result.accepted === 1))
  assert.equal((await Promise.all(same)).filter((result) => !result.duplicate).length, 1)
  const results = await Promise.all(both.map(async (store) => await store.materialize(hourly)))
  assert.equal(
    results.reduce((sum, each) => sum + each.runs, 0),
    3,
  )
  const to = join(one.folder, 'set')
  await one.write('labels.jsonl', [{ user: 'a', at: '2024-06-01T12:00:00Z' }])
  const sets = await Promise.allSettled(
    both.map(async (store) => await store.train(model, { labels: 'labels.jsonl', at: 'at', to })),
  )
  assert.deepEqual(
    sets.map((each) => each.status).sort((a, b) => (a < b ? -1 : 1)),
    ['fulfilled', 'rejected'],
  )
  for (const store of both) store.start()
  const late = Array.from({ length: 10 }, async (_, n) => await two.store.push(pushed, [row(`late ${n}`)]))
  const closing = two.store.close()
  const outcomes = await Promise.allSettled(late)
  await closing
  const kept = outcomes.filter((each) => each.status === 'fulfilled').length
  assert.ok(outcomes.every((each) => each.status === 'fulfilled' || isAsofError(each.reason, 'closed')))
  const users = (await one.table('pushed')).map((each) => each['user'] as string)
  assert.equal(users.length, 21 + kept)
  assert.equal(new Set(users).size, users.length)
  assert.equal((await one.table('hourly')).length, 3)
  assert.equal(await codeOf(async () => await two.store.get(model, { user: 'a' })), 'store_closed')
})

test('B12: a clock that steps back by hours stops the time of a store, and no row goes before another', async () => {
  await using first = await openFaultStore(shop)
  await first.store.apply()
  const wait = { wait: 'applied' } as const
  await first.store.push(pushed, [row('a', 1, NOON)], undefined, wait)
  first.clock.now -= 5 * HOUR
  const old = await first.store.push(pushed, [row('a', 2, NOON - 5 * HOUR)], undefined, wait)
  assert.equal(old.superseded, 1)
  assert.ok(old.at > NOON)
  const seen = await first.store.get(model, { user: 'a' })
  assert.deepEqual([seen.score, seen.$at >= old.at], [1, true])
  await first.store.close()
  await using again = await openFaultStore(shop, { folder: first.folder, now: at(-5 * HOUR) })
  assert.equal((await again.store.get(model, { user: 'a' })).score, 1)
  const newer = await again.store.push(pushed, [row('a', 3, NOON + 1)], undefined, wait)
  assert.ok(newer.at > seen.$at)
  assert.equal((await again.store.get(model, { user: 'a' })).score, 3)
  const { rows } = await again.train(model, labels('a', NOON, newer.at))
  assert.deepEqual(
    rows.map((each) => each['score']),
    [null, 3],
  )
  const created = (await again.table('pushed')).map((each) => each['created_timestamp'] as bigint)
  assert.equal(new Set(created).size, 3)
  again.clock.now = NOON + HOUR
  assert.equal((await again.store.get(model, { user: 'a' })).$at, (NOON + HOUR) as Instant)
})
