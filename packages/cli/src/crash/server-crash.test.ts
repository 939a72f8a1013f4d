// kill -9 of a server while rows and batches are pushed, twenty times: clients repeat what was not answered, under the same
// names, and in the end everything is there once.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { project, type Instant } from '../index.ts'
import { openFaultStore } from '../faults/fault-store.ts'
import { clicks, model, openCrashStore } from './crash-project.ts'

const KILLS = 20
const PRODUCERS = ['rows-a', 'rows-b', 'rows-c', 'batch-a', 'batch-b']
const ROWS = 3

test(`kill -9 of a server, ${KILLS} times: nothing acknowledged is missing, nothing doubled`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-server-crash-'))
  try {
    {
      await using store = await openCrashStore(folder)
      await store.apply()
    }
    const server = { url: '', isOver: false }
    const answered = new Map<string, number>()
    const counts = { rows: 0, batches: 0, duplicates: 0 }
    const clients = PRODUCERS.map(async (producer) => {
      for (let sequence = 0; !server.isOver; sequence++) {
        for (;;) {
          const answer = await push(server.url, producer, sequence).catch(() => undefined)
          if (answer !== undefined) {
            if (answer.duplicate) counts.duplicates++
            counts[producer.startsWith('rows') ? 'rows' : 'batches']++
            break
          }
          if (server.isOver) return
          await sleep(5)
        }
        answered.set(producer, sequence)
      }
    })
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(
        process.execPath,
        ['--conditions=source', join(import.meta.dirname, 'server-child.ts'), folder],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      const closed = once(child, 'close')
      server.url = await firstLine(child)
      assert.notEqual(server.url, '', 'the server started')
      const before = { ...counts }
      await sleep(20 + ((kill * 37) % 230))
      // However slow the machine is, something is answered between kills, most of the time; a batch takes longer.
      const kind = kill % 2 === 0 ? 'rows' : 'batches'
      for (let waited = 0; counts[kind] === before[kind] && waited < 100; waited++) await sleep(10)
      child.kill('SIGKILL')
      await closed
    }
    server.isOver = true
    await Promise.all(clients)
    assert.ok(counts.rows > KILLS && counts.batches > KILLS / 4, JSON.stringify(counts))

    await using store = await openFaultStore(project('crash', [model]), {
      folder,
      now: (Date.now() * 1_000) as Instant,
    })
    const rows = await store.table('clicks')
    const seen = new Map<string, number>()
    for (const row of rows) {
      const push = `${row['user'] as string}/${row['count'] as bigint}`
      seen.set(push, (seen.get(push) ?? 0) + 1)
    }
    for (const producer of PRODUCERS) {
      const last = answered.get(producer) ?? -1
      assert.ok(last >= 0, `${producer} was never answered`)
      for (let sequence = 0; sequence <= last; sequence++) {
        for (let row = 0; row < ROWS; row++) {
          assert.equal(seen.get(`${producer}-${row}/${sequence}`), 1, `${producer}-${row}/${sequence}`)
        }
      }
      // The last one on its way may have been appended without an answer, but never a part of it.
      const unanswered = Array.from(
        { length: ROWS },
        (_, row) => seen.get(`${producer}-${row}/${last + 1}`) ?? 0,
      )
      assert.ok(new Set(unanswered).size === 1 && unanswered[0]! <= 1, `${producer}: ${unanswered.join()}`)
      assert.equal(seen.get(`${producer}-0/${last + 2}`), undefined)
      const vector = await store.store.get<typeof model>('model', { user: `${producer}-0` })
      assert.equal(vector.count, BigInt(last + unanswered[0]!))
    }
    assert.equal(new Set(rows.map((row) => row['seq'])).size, rows.length)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** One push; rejects where the server is gone or not there yet. */
async function push(
  url: string,
  producer: string,
  sequence: number,
): Promise<{ readonly duplicate: boolean }> {
  const at = new Date().toISOString()
  const rows = Array.from({ length: ROWS }, (_, row) => ({
    user: `${producer}-${row}`,
    event_timestamp: at,
    count: String(sequence),
  }))
  const path = `${url}/v1/groups/${clicks.definition.name}`
  const response = producer.startsWith('rows')
    ? await fetch(`${path}/rows`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ rows, producer, sequence }),
      })
    : await fetch(`${path}/batches?producer=${producer}&sequence=${sequence}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
      })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { readonly duplicate: boolean }
}

async function firstLine(child: ChildProcess): Promise<string> {
  child.stdout!.setEncoding('utf8')
  let text = ''
  for await (const part of child.stdout!) {
    text += String(part)
    if (text.includes('\n')) break
  }
  return text.trim()
}
