import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, MICROS, parseInstant, runsOf } from '@asof/core'
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
  TableColumn,
  Value,
} from '@asof/core'
import { propertyRuns, temporaryFolder } from '@asof/testing'
import type { TemporaryFolder } from '@asof/testing'
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

/** A row that a query gives. */
interface Given {
  readonly k: string | null
  readonly e: number | null
  readonly n: number | null
  readonly v: number | null
  readonly deleted: boolean
}

/** A row of the table. */
interface Row {
  readonly k: string
  readonly e: number
  readonly c: number
  readonly s: number
  readonly n: number | null
  readonly v: number | null
  readonly deleted: boolean
}

const floorTo = (at: number, size: number): number => at - (((at % size) + size) % size)

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

/** What SEMANTICS section 1 says, run by run, row by row. */
function naiveReplay(
  query: Query,
  events: readonly Event[],
  labels: readonly Label[],
  existing: readonly Row[],
  request: Pick<ReplayRequest, 'runs' | 'delay' | 'lookback' | 'onePerKey'>,
): {
  rows: Row[]
  perRun: number[]
  cut: number
  corrections: number
  unchanged: number
  rejected: string[]
  tooLate: number
} {
  const { runs, delay, lookback, onePerKey } = request
  const table = [...existing]
  const rejected: string[] = []
  const picked: { row: Row; run: number }[] = []
  const sorted = events.toSorted((a, b) => a.e - b.e)
  let [cut, accepted] = [0, 0]
  for (const [number, run] of runs.entries()) {
    const seen = sorted.filter(({ e, c }) => e >= run.from && e < run.end && c <= run.asOf)
    const known = labels.filter(({ c }) => c <= run.asOf)
    const fit: (Given & { k: string; e: number })[] = []
    for (const row of query.given(seen, known, run)) {
      const e = row.e ?? run.end
      if (row.k === null) rejected.push(`null_key ${run.at}`)
      else if (e < run.from) cut++
      else if (e > run.end) rejected.push(`after_interval ${run.at}`)
      else fit.push({ ...row, k: row.k, e })
    }
    const good: (Given & { k: string; e: number })[] = []
    for (const row of fit) {
      if (!row.deleted && row.n !== null && row.n > 2 ** 31 - 1) rejected.push(`invalid_value ${run.at}`)
      else if (fit.filter(({ k, e }) => k === row.k && e === row.e).length > 1)
        rejected.push(`duplicate_in_run ${run.at}`)
      else good.push(row)
    }
    accepted += good.length
    good.sort((a, b) => Buffer.compare(Buffer.from(a.k), Buffer.from(b.k)) || a.e - b.e)
    for (const { k, e, n, v, deleted } of good) {
      const row = { k, e, c: run.created, s: 0, n: deleted ? null : n, v: deleted ? null : v, deleted }
      const at = picked.findIndex(({ row }) => row.k === k && row.e === e)
      if (onePerKey === true && at >= 0) picked.splice(at, 1)
      if (onePerKey === true || differs(row, newest(table, row))) {
        picked.push({ row, run: number })
        if (onePerKey !== true) table.push({ ...row, s: picked.length })
      }
    }
  }
  const appended = picked.filter(({ row }) => onePerKey !== true || differs(row, newest(existing, row)))
  const perRun = runs.map((_, number) => appended.filter(({ run }) => run === number).length)
  const rows = appended.map(({ row }, s) => ({ ...row, s }))
  const corrections = rows.filter((row) =>
    [...existing, ...rows.slice(0, row.s)].some(({ k, e }) => k === row.k && e === row.e),
  ).length
  const tooLate = events.filter(({ e, c }) => {
    const readers = runsOf(
      { every: EVERY, delay, runtime: 0, lookback },
      (e - 5 * EVERY - delay) as Instant,
      (e + lookback + 5 * EVERY) as Instant,
    ).filter((run) => run.from <= e && e < run.end)
    return readers.every(({ at }) => at < c) && c > runs[0]!.at - EVERY && c <= runs.at(-1)!.at
  })
  return {
    rows,
    perRun,
    cut,
    corrections,
    unchanged: accepted - rows.length,
    rejected: rejected.sort(),
    tooLate: onePerKey === true ? 0 : tooLate.length,
  }
}

function newest(table: readonly Row[], { k, e }: Row): Row | undefined {
  return table
    .filter((row) => row.k === k && row.e === e)
    .toSorted((a, b) => a.c - b.c || a.s - b.s)
    .at(-1)
}

function differs(row: Row, than: Row | undefined): boolean {
  return than === undefined || row.deleted !== than.deleted || row.n !== than.n || !Object.is(row.v, than.v)
}

