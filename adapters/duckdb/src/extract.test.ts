import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, formatInstant, instant, isAsofError, parseInstant } from '@asof/core'
import type {
  DataFile,
  ExtractRequest,
  Extraction,
  FeatureType,
  GroupColumns,
  Instant,
  Relation,
  SourceRelation,
  TableColumn,
  Value,
} from '@asof/core'
import { fieldsArb, nullableValueArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { extract } from './extract.ts'
import { duckdbParquetFiles } from './parquet-files.ts'

let folder: string
let made = 0
const options = (): { folders: string[]; tempFolder: string } => ({ folders: [folder], tempFolder: folder })

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-extract-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

const string = { kind: 'string' } as const
const float64 = { kind: 'float64' } as const
const timestamp = { kind: 'timestamp' } as const

function group(
  features: readonly { name: string; type: FeatureType }[],
  more: Partial<GroupColumns> = {},
): GroupColumns {
  const keys = more.keys ?? [{ name: 'airport', column: 'origin', type: string }]
  const column = (name: string, type: FeatureType): TableColumn => ({ name, type, nullable: true })
  return {
    keys,
    features,
    table: [
      ...keys.map(({ name, type }) => column(name, type)),
      column('event_timestamp', timestamp),
      column('created_timestamp', timestamp),
      column('seq', { kind: 'int64' }),
      column('is_deleted', { kind: 'bool' }),
      ...features.map(({ name, type }) => column(name, type)),
    ],
    unknownColumns: 'strict',
    ...more,
  }
}

const DELAYS = group([{ name: 'delay', type: float64 }])
const NOW = parseInstant('2024-06-01T00:00:00Z')

function rowsOf(
  types: Readonly<Record<string, FeatureType>>,
  rows: readonly Readonly<Record<string, Value | null>>[],
): Relation {
  const columns = Object.entries(types).map(
    ([name, type]) =>
      [
        name,
        columnOf(
          type,
          rows.map((row) => row[name] ?? null),
        ),
      ] as const,
  )
  return { kind: 'rows', batch: { rows: rows.length, columns: Object.fromEntries(columns) } }
}

const DEPARTURES = {
  origin: string,
  at: timestamp,
  known: timestamp,
  delay: float64,
  _deleted: { kind: 'bool' },
} as const

function departures(
  rows: readonly (readonly [
    origin: string | null,
    e: number | null,
    c: number | null,
    delay: number | null,
    deleted?: boolean,
  ])[],
): SourceRelation {
  const at = (micros: number | null): bigint | null => (micros === null ? null : BigInt(micros))
  const relation = rowsOf(
    DEPARTURES,
    rows.map(([origin, e, c, delay, deleted]) => ({
      origin,
      at: at(e),
      known: at(c),
      delay,
      _deleted: deleted ?? null,
    })),
  )
  return { name: 'departures', relation, eventTime: { column: 'at' }, created: { column: 'known' } }
}

function request(source: SourceRelation, more: Partial<ExtractRequest> = {}): ExtractRequest {
  return { source, columns: DELAYS, knownBy: NOW, existing: [], delay: 0, eventsUntil: undefined, ...more }
}

/** The staged rows, as the table's columns in order. */
async function staged(extraction: Extraction, columns: GroupColumns, first = 0): Promise<(Value | null)[][]> {
  return (await stagedFile(extraction, columns, first)).rows
}

async function stagedFile(
  extraction: Extraction,
  columns: GroupColumns,
  first = 0,
): Promise<{ rows: (Value | null)[][]; file: DataFile }> {
  const { localPath } = await extraction.stage(join(folder, `${made++}.parquet`), first)
  const rows: (Value | null)[][] = []
  const file: DataFile = { localPath, bytes: 0, rows: undefined, constants: {}, min: {}, max: {} }
  for await (const batch of duckdbParquetFiles(options()).read([file], columns.table)) {
    for (let row = 0; row < batch.rows; row++) {
      rows.push(columns.table.map(({ name }) => columnValue(batch.columns[name]!, row)))
    }
  }
  return { rows, file }
}

test('rows are typed, sorted and numbered in the order of the source', async () => {
  const source = departures([
    ['LAX', 2, 20, -0],
    ['ATL', 3, 30, Number.NaN],
    ['LAX', 1, 10, null],
    ['LAX', 4, 40, 5, true],
  ])
  await using found = await extract(options(), request(source, { delay: 7 }))
  assert.deepEqual([found.rows, found.unchanged, found.rejectedCount], [4, 0, 0])
  assert.deepEqual(found.newest, { e: 4, c: 47 })
  assert.deepEqual(await staged(found, DELAYS, -100), [
    ['ATL', 3n, 37n, -99n, false, Number.NaN],
    ['LAX', 1n, 17n, -98n, false, null],
    ['LAX', 2n, 27n, -100n, false, -0],
    ['LAX', 4n, 47n, -97n, true, null],
  ])
})

test('created times come from a delay, from one instant, or from a column; later ones wait, and none is below the floor', async () => {
  const rows = departures([
    ['LAX', 1_000_000, 100, 1],
    ['LAX', 2_000_000, Number(NOW), 2],
    ['LAX', 3_000_000, NOW + 1, 3],
  ])
  const created = async (source: SourceRelation, more: Partial<ExtractRequest> = {}): Promise<unknown[]> => {
    await using found = await extract(
      options(),
      request(source, { columns: { ...DELAYS, unknownColumns: 'additive' }, ...more }),
    )
    return (await staged(found, DELAYS)).map((row) => Number(row[2]))
  }
  assert.deepEqual(await created({ ...rows, created: { delay: '2s' } }), [3e6, 4e6, 5e6])
  assert.deepEqual(
    await created({ ...rows, created: { delay: '2s' } }, { delay: 1, knownBy: instant(4_000_001) }),
    [3_000_001, 4_000_001],
  )
  assert.deepEqual(await created({ ...rows, created: { knownAt: instant(5) } }), [5, 5, 5])
  assert.deepEqual(await created(rows), [100, NOW])
  assert.deepEqual(await created(rows, { createdFloor: instant(200) }), [200, NOW])
})

test('a row that is not known yet waits, whatever is wrong with it; a known one from the future is refused', async () => {
  const source = departures([
    ['LAX', NOW + 10, NOW, 1],
    ['LAX', NOW + 10, NOW + 1, 2],
    [null, 1, NOW + 1, 3],
    ['LAX', 1, NOW, 4],
  ])
  const at = async (knownBy: Instant): Promise<unknown> => {
    await using found = await extract(
      options(),
      request(source, { knownBy, eventsUntil: instant(knownBy + 5) }),
    )
    return [
      found.rejected.map(({ reason }) => reason),
      (await staged(found, DELAYS)).map((row) => row.at(-1)),
    ]
  }
  assert.deepEqual(await at(NOW), [['future'], [4]])
  assert.deepEqual(await at(instant(NOW + 5)), [['null_key'], [4, 1, 2]])
})

test('what does not fit is rejected with the reason and the row', async () => {
  const source = departures([
    [null, 1, 1, 1],
    ['LAX', null, 1, 1],
    ['LAX', 1, null, 1],
    ['LAX', 8e15, 1, 1],
    ['LAX', 1, 1, 0.5],
    ['x'.repeat(600), 1, 1, 1],
  ])
  const columns = group([{ name: 'delay', type: { kind: 'int32' } }])
  await using found = await extract(options(), request(source, { columns }))
  assert.deepEqual([found.rows, found.rejectedCount], [0, 6])
  assert.deepEqual(
    found.rejected.map(({ reason, column }) => [reason, column]),
    [
      ['null_key', 'origin'],
      ['null_event_time', 'at'],
      ['invalid_created_time', 'known'],
      ['invalid_event_time', 'at'],
      ['invalid_value', 'delay'],
      ['invalid_value', 'origin'],
    ],
  )
  assert.match(found.rejected[3]!.detail!, /1900..2200/)
  assert.deepEqual(JSON.parse(found.rejected[4]!.row), {
    origin: 'LAX',
    at: formatInstant(instant(1)),
    known: formatInstant(instant(1)),
    delay: 0.5,
    _deleted: null,
  })
  assert.equal(found.newest, undefined)
})

test('what was rejected can be read again as a line of JSON', async () => {
  await using found = await extract(options(), request(departures([['LAX', null, 1, Number.NaN]])))
  const path = join(folder, 'retry.jsonl')
  await writeFile(path, `${found.rejected[0]!.row.replace('"at":null', '"at":"1970-01-01T00:00:01Z"')}\n`)
  const again = { ...departures([]), relation: { kind: 'files', format: 'jsonl', paths: [path] } as const }
  await using retried = await extract(options(), request(again))
  assert.deepEqual(await staged(retried, DELAYS), [['LAX', 1_000_000n, 1n, 0n, false, Number.NaN]])
})

test('keys of every type, none, and the longest that there can be', async () => {
  const keys = [
    { name: 'a', column: 'Column A', type: { kind: 'bytes' } },
    { name: 'b', column: 'b', type: { kind: 'int64' } },
  ] as const
  const columns = group([], { keys })
  const types = { 'Column A': { kind: 'bytes' }, b: { kind: 'int64' }, at: timestamp } as const
  const relation = rowsOf(types, [
    { 'Column A': new Uint8Array(400).fill(65), b: 2n ** 63n - 1n, at: 1n },
    { 'Column A': new Uint8Array(400), b: 1n, at: 1n },
  ])
  const source: SourceRelation = {
    name: 's',
    relation,
    eventTime: { column: 'at' },
    created: { delay: '0s' },
  }
  await using found = await extract(options(), request(source, { columns }))
  assert.deepEqual([found.rows, found.rejected[0]?.reason], [1, 'invalid_value'])
  const global = group(
    [
      { name: 'e', type: { kind: 'int32' } },
      { name: 'k0', type: { kind: 'int32' } },
      { name: 'n', type: { kind: 'int32' } },
    ],
    { keys: [] },
  )
  const one = rowsOf({ at: timestamp, e: { kind: 'int32' }, k0: { kind: 'int32' }, n: { kind: 'int32' } }, [
    { at: 5n, e: 1, k0: 2, n: 3 },
  ])
  await using row = await extract(options(), request({ ...source, relation: one }, { columns: global }))
  assert.deepEqual(await staged(row, global), [[5n, 5n, 0n, false, 1, 2, 3]])
})

test('columns that nobody declared, or that are missing, are named', async () => {
  const relation = rowsOf({ origin: string, at: timestamp, more: string }, [])
  const source: SourceRelation = {
    name: 's',
    relation,
    eventTime: { column: 'at' },
    created: { delay: '0s' },
  }
  const rejects = async (more: Partial<ExtractRequest>, code: string, named: RegExp): Promise<void> => {
    await assert.rejects(extract(options(), request(source, more)), (error) => {
      assert.ok(isAsofError(error, 'invalid'))
      assert.equal(error.code, code)
      assert.match(error.message, named)
      return true
    })
  }
  await rejects({ columns: group([]) }, 'unknown_column', /more/)
  await rejects(
    { columns: DELAYS, source: { ...source, created: { delay: '0s' } } },
    'unknown_column',
    /more/,
  )
  await rejects({ columns: { ...DELAYS, unknownColumns: 'additive' } }, 'missing_column', /delay/)
  await rejects(
    { columns: group([{ name: 'more', type: { kind: 'int32' } }]) },
    'needs_cast',
    /CAST\("more" AS INTEGER\)/,
  )
  const { eventTime: _, ...reference } = source
  await rejects(
    { source: reference, columns: group([{ name: 'more', type: string }]) },
    'missing_event_time',
    /eventTime/,
  )
  await using found = await extract(
    options(),
    request(source, { columns: { ...group([]), unknownColumns: 'additive' } }),
  )
  assert.equal(found.rows, 0)
})

test('a table knows its rows again: twice adds nothing, what changed is added, what changed back too', async () => {
  const first = [
    ['LAX', 1, 10, 1],
    ['LAX', 1, 20, 2],
    ['ATL', 1, 10, 0],
  ] as const
  await using found = await extract(options(), request(departures(first)))
  const { file, rows } = await stagedFile(found, DELAYS, -3)
  assert.equal(rows.length, 3)
  const then = async (more: Parameters<typeof departures>[0], knownBy = NOW): Promise<unknown[]> => {
    await using again = await extract(
      options(),
      request(departures([...first, ...more]), { existing: [file], knownBy }),
    )
    if (knownBy === NOW) assert.equal(again.unchanged + again.rows, first.length + more.length)
    return (await staged(again, DELAYS)).map((row) => [row[0], Number(row[1]), Number(row[2]), row[5]])
  }
  assert.deepEqual(await then([]), [])
  assert.deepEqual(await then([['LAX', 1, 30, 2]]), [], 'the newest again')
  assert.deepEqual(await then([['LAX', 1, 30, 1]]), [['LAX', 1, 30, 1]], 'changed back')
  assert.deepEqual(await then([['LAX', 1, 15, 3]]), [['LAX', 1, 15, 3]], 'found late')
  assert.deepEqual(
    await then([['LAX', 1, 12, 1]], instant(15)),
    [['LAX', 1, 12, 1]],
    'stamped after the newest',
  )
  assert.deepEqual(await then([['ATL', 1, 30, -0]]), [['ATL', 1, 30, -0]], 'another zero')
  assert.deepEqual(await then([['ATL', 1, 30, null]]), [['ATL', 1, 30, null]])
  assert.deepEqual(await then([['ATL', 1, 30, 0, true]]), [['ATL', 1, 30, null]], 'a tombstone')
  assert.deepEqual(
    await then([
      ['LAX', 1, 30, 1],
      ['LAX', 1, 40, 1],
      ['LAX', 1, 50, 2],
    ]),
    [
      ['LAX', 1, 30, 1],
      ['LAX', 1, 50, 2],
    ],
  )
  assert.deepEqual(await then([['LAX', 2, 10, 2]]), [['LAX', 2, 10, 2]])
})

test('extracting what is in the table adds nothing, for every type', async () => {
  const table = fieldsArb({ minLength: 1, maxLength: 3 })
    .filter((fields) => fields.every(({ name }) => !['origin', 'at'].includes(name)))
    .chain((fields) =>
      fc.tuple(
        fc.constant(fields),
        fc.array(
          fc.tuple(
            fc.constantFrom('LAX', 'ATL'),
            fc.integer({ min: 1, max: 2 }),
            ...fields.map(({ type }) => nullableValueArb(type)),
          ),
          { minLength: 1, maxLength: 5 },
        ),
      ),
    )
  await fc.assert(
    fc.asyncProperty(table, async ([fields, rows]) => {
      const columns = group(fields)
      const types = {
        origin: string,
        at: timestamp,
        ...Object.fromEntries(fields.map(({ name, type }) => [name, type])),
      }
      const relation = rowsOf(
        types,
        rows.map(([origin, e, ...values]) => ({
          origin,
          at: BigInt(e),
          ...Object.fromEntries(fields.map(({ name }, at) => [name, values[at] ?? null])),
        })),
      )
      const source: SourceRelation = {
        name: 's',
        relation,
        eventTime: { column: 'at' },
        created: { delay: '0s' },
      }
      await using found = await extract(options(), request(source, { columns }))
      assert.equal(found.rejectedCount, 0)
      const { file, rows: stored } = await stagedFile(found, columns)
      assert.equal(stored.length, found.rows)
      await using again = await extract(options(), request(source, { columns, existing: [file] }))
      assert.deepEqual([again.rows, again.unchanged], [0, rows.length])
    }),
    propertyRuns(0.1),
  )
})

test('a query is a source, cut off by an abort like any other', async () => {
  const input = rowsOf({ origin: string, at: timestamp, delay: float64 }, [
    { origin: 'LAX', at: 5n, delay: 2 },
    { origin: 'LAX', at: 5n, delay: 3 },
  ])
  const relation: Relation = {
    kind: 'query',
    sql: 'SELECT origin, max("at") AS "at", sum(delay) AS delay FROM flights GROUP BY origin',
    inputs: { flights: input },
  }
  const source: SourceRelation = {
    name: 's',
    relation,
    eventTime: { column: 'at' },
    created: { delay: '0s' },
  }
  await using found = await extract(options(), request(source))
  assert.deepEqual(await staged(found, DELAYS), [['LAX', 5n, 5n, 0n, false, 5]])
  const endless: Relation = {
    kind: 'query',
    sql: `SELECT 'LAX' AS origin, make_timestamptz(a.range + b.range) AS "at", 1.0::DOUBLE AS delay FROM range(10000000) a, range(10000000) b`,
    inputs: {},
  }
  const signal = AbortSignal.timeout(100)
  await assert.rejects(extract(options(), request({ ...source, relation: endless }, { signal })), {
    name: 'TimeoutError',
  })
})

test('newest is an instant', async () => {
  await using found = await extract(options(), request(departures([['LAX', -5, -7, 1]])))
  const { e, c }: { e: Instant; c: Instant } = found.newest!
  assert.deepEqual([e, c], [-5, -7])
})
