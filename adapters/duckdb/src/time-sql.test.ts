import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { INSTANT_MAX, INSTANT_MIN, isAsofError, parseInstant, parseTimestamp } from '@asof/core'
import type { Relation, TimeColumn } from '@asof/core'
import { instantArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { convertSql } from './convert-sql.ts'
import { openDatabase, queryRows } from './database.ts'
import type { Database } from './database.ts'
import { relationSql } from './relation-sql.ts'
import { literal } from './sql-text.ts'
import { timeSql } from './time-sql.ts'

let folder: string
let database: Database

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-time-'))
  database = await openDatabase({ folders: [folder], tempFolder: folder })
})
after(async () => {
  database.close()
  await rm(folder, { recursive: true })
})

type Read = { micros: bigint | null; isNull: boolean; problem: string | null }

async function readAll(relation: Relation, time: Omit<TimeColumn, 'column'> = {}): Promise<Read[]> {
  const source = await relationSql(database, relation)
  const { micros, isNull, problem } = await timeSql(database.connection, source, { column: 't', ...time })
  const sql = `SELECT ${micros} AS micros, ${isNull} AS "isNull", ${problem} AS problem FROM (${source.sql})`
  return (await queryRows(database.connection, sql)) as unknown as Read[]
}

async function read(sql: string, time: Omit<TimeColumn, 'column'> = {}): Promise<string> {
  const [row] = await readAll({ kind: 'query', sql: `SELECT ${sql} AS t`, inputs: {} }, time)
  const { micros, isNull, problem } = row!
  assert.equal(isNull, micros === null && problem === null)
  if (isNull) return 'null'
  assert.notEqual(micros === null, problem === null)
  return problem ?? String(micros)
}

const at = (text: string): string => String(parseInstant(text))

test('times with a zone, and times in a declared zone', async () => {
  const day = at('2024-01-01T00:00:00Z')
  assert.equal(await read(`TIMESTAMPTZ '2024-01-01 00:00:00+00'`), day)
  assert.equal(await read(`TIMESTAMPTZ '2024-01-01 05:45:00+05:45'`), day)
  assert.equal(await read(`TIMESTAMP '2024-01-01 00:00:00'`, { zone: 'UTC' }), day)
  assert.equal(await read(`TIMESTAMP '2023-12-31 19:00:00'`, { zone: 'America/New_York' }), day)
  assert.equal(await read(`TIMESTAMP_S '2024-01-01 00:00:00'`, { zone: 'UTC' }), day)
  assert.equal(
    await read(`TIMESTAMP_NS '2024-01-01 00:00:00.000001'`, { zone: 'UTC' }),
    String(BigInt(day) + 1n),
  )
  assert.match(
    await read(`TIMESTAMP_NS '2024-01-01 00:00:00.0000011'`, { zone: 'UTC' }),
    /below a microsecond/,
  )
  assert.equal(await read(`'2024-01-01T00:00:00Z'`), day)
  assert.equal(await read(`'2024-01-01t00:00:00.000000000z'`), day)
  assert.equal(await read(`'2023-12-31 19:00:00-05:00'`), day)
  assert.equal(await read(`'2023-12-31T19:00:00'`, { zone: 'America/New_York' }), day)
  assert.equal(await read(`'2024-01-01T00:00:00Z'`, { zone: 'America/New_York' }), day)
  assert.equal(await read('NULL::TIMESTAMPTZ'), 'null')
  assert.equal(await read('NULL::VARCHAR'), 'null')
})

test('a local time that the clocks jump over is none; one that comes twice is the later', async () => {
  const zone = 'America/New_York'
  assert.match(await read(`TIMESTAMP '2024-03-10 02:30:00'`, { zone }), /no such time/)
  assert.equal(await read(`TIMESTAMP '2024-03-10 03:00:00'`, { zone }), at('2024-03-10T07:00:00Z'))
  assert.equal(await read(`TIMESTAMP '2024-11-03 01:30:00'`, { zone }), at('2024-11-03T06:30:00Z'))
})