function column(name: string, type: FeatureType): TableColumn {
  return { name, type, nullable: true }
}

const GROUP: GroupColumns = {
  keys: [{ name: 'key', column: 'k', type: string }],
  features: [
    { name: 'n', type: int32 },
    { name: 'v', type: float64 },
  ],
  table: [
    column('key', string),
    column('event_timestamp', timestamp),
    column('created_timestamp', timestamp),
    column('seq', int64),
    column('is_deleted', bool),
    column('n', int32),
    column('v', float64),
  ],
  unknownColumns: 'strict',
}

function rowsOf(
  columns: Readonly<Record<string, readonly [FeatureType, readonly (Value | null)[]]>>,
): Relation {
  const entries = Object.entries(columns).map(
    ([name, [type, values]]) => [name, columnOf(type, values)] as const,
  )
  const rows = Object.values(columns)[0]![1].length
  return { kind: 'rows', batch: { rows, columns: Object.fromEntries(entries) } }
}

function eventsSource(events: readonly Event[], asItIs: boolean): SourceRelation {
  const pick = <K extends keyof Event>(name: K): Event[K][] => events.map((event) => event[name])
  const big = pick('big').map((value) => BigInt(value))
  return {
    name: 'events',
    relation: rowsOf({
      k: [string, pick('k')],
      ts: [timestamp, pick('e').map(BigInt)],
      asof_c: [timestamp, pick('c').map(BigInt)],
      v: [float64, pick('v')],
      ...(asItIs
        ? { n: [int64, big], _deleted: [bool, pick('gone')] }
        : {
            big: [int64, big],
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
    relation: rowsOf({
      k: [string, labels.map(({ k }) => k)],
      known: [timestamp, labels.map(({ c }) => BigInt(c))],
      weight: [int64, labels.map(({ weight }) => BigInt(weight))],
    }),
    created: { column: 'known' },
  }
}

/** Writes rows of the table as a file of their own. */
async function tableFile(rows: readonly Row[]): Promise<DataFile[]> {
  if (rows.length === 0) return []
  const pick = <K extends keyof Row>(name: K): Row[K][] => rows.map((row) => row[name])
  const { batch } = rowsOf({
    key: [string, pick('k')],
    event_timestamp: [timestamp, pick('e').map(BigInt)],
    created_timestamp: [timestamp, pick('c').map(BigInt)],
    seq: [int64, pick('s').map(BigInt)],
    is_deleted: [bool, pick('deleted')],
    n: [int32, pick('n')],
    v: [float64, pick('v')],
  }) as Extract<Relation, { kind: 'rows' }>
  const place = join(folder.path, `table-${made++}`)
  await mkdir(place)
  const written = await parquet.write(place, {
    columns: GROUP.table,
    rows: (async function* () {
      yield batch
    })(),
    sortBy: [],
    partitionBy: [],
  })
  return written.map((file) => ({ ...file, min: {}, max: {} }))
}

async function readRows(localPath: string): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of parquet.read([{ localPath, constants: {} }], GROUP.table)) {
    for (let row = 0; row < batch.rows; row++) {
      const value = (name: string): Value | null => columnValue(batch.columns[name]!, row)
      rows.push({
        k: value('key') as string,
        e: Number(value('event_timestamp')),
        c: Number(value('created_timestamp')),
        s: Number(value('seq')),
        n: value('n') as number | null,
        v: value('v') as number | null,
        deleted: value('is_deleted') as boolean,
      })
    }
  }
  return rows
}

/** A replay as the naive one answers it; the staged rows are put back in the order of their sequences. */
async function engineReplay(
  request: ReplayRequest,
): Promise<ReturnType<typeof naiveReplay> & { file: string }> {
  await using done = await replay(options(), request)
  const file = join(folder.path, `staged-${made++}.parquet`)
  await done.stage(file, 0)
  const rows = await readRows(file)
  const order = (a: Row, b: Row): number =>
    Buffer.compare(Buffer.from(a.k), Buffer.from(b.k)) || a.e - b.e || a.c - b.c || a.s - b.s
  assert.deepEqual(rows, rows.toSorted(order), 'the file is sorted by key, then (e, c, s)')
  assert.equal(done.rows, rows.length)
  assert.equal(done.rejectedCount, done.rejected.length)
  assert.deepEqual(
    done.newest,
    rows.length === 0
      ? undefined
      : { e: Math.max(...rows.map(({ e }) => e)), c: Math.max(...rows.map(({ c }) => c)) },
  )
  return {
    rows: rows.toSorted((a, b) => a.s - b.s),
    perRun: [...done.perRun],
    cut: done.cut,
    corrections: done.corrections,
    unchanged: done.unchanged,
    rejected: done.rejected.map(({ reason, run }) => `${reason} ${run}`).sort(),
    tooLate: done.tooLate,
    file,
  }
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
      const existing = stored.map((row, at): Row => ({
        ...row,
        ...(row.deleted && { n: null, v: null }),
        s: at - 100,
      }))
      const files = await tableFile(existing)
      const runs = runsOf(schedule, from as Instant, (from + length) as Instant)
      const request = requestOf(query, events, labels, files, schedule, runs)
      const { file, ...done } = await engineReplay(request)
      assert.deepEqual(done, naiveReplay(query, events, labels, existing, request))

      const restated = runs.map((run): Run => ({ ...run, asOf: 200 as Instant, created: 200 as Instant }))
      const again = { ...request, runs: restated, onePerKey: true }
      const { file: _, ...redone } = await engineReplay(again)
      assert.deepEqual(redone, naiveReplay(query, events, labels, existing, again))
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
const hash = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex')

test('runs that are repeated or overlap change nothing', async () => {
  const events = Array.from({ length: 200 }, (_, at) =>
    event(at % 61, { c: (at % 61) + ((at * 7) % 23), v: at / 10, k: `k${at % 3}` }),
  )
  const runs = runsUntil(70)
  const whole = await engineReplay(requestOf(QUERIES['buckets']!, events, [], [], PLAIN, runs))
  assert.ok(whole.corrections > 0)
  const stored = [
    { localPath: whole.file, bytes: 0, rows: whole.rows.length, constants: {}, min: {}, max: {} },
  ]
  for (const some of [runs, runs.slice(2), runs.slice(-1)]) {
    const done = await engineReplay(requestOf(QUERIES['buckets']!, events, [], stored, PLAIN, some))
    // A run that has been done answers from what was known then, which a later run may have corrected.
    assert.deepEqual(
      done.rows,
      naiveReplay(QUERIES['buckets']!, events, [], whole.rows, { ...PLAIN, runs: some }).rows,
    )
  }
  const last = await engineReplay(requestOf(QUERIES['buckets']!, events, [], stored, PLAIN, runs.slice(-1)))
  assert.deepEqual(last.rows, [])
  for (const cut of [1, 3, 5]) {
    const first = await engineReplay(
      requestOf(QUERIES['buckets']!, events, [], [], PLAIN, runs.slice(0, cut)),
    )
    const file = { localPath: first.file, bytes: 0, rows: first.rows.length, constants: {}, min: {}, max: {} }
    const rest = await engineReplay(
      requestOf(QUERIES['buckets']!, events, [], [file], PLAIN, runs.slice(cut)),
    )
    const unnumbered = (rows: readonly Row[]): unknown[] => rows.map(({ s: _, ...row }) => row)
    assert.deepEqual(unnumbered([...first.rows, ...rest.rows]), unnumbered(whole.rows))
    assert.equal(first.tooLate + rest.tooLate, whole.tooLate)
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
    hashes.add(await hash(file))
  }
  assert.equal(hashes.size, 1)
})

test('two equal rows of one run are refused too, and a later run that gives one of them appends it', async () => {
  const schedule = { ...PLAIN, lookback: 6 }
  const events = [event(1, { shift: 8 }), event(5, { shift: 4 })]
  const runs = runsOf(schedule, 0 as Instant, 20 as Instant)
  const done = await engineReplay(requestOf(QUERIES['passed']!, events, [], [], schedule, runs))
  assert.deepEqual(done.rejected, ['duplicate_in_run 10', 'duplicate_in_run 10'])
  assert.deepEqual(
    done.rows.map(({ e, c }) => [e, c]),
    [[9, 20]],
  )
})

test('a NaN is stored as the quiet one, whatever the query made', async () => {
  const request = requestOf(QUERIES['undated']!, [event(1)], [], [], PLAIN, runsUntil(10))
  const query = `SELECT k, 0 AS n, v * 'inf'::DOUBLE - 'inf'::DOUBLE AS v FROM events`
  await using done = await replay(options(), { ...request, query })
  const file = join(folder.path, 'nan.parquet')
  await done.stage(file, 0)
  for await (const batch of parquet.read([{ localPath: file, constants: {} }], GROUP.table)) {
    const { buffer, byteOffset } = batch.columns['v']!.values as Float64Array
    assert.deepEqual([...new BigUint64Array(buffer, byteOffset, batch.rows)], [0x7ff8000000000000n])
  }
})
