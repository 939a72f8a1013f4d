import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnValue, isAsofError, parseTimestamp, valueToJson } from '@asof/core'
import type { FeatureType, Relation, Value } from '@asof/core'
import { fieldsArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { convertSql } from './convert-sql.ts'
import type { ConvertOptions } from './convert-sql.ts'
import { openDatabase, run } from './database.ts'
import type { Database } from './database.ts'
import { relationSql } from './relation-sql.ts'
import type { RelationSql } from './relation-sql.ts'
import { readBatch } from './vectors.ts'

let folder: string
let database: Database

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-convert-'))
  database = await openDatabase({ folders: [folder], tempFolder: folder })
})
after(async () => {
  database.close()
  await rm(folder, { recursive: true })
})

const REFUSED = Symbol('refused')
type Outcome = Value | null | typeof REFUSED

/** The values of column `name` in a type; what does not fit is `REFUSED`. */
async function read(
  relation: RelationSql,
  name: string,
  type: FeatureType,
  options: Partial<ConvertOptions> = {},
): Promise<Outcome[]> {
  const column = relation.columns.find((candidate) => candidate.name === name)!
  const { value, fits } = convertSql(column, type, { form: relation.form, ...options })
  const result = await run(
    database.connection,
    `SELECT ${fits} AS fits, ${value} AS value FROM (${relation.sql})`,
  )
  const outcomes: Outcome[] = []
  for await (const chunk of result) {
    const batch = readBatch(chunk, [
      { name: 'fits', type: { kind: 'bool' } },
      { name: 'value', type },
    ])
    for (let row = 0; row < batch.rows; row++) {
      const fit = columnValue(batch.columns['fits']!, row)
      assert.notEqual(fit, null)
      outcomes.push(fit === true ? columnValue(batch.columns['value']!, row) : REFUSED)
    }
  }
  return outcomes
}

async function convert(sql: string, type: FeatureType, options?: Partial<ConvertOptions>): Promise<Outcome> {
  const relation: Relation = { kind: 'query', sql: `SELECT ${sql} AS x`, inputs: {} }
  const [outcome] = await read(await relationSql(database, relation), 'x', type, options)
  return outcome!
}

const bool = { kind: 'bool' } as const
const int32 = { kind: 'int32' } as const
const int64 = { kind: 'int64' } as const
const float32 = { kind: 'float32' } as const
const float64 = { kind: 'float64' } as const
const string = { kind: 'string' } as const
const bytes = { kind: 'bytes' } as const
const timestamp = { kind: 'timestamp' } as const

