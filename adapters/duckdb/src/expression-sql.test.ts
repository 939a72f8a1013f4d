import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { LIMITS, checkExpression, col, columnOf, compileWhere, int32 } from '@asof/core'
import type { Condition, Expression, ExpressionSchema, Value } from '@asof/core'
import {
  CONDITION_SCHEMA,
  conditionWithRowsArb,
  expressionRules,
  naiveExpression,
  propertyRuns,
} from '@asof/testing'
import * as fc from 'fast-check'
import { openDatabase, queryRows, run } from './database.ts'
import type { Database } from './database.ts'
import { expressionSql } from './expression-sql.ts'
import { identifier, literal } from './sql-text.ts'
import { appendBatches, sqlType } from './vectors.ts'

let folder: string
let database: Database

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-expression-'))
  database = await openDatabase({ folders: [folder], tempFolder: folder, threads: 1 })
})
after(async () => {
  database.close()
  await rm(folder, { recursive: true })
})

type Rows = readonly (readonly (Value | null)[])[]

async function fill(table: string, schema: ExpressionSchema, rows: Rows): Promise<void> {
  const columns = schema.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
  await run(database.connection, `CREATE OR REPLACE TABLE ${table} (${columns.join(', ')}, "row" INTEGER)`)
  const numbered = [...schema, { name: 'row', type: { kind: 'int32' } } as const]
  const batch = {
    rows: rows.length,
    columns: Object.fromEntries(
      numbered.map(({ name, type }, at) => [
        name,
        columnOf(
          type,
          rows.map((row, index) => (at === schema.length ? index : row[at]!)),
        ),
      ]),
    ),
  }
  await appendBatches(database.connection, table, numbered, [batch])
}

/** What DuckDB says of each row: as a column, and by which rows a `WHERE` keeps. */
async function askDuckdb(
  where: Expression,
  schema: ExpressionSchema,
  rows: Rows,
): Promise<(boolean | null)[]> {
  const sql = expressionSql(where, schema)
  const told = await queryRows(database.connection, `SELECT ${sql} AS told FROM t ORDER BY "row"`)
  const kept = await queryRows(database.connection, `SELECT "row" FROM t WHERE ${sql} ORDER BY "row"`)
  const answers = told.map((row) => row['told'] as boolean | null)
  assert.deepEqual(
    kept.map((row) => row['row']),
    rows.flatMap((_, index) => (answers[index] === true ? [index] : [])),
  )
  return answers
}

test('DuckDB, the naive evaluation and the compiled one answer alike, row by row', async () => {
  await fc.assert(
    fc.asyncProperty(conditionWithRowsArb(), async ({ schema, rows, where }) => {
      await fill('t', schema, rows)
      const answers = await askDuckdb(where, schema, rows)
      const [holds, fails] = [compileWhere(where, schema), compileWhere({ kind: 'not', of: where }, schema)]
      for (const [index, row] of rows.entries()) {
        const answer = answers[index] ?? null
        assert.equal(answer, naiveExpression(where, schema, row), expressionSql(where, schema))
        const passed = { holds: holds.passes(row), fails: fails.passes(row) }
        assert.deepEqual(passed, { holds: answer ?? false, fails: answer !== null && !answer })
      }
    }),
    propertyRuns(2),
  )
})

test('rows of Parquet files are kept as rows of a table are', async () => {
  const path = join(folder, 'rows.parquet')
  await fc.assert(
    fc.asyncProperty(conditionWithRowsArb(), async ({ schema, rows, where }) => {
      await fill('t', schema, rows)
      await run(database.connection, `COPY t TO ${literal(path)}`)
      const sql = expressionSql(where, schema)
      const kept = await queryRows(
        database.connection,
        `SELECT "row" FROM ${literal(path)} WHERE ${sql} ORDER BY "row"`,
      )
      const expected = rows.flatMap((row, index) =>
        naiveExpression(where, schema, row) === true ? [index] : [],
      )
      assert.deepEqual(
        kept.map((row) => row['row']),
        expected,
        sql,
      )
    }),
    propertyRuns(0.5),
  )
})

