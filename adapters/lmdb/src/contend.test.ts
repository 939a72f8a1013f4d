import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { instant, type WallClock } from '@asof/core'
import {
  playedRole,
  sequencedBody,
  sequencedEntry,
  sequencedRow,
  sequenceOfRow,
  startRole,
  tell,
  temporaryFolder,
} from '@asof/testing'
import { openLmdbEventLog, openLmdbOnlineStore, openLmdbRegistry } from './index.ts'

const FILE = fileURLToPath(import.meta.url)
const wall: WallClock = () => instant(Date.now() * 1_000)
const TIMES = 150
const KEYS = 20

/** Appends, upserts and commits beside another process that does the same. */
async function contend(folder: string, who: string): Promise<void> {
  await using log = await openLmdbEventLog(join(folder, 'log'), { wall })
  await using online = await openLmdbOnlineStore(join(folder, 'online'))
  await using registry = await openLmdbRegistry(join(folder, 'registry'))
  await online.provision('t')
  const mine = who === 'a' ? 0 : 1
  for (let sequence = 1; sequence <= TIMES; sequence++) {
    await log.append([sequencedEntry(who, sequence), sequencedEntry(`${who}2`, sequence)])
    await online.write(
      't',
      Array.from({ length: KEYS }, (_, key) => sequencedRow(`k${key}`, sequence * 2 + mine)),
    )
    const parent = (await registry.head())?.number ?? 0
    const revision = { root: who, at: log.now(), author: who, message: String(sequence) }
    if ((await registry.commit(parent, revision)) !== undefined) tell('committed')
  }
}

/** Changes each thing once for each file `do-N` that appears, and answers with `done-N`. */
async function change(folder: string, times: string): Promise<void> {
  await using log = await openLmdbEventLog(join(folder, 'log'), { wall })
  await using online = await openLmdbOnlineStore(join(folder, 'online'))
  await using registry = await openLmdbRegistry(join(folder, 'registry'))
  for (let step = 1; step <= Number(times); step++) {
    while (!existsSync(join(folder, `do-${step}`))) await sleep(1)
    await log.append([{ producer: 'p', sequence: step, span: 1, body: new Uint8Array() }])
    await log.advance('follower', step)
    await online.provision(`t${step}`)
    await online.write('t', [sequencedRow('k', step), sequencedRow(`k${step}`, step)])
    await registry.put([{ hash: String(step), body: sequencedBody(step) }])
    await registry.commit(step - 1, { root: String(step), at: log.now(), author: 'a', message: '' })
    writeFileSync(join(folder, `done-${step}`), '')
  }
}

if (!(await playedRole({ contend, change }))) {
  describe('LMDB shared by processes', () => {
    it('keeps one order of appends, the greatest stamps, and one chain of revisions; a reader sees it grow', async () => {
      await using folder = await temporaryFolder()
      await using log = await openLmdbEventLog(join(folder.path, 'log'), { wall })
      await using online = await openLmdbOnlineStore(join(folder.path, 'online'))
      await using registry = await openLmdbRegistry(join(folder.path, 'registry'))
      await online.provision('t')
      const writers = ['a', 'b'].map((who) => startRole(FILE, 'contend', [folder.path, who]))

      const seen = new Set<number>()
      let end = 0
      const requests = Array.from({ length: KEYS }, (_, key) => ({ table: 't', key: Buffer.from(`k${key}`) }))
      while (writers.some(({ over }) => !over)) {
        const now = log.now()
        // Both ways to find the end wait for an append under way.
        const last = seen.size % 2 === 0 ? undefined : (await log.read(end, 10_000)).at(-1)
        if (last !== undefined) end = last.position + last.span
        else if (seen.size % 2 === 0) end = await log.end()
        await sleep(1)
        for (const { at } of await log.read(end, 10))
          assert.ok(at > now, 'nothing is appended at or below now')
        seen.add(end)
        for (const payload of await online.read(requests)) if (payload !== undefined) sequenceOfRow(payload)
      }
      for (const writer of writers) assert.equal(await writer.ended(), 0)
      assert.ok(seen.size > 10, 'the reader saw commits while they were made')

      const records = await log.read(0, 10_000)
      assert.equal(records.length, 4 * TIMES)
      let [position, last] = [0, 0]
      const next = new Map<string, number>()
      for (const record of records) {
        assert.equal(record.position, position)
        assert.ok(record.at > last)
        position += record.span
        last = record.at
        assert.equal(record.sequence, (next.get(record.producer) ?? 0) + 1)
        next.set(record.producer, record.sequence)
        assert.ok(Buffer.from(record.body).equals(sequencedBody(record.sequence)))
      }
      for (const payload of await online.read(requests)) assert.equal(sequenceOfRow(payload!), TIMES * 2 + 1)
      const commits = writers.flatMap(({ told }) => told).length
      assert.ok(commits >= TIMES)
      assert.equal((await registry.head())!.number, commits)
    })

    it('shows a reader that stood still what was committed meanwhile, at its next look', async () => {
      await using folder = await temporaryFolder()
      await using log = await openLmdbEventLog(join(folder.path, 'log'), { wall })
      await using online = await openLmdbOnlineStore(join(folder.path, 'online'))
      await using registry = await openLmdbRegistry(join(folder.path, 'registry'))
      await online.provision('t')
      // Each look in a turn of its own, right before and right after the change: no timer frees an old view.
      const looks: Record<string, () => Promise<unknown>> = {
        'registry head': async () => (await registry.head())?.number,
        'registry revision': async () => (await registry.revision(step))?.root,
        'registry objects': async () => (await registry.get([String(step)]))[0] !== undefined,
        'log end': () => log.end(),
        'log records': async () => (await log.read(0, 100)).length,
        'last sequence': () => log.lastSequence('p'),
        position: () => log.position('follower'),
        tables: async () => (await online.tables()).length,
        row: async () => (await online.read([{ table: 't', key: Buffer.from('k') }]))[0]?.slice(16),
        scan: async () => {
          let rows = 0
          for await (const row of online.scan('t')) rows += row.payload.length > 0 ? 1 : 0
          return rows
        },
      }
      const child = startRole(FILE, 'change', [folder.path, String(Object.keys(looks).length)])
      const still = new Int32Array(new SharedArrayBuffer(4))
      let step = 0
      for (const [name, look] of Object.entries(looks)) {
        step++
        const before = await look()
        writeFileSync(join(folder.path, `do-${step}`), '')
        while (!existsSync(join(folder.path, `done-${step}`))) Atomics.wait(still, 0, 0, 2)
        assert.notDeepEqual(await look(), before, name)
      }
      assert.equal(await child.ended(), 0)
    })
  })
}