test('a value is converted where it survives, else its row is refused', async () => {
  const cases: [sql: string, type: FeatureType, outcome: Outcome][] = [
    ['true', bool, true],
    ['5::BIGINT', int32, 5],
    ['2147483648::BIGINT', int32, REFUSED],
    ['-2147483648::BIGINT', int32, -2147483648],
    ['200::UTINYINT', int32, 200],
    ['NULL::BIGINT', int32, null],
    ['NULL', int32, null],
    ['sum(3::BIGINT)', int64, 3n],
    ['9223372036854775808::HUGEINT', int64, REFUSED],
    ['18446744073709551615::UBIGINT', int64, REFUSED],
    ['3.0::DOUBLE', int64, 3n],
    ['3.5::DOUBLE', int64, REFUSED],
    [`'NaN'::DOUBLE`, int64, REFUSED],
    [`'inf'::FLOAT`, int32, REFUSED],
    ['9223372036854775808::DOUBLE', int64, REFUSED],
    ['-9223372036854775808::DOUBLE', int64, -(2n ** 63n)],
    ['9007199254740993::BIGINT', float64, REFUSED],
    ['9007199254740994::BIGINT', float64, 9007199254740994],
    ['9223372036854775807::BIGINT', float64, REFUSED],
    ['16777217', float32, REFUSED],
    ['16777216', float32, 16777216],
    ['0.1::DOUBLE', float32, REFUSED],
    ['0.5::DOUBLE', float32, 0.5],
    [`'NaN'::DOUBLE`, float32, Number.NaN],
    [`'-0'::DOUBLE`, float32, -0],
    [`'-inf'::DOUBLE`, float32, -Infinity],
    ['1e39::DOUBLE', float32, REFUSED],
    ['0.1::FLOAT', float64, Math.fround(0.1)],
    [`'x'`, string, 'x'],
    [`'a'::ENUM('a', 'b')`, string, 'a'],
    [`'\\x00\\xFF'::BLOB`, bytes, Uint8Array.of(0, 255)],
    [`'2024-03-10T02:30:00.000001+05:45'`, timestamp, parseTimestamp('2024-03-09T20:45:00.000001Z')],
    [`'2024-03-10 02:30:00'`, timestamp, REFUSED],
    [`'0001-01-01T00:00:00Z'`, timestamp, parseTimestamp('0001-01-01T00:00:00Z')],
    [`'0001-01-01T00:00:00+00:01'`, timestamp, REFUSED],
    [`'0000-12-31T23:59:59-23:59'`, timestamp, REFUSED],
    [`'9999-12-31T23:59:59.999999Z'`, timestamp, parseTimestamp('9999-12-31T23:59:59.999999Z')],
    [`'9999-12-31T23:59:59.999999-00:01'`, timestamp, REFUSED],
    [`'infinity'::TIMESTAMPTZ`, timestamp, REFUSED],
    [`TIMESTAMPTZ '10000-01-01 00:00:00+00'`, timestamp, REFUSED],
    ['[1.5, 2]::DOUBLE[]', { kind: 'vector', size: 2 }, Float32Array.of(1.5, 2)],
    ['[1.5, 2]::FLOAT[2]', { kind: 'vector', size: 2 }, Float32Array.of(1.5, 2)],
    ['[1.5, 2, 3]::FLOAT[]', { kind: 'vector', size: 2 }, REFUSED],
    ['[1.5, NULL]::FLOAT[]', { kind: 'vector', size: 2 }, REFUSED],
    ['[0.1, 2]::DOUBLE[]', { kind: 'vector', size: 2 }, REFUSED],
    ['NULL::FLOAT[]', { kind: 'vector', size: 2 }, null],
    ['[1, NULL, 3]::BIGINT[]', { kind: 'list', element: int32 }, [1, null, 3]],
    ['[1, 3000000000]::BIGINT[]', { kind: 'list', element: int32 }, REFUSED],
    ['[]::BIGINT[]', { kind: 'list', element: int32 }, []],
    [
      `map {'b': 1::BIGINT, 'a': NULL}`,
      { kind: 'map', value: int32 },
      new Map([
        ['b', 1],
        ['a', null],
      ]),
    ],
    [`map {'b': 3000000000}`, { kind: 'map', value: int32 }, REFUSED],
    [`{b: 1::BIGINT, a: 'x'}`, { kind: 'struct', fields: { a: string, b: int32 } }, { a: 'x', b: 1 }],
    [`{b: 3000000000, a: 'x'}`, { kind: 'struct', fields: { a: string, b: int32 } }, REFUSED],
    [`repeat('x', 65537)`, string, REFUSED],
    [`repeat('😀', 16384)`, string, '😀'.repeat(16384)],
    [`list_resize([]::INTEGER[], 16385, 1)`, { kind: 'list', element: int32 }, REFUSED],
  ]
  for (const [sql, type, expected] of cases) {
    const outcome = await convert(sql, type)
    if (typeof expected === 'symbol' || typeof outcome === 'symbol') assert.equal(outcome, expected, sql)
    else assert.ok(sameValue(type, outcome, expected), sql)
  }
})

