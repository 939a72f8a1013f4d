// F14 and F19: the process dies before or after each single call that changes something, is opened again and does the same
// work again; or the work is cut short by a signal there. What comes of it is what an undisturbed run leaves.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  compareStamps,
  decodeStamp,
  entity,
  featureGroup,
  featureService,
  int32,
  jsonl,
  patchStamp,
  project,
  string,
  type Instant,
} from '@asof/core'
import { watched, type Calls, type Watch } from './failing-parts.ts'
import { at, HOUR, NOON, openFaultStore, SECOND, type FaultStore, type Row } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const orders = jsonl('orders', { path: 'orders.jsonl', eventTime: 'at', created: { column: 'known' } })
const pushed = featureGroup('pushed', { entity: user, features: { score: int32() } })
const imported = featureGroup('imported', { entity: user, source: orders, features: { amount: int32() } })
const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  lookback: '3h',
  query: `SELECT "user", time_bucket(INTERVAL 1 HOUR, "at"::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 sum(amount)::INTEGER AS spent FROM orders GROUP BY ALL`,
  features: { spent: int32() },
})
const model = featureService('model', { features: [pushed, imported, hourly] })
const shop = project('shop', [model])

const STAMP = ['event_timestamp', 'created_timestamp', 'seq']
const USERS = ['a', 'b', 'c']
/** Six hours of orders; each third becomes known two hours late. */
const ORDERS = Array.from({ length: 18 }, (_, index) => {
  const e = NOON - 6 * HOUR + index * (HOUR / 3) + SECOND
  const text = (micros: number): string => new Date(micros / 1_000).toISOString()
  return {
    user: USERS[index % 3],
    at: text(e),
    known: text(index % 3 === 0 ? e + 2 * HOUR : e),
    amount: index,
  }
})

async function push({ store }: FaultStore): Promise<void> {
  const row = (name: string, seconds: number, score: number) => ({
    user: name,
    event_timestamp: at(seconds * SECOND),
    score,
  })
  const first = [
    row('a', -10, 1),
    row('a', -20, 2),
    row('b', -30, 3),
    row('a', 120, 4),
    row('c', 3 * 3_600, 9),
  ]
  await store.push(pushed, first, { producer: 'client', sequence: 1 })
  const second = [{ user: 'b', event_timestamp: at(-25 * SECOND), _deleted: true }, row('c', -5, 5)]
  await store.push(pushed, second, { producer: 'client', sequence: 2 })
  await store.drain()
}

async function importAll({ store }: FaultStore): Promise<void> {
  await store.materialize(imported)
}

async function backfill({ store }: FaultStore): Promise<void> {
  await store.materialize(hourly)
}

/** The rows of a table without what the moment of the append decides: the sequence, and a created time from noon on. */
function timeless(rows: readonly Row[]): string[] {
  return rows.map(({ created_timestamp: c, seq, ...row }) => {
    assert.ok(seq !== undefined)
    const created = Number(c) < NOON ? Number(c) : 'appended'
    const values = { ...row, created }
    return JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  })
}

