import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AsofError, isAsofError } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { openDatabase, queryError, queryRow, queryRows, run } from './database.ts'
import type { Database } from './database.ts'
import { identifier, literal } from './sql-text.ts'
import { streamQuery } from './stream.ts'

let outside: string
let folder: string
let database: Database

before(async () => {
  outside = await mkdtemp(join(tmpdir(), 'asof-database-'))
  folder = join(outside, 'inside')
  await mkdir(folder)
  await writeFile(join(outside, 'secret.csv'), 'password\nx\n')
  await writeFile(join(folder, 'own.csv'), 'a\n1\n')
  await symlink(join(outside, 'secret.csv'), join(folder, 'link.csv'))
  await symlink(outside, join(folder, 'up'))
  database = await openDatabase({ folders: [folder], tempFolder: join(folder, 'temp') })
})
after(async () => {
  database.close()
  await rm(outside, { recursive: true })
})

test('files of the folders can be read, and no other: not by .., not by a link, not by their names', async () => {
  const read = (path: string): Promise<unknown> =>
    queryRows(database.connection, `SELECT * FROM read_csv(${literal(path)})`)
  assert.deepEqual(await read(join(folder, 'own.csv')), [{ a: 1n }])
  const forbidden = [
    join(outside, 'secret.csv'),
    `${folder}/../secret.csv`,
    join(folder, 'link.csv'),
    join(folder, 'up', 'secret.csv'),
    `${folder}-beside/secret.csv`,
    '/etc/passwd',
    join(outside, '*.csv'),
    'https://example.com/secret.csv',
    's3://bucket/secret.csv',
  ]
  for (const path of forbidden) await assert.rejects(read(path), AsofError, path)
})

test('nothing can be written elsewhere, attached, installed, loaded or set', async () => {
  const forbidden = [
    `COPY (SELECT 1) TO ${literal(join(outside, 'out.csv'))}`,
    `ATTACH ${literal(join(outside, 'other.db'))}`,
    'INSTALL httpfs',
    'LOAD httpfs',
    'SET enable_external_access = true',
    'SET lock_configuration = false',
    `SET allowed_directories = ['/']`,
    `SET TimeZone = 'Asia/Kathmandu'`,
    'SET threads = 1',
    `EXPORT DATABASE ${literal(join(outside, 'db'))}`,
  ]
  for (const sql of forbidden) await assert.rejects(run(database.connection, sql), AsofError, sql)
  assert.deepEqual((await readdir(outside)).toSorted(), ['inside', 'secret.csv'])
})

test('every connection tells the time in UTC', async () => {
  const connection = await database.connect()
  const row = await queryRow(
    connection,
    `SELECT current_setting('TimeZone') AS zone, epoch_us('2024-01-01 00:00:00'::TIMESTAMPTZ) AS at`,
  )
  connection.closeSync()
  assert.deepEqual(row, { zone: 'UTC', at: 1_704_067_200_000_000n })
})

test('a failure says what DuckDB says, in one line', async () => {
  await assert.rejects(run(database.connection, 'SELECT nothing FROM nowhere'), (error) => {
    assert.ok(isAsofError(error, 'invalid'))
    assert.equal(error.code, 'query_failed')
    assert.match(String(error.details['duckdb']), /^Catalog Error: .*nowhere/)
    assert.doesNotMatch(error.message, /\n/)
    return true
  })
})

test('an identifier or a text is never more than that', async () => {
  for (const evil of [`a"; DROP TABLE b; --`, `'; SELECT 1; --`, 'a\nb', `\\'`, '"', 'NUL \0 inside', '😀']) {
    if (!evil.includes('\0')) {
      assert.deepEqual(await queryRows(database.connection, `SELECT 1 AS ${identifier(evil)}`), [
        { [evil]: 1 },
      ])
    }
    assert.deepEqual(await queryRows(database.connection, `SELECT ${literal(evil)} AS x`), [{ x: evil }])
  }
})

const ENDLESS = 'SELECT count(*) AS n FROM range(100000000000) a WHERE hash(a.range) = 5'

test('an abort stops a statement and gives its own reason; the connection goes on', async () => {
  const abort = new AbortController()
  const running = run(database.connection, ENDLESS, { signal: abort.signal })
  setTimeout(() => abort.abort(new Error('enough')), 30)
  await assert.rejects(running, /enough/)
  await assert.rejects(run(database.connection, 'SELECT 1', { signal: abort.signal }), /enough/)
  assert.deepEqual(await queryRow(database.connection, 'SELECT 1 AS one'), { one: 1 })
})

