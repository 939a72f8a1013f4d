import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { instant, MICROS, type WallClock } from '@asof/core'
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
import { LmdbEnvironment } from './lmdb-environment.ts'

const FILE = fileURLToPath(import.meta.url)
const wall: WallClock = () => instant(Date.now() * 1_000)
const KEYS = 7

/** Writes to all three stores until it is killed, telling each acknowledgement; its clock is behind by so much. */
async function write(folder: string, from: string, behindMs: string): Promise<void> {
  const behind = Number(behindMs) * MICROS.millisecond
  const log = await openLmdbEventLog(join(folder, 'log'), { wall: () => instant(wall() - behind) })
  const online = await openLmdbOnlineStore(join(folder, 'online'))
  const registry = await openLmdbRegistry(join(folder, 'registry'))
  await online.provision('t')
  for (let sequence = Number(from); ; sequence++) {
    tell(`now ${log.now()}`)
    const [appended] = await log.append([sequencedEntry('writer', sequence)])
    tell(`log ${sequence} ${appended!.position} ${appended!.at} ${appended!.duplicate}`)
    await online.write('t', [sequencedRow(`k${sequence % KEYS}`, sequence)])
    tell(`online ${sequence}`)
    const head = (await registry.head())?.number ?? 0
    await registry.put([{ hash: String(sequence), body: sequencedBody(sequence) }])
    await registry.commit(head, { root: String(sequence), at: appended!.at, author: 'writer', message: '' })
    tell(`registry ${head + 1} ${sequence}`)
  }
}

/** Takes a lease for an hour, and does nothing more. */
async function hold(folder: string): Promise<void> {
  const log = await openLmdbEventLog(folder, { wall })
  tell(JSON.stringify(await log.lease('sinks', `${process.pid}:random`, 3_600_000)))
  await sleep(60_000)
}

/** Drops a table of many rows. */
async function drop(folder: string): Promise<void> {
  const online = await openLmdbOnlineStore(folder)
  for (const [table, rows] of [
    ['before', 10],
    ['t', 20_000],
    ['after', 10],
  ] as const) {
    await online.provision(table)
    await online.write(
      table,
      Array.from({ length: rows }, (_, index) => sequencedRow(`k${index}`, 8)),
    )
  }
  tell('dropping')
  await online.drop('t')
  tell('dropped')
}

if (!(await playedRole({ write, hold, drop }))) {
  describe('LMDB under kill -9', () => {
    it('keeps what was acknowledged through twenty kills, once, whole and in order', async () => {
      await using folder = await temporaryFolder()
      const told: string[][] = []
      let acknowledged = 0
      for (let round = 0; round < 20; round++) {
        // The writer sends its last entry again, not knowing what became of the one after; the clock is further back.
        const from = String(Math.max(1, acknowledged))
        const child = startRole(FILE, 'write', [folder.path, from, String(round * 50)])
        while (!(await child.next())?.startsWith('registry')) assert.equal(child.over, false)
        await sleep(round * 2)
        await child.kill()
        const lines = child.told.map((line) => line.split(' '))
        for (const [what, sequence] of lines) if (what === 'log') acknowledged = Number(sequence)
        told.push(...lines)
      }
      assert.ok(acknowledged > 20)

      await using log = await openLmdbEventLog(join(folder.path, 'log'), { wall })
      const records = await log.read(0, 1_000_000)
      assert.deepEqual(
        records.map(({ sequence }) => sequence),
        Array.from({ length: records.length }, (_, index) => index + 1),
      )
      let position = 0
      for (const record of records) {
        assert.equal(record.position, position)
        position += record.span
        assert.ok(Buffer.from(record.body).equals(sequencedBody(record.sequence)), `torn: ${record.sequence}`)
      }
      assert.equal(await log.end(), position)
      let given = 0
      let duplicates = 0
      for (const [what, ...rest] of told) {
        if (what === 'now') {
          assert.ok(Number(rest[0]) >= given)
          given = Number(rest[0])
        } else if (what === 'log') {
          const [sequence, at] = [Number(rest[0]), Number(rest[2])]
          const record = records.find(({ position: place }) => place === Number(rest[1]))!
          assert.equal(record.at, at)
          if (rest[3] === 'true') {
            // Answered with the last record: that of the entry itself, or of the next, killed before it was told.
            assert.ok(record.sequence === sequence || record.sequence === sequence + 1)
            duplicates++
            continue
          }
          assert.equal(record.sequence, sequence)
          assert.ok(at > given, 'above every instant that was given, by killed processes too')
          given = at
        }
      }
      assert.ok(duplicates >= 19, 'each writer but the first began with a repeat')

      await using online = await openLmdbOnlineStore(join(folder.path, 'online'))
      const stored = new Map<string, number>()
      for await (const { key, payload } of online.scan('t')) {
        stored.set(Buffer.from(key).toString(), sequenceOfRow(payload))
      }
      for (const [what, sequence] of told) {
        if (what === 'online') assert.ok(stored.get(`k${Number(sequence) % KEYS}`)! >= Number(sequence))
      }

      await using registry = await openLmdbRegistry(join(folder.path, 'registry'))
      for (const [what, number, root] of told) {
        if (what === 'registry') assert.equal((await registry.revision(Number(number)))?.root, root)
      }
      for (let number = 1; number <= (await registry.head())!.number; number++) {
        const { root } = (await registry.revision(number))!
        const [body] = await registry.get([root])
        assert.ok(Buffer.from(body!).equals(sequencedBody(Number(root))))
      }
    })

    it('passes a lease on at once when its holder was killed', async () => {
      await using folder = await temporaryFolder()
      await using log = await openLmdbEventLog(folder.path, { wall })
      const holder = startRole(FILE, 'hold', [folder.path])
      assert.equal(await holder.next(), '{"epoch":1}')
      assert.equal(await log.lease('sinks', `${process.pid}:me`, 1_000), undefined)
      await holder.kill()
      assert.deepEqual(await log.lease('sinks', `${process.pid}:me`, 1_000), { epoch: 2 })
    })

    it('finishes a drop that was cut off', async () => {
      await using folder = await temporaryFolder()
      const child = startRole(FILE, 'drop', [folder.path])
      assert.equal(await child.next(), 'dropping')
      await sleep(15)
      await child.kill()
      assert.equal(child.told.includes('dropped'), false)
      await using online = await openLmdbOnlineStore(folder.path)
      if ((await online.tables()).includes('t')) await online.drop('t')
      assert.deepEqual(await online.tables(), ['after', 'before'])
      await using environment = await LmdbEnvironment.open(folder.path, 'online')
      environment.fresh()
      assert.equal(environment.bytes('rows').getKeysCount(), 20)
    })
  })
}
