import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, runsOf } from '@asof/core'
import type {
  DataFile,
  FeatureType,
  GroupColumns,
  Instant,
  ParquetFiles,
  Relation,
  ReplayRequest,
  Run,
  Schedule,
  SourceRelation,
  Value,
} from '@asof/core'
import { naiveReplay, propertyRuns, temporaryFolder } from '@asof/testing'
import type { NaiveReplay, ReplayedRow, TemporaryFolder } from '@asof/testing'
import * as fc from 'fast-check'
import { duckdbParquetFiles } from './parquet-files.ts'
import { replay } from './replay.ts'

let folder: TemporaryFolder
let parquet: ParquetFiles
let made = 0
before(async () => {
  folder = await temporaryFolder()
  parquet = duckdbParquetFiles(options())
})
after(async () => {
  await folder[Symbol.asyncDispose]()
})
const options = (): { folders: string[]; tempFolder: string } => ({
  folders: [folder.path],
  tempFolder: folder.path,
})

const string = { kind: 'string' } as const
const int32 = { kind: 'int32' } as const
const int64 = { kind: 'int64' } as const
const float64 = { kind: 'float64' } as const
const bool = { kind: 'bool' } as const
const timestamp = { kind: 'timestamp' } as const

/** One event of a history; times in microseconds. */
interface Event {
  readonly k: string | null
  readonly e: number
  readonly c: number
  readonly v: number | null
  readonly big: number
  /** Where a query dates its row: so long after `e`, or not at all. */
  readonly shift: number | null
  readonly gone: boolean | null
}

/** One row of a reference table, known from `c` on. */
interface Label {
  readonly k: string
  readonly c: number
  readonly weight: number
}

const floorTo = (at: number, size: number): number => at - (((at % size) + size) % size)

/** A row that a query gives. */
interface Given {
  readonly k: string | null
  readonly e: number | null
  readonly n: number | null
  readonly v: number | null
  readonly deleted: boolean
}

/** A query, and the same as a function of the rows that a run sees, in order of event time. */
interface Query {
  readonly sql: string | undefined
  readonly given: (events: readonly Event[], labels: readonly Label[], run: Run) => Given[]
}

const grouped = <T>(events: readonly T[], by: (event: T) => unknown): T[][] => [
  ...Map.groupBy(events, (event) => JSON.stringify(by(event))).values(),
]
const total = (events: readonly Event[]): number | null =>
  events.every(({ v }) => v === null) ? null : events.reduce((sum, { v }) => sum + (v ?? 0), 0)

const QUERIES: Record<string, Query> = {
  buckets: {
    sql: `SELECT k, make_timestamptz(bucket + 10) AS event_timestamp, count(*) AS n, sum(v) AS v FROM (
            SELECT *, epoch_us(ts) - (epoch_us(ts) % 10 + 10) % 10 AS bucket FROM events) GROUP BY k, bucket; -- by the end`,
    given: (events) =>
      grouped(events, ({ k, e }) => [k, floorTo(e, 10)]).map((some) => ({
        k: some[0]!.k,
        e: floorTo(some[0]!.e, 10) + 10,
        n: some.length,
        v: total(some),
        deleted: false,
      })),
  },
  undated: {
    sql: `SELECT k, count(*) AS n, first(v) AS v FROM events GROUP BY ALL`,
    given: (events) =>
      grouped(events, ({ k }) => k).map((some) => ({
        k: some[0]!.k,
        e: null,
        n: some.length,
        v: some[0]!.v,
        deleted: false,
      })),
  },
  passed: {
    sql: `SELECT k, ts + to_microseconds(shift) AS event_timestamp, big AS n, v, gone AS _deleted FROM events`,
    given: (events) =>
      events.map(({ k, e, shift, big, v, gone }) => ({
        k,
        e: shift === null ? null : e + shift,
        n: big,
        v,
        deleted: gone === true,
      })),
  },
  joined: {
    sql: `WITH weights AS (SELECT k, max(weight) AS weight FROM labels GROUP BY k)
          SELECT k, max(ts) AS event_timestamp, max(weight) AS n, NULL AS v FROM events JOIN weights USING (k) GROUP BY k`,
    given: (events, labels) =>
      grouped(events, ({ k }) => k).flatMap((some) => {
        const weights = labels.filter(({ k }) => k === some[0]!.k).map(({ weight }) => weight)
        if (weights.length === 0) return []
        const e = Math.max(...some.map((event) => event.e))
        return [{ k: some[0]!.k, e, n: Math.max(...weights), v: null, deleted: false }]
      }),
  },
  ofRun: {
    sql: `SELECT 'a' AS k, start AS event_timestamp, (epoch_us("end") - epoch_us(lookback_start))::BIGINT AS n,
            epoch_us("at")::DOUBLE AS v FROM run`,
    given: (_events, _labels, { at, end, from }) => [
      { k: 'a', e: end - EVERY, n: end - from, v: at, deleted: false },
    ],
  },
  asItIs: {
    sql: undefined,
    given: (events) => events.map(({ k, e, v, big, gone }) => ({ k, e, n: big, v, deleted: gone === true })),
  },
}
const EVERY = 10
const NOW = 200 as Instant

