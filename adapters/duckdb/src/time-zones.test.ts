// The answers of the engine do not depend on where it runs: one program, once in each of three time zones.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const PROGRAM = `
import { duckdbEngine, duckdbParquetFiles } from '@asof/duckdb'
const folder = process.argv[1]
const engine = duckdbEngine({ folders: [folder], tempFolder: folder })
const column = (name, kind) => ({ name, type: { kind }, nullable: true })
const table = [column('k', 'string'), column('event_timestamp', 'timestamp'), column('created_timestamp', 'timestamp'),
  column('seq', 'int64'), column('is_deleted', 'bool'), column('t', 'timestamp')]
const columns = { keys: [{ name: 'k', column: 'k', type: { kind: 'string' } }], features: [column('t', 'timestamp')], table, unknownColumns: 'strict' }
const answers = []
for (const zone of [undefined, 'America/New_York']) {
  const csv = { kind: 'files', format: 'csv', paths: [folder + '/a.csv'] }
  const query = "SELECT k, at, CASE WHEN length(t) < 25 THEN '2024-01-01T00:00:00Z' ELSE t END AS t FROM csv"
  for (const relation of [
    csv,
    { kind: 'files', format: 'jsonl', paths: [folder + '/a.jsonl'] },
    { kind: 'query', sql: query.replaceAll('at,', '"at",'), inputs: { csv } },
    { kind: 'query', sql: 'SELECT k, CAST(left("at", 19) AS TIMESTAMPTZ) AS "at", CAST(t AS TIMESTAMPTZ) AS t FROM csv', inputs: { csv } },
  ]) {
    const source = { name: 's', relation, eventTime: { column: 'at', ...(zone && { zone }) }, created: { delay: '1h' } }
    const found = await engine.extract({ source, columns, knownBy: 7e15, existing: [], delay: 0 })
    const path = folder + '/' + process.argv[2] + answers.length + '.parquet'
    await found.stage(path, 0)
    const rows = []
    for await (const batch of duckdbParquetFiles({ folders: [folder], tempFolder: folder }).read([{ localPath: path, constants: {} }], table)) {
      for (let row = 0; row < batch.rows; row++) rows.push(table.map(({ name }) => String(batch.columns[name].values[row])))
    }
    answers.push({ zone, rows, rejected: found.rejected, bounds: await engine.bounds(source) })
    await found[Symbol.asyncDispose]()
  }
}
console.log(JSON.stringify(answers))
`

test('results are equal in UTC, America/New_York and Asia/Kathmandu', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-zones-'))
  try {
    const times = [
      '2024-03-10T02:30:00',
      '2024-03-10T02:30:00Z',
      '2024-11-03T01:30:00+05:45',
      '1960-06-01T12:00:00.000001',
    ]
    await writeFile(join(folder, 'a.csv'), `k,at,t\n${times.map((at, n) => `${n},${at},${at}`).join('\n')}\n`)
    await writeFile(
      join(folder, 'a.jsonl'),
      times.map((at, n) => JSON.stringify({ k: String(n), at, t: at })).join('\n'),
    )
    const answers: string[] = []
    for (const [n, TZ] of ['UTC', 'America/New_York', 'Asia/Kathmandu'].entries()) {
      const arguments_ = ['--conditions=source', '--input-type=module', '--eval', PROGRAM, folder, `${n}-`]
      const { stdout } = await promisify(execFile)(process.execPath, arguments_, {
        cwd: import.meta.dirname,
        env: { ...process.env, TZ },
      })
      answers.push(stdout)
    }
    assert.equal(answers[1], answers[0])
    assert.equal(answers[2], answers[0])
    const parsed = JSON.parse(answers[0]!) as {
      zone?: string
      rows: string[][]
      rejected: { reason: string }[]
    }[]
    assert.deepEqual(
      parsed.map(({ zone, rows, rejected }) => `${zone ?? 'none'} ${rows.length} ${rejected.length}`),
      [
        'none 2 2',
        'none 2 2',
        'none 2 2',
        'none 4 0',
        'America/New_York 3 1',
        'America/New_York 3 1',
        'America/New_York 3 1',
        'America/New_York 4 0',
      ],
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})
