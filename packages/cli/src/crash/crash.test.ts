// kill -9 of a process that pushes and of one that materializes, twenty times each: nothing acknowledged is missing and
// nothing is doubled, in the tables and online, with the client's retries.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { columnValue, type FeatureStore, type Instant } from '@asof/core'
import { duckdbParquetFiles } from '@asof/duckdb'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { clicks, hourly, LAST, openCrashStore, type model } from './crash-project.ts'

const KILLS = 20
const HOURS = 60

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-crash-'))
  const start = Date.parse('2024-01-01T00:00:00Z')
  const lines: string[] = []
  for (let order = 0; order < HOURS * 20; order++) {
    const at = start + order * 180_000
    const known = at + (order % 7) * 1_500_000
    const when = { placed: new Date(at).toISOString(), known: new Date(known).toISOString() }
    lines.push(JSON.stringify({ user: `u${order % 3}`, ...when, amount: order / 10 }))
  }
  await writeFile(join(folder, 'orders.jsonl'), `${lines.join('\n')}\n`)
  await using store = await openCrashStore(folder)
  await store.apply()
})
after(async () => await rm(folder, { recursive: true, force: true }))

test(`kill -9 of a process that pushes, ${KILLS} times: nothing acknowledged is missing, nothing doubled`, async () => {
  let next = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const child = start('push', String(next))
    const acknowledged = await readUntilKilled(child, 30 + ((kill * 37) % 150))
    // The client repeats what was not acknowledged; the child begins there again.
    next = Math.max(next, (acknowledged.at(-1) ?? -1) + 1)
  }
  assert.ok(next > KILLS, 'the children pushed between the kills')
  await using store = await openCrashStore(folder)
  const retried = await store.push(
    clicks,
    rowsOf(next),
    { producer: 'child', sequence: next },
    { wait: 'applied' },
  )
  await store.drain()
  const rows = await tableRows(clicks)
  const seen = new Map<string, number>()
  for (const row of rows) {
    const push = `${String(row['user'])}/${String(row['count'])}`
    seen.set(push, (seen.get(push) ?? 0) + 1)
  }
  for (let sequence = 0; sequence <= next; sequence++) {
    for (const user of ['u0', 'u1', 'u2'])
      assert.equal(seen.get(`${user}/${sequence}`), 1, `${user}/${sequence}`)
  }
  assert.equal(rows.length, 3 * (next + 1))
  assert.equal(new Set(rows.map((row) => row['seq'])).size, rows.length)
  const vector = await store.get<typeof model>('model', { user: 'u1' })
  assert.equal(vector.count, BigInt(next))
  assert.equal(typeof retried.duplicate, 'boolean')
})

test(`kill -9 of a materialization, ${KILLS} times: the table is the one of an undisturbed run`, async () => {
  for (let kill = 0; kill < KILLS; kill++)
    await readUntilKilled(start('materialize'), 20 + ((kill * 61) % 400))
  await using store = await openCrashStore(folder)
  const to = LAST as Instant
  const result = await store.materialize(hourly, { to })
  assert.equal(result.through, to)
  const disturbed = (await tableRows(hourly)).map(withoutSequence).sort()

  const calm = await mkdtemp(join(tmpdir(), 'asof-calm-'))
  try {
    await writeFile(join(calm, 'orders.jsonl'), await readFile(join(folder, 'orders.jsonl')))
    await using other = await openCrashStore(calm)
    await other.apply()
    await other.materialize(hourly, { to })
    const calmRows = (await tableRows(hourly, calm)).map(withoutSequence).sort()
    assert.ok(calmRows.length > HOURS)
    assert.deepEqual(disturbed, calmRows)
  } finally {
    await rm(calm, { recursive: true, force: true })
  }
  await sameOnline(store)
})

/** Every online value is the newest of the table. */
async function sameOnline(store: FeatureStore): Promise<void> {
  const rows = await tableRows(hourly)
  for (const user of ['u0', 'u1', 'u2']) {
    const own = rows.filter((row) => row['user'] === user)
    const order = (row: Row): bigint[] =>
      [row['event_timestamp'], row['created_timestamp'], row['seq']] as bigint[]
    const newest = own.reduce((best, row) => (compare(order(row), order(best)) > 0 ? row : best))
    const vector = await store.get<typeof model>('model', { user })
    assert.equal(vector.orders, newest['orders'])
    assert.equal(vector.amount, newest['amount'])
  }
}

type Row = Record<string, unknown>

function compare(a: readonly bigint[], b: readonly bigint[]): number {
  const index = a.findIndex((part, place) => part !== b[place])
  return index < 0 ? 0 : a[index]! > b[index]! ? 1 : -1
}

function withoutSequence({ seq, ...row }: Row): string {
  void seq
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

function rowsOf(sequence: number): { user: string; event_timestamp: string; count: bigint }[] {
  const at = new Date().toISOString()
  return [0, 1, 2].map((user) => ({ user: `u${user}`, event_timestamp: at, count: BigInt(sequence) }))
}

function start(...job: string[]): ChildProcess {
  const script = join(import.meta.dirname, 'crash-child.ts')
  const args = ['--conditions=source', script, folder, ...job]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What a child acknowledged until it was killed, so many milliseconds after its first word. */
async function readUntilKilled(child: ChildProcess, ms: number): Promise<number[]> {
  const lines: string[] = []
  child.stdout!.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  const closed = once(child, 'close')
  await once(child.stdout!, 'data')
  await Promise.race([sleep(ms), closed])
  child.kill('SIGKILL')
  await closed
  return lines
    .join('')
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number)
}

/** All rows of a group's table, read past the store. */
async function tableRows(group: typeof clicks | typeof hourly, from: string = folder): Promise<Row[]> {
  const temp = join(from, '.asof/temp')
  const parquet = duckdbParquetFiles({ folders: [from], tempFolder: temp, threads: 1, memoryMb: 256 })
  const objects = diskObjectStore(join(from, '.asof/offline'))
  const tables = deltaTables({ objects, parquet, now: () => 0 as Instant, randomId: () => 'x' })
  const table = await tables.snapshot(`crash/${group.definition.name}/v1`)
  const rows: Row[] = []
  if (table === undefined) return rows
  const columns = table.schema.columns
  for await (const batch of parquet.read(table.files, columns)) {
    for (let row = 0; row < batch.rows; row++) {
      rows.push(Object.fromEntries(columns.map(({ name }) => [name, columnValue(batch.columns[name]!, row)])))
    }
  }
  return rows
}
