import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import { isAsofError } from '@asof/core'
import { checkedQuery, overInputs } from './checked-query.ts'
import { openDatabase, queryRows } from './database.ts'
import type { Database } from './database.ts'

let database: Database

before(async () => {
  database = await openDatabase({ folders: [tmpdir()], tempFolder: tmpdir() })
})
after(() => {
  database.close()
})

const INPUTS = { flights: 'SELECT 1 AS a UNION ALL SELECT 2', airports: `SELECT 'LAX' AS code` }

async function rows(sql: string): Promise<Record<string, unknown>[]> {
  const checked = await checkedQuery(database.connection, sql, Object.keys(INPUTS))
  return queryRows(database.connection, overInputs(checked, INPUTS))
}

test('one SELECT over its inputs runs, however it is written', async () => {
  const cases: [sql: string, count: number][] = [
    ['SELECT * FROM flights', 2],
    ['  select * from FLIGHTS ; ', 2],
    ['SELECT * FROM flights; -- done; ', 2],
    ['SELECT * FROM flights /* a */ ; /* b; */ -- c', 2],
    ['SELECT * FROM flights -- done', 2],
    [`SELECT ';--' AS x FROM flights`, 2],
    ['FROM flights', 2],
    ['WITH flights AS (SELECT * FROM flights WHERE a = 1) SELECT * FROM flights', 1],
    ['WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r', 5],
    ['SELECT f.a, c.code FROM flights f, airports c WHERE f.a IN (SELECT a FROM flights)', 2],
    ['SELECT a, count(*) OVER (ORDER BY a) AS n, list_sum([a]) AS s FROM flights', 2],
    ['SELECT unnest(range(3)) AS n', 3],
    ['SELECT * FROM generate_series(1, 4)', 4],
    ['SELECT * FROM flights UNION ALL (SELECT 3 ORDER BY 1 LIMIT 1)', 3],
    ['VALUES (1), (2)', 2],
    [`SELECT age(TIMESTAMP '2024-01-02', TIMESTAMP '2024-01-01') AS x`, 1],
  ]
  for (const [sql, count] of cases) assert.equal((await rows(sql)).length, count, sql)
})

test('a WITH name holds in its own query and below, and reaches no table of ours or of DuckDB', async () => {
  await database.connection.run('CREATE TABLE found AS SELECT 42 AS secret')
  const good = [
    'WITH found AS (SELECT 1 AS a) SELECT * FROM found, (SELECT * FROM found) b',
    'WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT (SELECT max(x) FROM b) AS y FROM a',
    'SELECT * FROM (WITH found AS (SELECT 1 AS a) SELECT * FROM found) f',
    'WITH a AS (WITH a AS (SELECT 1 AS x) SELECT * FROM a) SELECT * FROM a',
    'WITH RECURSIVE found AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM found WHERE n < 1) SELECT * FROM found',
    'WITH found AS (SELECT 1 AS a) SELECT * FROM found UNION ALL SELECT * FROM found LIMIT 1',
    'WITH found AS MATERIALIZED (SELECT 1 AS a) SELECT * FROM flights f WHERE EXISTS (FROM found WHERE a = f.a)',
  ]
  for (const sql of good) assert.equal((await rows(sql)).length, 1, sql)
  const bad = [
    'SELECT * FROM found',
    'SELECT (WITH found AS (SELECT 1) SELECT 1) AS one, * FROM found',
    'SELECT * FROM (WITH found AS (SELECT 1 AS a) SELECT * FROM found) f, found',
    '(WITH found AS (SELECT 1 AS a) SELECT * FROM found) UNION ALL SELECT * FROM found',
    'WITH found AS (SELECT * FROM found) SELECT * FROM found',
    'WITH a AS (SELECT * FROM found), found AS (SELECT 1) SELECT * FROM a',
    'SELECT (WITH duckdb_settings AS (SELECT 1) SELECT 1) AS one, * FROM duckdb_settings',
  ]
  for (const sql of bad) await assert.rejects(rows(sql), { code: 'denied_in_query' }, sql)
})