/** The naive replay of a query over events, and of labels that each run has as they were known by then. */
function naive(
  { given }: Query,
  events: readonly Event[],
  labels: readonly Label[],
  existing: readonly ReplayedRow[],
  request: ReplayRequest,
): NaiveReplay {
  const { rejected, ...rest } = naiveReplay<Event>({
    ...request,
    events,
    existing,
    given: (seen, run) =>
      given(
        seen,
        labels.filter(({ c }) => c <= run.asOf),
        run,
      ).map(({ k: key, e, n, v, deleted }) => ({
        key,
        e,
        values: [n, v],
        deleted,
        unfit: n !== null && n > 2 ** 31 - 1,
      })),
  })
  return { ...rest, rejected: rejected.toSorted(byReason) }
}

function byReason(a: NaiveReplay['rejected'][number], b: NaiveReplay['rejected'][number]): number {
  return a.run - b.run || (a.reason < b.reason ? -1 : a.reason > b.reason ? 1 : 0)
}

const FEATURES = [
  { name: 'n', type: int32 },
  { name: 'v', type: float64 },
]
const STORED = {
  key: string,
  event_timestamp: timestamp,
  created_timestamp: timestamp,
  seq: int64,
  is_deleted: bool,
  n: int32,
  v: float64,
}
const GROUP: GroupColumns = {
  keys: [{ name: 'key', column: 'k', type: string }],
  features: FEATURES,
  table: Object.entries(STORED).map(([name, type]) => ({ name, type, nullable: true })),
  unknownColumns: 'strict',
}

function columnsOf(
  columns: Readonly<Record<string, readonly [FeatureType, readonly (Value | null)[]]>>,
): Extract<Relation, { kind: 'rows' }> {
  const entries = Object.entries(columns).map(
    ([name, [type, values]]) => [name, columnOf(type, values)] as const,
  )
  const rows = Object.values(columns)[0]![1].length
  return { kind: 'rows', batch: { rows, columns: Object.fromEntries(entries) } }
}

function eventsSource(events: readonly Event[], asItIs: boolean): SourceRelation {
  const pick = <K extends keyof Event>(name: K): Event[K][] => events.map((event) => event[name])
  return {
    name: 'events',
    relation: columnsOf({
      k: [string, pick('k')],
      ts: [timestamp, pick('e').map(BigInt)],
      asof_c: [timestamp, pick('c').map(BigInt)],
      v: [float64, pick('v')],
      ...(asItIs
        ? { n: [int64, pick('big').map(BigInt)], _deleted: [bool, pick('gone')] }
        : {
            big: [int64, pick('big').map(BigInt)],
            shift: [int64, pick('shift').map((shift) => (shift === null ? null : BigInt(shift)))],
            gone: [bool, pick('gone')],
          }),
    }),
    eventTime: { column: 'ts' },
    created: { column: 'asof_c' },
  }
}