test('another type is refused as a whole, with the cast to write', async () => {
  const cases: [sql: string, type: FeatureType, cast: string][] = [
    ['1.5::DECIMAL(9, 2)', float64, 'CAST("x" AS DOUBLE) AS "x"'],
    ['[1.5::DECIMAL(9, 2)]', { kind: 'list', element: float64 }, 'CAST("x" AS DOUBLE[]) AS "x"'],
    ["DATE '2024-01-01'", timestamp, `CAST("x" AS TIMESTAMP) AT TIME ZONE 'UTC' AS "x"`],
    ["TIMESTAMP '2024-01-01 00:00:00'", timestamp, `CAST("x" AS TIMESTAMP) AT TIME ZONE 'UTC' AS "x"`],
    ['1', bool, 'CAST("x" AS BOOLEAN) AS "x"'],
    ['true', int32, 'CAST("x" AS INTEGER) AS "x"'],
    [`'12'`, int32, 'CAST("x" AS INTEGER) AS "x"'],
    [`'1.5'`, float64, 'CAST("x" AS DOUBLE) AS "x"'],
    ['5', string, 'CAST("x" AS VARCHAR) AS "x"'],
    [`'x'`, bytes, 'CAST("x" AS BLOB) AS "x"'],
    ['5', timestamp, 'CAST("x" AS TIMESTAMP WITH TIME ZONE) AS "x"'],
    ['{a: 1, b: 2}', { kind: 'struct', fields: { a: int32 } }, 'CAST("x" AS STRUCT("a" INTEGER)) AS "x"'],
  ]
  for (const [sql, type, cast] of cases) {
    await assert.rejects(convert(sql, type), (error) => {
      assert.ok(isAsofError(error, 'invalid'), sql)
      assert.equal(error.code, 'needs_cast')
      assert.equal(error.details['cast'], cast)
      return true
    })
  }
})

test('a declared zone dates times without one', async () => {
  const local = `TIMESTAMP '2024-01-01 00:00:00'`
  assert.equal(await convert(local, timestamp, { zone: 'UTC' }), parseTimestamp('2024-01-01T00:00:00Z'))
  assert.equal(
    await convert(local, timestamp, { zone: 'Asia/Kathmandu' }),
    parseTimestamp('2023-12-31T18:15:00Z'),
  )
  assert.equal(
    await convert(`TIMESTAMP_NS '2024-01-01 00:00:00.000000001'`, timestamp, { zone: 'UTC' }),
    REFUSED,
  )
  assert.equal(await convert(`'2024-03-10T02:30:00'`, timestamp, { zone: 'America/New_York' }), REFUSED)
})

test('text of a CSV file is read as what it spells', async () => {
  const path = join(folder, 'a.csv')
  const cases: [text: string, type: FeatureType, outcome: Outcome][] = [
    ['', string, null],
    ['""', string, ''],
    [' a ', string, ' a '],
    ['#a', string, '#a'],
    ['TRUE', bool, true],
    ['1', bool, REFUSED],
    ['', int32, null],
    ['""', int32, REFUSED],
    ['12', int32, 12],
    [' 12', int32, REFUSED],
    ['1.0', int32, REFUSED],
    ['1e3', int32, REFUSED],
    ['0x10', int32, REFUSED],
    ['1_000', int32, REFUSED],
    ['2147483648', int32, REFUSED],
    ['9007199254740993', int64, 9007199254740993n],
    ['9223372036854775808', int64, REFUSED],
    ['0.1', float32, Math.fround(0.1)],
    ['1e-3', float64, 0.001],
    ['-0', float64, -0],
    ['NaN', float64, Number.NaN],
    ['-inf', float64, -Infinity],
    ['1e400', float64, REFUSED],
    ['1e39', float32, REFUSED],
    ['abc', float64, REFUSED],
    ['1,5', string, '1'],
    ['AP8=', bytes, Uint8Array.of(0, 255)],
    ['AP8', bytes, REFUSED],
    ['2024-02-30T00:00:00Z', timestamp, REFUSED],
    ['2024-02-28T24:00:00Z', timestamp, REFUSED],
    ['2024-02-28T23:59:60Z', timestamp, REFUSED],
    ['2024-02-28T23:59:59.1234567Z', timestamp, REFUSED],
    ['2024-02-28T23:59:59.123456000Z', timestamp, parseTimestamp('2024-02-28T23:59:59.123456Z')],
    ['0000-01-01T00:00:00Z', timestamp, REFUSED],
    ['"[1,null]"', { kind: 'list', element: int32 }, [1, null]],
    ['[1', { kind: 'list', element: int32 }, REFUSED],
    ['""', { kind: 'list', element: int32 }, REFUSED],
  ]
  for (const [text, type, expected] of cases) {
    await writeFile(
      path,
      `a,x,b\n1,${text.includes(',') && !text.startsWith('"') ? text.split(',')[0] : text},2\n`,
    )
    const relation = await relationSql(database, { kind: 'files', format: 'csv', paths: [path] })
    const [outcome] = await read(relation, 'x', type)
    if (typeof expected === 'symbol' || typeof outcome === 'symbol') assert.equal(outcome, expected, text)
    else assert.ok(sameValue(type, outcome!, expected), text)
  }
})