test('a text without a zone, of no calendar day, or too fine is refused with the reason', async () => {
  for (const [text, problem] of [
    ['2024-03-10T02:30:00', /without a zone/],
    ['2024-03-10', /without a zone/],
    ['2024-02-30T00:00:00Z', /not an RFC 3339/],
    ['2023-02-29T00:00:00Z', /not an RFC 3339/],
    ['2024-02-28T24:00:00Z', /not an RFC 3339/],
    ['2024-06-30T23:59:60Z', /not an RFC 3339/],
    ['2024-01-01T00:00:00.0000001Z', /below a microsecond/],
    ['2024-01-01T00:00:00+24:00', /not an RFC 3339/],
    ['1899-12-31T23:59:59.999999Z', /1900..2200/],
    ['2200-01-01T00:00:00Z', /1900..2200/],
    ['9999-12-31T23:59:59Z', /1900..2200/],
    ['infinity', /without a zone/],
    ['', /without a zone/],
    ['1704067200', /without a zone/],
  ] as const) {
    assert.match(await read(literal(text)), problem, text)
  }
  assert.match(await read(`TIMESTAMPTZ '2200-01-01 00:00:00+00'`), /1900..2200/)
  assert.match(await read(`TIMESTAMPTZ 'infinity'`), /no such time/)
})

test('every text is read as the core reads it', async () => {
  const digits = (most: number): fc.Arbitrary<string> =>
    fc.integer({ min: 0, max: most }).map((n) => String(n).padStart(2, '0'))
  const text = fc
    .tuple(
      fc.constantFrom('1900', '1970', '2000', '2024', '2199', '0001', '9999'),
      digits(13),
      digits(32),
      fc.constantFrom('T', 't', ' ', '_'),
      digits(24),
      digits(60),
      digits(60),
      fc.constantFrom('', '.', '.1', '.123456', '.1234567', '.123456000', '.000001'),
      fc.constantFrom('Z', 'z', '', '+05:45', '-23:59', '+24:00', '-00:60', '+0545'),
    )
    .map(
      ([year, month, day, t, hour, minute, second, fraction, zone]) =>
        `${year}-${month}-${day}${t}${hour}:${minute}:${second}${fraction}${zone}`,
    )
  const path = join(folder, 'texts.csv')
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 20, maxLength: 20 }), async (texts) => {
      await writeFile(path, `t\n${texts.join('\n')}\n`)
      const rows = await readAll({ kind: 'files', format: 'csv', paths: [path] })
      for (const [row, { micros }] of rows.entries()) {
        let expected: bigint | null
        try {
          expected = parseTimestamp(texts[row]!)
          if (expected < BigInt(INSTANT_MIN) || expected > BigInt(INSTANT_MAX)) expected = null
        } catch {
          expected = null
        }
        assert.equal(micros, expected, texts[row])
      }
    }),
    propertyRuns(0.3),
  )
})

test('a number needs a unit, and one in another unit is refused with the guess', async () => {
  const day = at('2024-01-01T00:00:00Z')
  assert.equal(await read('1704067200', { unit: 's' }), day)
  assert.equal(await read('1704067200::UINTEGER', { unit: 's' }), day)
  assert.equal(await read('1704067200000', { unit: 'ms' }), day)
  assert.equal(await read('1704067200000000', { unit: 'us' }), day)
  assert.equal(await read('1704067200000000000', { unit: 'ns' }), day)
  assert.equal(await read('1704067200::DOUBLE', { unit: 's' }), day)
  assert.equal(await read(`'1704067200'`, { unit: 's' }), day)
  assert.equal(await read('-2208988800', { unit: 's' }), at('1900-01-01T00:00:00Z'))
  assert.equal(await read('0', { unit: 'us' }), '0')
  assert.equal(await read('NULL::BIGINT', { unit: 's' }), 'null')
  assert.match(await read('1704067200.5::DOUBLE', { unit: 's' }), /not a whole number/)
  assert.match(await read(`'1.5'`, { unit: 's' }), /not a whole number/)
  assert.match(await read('1704067200000000001', { unit: 'ns' }), /below a microsecond/)
  assert.match(await read('1704067200000', { unit: 's' }), /looks like milliseconds/)
  assert.match(await read('1704067200', { unit: 'ms' }), /looks like seconds/)
  assert.match(await read('1704067200', { unit: 'us' }), /looks like seconds/)
  assert.match(await read('1704067200000', { unit: 'us' }), /looks like milliseconds/)
  assert.match(await read('1704067200000000', { unit: 'ns' }), /looks like microseconds/)
  assert.match(await read('1704067200000000000', { unit: 'us' }), /looks like nanoseconds/)
  assert.match(await read('170141183460469231731687303715884105727', { unit: 's' }), /./)
})

