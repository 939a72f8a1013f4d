import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { ColumnsRead, QueryInputs } from '@asof/core'
import { propertyRuns } from '@asof/testing'
import { airportDelays, flights, routeDelays } from '../../../examples/flights/definitions.ts'
import { columnsRead } from './columns-read.ts'
import { openDatabase, queryRows, run, type Database } from './database.ts'
import { identifier } from './sql-text.ts'

const INPUTS: QueryInputs = {
  t: columns({
    k: 'INTEGER',
    a: 'INTEGER',
    b: 'INTEGER',
    e: 'TIMESTAMP',
    s: 'STRUCT(f INTEGER, g INTEGER)',
    l: 'INTEGER[]',
    j: 'JSON',
  }),
  u: columns({ k: 'INTEGER', x: 'INTEGER', y: 'INTEGER', e: 'TIMESTAMP' }),
}

let database: Database
before(async () => {
  database = await openDatabase({ folders: [], tempFolder: tmpdir() })
})
after(() => database.close())

function columns(types: Readonly<Record<string, string>>): QueryInputs[string] {
  return Object.entries(types).map(([name, physical]) => ({ name, physical }))
}

/** As text, for eyes: `out: t.a u.x | …` and what decides the rows. */
function shown(read: ColumnsRead | undefined): string | undefined {
  if (read === undefined) return undefined
  const list = (of: ColumnsRead['rows']): string =>
    of.map(({ input, column }) => `${input}.${column}`).join(' ')
  const outputs = [...read.columns].map(([name, from]) => `${name}: ${list(from)}`.trim())
  return `${outputs.join(', ')} | ${list(read.rows)}`.trim()
}

