import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, MICROS, parseInstant, runsOf } from '@asof/core'
import type {
  FeatureType,
  GroupColumns,
  Instant,
  Relation,
  Replay,
  ReplayRequest,
  Schedule,
  SourceRelation,
  TableColumn,
  Value,
} from '@asof/core'
import { temporaryFolder } from '@asof/testing'
import type { TemporaryFolder } from '@asof/testing'
import { duckdbParquetFiles } from './parquet-files.ts'
import { replay } from './replay.ts'

let folder: TemporaryFolder
let made = 0
before(async () => {
  folder = await temporaryFolder()
})
after(async () => {
  await folder[Symbol.asyncDispose]()
})
const options = (): { folders: string[]; tempFolder: string } => ({
  folders: [folder.path],
  tempFolder: folder.path,
})

const string = { kind: 'string' } as const
const int64 = { kind: 'int64' } as const
const timestamp = { kind: 'timestamp' } as const
const at = parseInstant
const hourly: Schedule = { every: MICROS.hour, delay: 0, runtime: 0, lookback: MICROS.hour }

function group(more: Partial<GroupColumns> = {}): GroupColumns {
  const column = (name: string, type: FeatureType): TableColumn => ({ name, type, nullable: true })
  const keys = more.keys ?? [{ name: 'airport', column: 'origin', type: string }]
  const features = more.features ?? [{ name: 'flights', type: int64 }]
  return {
    keys,
    features,
    table: [
      ...keys.map(({ name, type }) => column(name, type)),
      column('event_timestamp', timestamp),
      column('created_timestamp', timestamp),
      column('seq', int64),
      column('is_deleted', { kind: 'bool' }),
      ...features.map(({ name, type }) => column(name, type)),
      { ...column('event_day', string), partitionOf: { column: 'event_timestamp', unit: 'day' } },
    ],
    unknownColumns: 'strict',
    ...more,
  }
}

async function csv(lines: readonly string[]): Promise<Relation> {
  const path = join(folder.path, `flights-${made++}.csv`)
  await writeFile(path, `${lines.join('\n')}\n`)
  return { kind: 'files', format: 'csv', paths: [path] }
}

const LINES = [
  'origin,date,landed',
  'LAX,2001-01-01 00:10:00,2001-01-01T02:00:00Z',
  'SFO,2001-01-01 00:20:00,2001-01-01T00:40:00Z',
  'LAX,2001-01-01 00:50:00,2001-01-01T00:55:00Z',
  'LAX,2001-01-01 01:10:00,2001-01-01T09:00:00Z',
]
const QUERY = 'SELECT origin, count(*) AS flights FROM departures GROUP BY ALL'

async function departures(lines: readonly string[] = LINES): Promise<SourceRelation> {
  return {
    name: 'departures',
    relation: await csv(lines),
    eventTime: { column: 'date', zone: 'UTC' },
    created: { column: 'landed' },
  }
}

async function request(more: Partial<ReplayRequest> = {}): Promise<ReplayRequest> {
  return {
    query: QUERY,
    sources: [await departures()],
    columns: group(),
    runs: runsOf(hourly, at('2001-01-01T00:00:00Z'), at('2001-01-01T03:00:00Z')),
    every: hourly.every,
    delay: hourly.delay,
    lookback: hourly.lookback,
    existing: [],
    ...more,
  }
}

async function rowsOf(
  done: Replay,
  names: readonly string[],
  columns = group(),
): Promise<(Value | null)[][]> {
  const file = join(folder.path, `staged-${made++}.parquet`)
  await done.stage(file, 100)
  const parquet = duckdbParquetFiles(options())
  const rows: (Value | null)[][] = []
  const stored = columns.table.filter(({ partitionOf }) => partitionOf === undefined)
  for await (const batch of parquet.read([{ localPath: file, constants: {} }], stored)) {
    for (let row = 0; row < batch.rows; row++)
      rows.push(names.map((name) => columnValue(batch.columns[name]!, row)))
  }
  return rows
}

test('each run counts what had landed by then, and dates its rows by its end', async () => {
  await using done = await replay(options(), await request())
  const hour = (number: number): bigint => BigInt(at(`2001-01-01T0${number}:00:00Z`))
  assert.deepEqual(
    await rowsOf(done, ['airport', 'event_timestamp', 'created_timestamp', 'seq', 'is_deleted', 'flights']),
    [
      ['LAX', hour(1), hour(1), 100n, false, 1n],
      ['LAX', hour(2), hour(2), 102n, false, 2n],
      ['SFO', hour(1), hour(1), 101n, false, 1n],
      ['SFO', hour(2), hour(2), 103n, false, 1n],
    ],
  )
  assert.deepEqual([...done.perRun], [2, 2, 0])
  assert.deepEqual(done.newest, { e: at('2001-01-01T02:00:00Z'), c: at('2001-01-01T02:00:00Z') })
  assert.equal(done.tooLate, 0)
})