test('what no row could mend is refused as a whole', async () => {
  const cases: [string, Omit<TimeColumn, 'column'>, string][] = [
    [`TIMESTAMP '2024-01-01 00:00:00'`, {}, 'time_without_zone'],
    ['5', {}, 'number_without_unit'],
    ['5.5::DOUBLE', {}, 'number_without_unit'],
    [`DATE '2024-01-01'`, { zone: 'UTC' }, 'needs_cast'],
    ['true', {}, 'needs_cast'],
    ['5.5::DECIMAL(9, 2)', { unit: 's' }, 'needs_cast'],
    [`TIMESTAMP '2024-01-01 00:00:00'`, { zone: `Nowhere'; DROP TABLE x; --` }, 'unknown_zone'],
  ]
  for (const [sql, time, code] of cases) {
    await assert.rejects(
      read(sql, time),
      (error) => isAsofError(error, 'invalid') && error.code === code,
      sql,
    )
  }
})

test('an instant comes back exactly in every unit and form', async () => {
  await fc.assert(
    fc.asyncProperty(instantArb(), async (instant) => {
      // Small numbers are doubted, as they may count seconds.
      const timestamp = `make_timestamptz(${instant})`
      assert.equal(await read(timestamp), String(instant))
      assert.equal(await read(`strftime(${timestamp}, '%Y-%m-%dT%H:%M:%S.%fZ')`), String(instant))
      if (instant > 631_152_000_000_000)
        assert.equal(await read(`${instant}`, { unit: 'us' }), String(instant))
    }),
    propertyRuns(0.1),
  )
})

/** One row, `t` 1704067200000000001 ns as a timestamp in UTC and `d` 7, as another writer made it. */
const NANOSECONDS_FILE =
  'UEFSMRUAFRwVHCwVAhUAFQYVBhwAAAACAAAAAgEBAGUBFxCmFxUAFRQVFCwVAhUAFQYVBhwAAAACAAAAAgEHAAAAFQ' +
  'QZPDUAGAZzY2hlbWEVBAAVBCUCGAF0bIwRHDwAAAAAABUCJQIYAWQAFgIZHBksJgAcFQQZJQYAGRgBdBUAFgIWQhZC' +
  'JghJHBUAFQAVAgA8KQYZJgACAAAAJgAcFQIZJQYAGRgBZBUAFgIWOhY6JkpJHBUAFQAVAgA8KQYZJgACAAAAFnwWAi' +
  'YIFnwAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRksHAAAHAAAALgAAABQQVIx'

test('times in nanoseconds that the reader would cut are refused where they are used', async () => {
  const path = join(folder, 'nanoseconds.parquet')
  await writeFile(path, Buffer.from(NANOSECONDS_FILE, 'base64'))
  const file: Relation = { kind: 'files', format: 'parquet', paths: [path] }
  await assert.rejects(readAll(file), { code: 'nanosecond_times' })
  const source = await relationSql(database, file)
  const feature = (name: string, kind: 'timestamp' | 'int32'): unknown =>
    convertSql(
      source.columns.find((column) => column.name === name)!,
      { kind },
      { form: 'sql' },
    )
  assert.throws(() => feature('t', 'timestamp'), { code: 'nanosecond_times' })
  assert.ok(feature('d', 'int32'))
  const query = async (sql: string): Promise<unknown> =>
    queryRows(
      database.connection,
      (await relationSql(database, { kind: 'query', sql, inputs: { file } })).sql,
    )
  assert.deepEqual(await query('SELECT d FROM file'), [{ d: 7 }])
  await assert.rejects(query('SELECT max(t) AS t FROM file'), /nanoseconds/)
})
