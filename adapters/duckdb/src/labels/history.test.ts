import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { columnOf, columnValue } from '@asof/core'
import type {
  DataFile,
  FeatureType,
  HistoryBatch,
  Instant,
  KeyType,
  LabelSession,
  Relation,
  Value,
} from '@asof/core'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { openDatabase, run } from '../database.ts'
import { openLabels } from './session.ts'

const T0 = 1_704_067_200_000_000
const FLOAT64 = { kind: 'float64' } as const
const INT64 = { kind: 'int64' } as const
const FEATURES = [
  { name: 'score', type: FLOAT64, nullable: true },
  { name: 'visits', type: INT64, nullable: true },
  { name: 'late', type: { kind: 'bool' }, nullable: true },
] as const

interface HistoryRow {
  readonly first: number | null
  readonly second: number | null
  readonly e: number | null
  readonly c: number
  readonly deleted: boolean
  readonly score: number | null
  readonly visits: number | null
  readonly late: boolean | null
}

/** Keys beyond 32 bits, of both signs, that share their lower or their upper half; some lie close together. */
const FIRST = [
  0n,
  1n,
  -1n,
  5n,
  2n ** 53n + 1n,
  4294967296n,
  -4294967296n,
  4294967297n,
  2n ** 62n,
  -(2n ** 63n),
]

/** As texts, some with an equal beginning; one is longer than what a database keeps in place. */
const NAMES = [
  '',
  'a',
  'A',
  'ab',
  'é',
  'e\u0301',
  'LAX',
  'LAXA',
  'a rather long name of a place',
  '\u{1F600}',
]

const rowArb: fc.Arbitrary<HistoryRow> = fc.record({
  first: fc.option(fc.nat(FIRST.length - 1), { freq: 20 }),
  second: fc.option(fc.integer({ min: -2, max: 2 }), { freq: 20 }),
  e: fc.option(fc.nat(20), { freq: 40 }),
  c: fc.nat(20),
  deleted: fc.boolean(),
  score: fc.option(fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1.5), { freq: 4 }),
  visits: fc.option(fc.integer(), { freq: 4 }),
  late: fc.option(fc.boolean(), { freq: 4 }),
})

const caseArb = fc.record({
  files: fc.array(
    fc
      .record({
        rows: fc.array(rowArb, { maxLength: 60 }),
        times: fc.constantFrom(1, 1, 1, 80),
        older: fc.boolean(),
        dictionary: fc.boolean(),
      })
      // DuckDB's dictionaries hold -0 and 0 for one value.
      .map((file) =>
        file.dictionary
          ? { ...file, rows: file.rows.map((row) => (row.score === 0 ? { ...row, score: 0 } : row)) }
          : file,
      ),
    { minLength: 1, maxLength: 3 },
  ),
  labels: fc.nat(FIRST.length - 1).chain((most) =>
    // Few different keys are found without hashing.
    fc.array(fc.record({ first: fc.nat(most), second: fc.integer({ min: -2, max: 2 }) }), { maxLength: 20 }),
  ),
  parts: fc.constantFrom('first', 'first second', 'name', 'name second', 'second name first'),
  eMax: fc.nat(20),
  eMin: fc.option(fc.nat(20), { nil: undefined }),
  half: fc.boolean(),
  big: fc.boolean(),
})