test('what a JSON line spells in another type than declared is refused', async () => {
  const path = join(folder, 'a.jsonl')
  const cases: [json: string, type: FeatureType][] = [
    ['"12"', int32],
    ['1.5', int32],
    ['true', int32],
    ['2147483648', int32],
    ['9223372036854775808', int64],
    ['"012"', int64],
    ['1', bool],
    ['0.1', float32],
    ['"x"', float64],
    ['1', string],
    ['"AP8"', bytes],
    ['"2024-01-01T00:00:00"', timestamp],
    ['[1,"2"]', { kind: 'list', element: int32 }],
    ['{"a":1}', { kind: 'list', element: int32 }],
    ['{"a":1,"a":2}', { kind: 'map', value: int32 }],
    ['{"a":1,"b":2}', { kind: 'struct', fields: { a: int32 } }],
    ['[1.5]', { kind: 'vector', size: 2 }],
  ]
  for (const [json, type] of cases) {
    // A second row of another kind, so that the column stays JSON.
    await writeFile(path, `{"x":${json}}\n{"x":{}}\n{"x":[]}\n`)
    const relation = await relationSql(database, { kind: 'files', format: 'jsonl', paths: [path] })
    assert.equal((await read(relation, 'x', type))[0], REFUSED, json)
  }
})

test('the JSON form of a value in a file of JSON lines is that value', async () => {
  const table = fieldsArb({ minLength: 1, maxLength: 3 }).chain((columns) =>
    fc.tuple(
      fc.constant(columns),
      fc.array(fc.tuple(...columns.map(({ type }) => nullableValueArb(type))), {
        minLength: 1,
        maxLength: 5,
      }),
    ),
  )
  const path = join(folder, 'b.jsonl')
  await fc.assert(
    fc.asyncProperty(table, async ([columns, rows]) => {
      const lines = rows.map((row) =>
        JSON.stringify(
          Object.fromEntries(columns.map(({ name, type }, at) => [name, valueToJson(type, row[at] ?? null)])),
        ),
      )
      await writeFile(path, `${lines.join('\n')}\n`)
      const relation = await relationSql(database, { kind: 'files', format: 'jsonl', paths: [path] })
      for (const [at, { name, type }] of columns.entries()) {
        const outcomes = await read(relation, name, type)
        for (const [index, row] of rows.entries()) {
          const outcome = outcomes[index]!
          assert.ok(typeof outcome !== 'symbol', `${lines[index]} ${name}`)
          assert.ok(sameValue(type, row[at] ?? null, outcome), `${lines[index]} ${name}`)
        }
      }
    }),
    propertyRuns(0.5),
  )
})
