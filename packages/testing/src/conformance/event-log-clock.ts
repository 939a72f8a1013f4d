import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { instant, MICROS } from '@asof/core'
import { entry, rising, START, type OnLog } from './event-log-stage.ts'

/** What the clock of every event log must do. */
export function logClockConformance(on: OnLog): void {
  describe('the clock', () => {
    it('is at the wall clock, and never behind it', () =>
      on(async ({ log, wall }) => {
        assert.equal(log.now(), START)
        const [first] = await log.append([entry('p', 1, 'a')])
        assert.equal(first!.at, START + 1)
        wall.now += MICROS.second
        assert.equal(log.now(), START + MICROS.second)
      }))

    it('appends above every instant given, the clock stepping back or not', () =>
      on(async ({ log, wall }) => {
        let greatest = log.now() as number
        const steps = [0, -1, MICROS.hour, -2 * MICROS.hour, 0, 30 * MICROS.day, -31 * MICROS.day, 1]
        for (const [sequence, step] of steps.entries()) {
          wall.now += step
          const [appended] = await log.append([entry('p', sequence, 'a')])
          assert.ok(appended!.at > greatest, `step ${step}`)
          const now = log.now()
          assert.ok(now >= appended!.at)
          greatest = now
        }
        rising(await log.read(0, 100))
      }))

    it('shows, once now is given, everything that was appended up to it', () =>
      on(async ({ log, open, wall }) => {
        const logs = [log, await open()]
        const pending: Promise<unknown>[] = []
        for (let round = 0; round < 30; round++) {
          wall.now += round % 3
          pending.push(logs[round % 2]!.append([entry(`p${round}`, 1, 'a')]))
          if (round % 4 === 0) await Promise.resolve()
          const reader = logs[round % 2]!
          const now = reader.now()
          const end = await reader.end()
          pending.push(
            Promise.all(pending).then(async () => {
              for (const record of await log.read(end, 1_000)) assert.ok(record.at > now)
            }),
          )
        }
        await Promise.all(pending)
      }))

    it('is raised by what a reader has seen, and not lowered', () =>
      on(async ({ log }) => {
        const seen = instant(START + 10 * MICROS.minute)
        log.observe(seen)
        assert.equal(log.now(), seen)
        log.observe(instant(START))
        assert.equal(log.now(), seen)
        const [appended] = await log.append([entry('p', 1, 'a')])
        assert.ok(appended!.at > seen)
      }))

    it('appends through one handle above what another appended', () =>
      on(async ({ log, open, wall }) => {
        const logs = [log, await open(), await open()]
        for (let sequence = 0; sequence < 12; sequence++) {
          wall.now += sequence % 2 === 0 ? 40 : -90
          await logs[sequence % 3]!.append([entry('p', sequence, 'a')])
        }
        rising(await log.read(0, 100))
      }))

    it('goes on above every instant given after it is opened anew', () =>
      on(async ({ log, open, wall }) => {
        wall.now += MICROS.hour
        const given = log.now()
        await log[Symbol.asyncDispose]()
        wall.now -= 2 * MICROS.hour
        const again = await open()
        assert.ok(again.now() >= given)
        const [appended] = await again.append([entry('p', 1, 'a')])
        assert.ok(appended!.at > given)
      }))

    it('does not run ahead when it is opened again and again', () =>
      on(async ({ log, open }) => {
        log.now()
        for (let round = 0; round < 10; round++) {
          const again = await open()
          await again.append([entry('p', round, 'a')])
          await again[Symbol.asyncDispose]()
        }
        assert.ok((await open()).now() - START < MICROS.second)
      }))
  })
}
