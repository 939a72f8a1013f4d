import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf } from '@asof/core'
import type { Relation } from '@asof/core'
import { openDatabase, queryRows } from './database.ts'
import type { Database } from './database.ts'
import { relationSql } from './relation-sql.ts'

let folder: string
let database: Database

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-relation-'))
  database = await openDatabase({ folders: [folder], tempFolder: folder })
})
after(async () => {
  database.close()
  await rm(folder, { recursive: true })
})

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

async function read(relation: Relation): Promise<[columns: string[], rows: unknown[][]]> {
  const { sql, columns } = await relationSql(database, relation)
  const rows = await queryRows(database.connection, sql)
  return [columns.map(({ name, physical }) => `${name} ${physical}`), rows.map((row) => Object.values(row))]
}

test('CSV is text and nothing else: no type, comment, header or dialect is guessed', async () => {
  const paths = [
    await file('a.csv', '\uFEFFa,b\r\n1,""\r\n,"q""q,\n"\r\n#x,2024-01-01\r\n'),
    await file("it's.csv", 'b,c\n7,8\n'),
  ]
  assert.deepEqual(await read({ kind: 'files', format: 'csv', paths }), [
    ['a VARCHAR', 'b VARCHAR', 'c VARCHAR'],
    [
      ['1', '', null],
      [null, 'q"q,\n', null],
      ['#x', '2024-01-01', null],
      [null, '7', '8'],
    ],
  ])
  assert.deepEqual(await read({ kind: 'files', format: 'csv', paths: [await file('b.csv', 'a;b\n1;2\n')] }), [
    ['a;b VARCHAR'],
    [['1;2']],
  ])
  const torn = await file('c.csv', 'a,b\n1,2\n3\n')
  await assert.rejects(read({ kind: 'files', format: 'csv', paths: [torn] }), { code: 'query_failed' })
})

test('a CSV file that names a column twice is refused, with the file and the column', async () => {
  const good = await file('good.csv', 'a,b,a_1,,\n1,2,3,4,5\n')
  assert.equal((await read({ kind: 'files', format: 'csv', paths: [good] }))[0].length, 5)
  const empty = await file('only-a-header.csv', 'a,b\n')
  assert.deepEqual((await read({ kind: 'files', format: 'csv', paths: [empty] }))[1], [])
  for (const header of ['x,a,b,a', '\uFEFFa,b,"a"', 'b,A,a']) {
    const path = await file('twice.csv', `${header}\n${header.replaceAll(/[^,]+/g, '1')}\n`)
    await assert.rejects(read({ kind: 'files', format: 'csv', paths: [good, path] }), {
      code: 'duplicate_column',
      message: /file=`.*twice\.csv` column=`a`$/,
    })
  }
})

test('JSON lines keep their digits, and a column has a type where all its values have', async () => {
  const path = await file(
    'a.jsonl',
    [
      '{"i":1,"big":9007199254740993,"x":1,"mixed":9007199254740993,"s":"2024-01-01","b":true,"z":null,"l":[1]}',
      '{"i":-2,"big":9223372036854775807,"x":0.5,"mixed":0.5,"s":null,"late":"x"}',
      '{"huge":18446744073709551615}',
    ].join('\n'),
  )
  assert.deepEqual(await read({ kind: 'files', format: 'jsonl', paths: [path] }), [
    [
      'b BOOLEAN',
      'big BIGINT',
      'huge JSON',
      'i BIGINT',
      'l JSON',
      'late VARCHAR',
      'mixed JSON',
      's VARCHAR',
      'x DOUBLE',
      'z JSON',
    ],
    [
      [true, 9007199254740993n, null, 1n, '[1]', null, '9007199254740993', '2024-01-01', 1, null],
      [null, 9223372036854775807n, null, -2n, null, 'x', '0.5', null, 0.5, null],
      [null, null, '18446744073709551615', null, null, null, null, null, null, null],
    ],
  ])
  for (const text of ['{"a":1}\n{"a":', '{"a":1}\nx\n', '{"a":1}\n[1]\n']) {
    const paths = [await file('b.jsonl', text)]
    await assert.rejects(read({ kind: 'files', format: 'jsonl', paths }), { code: 'query_failed' }, text)
  }
})

test('a query sees its inputs by name, also queries over queries with the same names', async () => {
  const input: Relation = {
    kind: 'rows',
    batch: { rows: 2, columns: { a: columnOf({ kind: 'int32' }, [1, 2]) } },
  }
  const inner: Relation = { kind: 'query', sql: 'SELECT a * 10 AS a FROM input', inputs: { input } }
  const outer: Relation = {
    kind: 'query',
    sql: 'SELECT a + b.b AS a FROM input, b',
    inputs: { input: inner, b: { kind: 'query', sql: 'SELECT 5 AS b', inputs: {} } },
  }
  assert.deepEqual(await read(outer), [['a INTEGER'], [[15], [25]]])
  const relation = await relationSql(database, outer)
  assert.deepEqual([relation.hasQuery, relation.form, relation.parquetPaths], [true, 'sql', []])
})

test('a missing file and a damaged one are errors that name it', async () => {
  const missing = join(folder, 'missing.parquet')
  await assert.rejects(read({ kind: 'files', format: 'parquet', paths: [missing] }), /missing\.parquet/)
  const damaged = await file('damaged.parquet', 'PAR1 this is not a Parquet file PAR1')
  await assert.rejects(read({ kind: 'files', format: 'parquet', paths: [damaged] }), {
    code: 'damaged_file',
    message: /damaged\.parquet/,
  })
  await assert.rejects(read({ kind: 'files', format: 'parquet', paths: [] }), { code: 'no_files' })
})
