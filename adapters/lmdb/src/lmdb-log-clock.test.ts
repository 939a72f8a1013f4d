import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { instant, MICROS, type EventLog, type Telemetry } from '@asof/core'
import { temporaryFolder } from '@asof/testing'
import { openLmdbEventLog } from './lmdb-event-log.ts'
import { LmdbEnvironment } from './lmdb-environment.ts'

const START = 1_704_067_200_000_000

/** Opens logs on one folder and one wall clock, as processes would, and counts what they report. */
async function stage(
  body: (stage: {
    open: () => Promise<EventLog>
    wall: { now: number }
    counts: Map<string, number>
    folder: string
  }) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder()
  await using stack = new AsyncDisposableStack()
  const wall = { now: START }
  const counts = new Map<string, number>()
  const telemetry: Telemetry = {
    count: (name, by) => void counts.set(name, (counts.get(name) ?? 0) + by),
    observe: () => {},
  }
  const open = async (): Promise<EventLog> =>
    stack.use(await openLmdbEventLog(folder.path, { wall: () => instant(wall.now), telemetry }))
  await body({ open, wall, counts, folder: folder.path })
}

const append = async (log: EventLog, sequence: number): Promise<number> =>
  (await log.append([{ producer: 'p', sequence, span: 1, body: new Uint8Array() }]))[0]!.at

describe('the clock of a shared LMDB log', () => {
  it('starts above what a living process gave when the wall clock is seen to have stepped back', () =>
    stage(async ({ open, wall }) => {
      const living = await open()
      const given = living.now()
      wall.now -= 10 * MICROS.second
      const late = await open()
      assert.ok(late.now() >= given)
      assert.ok((await append(late, 1)) > given)
    }))

  it('makes the next ceiling durable before it is needed, so that no reading waits for the disk', () =>
    stage(async ({ open, wall, folder }) => {
      const log = await open()
      log.now()
      await using environment = await LmdbEnvironment.open(folder, 'log')
      const ceilings = environment.json<number>('ceilings')
      const ceiling = (): number => Math.max(...[...ceilings.getRange()].map(({ value }) => value))
      assert.equal(ceiling(), wall.now + MICROS.second)
      wall.now += 0.6 * MICROS.second
      log.now()
      // Queued behind the ceiling that is being written.
      await environment.writeAside(() => undefined)
      await new Promise((resolve) => setImmediate(resolve))
      environment.fresh()
      assert.equal(ceiling(), wall.now + MICROS.second)
      // Readings below it write nothing.
      const write = mock.method(LmdbEnvironment.prototype, 'write')
      wall.now += 0.5 * MICROS.second
      assert.equal(log.now(), wall.now)
      write.mock.restore()
      assert.equal(write.mock.callCount(), 0)
    }))

  it('appends through an idle process above what another gave before the clock stepped back', () =>
    stage(async ({ open, wall }) => {
      const idle = await open()
      await append(idle, 1)
      const living = await open()
      wall.now += MICROS.minute
      const given = living.now()
      wall.now -= 10 * MICROS.minute
      assert.ok((await append(idle, 2)) > given)
    }))

  it('does not push time ahead while processes take turns behind a clock that stepped back', () =>
    stage(async ({ open, wall }) => {
      const logs = [await open(), await open()]
      const given = logs[0]!.now()
      wall.now -= MICROS.hour
      for (let sequence = 1; sequence <= 40; sequence++) await append(logs[sequence % 2]!, sequence)
      for (const log of logs) assert.ok(log.now() - given < 3 * MICROS.second)
    }))

  it('stays at the wall clock when a process starts beside a living one', () =>
    stage(async ({ open, wall }) => {
      const living = await open()
      living.now()
      wall.now += 1
      const late = await open()
      assert.equal(late.now(), wall.now)
    }))

  it('starts at the ceiling of a process that died, and forgets it', () =>
    stage(async ({ open, folder }) => {
      {
        await using environment = await LmdbEnvironment.open(folder, 'log')
        // No process has so high a number.
        environment.write(() => environment.json('ceilings').putSync('2147483646:x', START + 700_000))
      }
      const log = await open()
      assert.equal(log.now(), START + 700_000)
      await using environment = await LmdbEnvironment.open(folder, 'log')
      const left = [...environment.json('ceilings').getKeys()] as string[]
      assert.deepEqual(
        left.filter((owner) => !owner.startsWith(`${process.pid}:`)),
        ['floor'],
      )
    }))

  it('leaves the floor alone behind when it is closed', () =>
    stage(async ({ open, wall, folder }) => {
      const log = await open()
      wall.now += MICROS.hour
      log.now()
      await log[Symbol.asyncDispose]()
      await using environment = await LmdbEnvironment.open(folder, 'log')
      const left = [...environment.json('ceilings').getRange()].map(({ key, value }) => [key, value])
      assert.deepEqual(left, [['floor', START + MICROS.hour]])
    }))

  it('counts appends while the wall clock is more than a second behind the last', () =>
    stage(async ({ open, wall, counts }) => {
      const log = await open()
      await append(log, 1)
      wall.now -= 900 * MICROS.millisecond
      await append(log, 2)
      assert.equal(counts.get('asof_log_clock_behind'), undefined)
      wall.now -= MICROS.second
      await append(log, 3)
      assert.equal(counts.get('asof_log_clock_behind'), 1)
    }))

  it('refuses a wall clock that tells no instant, and works once it does', () =>
    stage(async ({ open, wall }) => {
      const log = await open()
      const given = log.now()
      for (const wrong of [Number.NaN, START * 1_000, START + 0.5]) {
        wall.now = wrong
        assert.throws(() => log.now(), { code: 'invalid_instant' })
        await assert.rejects(append(log, 1), { code: 'invalid_instant' })
      }
      assert.equal(await log.end(), 0)
      wall.now = START + 5
      assert.ok((await append(log, 1)) > given)
    }))
})