/** Every online value is the newest of the log and every logged row is in the table exactly once; the same of computed rows. */
async function audit(faults: FaultStore, tables: Readonly<Record<string, readonly Row[]>>): Promise<void> {
  const plan = await faults.store.groupPlan('pushed')
  const logged = await faults.logged(plan)
  const newest = new Map<string, Uint8Array>()
  for (const { entityKey, row, c, s } of logged) {
    const stamped = patchStamp(row, { e: decodeStamp(row).e, c: c as Instant, s })
    const best = newest.get(entityKey)
    const later = best === undefined || compareStamps(decodeStamp(stamped), decodeStamp(best)) > 0
    if (decodeStamp(row).e <= faults.clock.now && later) newest.set(entityKey, stamped)
  }
  const online = new Map<string, string>()
  for (const [key, row] of await faults.online('pushed')) online.set(key.split(':')[1]!, hex(row))
  assert.deepEqual(online, new Map([...newest].map(([key, row]) => [key, hex(row)])))
  const stamps = tables['pushed']!.map((row) => STAMP.map((name) => Number(row[name])).join(' '))
  const expected = logged.map(({ row, c, s }) => `${decodeStamp(row).e} ${c} ${s}`)
  assert.deepEqual(stamps.sort(byText), expected.sort(byText))
  for (const [group, feature] of [
    ['imported', 'amount'],
    ['hourly', 'spent'],
  ] as const) {
    const rows = tables[group]!
    assert.equal(new Set(rows.map((row) => row['seq'])).size, rows.length)
    for (const name of USERS) {
      const last = rows.filter((row) => row['user'] === name).at(-1)
      const vector = await faults.store.get(model, { user: name })
      assert.equal(vector[feature], last?.[feature] ?? null)
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}

/** What a run leaves, read once everything held is due. */
async function outcome(faults: FaultStore): Promise<string[][]> {
  faults.clock.now = NOON + 4 * HOUR
  await faults.store.drain()
  const tables: Record<string, Row[]> = {}
  for (const group of ['pushed', 'imported', 'hourly']) tables[group] = await faults.table(group)
  await audit(faults, tables)
  const quarantined = await faults.store.quarantine.list()
  return [...Object.values(tables).map(timeless), quarantined.map((row) => row.row)]
}

type Work = (faults: FaultStore) => Promise<void>

/** Opens a store, applies and does some work, under a watch of its calls; then opens it again and does the work again. */
async function disturbed(work: Work, calls: Calls, watch: Watch): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-crash-point-'))
  try {
    const first = await openFaultStore(shop, { folder, wrap: (parts) => watched(parts, calls, watch) })
    await first.write('orders.jsonl', ORDERS)
    await first.store.apply()
    await work(first).catch((error: unknown) => assert.match(String(error), /cut short/))
    await first.abandon()
    await using again = await openFaultStore(shop, { folder, now: first.clock.now as Instant })
    await work(again)
    return await outcome(again)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Dies before each call of some work in turn, and after each append, of which the answer is then lost. */
async function dieEverywhere(work: Work): Promise<readonly string[]> {
  const calls: Calls = { seen: [] }
  const undisturbed = await disturbed(work, calls, {})
  const die = (): never => {
    throw new Error('cut short')
  }
  for (const [index, name] of calls.seen.entries()) {
    const dies = index + 1
    const before = (call: number): unknown => call >= dies && die()
    const left = await disturbed(work, { seen: [] }, { before })
    assert.deepEqual(left, undisturbed, `dies before call ${dies}, ${name}`)
    if (!name.endsWith('.append')) continue
    const answerLost = {
      before: (call: number) => call > dies && die(),
      after: (call: number) => call === dies && die(),
    }
    assert.deepEqual(
      await disturbed(work, { seen: [] }, answerLost),
      undisturbed,
      `dies after call ${dies}, ${name}`,
    )
  }
  return calls.seen
}

test('F14: a process that dies at any call of a push or of a sink leaves what an undisturbed one leaves', async () => {
  const calls = await dieEverywhere(push)
  assert.deepEqual(
    new Set(calls),
    new Set(['online.write', 'log.append', 'log.advance', 'offline.ensure', 'offline.append']),
  )
})

test('F14: and one that dies at any call of an import', async () => {
  const calls = await dieEverywhere(importAll)
  assert.ok(
    calls.includes('staging.sync') && calls.includes('staging.share') && calls.includes('staging.remove'),
  )
})

test('F14, F19: and one that dies at any call of a backfill', async () => {
  const calls = await dieEverywhere(backfill)
  assert.ok(calls.includes('log.reserve') && calls.includes('offline.append'))
})

test('F19: a materialization that is aborted anywhere and resumed makes the identical table', async () => {
  /** Six backfilled runs, then two live ones; the options are those of the first attempt alone. */
  const working = (options: { signal?: AbortSignal; progress?: () => void } = {}): Work => {
    const attempts = [options]
    return async (faults) => {
      faults.clock.now = NOON + 2 * HOUR + SECOND
      await faults.store.materialize(hourly, attempts.pop() ?? {})
    }
  }
  const calls: Calls = { seen: [] }
  const undisturbed = await disturbed(working(), calls, {})
  const reason = new Error('cut short')
  for (let call = 1; call <= calls.seen.length; call += 3) {
    const abort = new AbortController()
    const before = (now: number): void => {
      if (now === call) abort.abort(reason)
    }
    const place = `aborted at call ${call}, ${calls.seen[call - 1]}`
    assert.deepEqual(
      await disturbed(working({ signal: abort.signal }), { seen: [] }, { before }),
      undisturbed,
      place,
    )
  }
  for (const step of [1, 2]) {
    const abort = new AbortController()
    let steps = 0
    const progress = (): void => {
      if (++steps === step) abort.abort(reason)
    }
    assert.deepEqual(
      await disturbed(working({ signal: abort.signal, progress }), { seen: [] }, {}),
      undisturbed,
      `aborted at step ${step}`,
    )
    assert.ok(steps >= step)
  }
})
