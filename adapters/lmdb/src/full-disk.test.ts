import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { instant, isAsofError, MICROS, type WallClock } from '@asof/core'
import { playedRole, sequencedEntry, sequencedRow, startRole, tell, temporaryFolder } from '@asof/testing'
import { LmdbEnvironment } from './lmdb-environment.ts'
import { openLmdbEventLog, openLmdbOnlineStore } from './index.ts'

const FILE = fileURLToPath(import.meta.url)
const wall: WallClock = () => instant(Date.now() * 1_000)

/** Fills the disk, then goes on reading. */
async function fill(folder: string): Promise<void> {
  // lmdb-js prints each commit that fails.
  console.error = () => {}
  // So that every reading of the clock asks for a new ceiling on disk.
  let ticks = 0
  let stalled = 0
  const log = await openLmdbEventLog(join(folder, 'log'), {
    wall: () => instant(wall() + ticks++ * 2 * MICROS.second),
    telemetry: {
      count: (name) => void (stalled += name === 'asof_log_clock_stalled' ? 1 : 0),
      observe: () => {},
    },
  })
  const online = await openLmdbOnlineStore(join(folder, 'online'))
  await online.provision('t')
  await online.write('t', [sequencedRow('first', 1)])
  await untilRefused(async (sequence) => {
    await log.append([{ ...sequencedEntry('filler', sequence), body: Buffer.alloc(20_000, sequence) }])
    tell(`log ${sequence}`)
  })
  await untilRefused(async (sequence) => {
    const row = sequencedRow(`k${sequence}`, sequence)
    await online.write('t', [{ ...row, payload: Buffer.concat([row.stamp, Buffer.alloc(20_000)]) }])
    tell(`online k${sequence}`)
  })
  // A reader with an old view keeps LMDB from using pages again, so that not even a ceiling finds room.
  await using environment = await LmdbEnvironment.open(join(folder, 'log'), 'log')
  const view = environment.bytes('records').useReadTransaction()
  let before = log.now()
  for (let round = 0; round < 20; round++) {
    const now = log.now()
    assert.ok(now >= before, 'the clock stands still at worst')
    before = now
  }
  assert.ok(stalled > 0)
  const [row] = await online.read([{ table: 't', key: Buffer.from('first') }])
  tell(`reads ${(await log.read(0, 1_000)).length} ${row!.length}`)
  tell(`now ${before}`)
  view.done()
}

async function untilRefused(write: (sequence: number) => Promise<void>): Promise<void> {
  let refused = 0
  for (let sequence = 1; refused < 3; sequence++) {
    try {
      await write(sequence)
    } catch (error) {
      if (!isAsofError(error, 'unavailable') || error.code !== 'disk_refused_write') throw error
      refused++
    }
  }
}

if (!(await playedRole({ fill }))) {
  const windows =
    process.platform === 'win32' && 'there is no limit on the size of a file to stand for a full disk'
  describe('LMDB on a full disk', { skip: windows }, () => {
    it('refuses writes, keeps reading and telling the time, and goes on when there is room', async () => {
      await using folder = await temporaryFolder()
      const child = startRole(FILE, 'fill', [folder.path], { fileBytesMax: 600_000 })
      assert.equal(await child.ended(), 0)
      const told = child.told.map((line) => line.split(' '))
      const of = (what: string): string[][] => told.filter(([first]) => first === what)
      const appended = of('log').map(([, sequence]) => Number(sequence))
      assert.ok(appended.length > 5)
      assert.deepEqual(of('reads'), [
        ['reads', String(appended.length), String(sequencedRow('', 1).payload.length)],
      ])

      await using log = await openLmdbEventLog(join(folder.path, 'log'), { wall })
      const records = await log.read(0, 1_000)
      assert.deepEqual(
        records.map(({ sequence }) => sequence),
        appended,
      )
      for (const { body, sequence } of records) assert.ok(body.every((byte) => byte === sequence % 256))
      const [next] = await log.append([
        { ...sequencedEntry('filler', 1_000_000), body: Buffer.alloc(20_000) },
      ])
      assert.equal(next!.duplicate, false)
      assert.ok(next!.at > Number(of('now')[0]![1]), 'above every instant that was given on the full disk')
      await using online = await openLmdbOnlineStore(join(folder.path, 'online'))
      const keys = of('online').map(([, key]) => ({ table: 't', key: Buffer.from(key!) }))
      assert.ok(keys.length > 5)
      for (const payload of await online.read(keys)) assert.equal(payload?.length, 20_024)
      assert.equal((await online.write('t', [sequencedRow('first', 2)])).applied, 1)
    })
  })
}