/** A query; each output with what it is made from; after the bar what decides the rows. */
const CASES: readonly (readonly [query: string, read: string | undefined])[] = [
  ['SELECT a FROM t', 'a: t.a |'],
  ['SELECT A AS q, t.b + 1 AS r FROM T', 'q: t.a, r: t.b |'],
  ['SELECT * FROM u', 'k: u.k, x: u.x, y: u.y, e: u.e |'],
  ['SELECT * EXCLUDE (x, e) REPLACE (y + x AS y) RENAME (k AS id) FROM u', 'id: u.k, y: u.x u.y |'],
  ['SELECT u.* FROM t, u', 'k: u.k, x: u.x, y: u.y, e: u.e |'],
  ['SELECT a FROM t WHERE b > 1', 'a: t.a | t.b'],
  ['SELECT a AS q FROM t WHERE q > 1 ORDER BY e LIMIT 3', 'q: t.a | t.a t.e'],
  ['SELECT k, sum(a) AS s FROM t GROUP BY k', 'k: t.k, s: t.a | t.k'],
  ['SELECT k, count(*) AS n FROM t GROUP BY ALL', 'k: t.k, n: | t.k'],
  [
    'SELECT k % 2 AS parity, count(*) FILTER (b > 1) AS n FROM t GROUP BY 1 HAVING max(e) IS NOT NULL',
    'parity: t.k, n: t.b | t.k t.e',
  ],
  ['SELECT a FROM t GROUP BY ROLLUP (a, b)', 'a: t.a | t.a t.b'],
  ['SELECT first(a ORDER BY e) AS f FROM t', 'f: t.a t.e |'],
  ['SELECT DISTINCT a, b FROM t', 'a: t.a, b: t.b | t.a t.b'],
  ['SELECT DISTINCT ON (k) a FROM t ORDER BY e DESC', 'a: t.a | t.k t.e'],
  [
    'SELECT a, row_number() OVER (PARTITION BY k ORDER BY e) AS n FROM t QUALIFY n = 1',
    'a: t.a, n: t.k t.e | t.k t.e',
  ],
  ['SELECT sum(a) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY e)', 's: t.k t.a t.e |'],
  ['SELECT lag(a, 1, b) OVER (ORDER BY e) AS p FROM t', 'p: t.a t.b t.e |'],
  ['SELECT a, x FROM t JOIN u ON t.k = u.k', 'a: t.a, x: u.x | t.k u.k'],
  ['SELECT k, x FROM t LEFT JOIN u USING (k)', 'k: t.k u.k, x: u.x | t.k u.k'],
  ['SELECT t.a, u.x FROM t ASOF JOIN u ON t.k = u.k AND t.e >= u.e', 'a: t.a, x: u.x | t.k t.e u.k u.e'],
  ['SELECT b FROM t NATURAL JOIN u', 'b: t.b | t.k t.e u.k u.e'],
  ['SELECT * FROM u SEMI JOIN t USING (k)', 'k: u.k, x: u.x, y: u.y, e: u.e | t.k u.k'],
  ['SELECT v.a FROM t v, t w WHERE v.k = w.b', 'a: t.a | t.k t.b'],
  ['WITH h AS (SELECT a + b AS c, k FROM t WHERE e > now_e) SELECT 1 AS one FROM h', undefined],
  ['WITH h AS (SELECT a + b AS c, k FROM t) SELECT c FROM h WHERE k = 1', 'c: t.a t.b | t.k'],
  ['WITH t AS (SELECT k AS a FROM t) SELECT a FROM t', 'a: t.k |'],
  ['WITH h(p, q) AS (SELECT a, b FROM t), i AS (SELECT q AS r FROM h) SELECT r FROM i', 'r: t.b |'],
  ['SELECT c FROM (SELECT a * 2 AS c, b FROM t ORDER BY b)', 'c: t.a | t.b'],
  ['SELECT c FROM (SELECT a, b FROM t) AS z(c, d) WHERE z.d > 0', 'c: t.a | t.b'],
  ['SELECT a FROM t UNION ALL SELECT x FROM u WHERE y > 0', 'a: t.a u.x | u.y'],
  ['SELECT a FROM t UNION SELECT x FROM u', 'a: t.a u.x | t.a u.x'],
  ['SELECT a, k FROM t UNION ALL BY NAME SELECT k, x FROM u', 'a: t.a, k: t.k u.k, x: u.x |'],
  ['SELECT a, b FROM t EXCEPT SELECT x, y FROM u', 'a: t.a u.x, b: t.b u.y | t.a t.b u.x u.y'],
  ['SELECT a, (SELECT max(x) FROM u WHERE u.k = t.k) AS m FROM t', 'a: t.a, m: t.k u.k u.x |'],
  ['SELECT a FROM t WHERE k IN (SELECT k FROM u WHERE y > t.b)', 'a: t.a | t.k t.b u.k u.y'],
  ['SELECT a FROM t WHERE EXISTS (SELECT x FROM u WHERE u.k = t.k)', 'a: t.a | t.k u.k'],
  ['SELECT s.f, t.s.g AS h, (s).f AS i FROM t', 'f: t.s, h: t.s, i: t.s |'],
  ['SELECT t AS whole FROM u AS t', 'whole: u.k u.x u.y u.e |'],
  ['SELECT list_transform(l, lambda z: z + b) AS m FROM t', 'm: t.b t.l |'],
  ["SELECT j -> '$.p' AS p FROM t", 'p: t.j |'],
  ['SELECT unnest(l) AS v, a FROM t', 'v: t.l, a: t.a | t.l'],
  ['SELECT a, v.i FROM t, unnest(l) AS v(i)', 'a: t.a, i: t.l | t.l'],
  [
    'SELECT a, i FROM t, LATERAL (SELECT t.b + x AS i FROM u WHERE u.k = t.k)',
    'a: t.a, i: t.b u.x | t.k u.k',
  ],
  ['SELECT v.n, a FROM t JOIN (VALUES (1, 2), (3, 4)) v(n, m) ON v.m = t.k', 'n:, a: t.a | t.k'],
  ['SELECT a, range FROM t, range(3)', 'a: t.a, range: |'],
  [
    'WITH RECURSIVE r AS (SELECT a AS n, k FROM t UNION ALL SELECT n + x, r.k FROM r JOIN u ON u.y = r.k WHERE n < 9) SELECT n FROM r',
    'n: t.a u.x | t.k t.a u.x u.y',
  ],
  ['SELECT a FROM t LIMIT (SELECT max(x) FROM u)', 'a: t.a | u.x'],
  [
    'SELECT CASE WHEN a > 1 THEN b END AS c, k BETWEEN a AND b AS d, a::BIGINT AS f FROM t',
    'c: t.a t.b, d: t.k t.a t.b, f: t.a |',
  ],
  ['SELECT a, run."end" AS until FROM t, run WHERE e < run.lookback_start', 'a: t.a, until: | t.e'],
  // What cannot be told for certain is not told.
  ['SELECT max(COLUMNS(*)) FROM u', undefined],
  ["SELECT COLUMNS('k|x') FROM u", undefined],
  ['SELECT #2 FROM u', undefined],
  ['UNPIVOT u ON x, y INTO NAME n VALUE v', undefined],
  ['SELECT unnest(s) FROM t', undefined],
  // What does not fit the inputs, is no query, or may not be run at all.
  ['SELECT absent FROM t', undefined],
  ['SELECT a FROM elsewhere', undefined],
  ['SELECT a, a FROM t', undefined],
  ['SELECT', undefined],
  ['DELETE FROM t', undefined],
  ["SELECT * FROM read_csv('/etc/passwd')", undefined],
]