const KEY_TYPES: Readonly<Record<string, KeyType>> = {
  first: INT64,
  name: { kind: 'string' },
  second: { kind: 'int32' },
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-history-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function number(value: number | bigint | boolean | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number' && (Number.isNaN(value) || Object.is(value, -0) || !Number.isFinite(value)))
    return `'${Object.is(value, -0) ? '-0' : value}'::DOUBLE`
  return String(value)
}

/** Writes the rows, over and over as often as it is said, in row groups of 2,048. */
async function writeHistory(
  folder: string,
  path: string,
  {
    rows,
    times,
    older,
    dictionary,
  }: { rows: readonly HistoryRow[]; times: number; older: boolean; dictionary: boolean },
  firstSequence: number,
): Promise<DataFile> {
  const database = await openDatabase({ folders: [folder], tempFolder: join(folder, 'temp'), threads: 1 })
  try {
    const first = (key: number | null): string => number(key === null ? null : FIRST[key]!)
    const values = rows.map(
      (row, at) =>
        `(${at}, ${first(row.first)}, ${row.first === null ? 'NULL' : `'${NAMES[row.first]!}'`}, ${number(row.second)}, ${number(row.e)}, ${row.c}, ${row.deleted}, ${number(row.score)},
          ${number(row.visits)}, ${number(row.late)})`,
    )
    const none = '(0, NULL, NULL, NULL, NULL, 0, false, NULL, NULL, NULL)'
    await run(
      database.connection,
      `COPY (SELECT first::BIGINT AS first, name::VARCHAR AS name, second::INTEGER AS second, make_timestamptz(${T0} + e::BIGINT) AS event_timestamp,
               make_timestamptz(${T0} + c::BIGINT) AS created_timestamp,
               (${firstSequence} + again * ${rows.length} + place)::BIGINT AS seq, deleted::BOOLEAN AS is_deleted,
               score::DOUBLE AS score${older ? '' : ', visits::BIGINT AS visits'}, late::BOOLEAN AS late
             FROM (VALUES ${rows.length === 0 ? none : values.join(', ')}) r(place, first, name, second, e, c, deleted, score, visits, late),
                  range(${rows.length === 0 ? 0 : times}) again(again) ORDER BY again, place)
       TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048${dictionary ? '' : ', DICTIONARY_SIZE_LIMIT 0'})`,
    )
  } finally {
    database.close()
  }
  const bytes = (await readFile(path)).length
  return {
    localPath: path,
    bytes,
    rows: rows.length * times,
    constants: {},
    min: {},
    max: {},
    path,
  } as unknown as DataFile
}

async function openWith(folder: string, labels: Relation, threads = 2): Promise<LabelSession> {
  return await openLabels(
    { folders: [folder], tempFolder: join(folder, 'temp'), threads },
    { labels, at: { column: 'at', unit: 'us' } },
  )
}

function rowsOf(
  columns: Readonly<Record<string, readonly [FeatureType, readonly (Value | null)[]]>>,
): Relation {
  const read = Object.entries(columns).map(
    ([name, [type, values]]) => [name, columnOf(type, values)] as const,
  )
  return { kind: 'rows', batch: { rows: read[0]![1].values.length, columns: Object.fromEntries(read) } }
}

function textsOf({ rows, keyIds, e, c, s, deleted, features }: HistoryBatch): string[] {
  const texts: string[] = []
  for (let row = 0; row < rows; row++) {
    const values = features.map((column) => shown(columnValue(column, row)))
    texts.push([keyIds[row], e[row], c[row], s[row], deleted[row], ...values].join(' '))
  }
  return texts.sort()
}

function shown(value: unknown): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

test('history out of files is what its rows say, whatever the keys, nulls, ranges and row groups', async () => {
  let plain = 0
  let threaded = 0
  await fc.assert(
    fc.asyncProperty(caseArb, async ({ files, labels, parts: names, eMax, eMin, half, big }) => {
      await inFolder(async (folder) => {
        await using session = await openWith(
          folder,
          rowsOf({
            at: [INT64, labels.map(() => BigInt(T0))],
            first: [INT64, labels.map(({ first }) => FIRST[first]!)],
            name: [{ kind: 'string' }, labels.map(({ first }) => NAMES[first]!)],
            second: [{ kind: 'int32' }, labels.map(({ second }) => second)],
          }),
        )
        const composite = names.includes('second')
        const parts = names.split(' ').map((column) => ({ column, type: KEY_TYPES[column]! }))
        const keySet = await session.keySet(parts)
        const idOf = new Map(
          labels.map(({ first, second }, row) => [
            composite ? `${first} ${second}` : `${first}`,
            keySet.ids[row]!,
          ]),
        )
        const made: DataFile[] = []
        const expected: string[] = []
        const toId = half ? Math.ceil(keySet.size / 2) : keySet.size
        let sequence = 0
        for (const [at, file] of files.entries()) {
          const written = await writeHistory(folder, join(folder, `h${at}.parquet`), file, sequence)
          // Many rows go to a thread; what the log says about them is taken at its word.
          made.push({ ...written, rows: big ? 1_000_000 : written.rows! })
          for (let again = 0; again < file.times; again++) {
            for (const row of file.rows) {
              const s = sequence++
              const id = idOf.get(composite ? `${row.first} ${row.second}` : `${row.first}`)
              if (row.e === null || id === undefined || id >= toId || row.e > eMax) continue
              if (eMin !== undefined && row.e < eMin) continue
              const values = [row.score, file.older ? null : row.visits, row.late]
              expected.push(
                [
                  id,
                  T0 + row.e,
                  T0 + row.c,
                  s,
                  row.deleted ? 1 : 0,
                  ...values.map((value) => shown(value)),
                ].join(' '),
              )
            }
          }
        }
        if (toId === 0) return
        const read: string[] = []
        const request = {
          keySet,
          keyColumns: parts.map(({ column }) => column),
          files: made,
          features: FEATURES,
          fromId: 0,
          toId,
          eMax: (T0 + eMax) as Instant,
          ...(eMin !== undefined && { eMin: (T0 + eMin) as Instant }),
        }
        for await (const batch of session.history(request)) {
          read.push(...textsOf(batch))
          assert.ok(batch.e.buffer instanceof SharedArrayBuffer, 'not read by SQL')
          // Arrays that are used again hold nothing of what they held.
          for await (const again of session.history({ ...request, spare: batch }))
            assert.deepEqual(textsOf(again), read)
        }
        assert.deepEqual(read, expected.sort())
        plain++
        if (big) threaded++
      })
    }),
    propertyRuns(0.25),
  )
  assert.ok(threaded > 0 && plain > threaded)
})

const ROW: HistoryRow = { first: 1, second: 0, e: 1, c: 2, deleted: false, score: 1, visits: 2, late: null }
const ONE_LABEL = rowsOf({ at: [INT64, [BigInt(T0)]], first: [INT64, [1n]] })
const REQUEST = { keyColumns: ['first'], features: FEATURES, fromId: 0, toId: 1, eMax: (T0 + 10) as Instant }

async function readOne(session: LabelSession, file: DataFile): Promise<HistoryBatch> {
  const keySet = await session.keySet([{ column: 'first', type: INT64 }])
  for await (const batch of session.history({ ...REQUEST, keySet, files: [file] })) return batch
  throw new Error('no batch')
}

test('what the reader of files does not read is read by SQL', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'h.parquet')
    const file = await writeHistory(
      folder,
      path,
      { rows: [ROW], times: 1, older: false, dictionary: true },
      7,
    )
    await using session = await openWith(folder, ONE_LABEL)
    const one = textsOf(await readOne(session, file))
    assert.deepEqual(one, [`0 ${T0 + 1} ${T0 + 2} 7 0 1 2 null`])
    const database = await openDatabase({ folders: [folder], tempFolder: join(folder, 'temp'), threads: 1 })
    const other = join(folder, 'other.parquet')
    for (const [change, options] of [
      ['*', 'COMPRESSION gzip'],
      ['* REPLACE (score::FLOAT AS score)', 'COMPRESSION snappy'],
      ['* REPLACE (first::INTEGER AS first)', 'COMPRESSION snappy'],
      ['* EXCLUDE (visits), visits AS Visits', 'COMPRESSION snappy'],
    ] as const) {
      await run(
        database.connection,
        `COPY (SELECT ${change} FROM '${path}') TO '${other}' (FORMAT parquet, ${options})`,
      )
      for (const rows of [1, 1_000_000]) {
        const batch = await readOne(session, { ...file, localPath: other, rows })
        assert.deepEqual(textsOf(batch), one)
        assert.ok(!(batch.e.buffer instanceof SharedArrayBuffer), change)
      }
    }
    database.close()
    const constant = await readOne(session, { ...file, constants: { score: '42' } })
    assert.deepEqual(textsOf(constant), [`0 ${T0 + 1} ${T0 + 2} 7 0 42 2 null`])
  })
})