function labelsSource(labels: readonly Label[]): SourceRelation {
  return {
    name: 'labels',
    relation: columnsOf({
      k: [string, labels.map(({ k }) => k)],
      known: [timestamp, labels.map(({ c }) => BigInt(c))],
      weight: [int64, labels.map(({ weight }) => BigInt(weight))],
    }),
    created: { column: 'known' },
  }
}

/** Writes rows of the table as a file of their own. */
async function tableFile(rows: readonly ReplayedRow[]): Promise<DataFile[]> {
  if (rows.length === 0) return []
  const values = <T>(of: (row: ReplayedRow) => T): T[] => rows.map(of)
  const { batch } = columnsOf({
    key: [string, values(({ key }) => key)],
    event_timestamp: [timestamp, values(({ e }) => BigInt(e))],
    created_timestamp: [timestamp, values(({ c }) => BigInt(c))],
    seq: [int64, values(({ s }) => BigInt(s))],
    is_deleted: [bool, values(({ deleted }) => deleted)],
    n: [int32, values((row) => row.values[0] as number | null)],
    v: [float64, values((row) => row.values[1] as number | null)],
  })
  const place = await mkdtemp(join(folder.path, 'table-'))
  const written = await parquet.write(place, {
    columns: GROUP.table,
    rows: (async function* () {
      yield batch
    })(),
    sortBy: [],
    partitionBy: [],
  })
  return written.map(({ localPath }) => fileOf(localPath))
}

function fileOf(localPath: string): DataFile {
  return { localPath, bytes: 0, rows: undefined, constants: {}, min: {}, max: {} }
}

async function readRows(localPath: string): Promise<ReplayedRow[]> {
  const rows: ReplayedRow[] = []
  for await (const batch of parquet.read([{ localPath, constants: {} }], GROUP.table)) {
    for (let row = 0; row < batch.rows; row++) {
      const value = (name: string): Value | null => columnValue(batch.columns[name]!, row)
      rows.push({
        key: value('key') as string,
        e: Number(value('event_timestamp')),
        c: Number(value('created_timestamp')),
        s: Number(value('seq')),
        values: [value('n') as number | null, value('v') as number | null],
        deleted: value('is_deleted') as boolean,
      })
    }
  }
  return rows
}

/** A replay as the naive one answers it, and its file; the staged rows are put back in the order of their sequences. */
async function replayed(request: ReplayRequest): Promise<{ done: NaiveReplay; file: DataFile }> {
  await using result = await replay(options(), request)
  const localPath = join(folder.path, `staged-${made++}.parquet`)
  await result.stage(localPath, 0)
  const rows = await readRows(localPath)
  const order = (a: ReplayedRow, b: ReplayedRow): number =>
    Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.e - b.e || a.c - b.c || a.s - b.s
  assert.deepEqual(rows, rows.toSorted(order), 'the file is sorted by key, then (e, c, s)')
  const [e, c] = [Math.max(...rows.map((row) => row.e)), Math.max(...rows.map((row) => row.c))]
  assert.deepEqual(result.newest, rows.length === 0 ? undefined : { e, c })
  assert.equal(result.rows, rows.length)
  assert.equal(result.rejectedCount, result.rejected.length)
  const { perRun, corrections, unchanged, cut, tooLate, rejected } = result
  const done = {
    rows: rows.toSorted((a, b) => a.s - b.s),
    perRun: [...perRun],
    corrections,
    unchanged,
    cut,
    tooLate,
    rejected: rejected.map(({ reason, run }) => ({ reason, run: run! })).toSorted(byReason),
  }
  return { done, file: fileOf(localPath) }
}

function requestOf(
  query: Query,
  events: readonly Event[],
  labels: readonly Label[],
  existing: readonly DataFile[],
  schedule: Schedule,
  runs: readonly Run[],
): ReplayRequest {
  return {
    query: query.sql,
    sources:
      query.sql === undefined
        ? [eventsSource(events, true)]
        : [eventsSource(events, false), labelsSource(labels)],
    columns: GROUP,
    runs,
    every: schedule.every,
    delay: schedule.delay,
    lookback: schedule.lookback,
    existing,
  }
}