for (const [query, expected] of CASES) {
  test(query, async () => {
    assert.equal(shown(await columnsRead(database, query, INPUTS)), expected)
  })
}

test('the queries of the flights example', async () => {
  const file = columns({
    date: 'TIMESTAMP',
    delay: 'SMALLINT',
    distance: 'SMALLINT',
    origin: 'VARCHAR',
    destination: 'VARCHAR',
  })
  const of = async (
    declared: { readonly definition: object },
    inputs: QueryInputs,
  ): Promise<string | undefined> => {
    const { compute, reads } = declared.definition as Readonly<
      Record<'compute' | 'reads', { readonly query: string } | undefined>
    >
    return shown(await columnsRead(database, (compute ?? reads)!.query, inputs))
  }
  const [date, delay, origin, destination] = ['date', 'delay', 'origin', 'destination'].map(
    (name) => `flights.${name}`,
  )
  assert.equal(
    await of(flights, { flights_file: file }),
    'date: flights_file.date, delay: flights_file.delay, distance: flights_file.distance, origin: flights_file.origin, ' +
      'destination: flights_file.destination, landed: flights_file.date flights_file.delay flights_file.distance |',
  )
  assert.equal(
    await of(airportDelays, { flights: file }),
    `airport: ${origin}, event_timestamp: ${date}, flights:, delay_mean: ${delay}, late_share: ${delay} | ${date} ${origin}`,
  )
  assert.equal(
    await of(routeDelays, { flights: file }),
    `origin: ${origin}, destination: ${destination}, event_timestamp: ${date}, flights:, delay_mean: ${delay}, late_share: ${delay} | ${date} ${origin} ${destination}`,
  )
})