test('a NaN that the statistics of a Parquet file do not tell of is there', async () => {
  const [path, told] = [join(folder, 'nan.parquet'), join(folder, 'told.parquet')]
  const numbers = 'unnest([1, 1.5, 2])'
  await run(
    database.connection,
    `COPY (SELECT ${numbers}::DOUBLE AS double, ${numbers}::FLOAT AS single) TO ${literal(told)} (COMPRESSION uncompressed)`,
  )
  // In the place of 1.5, which is neither the least nor the greatest, a NaN.
  const bytes = await readFile(told)
  for (const [size, Numbers] of [
    [8, Float64Array],
    [4, Float32Array],
  ] as const) {
    const at = bytes.indexOf(new Uint8Array(Numbers.of(1.5).buffer))
    assert.ok(at > 0 && at + size < bytes.length)
    bytes.set(new Uint8Array(Numbers.of(Number.NaN).buffer), at)
  }
  await writeFile(path, bytes)
  for (const [name, kind] of [
    ['double', 'float64'],
    ['single', 'float32'],
  ] as const) {
    const column = col(name)
    const conditions = [
      column.gt(5),
      column.ge(Infinity),
      column.eq(Number.NaN),
      column.le(5).not(),
      column.in([Number.NaN, 7]),
    ]
    for (const { expression } of conditions) {
      const sql = expressionSql(expression, [{ name, type: { kind } }])
      const answers = await queryRows(database.connection, `SELECT ${sql} AS told FROM ${literal(path)}`)
      assert.deepEqual(
        answers.map((row) => row['told']),
        [false, true, false],
        sql,
      )
      const kept = await queryRows(
        database.connection,
        `SELECT ${name} AS value FROM ${literal(path)} WHERE ${sql}`,
      )
      assert.deepEqual(
        kept.map((row) => row['value']),
        [Number.NaN],
        sql,
      )
    }
  }
})

test('the rules, one by one', async () => {
  for (const { where, schema, row, expected } of expressionRules()) {
    await fill('t', schema, [row])
    assert.deepEqual(await askDuckdb(where, schema, [row]), [expected], expressionSql(where, schema))
  }
})

test('names and texts mean themselves, whatever is in them', async () => {
  const nasty = [
    `"; DROP TABLE t; --`,
    `'; DROP TABLE t; --`,
    `' OR '1'='1`,
    `a' || chr(0) || 'b`,
    '\\',
    `\\'; SELECT 1; --`,
    '$$',
    '$1',
    '?',
    '/*',
    '--',
    '\n',
    '{{x}}',
    '\u2019; DROP TABLE t',
    '"',
    '""',
    'select',
    'row ',
    '*',
  ]
  const schema = nasty.map((name) => ({ name, type: { kind: 'string' } }) as const)
  const texts = [...nasty, 'nul\0nul', '\0']
  const rows = texts.map((text) => nasty.map(() => text))
  await fill('t', schema, rows)
  for (const name of nasty) {
    for (const [index, text] of texts.entries()) {
      const answers = await askDuckdb(col(name).eq(text).expression, schema, rows)
      assert.deepEqual(
        answers,
        texts.map((_, other) => other === index),
      )
      const among = await askDuckdb(col(name).in([text, 'x']).expression, schema, rows)
      assert.deepEqual(among, answers)
    }
  }
})

test('a collation of the column changes nothing', async () => {
  const schema = [{ name: 's', type: { kind: 'string' } }] as const
  const ask = async (condition: Condition): Promise<unknown> => {
    const sql = expressionSql(condition.expression, schema)
    const [answer] = await queryRows(
      database.connection,
      `SELECT ${sql} AS told FROM (SELECT 'a' COLLATE NOCASE AS s)`,
    )
    return answer!['told']
  }
  assert.equal(await ask(col('s').eq('A')), false)
  assert.equal(await ask(col('s').in(['A', 'B'])), false)
  assert.equal(await ask(col('s').gt('B')), true)
})

test('expressions at the limits are printed so that DuckDB takes them', async () => {
  const schema = [{ name: 'd', type: int32().type }] as const
  await fill('t', schema, [[3], [0], [null]])
  const d = col('d', int32())
  let divisors = d.plus(0.5)
  for (let depth = 4; depth < LIMITS.expressionDepthMax; depth++) divisors = d.plus(1).dividedBy(divisors)
  let sums = d.plus(1)
  for (let depth = 4; depth < LIMITS.expressionDepthMax; depth++) sums = sums.plus(1)
  const many = Array.from({ length: 300 }, (_, index) => d.ne(index + 10))
  for (const condition of [
    divisors.gt(0),
    sums.gt(30.5),
    d.eq(3).or(...many),
    d.in(many.map((_, index) => index)),
  ]) {
    checkExpression(condition.expression, schema, 'where')
    const answers = await askDuckdb(condition.expression, schema, [[3], [0], [null]])
    assert.deepEqual(
      answers,
      [[3], [0], [null]].map((row) => naiveExpression(condition.expression, schema, row)),
    )
  }
})

test('what is printed is checked first', () => {
  assert.throws(() => expressionSql(col('nope').eq(1).expression, CONDITION_SCHEMA), {
    code: 'unknown_column',
  })
  assert.throws(() => expressionSql(col('int32').eq('1').expression, CONDITION_SCHEMA), {
    code: 'invalid_expression',
  })
})