const keyArb = fc.constantFrom('a', 'a', 'é')
const valueArb = fc.constantFrom(null, 0, -0, -0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, Number.NaN)
/** Few instants on either side of 1970, so that ties, edges and stragglers are common. */
const eArb = fc.integer({ min: -22, max: 22 })
const bigArb = fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 2 ** 31)
const eventArb: fc.Arbitrary<Event> = fc
  .record({
    k: fc.oneof({ weight: 12, arbitrary: keyArb }, { weight: 1, arbitrary: fc.constant(null) }),
    e: eArb,
    late: fc.oneof(fc.integer({ min: -3, max: 6 }), fc.integer({ min: 0, max: 60 })),
    v: valueArb,
    big: bigArb,
    shift: fc.constantFrom(-20, -9, -1, 0, 0, 0, 0, 1, 12, null),
    gone: fc.constantFrom(false, false, false, null, true),
  })
  .map(({ late, ...event }) => ({ ...event, c: event.e + late }))
const labelArb: fc.Arbitrary<Label> = fc.record({
  k: keyArb,
  c: eArb,
  weight: fc.integer({ min: 0, max: 5 }),
})
const storedArb = fc.record({
  k: keyArb,
  e: fc.oneof(fc.constantFrom(-20, -10, 0, 10, 20), eArb),
  c: fc.constantFrom(-40, -10, 0, 5, 10, 20, 21, 30, 60),
  n: fc.integer({ min: 0, max: 3 }),
  v: valueArb,
  deleted: fc.constantFrom(false, false, true),
})
const historyArb = fc.record({
  name: fc.constantFrom(...Object.keys(QUERIES), 'buckets', 'passed', 'passed', 'asItIs'),
  events: fc.array(eventArb, { minLength: 5, maxLength: 60, size: 'max' }),
  labels: fc.array(labelArb, { maxLength: 6 }),
  stored: fc.array(storedArb, { maxLength: 16, size: 'max' }),
  schedule: fc.record({
    every: fc.constant(EVERY),
    delay: fc.constantFrom(0, 0, 3, 12),
    runtime: fc.constantFrom(0, 4),
    lookback: fc.constantFrom(0, 5, 10, 20, 25, 40),
  }),
  from: fc.integer({ min: -30, max: 10 }),
  length: fc.integer({ min: 1, max: 60 }),
})

test('a replay equals the naive one, as does a restatement', async () => {
  await fc.assert(
    fc.asyncProperty(historyArb, async ({ name, events, labels, stored, schedule, from, length }) => {
      const query = QUERIES[name]!
      const existing = stored.map(({ k, e, c, n, v, deleted }, at) => {
        return { key: k, e, c, s: at - 100, values: deleted ? [null, null] : [n, v], deleted }
      })
      const files = await tableFile(existing)
      const runs = runsOf(schedule, from as Instant, (from + length) as Instant)
      const request = requestOf(query, events, labels, files, schedule, runs)
      assert.deepEqual((await replayed(request)).done, naive(query, events, labels, existing, request))

      const again = runs.map((run): Run => ({ ...run, asOf: NOW, created: NOW }))
      const restated = { ...request, runs: again, onePerKey: true }
      assert.deepEqual((await replayed(restated)).done, naive(query, events, labels, existing, restated))
    }),
    propertyRuns(0.1),
  )
})

/** An event without a shift and a mark, known as it happens. */
function event(e: number, more: Partial<Event> = {}): Event {
  return { k: 'a', e, c: e, v: 1, big: 0, shift: 0, gone: false, ...more }
}
const PLAIN: Schedule = { every: EVERY, delay: 0, runtime: 0, lookback: 20 }
const runsUntil = (to: number): Run[] => runsOf(PLAIN, 0 as Instant, to as Instant)