test('a row that lands after the last run that reads it is counted, once', async () => {
  const runs = runsOf(hourly, at('2001-01-01T00:00:00Z'), at('2001-01-01T12:00:00Z'))
  const counts: number[] = []
  for (const some of [runs, runs.slice(0, 8), runs.slice(8)]) {
    await using done = await replay(options(), await request({ runs: some }))
    counts.push(done.tooLate)
  }
  assert.deepEqual(counts, [1, 0, 1])
})

test('a query reads its sources and its run, and nothing else', async () => {
  const path = join(folder.path, 'flights-0.csv')
  for (const query of [
    `SELECT origin, 1 AS flights FROM read_csv('${path}')`,
    `SELECT origin, 1 AS flights FROM '${path}'`,
    'SELECT origin, 1 AS flights FROM replay.source_0',
    'SELECT origin, 1 AS flights FROM source_0',
    // A name that WITH gives in one place is no table of ours in another.
    'SELECT * FROM (WITH source_0 AS (SELECT 1) SELECT origin, 1 AS flights FROM departures), source_0',
    `SELECT origin, 1 AS flights FROM departures WHERE date < now()`,
    'SELECT origin, 1 AS flights FROM departures) UNION ALL (SELECT 1, 2',
    'DELETE FROM departures',
  ]) {
    await assert.rejects(replay(options(), await request({ query })), {
      name: 'AsofError',
      code: /^(denied_in_query|invalid_query|query_failed)$/,
    })
  }
  const hidden = `SELECT origin, asof_c AS flights FROM departures`
  await assert.rejects(replay(options(), await request({ query: hidden })), { code: 'query_failed' })
  const named = { ...(await departures()), name: 'run' }
  await assert.rejects(replay(options(), await request({ sources: [named] })), { code: 'reserved_name' })
})

test('a query of its run alone', async () => {
  const query = `SELECT 'LAX' AS origin, start AS event_timestamp,
    epoch("end" - lookback_start)::BIGINT AS flights FROM run WHERE "at" = "end"`
  await using done = await replay(options(), await request({ query }))
  assert.deepEqual(await rowsOf(done, ['event_timestamp', 'flights']), [
    [BigInt(at('2001-01-01T00:00:00Z')), 7200n],
    [BigInt(at('2001-01-01T01:00:00Z')), 7200n],
    [BigInt(at('2001-01-01T02:00:00Z')), 7200n],
  ])
})

test('columns are those of the group, in its types, or the query is refused', async () => {
  const cases: [query: string, code: string][] = [
    ['SELECT origin FROM departures', 'missing_column'],
    ['SELECT count(*) AS flights FROM departures', 'missing_column'],
    [QUERY.replace('FROM', ', 1 AS more FROM'), 'unknown_column'],
    [QUERY.replace('count(*)', "DATE '2001-01-01'"), 'needs_cast'],
    [`SELECT origin, 1 AS flights, current_date AS event_timestamp FROM departures`, 'denied_in_query'],
    [`SELECT origin, 1 AS flights, 5 AS event_timestamp FROM departures`, 'number_without_unit'],
    [`SELECT origin, 1 AS flights, DATE '2001-01-01' AS event_timestamp FROM departures`, 'needs_cast'],
    [`SELECT origin, 1 AS flights, 'no' AS _deleted FROM departures`, 'needs_cast'],
  ]
  for (const [query, code] of cases) {
    await assert.rejects(replay(options(), await request({ query })), { code }, query)
  }
  const unzoned: SourceRelation = {
    ...(await departures(LINES.map((line) => line.replace(/(:00),/, '$1Z,')))),
    eventTime: { column: 'date' },
  }
  const query = `SELECT origin, 1 AS flights, TIMESTAMP '2001-01-01 00:30:00' AS event_timestamp FROM departures`
  await assert.rejects(replay(options(), await request({ query, sources: [unzoned] })), {
    code: 'time_without_zone',
  })
  const columns = group({ unknownColumns: 'additive' })
  await using done = await replay(
    options(),
    await request({ query: QUERY.replace('FROM', ', 1 AS more FROM'), columns }),
  )
  assert.equal(done.rows, 4)
})