test('a damaged file is named, in a thread and without one; one outside of the folders is denied', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'h.parquet')
    const file = await writeHistory(
      folder,
      path,
      { rows: [ROW], times: 3000, older: false, dictionary: true },
      7,
    )
    const bytes = await readFile(path)
    const cut = join(folder, 'cut.parquet')
    const broken = join(folder, 'broken.parquet')
    await writeFile(cut, bytes.subarray(0, -20))
    await writeFile(broken, bytes.fill(255, 30, 60))
    await using session = await openWith(folder, ONE_LABEL)
    for (const localPath of [cut, broken]) {
      for (const rows of [1, 1_000_000]) {
        await assert.rejects(
          readOne(session, { ...file, localPath, rows }),
          (error: Error & { code: string }) => {
            assert.equal(error.code, 'damaged_file')
            assert.match(error.message, new RegExp(localPath))
            return true
          },
        )
      }
    }
    await using alone = await openWith(folder, ONE_LABEL, 1)
    await assert.rejects(readOne(alone, { ...file, localPath: cut, rows: 1_000_000 }), {
      code: 'damaged_file',
    })
    await inFolder(async (elsewhere) => {
      const outside = join(elsewhere, 'h.parquet')
      await writeFile(outside, await readFile(path))
      await assert.rejects(readOne(session, { ...file, localPath: outside }), { code: 'query_denied' })
    })
  })
})

test('a signal ends the reading of history in a thread', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'h.parquet')
    const file = await writeHistory(
      folder,
      path,
      { rows: [ROW], times: 3000, older: false, dictionary: true },
      7,
    )
    const controller = new AbortController()
    await using session = await openLabels(
      { folders: [folder], tempFolder: join(folder, 'temp') },
      { labels: ONE_LABEL, at: { column: 'at', unit: 'us' }, signal: controller.signal },
    )
    const reading = readOne(session, { ...file, rows: 1_000_000 })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    await assert.rejects(reading, /enough/)
  })
})