test('a full disk is no fault of the query: writing a file or spilling, it is disk_full and can be retried', async (t) => {
  for (const [message, code, kind] of [
    ['IO Error: Could not write file "/d/a.parquet": No space left on device', 'disk_full', 'unavailable'],
    ['IO Error: Could not write file "/d/a.parquet": Disk quota exceeded', 'disk_full', 'unavailable'],
    ['IO Error: Could not read from file', 'query_failed', 'invalid'],
    [`Invalid Input Error: No space left on device`, 'query_failed', 'invalid'],
    ['Out of Memory Error: failed to allocate data of size 1 MiB', 'out_of_memory', 'unavailable'],
  ] as const) {
    const error = queryError(new Error(message)) as AsofError
    assert.deepEqual([error.code, error.kind], [code, kind], message)
  }
  const small = join(outside, 'small')
  await mkdir(small)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small])
  if (mounted.status !== 0)
    return t.diagnostic('no small disk could be mounted here; only the texts were tried')
  const full = await openDatabase({ folders: [small], tempFolder: join(small, 'temp'), memoryMb: 64 })
  try {
    const many = 'SELECT range AS x, sha256(range::VARCHAR) AS y FROM range(2000000)'
    for (const sql of [
      `COPY (${many}) TO ${literal(join(small, 'a.parquet'))} (FORMAT parquet)`,
      `CREATE TABLE spilled AS ${many}`,
    ]) {
      await assert.rejects(run(full.connection, sql), {
        code: 'disk_full',
        kind: 'unavailable',
        retryable: true,
      })
    }
  } finally {
    full.close()
    spawnSync('umount', [small])
  }
})

test('progress rises and stays within its total', async () => {
  await run(database.connection, 'CREATE TABLE big AS SELECT range AS x FROM range(3000000)')
  const seen: number[] = []
  await run(database.connection, `SELECT count(*) FROM big WHERE sha256(sha256(x::VARCHAR)) LIKE '0000%'`, {
    progress: ({ done, total }) => {
      assert.equal(total, 100)
      seen.push(done)
    },
  })
  assert.ok(seen.length > 0)
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  )
  assert.ok(seen.every((done) => done >= 0 && done <= 100))
})

const NUMBERS = [{ name: 'x', type: { kind: 'int64' } }] as const

async function count(
  from: Database,
  sql: string,
  options: Parameters<typeof streamQuery>[3] = {},
): Promise<number> {
  let rows = 0
  for await (const batch of streamQuery(from, sql, NUMBERS, options)) rows += batch.rows
  return rows
}

test('a stream brings all rows, in order', async () => {
  for (const rows of [0, 1, 2047, 2048, 2049, 300_000]) {
    assert.equal(await count(database, `SELECT range AS x FROM range(${rows})`), rows)
  }
  let next = 0n
  for await (const { columns } of streamQuery(
    database,
    'SELECT range AS x FROM range(100000) ORDER BY x',
    NUMBERS,
  )) {
    for (const value of columns['x']!.values) assert.equal(value, next++)
  }
})

test('a stream that fails in its middle is an error, never a short answer', async () => {
  const failing = `SELECT CASE WHEN range = 2000000 THEN error('in the middle') ELSE range END::BIGINT AS x FROM range(3000000)`
  await assert.rejects(count(database, failing), AsofError)
})

test('a stream that is interrupted in its middle is an error, never a short answer', async () => {
  let stream: DuckDBConnection | undefined
  const watched: Database = {
    ...database,
    connect: async () => (stream = await database.connect()),
  }
  const reading = async (): Promise<number> => {
    let rows = 0
    for await (const batch of streamQuery(watched, 'SELECT range AS x FROM range(20000000)', NUMBERS)) {
      if (rows < 100_000 && rows + batch.rows >= 100_000) stream!.interrupt()
      rows += batch.rows
    }
    return rows
  }
  await assert.rejects(reading(), AsofError)
  const abort = new AbortController()
  setTimeout(() => abort.abort(new Error('enough')), 20)
  await assert.rejects(
    count(database, 'SELECT range AS x FROM range(1000000000)', { signal: abort.signal }),
    /enough/,
  )
})