test('everything else is refused before it runs', async () => {
  const cases: [sql: string, code: string][] = [
    ['', 'invalid_query'],
    ['-- nothing', 'invalid_query'],
    ['SELEC 1', 'invalid_query'],
    ['SELECT 1; SELECT 2', 'invalid_query'],
    ['SELECT 1) UNION ALL (SELECT 2', 'invalid_query'],
    ['SELECT * FROM flights /* open', 'invalid_query'],
    ['DROP TABLE flights', 'invalid_query'],
    ['INSERT INTO flights VALUES (1)', 'invalid_query'],
    [`COPY flights TO '/tmp/x.csv'`, 'invalid_query'],
    [`COPY (SELECT 1) TO '/tmp/x.csv'`, 'invalid_query'],
    [`ATTACH '/tmp/x.db'`, 'invalid_query'],
    [`SET threads = 1`, 'invalid_query'],
    ['PRAGMA database_list', 'invalid_query'],
    ['CALL pragma_version()', 'invalid_query'],
    ['LOAD httpfs', 'invalid_query'],
    ['EXPLAIN SELECT 1', 'invalid_query'],
    ['SUMMARIZE flights', 'denied_in_query'],
    ['DESCRIBE flights', 'denied_in_query'],
    ['SHOW TABLES', 'denied_in_query'],
    [`SELECT * FROM read_csv('/etc/passwd')`, 'denied_in_query'],
    [`SELECT * FROM read_text('/etc/passwd')`, 'denied_in_query'],
    [`SELECT * FROM glob('/etc/*')`, 'denied_in_query'],
    [`SELECT * FROM '/etc/passwd.csv'`, 'denied_in_query'],
    [`SELECT * FROM "flights.parquet"`, 'denied_in_query'],
    [`WITH "x.parquet" AS (SELECT 1) SELECT * FROM "x.parquet"`, 'denied_in_query'],
    [`SELECT * FROM query('SELECT 1')`, 'denied_in_query'],
    [`SELECT * FROM query_table('flights')`, 'denied_in_query'],
    [`SELECT (SELECT max(content) FROM read_text('/etc/passwd')) FROM flights`, 'denied_in_query'],
    [`SELECT * FROM flights WHERE EXISTS (FROM duckdb_settings())`, 'denied_in_query'],
    ['SELECT * FROM information_schema.tables', 'denied_in_query'],
    ['SELECT * FROM main.flights', 'denied_in_query'],
    ['SELECT * FROM sqlite_master', 'denied_in_query'],
    ['SELECT * FROM elsewhere', 'denied_in_query'],
    ['SELECT * FROM flights USING SAMPLE 1', 'denied_in_query'],
    ['SELECT * FROM flights TABLESAMPLE 10%', 'denied_in_query'],
    ['SELECT random() FROM flights', 'denied_in_query'],
    ['SELECT uuid() FROM flights', 'denied_in_query'],
    ['SELECT NOW() FROM flights', 'denied_in_query'],
    ['SELECT a FROM flights ORDER BY random()', 'denied_in_query'],
    ['SELECT current_timestamp', 'denied_in_query'],
    ['SELECT CURRENT_DATE', 'denied_in_query'],
    ['SELECT today()', 'denied_in_query'],
    [`SELECT age(TIMESTAMP '2024-01-01')`, 'denied_in_query'],
    [`SELECT current_setting('threads')`, 'denied_in_query'],
    [`SELECT getvariable('x')`, 'denied_in_query'],
    ['SELECT reservoir_quantile(a, 0.5) FROM flights', 'denied_in_query'],
  ]
  for (const [sql, code] of cases) {
    await assert.rejects(rows(sql), (error) => isAsofError(error) && error.code === code, sql)
  }
})