test('a refused row says why, with all its columns, and the others are appended', async () => {
  const lines = [
    'origin,date,landed,flights',
    'LAX,2001-01-01 00:10:00,2001-01-01T00:20:00Z,1',
    'LAX,2001-02-30 00:10:00,2001-01-01T00:20:00Z,2',
    'LAX,,2001-01-01T00:20:00Z,3',
    'LAX,2001-01-01 00:11:00,2001-01-01 00:20:00,4',
    'SFO,2001-01-01 00:12:00,2001-01-01T00:20:00Z,5.5',
    ',2001-01-01 00:13:00,2001-01-01T00:20:00Z,6',
    `${'é'.repeat(200)},2001-01-01 00:14:00,2001-01-01T00:20:00Z,7`,
  ]
  const source = await departures(lines)
  const runs = runsOf(hourly, at('2001-01-01T00:00:00Z'), at('2001-01-01T01:00:00Z'))
  await using done = await replay(options(), await request({ query: undefined, sources: [source], runs }))
  assert.deepEqual(
    done.rejected.map(({ reason, column, run }) => [reason, column, run]),
    [
      ['invalid_event_time', 'date', undefined],
      ['null_event_time', 'date', undefined],
      ['invalid_created_time', 'landed', undefined],
      ['invalid_value', 'flights', runs[0]!.at],
      ['invalid_value', 'origin', runs[0]!.at],
      ['null_key', 'origin', runs[0]!.at],
    ],
  )
  assert.equal(done.rejectedCount, 6)
  assert.equal(done.rejected[0]!.detail, 'not an RFC 3339 time such as 2024-01-01T00:00:00Z')
  assert.deepEqual(JSON.parse(done.rejected[3]!.row), {
    origin: 'SFO',
    date: '2001-01-01 00:12:00',
    landed: '2001-01-01T00:20:00Z',
    flights: '5.5',
  })
  assert.deepEqual(await rowsOf(done, ['airport', 'event_timestamp', 'flights']), [
    ['LAX', BigInt(at('2001-01-01T00:10:00Z')), 1n],
  ])
})

test('one global row, a delayed source, and times in another zone', async () => {
  const columns = group({ keys: [] })
  const source: SourceRelation = {
    ...(await departures()),
    eventTime: { column: 'date', zone: 'America/New_York' },
    created: { delay: '30m' },
  }
  const query = `SELECT strptime(max(date), '%Y-%m-%d %H:%M:%S') AS event_timestamp, count(*) AS flights FROM departures`
  const runs = runsOf(hourly, at('2001-01-01T05:00:00Z'), at('2001-01-01T06:00:00Z'))
  await using done = await replay(options(), await request({ query, columns, sources: [source], runs }))
  // Known half an hour after their event, the two of 05:10 and 05:20 UTC are counted, and that of 05:50 is not.
  assert.deepEqual(await rowsOf(done, ['event_timestamp', 'flights'], columns), [
    [BigInt(at('2001-01-01T05:20:00Z')), 2n],
  ])
})

test('a reference table without an event time is cut by when its rows were known', async () => {
  const relation: Relation = {
    kind: 'rows',
    batch: {
      rows: 2,
      columns: { origin: columnOf(string, ['LAX', 'SFO']), seats: columnOf(int64, [5n, 6n]) },
    },
  }
  const from = (knownAt: string): SourceRelation => ({
    name: 'seats',
    relation,
    created: { knownAt: at(knownAt) },
  })
  const query = 'SELECT origin, seats AS flights FROM seats'
  for (const [known, perRun] of [
    ['1990-01-01T00:00:00Z', [2, 2, 2]],
    ['2001-01-01T02:00:00Z', [0, 2, 2]],
    ['2001-01-01T02:00:00.000001Z', [0, 0, 2]],
  ] as const) {
    await using done = await replay(options(), await request({ query, sources: [from(known)] }))
    assert.deepEqual([...done.perRun], perRun)
  }
  const undatedDelay: SourceRelation = { name: 'seats', relation, created: { delay: '1h' } }
  await assert.rejects(replay(options(), await request({ query, sources: [undatedDelay] })), {
    code: 'created_without_event_time',
  })
})