// A small language of queries over two tables of small numbers: what the answer does not name never changes an output.
const NUMBERS: QueryInputs = {
  p: columns({ k: 'INTEGER', a: 'INTEGER', b: 'INTEGER', c: 'INTEGER' }),
  q: columns({ k: 'INTEGER', x: 'INTEGER', y: 'INTEGER' }),
}
const value = fc.constantFrom('k', 'a', 'b', 'c', 'x', 'y', 'p.k', 'q.k', '1')
const expression = fc.oneof(
  value,
  fc.tuple(value, fc.constantFrom('+', '*', '%'), value).map(([l, o, r]) => `(${l} ${o} ${r})`),
  fc.tuple(value, value, value).map(([w, l, r]) => `CASE WHEN ${w} > 1 THEN ${l} ELSE ${r} END`),
  value.map((of) => `(SELECT max(${of} + q2.x) FROM q AS q2 WHERE q2.k = p.k)`),
  fc
    .tuple(value, value, value)
    .map(([of, by, order]) => `sum(${of}) OVER (PARTITION BY ${by} ORDER BY ${order})`),
)
const aggregate = fc.oneof(
  fc.tuple(fc.constantFrom('sum', 'min', 'max', 'count'), value).map(([name, of]) => `${name}(${of})`),
  fc.tuple(value, value).map(([of, where]) => `sum(${of}) FILTER (${where} > 1)`),
  fc.constant('count(*)'),
)
const from = fc.oneof(
  fc.constantFrom(
    'p, q',
    'p JOIN q USING (k)',
    'p LEFT JOIN q ON p.a = q.x',
    'p FULL JOIN q USING (k)',
    '(SELECT k, a + b AS a, b, c FROM p WHERE c > 0) AS p, q',
    'p, (SELECT k, max(x) AS x, count(*) AS y FROM q GROUP BY k) AS q',
    'p JOIN (SELECT k, x, y FROM q UNION ALL SELECT a, b, c FROM p) AS q ON p.b >= q.y',
    'p, LATERAL (SELECT q.k, q.x + p.c AS x, q.y FROM q WHERE q.y > p.b) AS q',
  ),
)
const query = fc.oneof(
  fc
    .record({
      o: fc.array(expression, { minLength: 1, maxLength: 3 }),
      from,
      where: fc.option(value),
      distinct: fc.boolean(),
    })
    .map(
      ({ o, from, where, distinct }) =>
        `SELECT ${distinct ? 'DISTINCT ' : ''}${o.map((each, at) => `${each} AS o${at}`).join(', ')} FROM ${from}${where === null ? '' : ` WHERE ${where} > 1`}`,
    ),
  fc
    .record({
      by: value,
      o: fc.array(aggregate, { minLength: 1, maxLength: 3 }),
      from,
      having: fc.option(aggregate),
    })
    .map(
      ({ by, o, from, having }) =>
        `SELECT ${by} AS g, ${o.map((each, at) => `${each} AS o${at}`).join(', ')} FROM ${from} GROUP BY ALL${having === null ? '' : ` HAVING ${having} > 2`}`,
    ),
  fc
    .tuple(value, value, fc.constantFrom('UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT'), from)
    .map(
      ([l, r, how, from]) =>
        `WITH w AS (SELECT ${l} AS o0, ${r} AS o1 FROM ${from}) SELECT o0, o1 FROM w ${how} SELECT o1, 1 FROM w`,
    ),
)
const rows = (width: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: width, maxLength: width }), { maxLength: 6 })

test('changing a column that an output does not read never changes the output', async () => {
  let told = 0
  await fc.assert(
    fc.asyncProperty(
      query,
      rows(4),
      rows(3),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 6, maxLength: 6 }),
      async (sql, p, q, other) => {
        const read = await columnsRead(database, sql, NUMBERS)
        if (read === undefined) return
        told++
        const tables = { p, q }
        const before = await outputs(sql, tables)
        for (const [input, columns] of Object.entries(NUMBERS)) {
          for (const [at, { name: column }] of columns.entries()) {
            const is = (one: { readonly input: string; readonly column: string }): boolean =>
              one.input === input && one.column === column
            if (read.rows.some(is)) continue
            const given = tables[input as 'p' | 'q']
            const changed = given.map((row, number) => row.with(at, other[number]!))
            const after = await outputs(sql, { ...tables, [input]: changed })
            for (const [output, made] of read.columns)
              if (!made.some(is))
                assert.deepEqual(after.get(output), before.get(output), `${output} read ${input}.${column}`)
          }
        }
      },
    ),
    propertyRuns(0.2),
  )
  assert.ok(told > 0)
})

/** The values of each output column, in order of size: SQL promises no other. */
async function outputs(
  sql: string,
  tables: Readonly<Record<string, number[][]>>,
): Promise<Map<string, string[]>> {
  const { connection } = database
  for (const [name, rows] of Object.entries(tables)) {
    const fields = NUMBERS[name]!.map((column) => `${identifier(column.name)} ${column.physical}`)
    await run(connection, `CREATE OR REPLACE TABLE ${name} (${fields.join(', ')})`)
    if (rows.length > 0)
      await run(
        connection,
        `INSERT INTO ${name} VALUES ${rows.map((row) => `(${row.join(', ')})`).join(', ')}`,
      )
  }
  const answered = await queryRows(connection, sql)
  const [first = {}] = answered
  return new Map(Object.keys(first).map((name) => [name, answered.map((row) => String(row[name])).sort()]))
}