test('runs that are repeated change nothing, and runs cut up into calls are the same runs', async () => {
  const query = QUERIES['buckets']!
  const events = Array.from({ length: 200 }, (_, at) =>
    event(at % 61, { c: (at % 61) + ((at * 7) % 23), v: at / 10, k: `k${at % 3}` }),
  )
  const runs = runsUntil(70)
  const requested = (some: readonly Run[], files: readonly DataFile[]): ReplayRequest =>
    requestOf(query, events, [], files, PLAIN, some)
  const { done: whole, file } = await replayed(requested(runs, []))
  assert.ok(whole.corrections > 0 && whole.tooLate > 0)
  assert.deepEqual((await replayed(requested(runs.slice(-1), [file]))).done.rows, [])

  const unnumbered = (rows: readonly ReplayedRow[]): unknown[] =>
    rows.map(({ key, e, c, values, deleted }) => [key, e, c, values, deleted])
  for (const cut of [1, 3, 5]) {
    const first = await replayed(requested(runs.slice(0, cut), []))
    const rest = await replayed(requested(runs.slice(cut), [first.file]))
    assert.deepEqual(unnumbered([...first.done.rows, ...rest.done.rows]), unnumbered(whole.rows))
    assert.equal(first.done.tooLate + rest.done.tooLate, whole.tooLate)
  }
})

test('twenty replays give the same bytes', async () => {
  const events = Array.from({ length: 3_000 }, (_, at) =>
    event((at * 37) % 101, {
      v: Math.sin(at) * 10 ** (at % 7),
      c: ((at * 37) % 101) + (at % 40),
      k: `k${at % 5}`,
    }),
  )
  const hashes = new Set<string>()
  for (let n = 0; n < 20; n++) {
    await using done = await replay(
      options(),
      requestOf(QUERIES['buckets']!, events, [], [], PLAIN, runsUntil(150)),
    )
    const file = join(folder.path, `same-${n}.parquet`)
    await done.stage(file, 7)
    hashes.add(
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    )
  }
  assert.equal(hashes.size, 1)
})

test('two equal rows of one run are refused too, and a later run that gives one of them appends it', async () => {
  const schedule = { ...PLAIN, lookback: 6 }
  const events = [event(1, { shift: 8 }), event(5, { shift: 4 })]
  const runs = runsOf(schedule, 0 as Instant, 20 as Instant)
  const { done } = await replayed(requestOf(QUERIES['passed']!, events, [], [], schedule, runs))
  assert.deepEqual(done.rejected, [
    { reason: 'duplicate_in_run', run: 10 },
    { reason: 'duplicate_in_run', run: 10 },
  ])
  assert.deepEqual(
    done.rows.map(({ e, c }) => [e, c]),
    [[9, 20]],
  )
})

test('the newest row of a key and event time is compared, to the bit', async () => {
  const stored = (s: number, v: number): ReplayedRow => {
    return { key: 'a', e: 1, c: 0, s, values: [0, v], deleted: false }
  }
  const request = requestOf(QUERIES['passed']!, [event(1, { v: 0 })], [], [], PLAIN, runsUntil(10))
  for (const [rows, appended] of [
    [[stored(1, 0)], 0],
    [[stored(1, -0)], 1],
    [[stored(2, 0), stored(1, 5)], 0],
    [[stored(1, 0), stored(2, 5)], 1],
  ] as const) {
    const { done } = await replayed({ ...request, existing: await tableFile(rows) })
    assert.deepEqual([done.rows.length, done.corrections, done.unchanged], [appended, appended, 1 - appended])
  }
})

test('a row with a value that does not fit still makes another of its key and event time a duplicate', async () => {
  const events = [event(1), event(1, { big: 2 ** 31 })]
  const { done } = await replayed(requestOf(QUERIES['passed']!, events, [], [], PLAIN, runsUntil(10)))
  assert.deepEqual(
    done.rejected.map(({ reason }) => reason),
    ['duplicate_in_run', 'invalid_value'],
  )
  assert.deepEqual(done.rows, [])
})