test('a NaN is stored as the quiet one, whatever the query made', async () => {
  const columns = group({ features: [{ name: 'heat', type: { kind: 'float64' } }] })
  const query = `SELECT 'LAX' AS origin, x - x AS heat FROM (SELECT 'inf'::DOUBLE AS x FROM run)`
  await using done = await replay(options(), await request({ query, columns }))
  const file = join(folder.path, 'nan.parquet')
  await done.stage(file, 0)
  const stored = columns.table.filter(({ name }) => name === 'heat')
  for await (const batch of duckdbParquetFiles(options()).read(
    [{ localPath: file, constants: {} }],
    stored,
  )) {
    const { buffer, byteOffset } = batch.columns['heat']!.values as Float64Array
    const bits = new BigUint64Array(buffer, byteOffset, batch.rows)
    assert.deepEqual([...bits], [0x7ff8000000000000n, 0x7ff8000000000000n, 0x7ff8000000000000n])
  }
})

test('a replay tells how far it is, and ends when it is told to', async () => {
  const runs = runsOf(hourly, at('2001-01-01T00:00:00Z'), at('2001-02-01T00:00:00Z'))
  const query = `SELECT 'LAX' AS origin, epoch(start)::BIGINT AS flights FROM run`
  const seen: number[] = []
  const stop = new AbortController()
  await using done = await replay(
    options(),
    await request({ query, runs, progress: ({ done: number, total }) => seen.push(number / total) }),
  )
  assert.ok(done.rows > 0)
  assert.ok(seen.length > 10 && seen.every((part, n) => n === 0 || part >= seen[n - 1]!))
  assert.equal(seen.at(-1), 1)
  const aborted = request({
    query,
    runs,
    signal: stop.signal,
    progress: ({ done: number }) => {
      if (number > 100) stop.abort(new Error('enough'))
    },
  })
  await assert.rejects(replay(options(), await aborted), { message: 'enough' })
})

test('runs that see nothing are not computed, unless the query makes something of nothing', async () => {
  const source = await departures([
    'origin,date,landed',
    'LAX,1950-01-01 00:10:00,1950-01-01T00:20:00Z',
    LINES[2]!,
  ])
  const runs = runsOf(hourly, at('1950-01-01T00:00:00Z'), at('2001-01-02T00:00:00Z'))
  let statements = 0
  await using done = await replay(
    options(),
    await request({ sources: [source], runs, progress: () => statements++ }),
  )
  assert.deepEqual(
    Array.from(done.perRun.entries())
      .filter(([, rows]) => rows > 0)
      .map(([number]) => runs[number]!.at),
    ['1950-01-01T01:00:00Z', '1950-01-01T02:00:00Z', '2001-01-01T01:00:00Z', '2001-01-01T02:00:00Z'].map(at),
  )
  assert.equal(statements, 1)

  const columns = group({ keys: [] })
  for (const query of ['SELECT count(*) AS flights FROM departures', `SELECT 0 AS flights FROM run`]) {
    const later = runsOf(hourly, at('1980-01-01T00:00:00Z'), at('1980-01-01T03:00:00Z'))
    await using each = await replay(
      options(),
      await request({ sources: [source], columns, query, runs: later }),
    )
    assert.deepEqual([...each.perRun], [1, 1, 1])
  }
})

test('a source without rows, and runs before any', async () => {
  await using nothing = await replay(
    options(),
    await request({ sources: [await departures(LINES.slice(0, 1))] }),
  )
  assert.deepEqual([nothing.rows, nothing.newest, nothing.rejectedCount], [0, undefined, 0])
  const runs = runsOf(hourly, at('1969-12-31T22:00:00Z'), at('1970-01-01T02:00:00Z'))
  await using early = await replay(options(), await request({ runs }))
  assert.deepEqual([early.rows, early.unchanged, early.tooLate], [0, 0, 0])
})

test('more results than are settled at once', async () => {
  const many = 40
  const schedule = { ...hourly, lookback: many * MICROS.hour }
  const runs = runsOf(schedule, 0 as Instant, (many * MICROS.hour) as Instant)
  const query = `SELECT 'k' || n AS origin, (n + epoch("at")::BIGINT // 36000) AS flights,
    make_timestamptz(0) AS event_timestamp FROM run, range(60000) AS numbers(n)`
  await using done = await replay(options(), await request({ runs, query, lookback: schedule.lookback }))
  const changed = runs.filter(
    (run, n) => n === 0 || Math.floor(run.at / 36e9) !== Math.floor(runs[n - 1]!.at / 36e9),
  )
  assert.equal(done.rows, 60_000 * changed.length)
  assert.equal(done.corrections, 60_000 * (changed.length - 1))
  assert.equal(done.unchanged, 60_000 * (many - changed.length))
})
