import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MICROS } from '@asof/core'
import type { OnLog } from './event-log-stage.ts'

/** What followers and leases of every event log must do. */
export function logFollowerConformance(on: OnLog): void {
  describe('followers', () => {
    it('keeps the position of each by name, from 0', () =>
      on(async ({ log, open }) => {
        assert.equal(await log.position('online'), 0)
        await log.advance('online', 7)
        await log.advance('offline', 3)
        await log.advance('online', 9)
        assert.equal(await (await open()).position('online'), 9)
        assert.equal(await log.position('offline'), 3)
        for (const to of [-1, 0.5])
          await assert.rejects(log.advance('online', to), { code: 'invalid_position' })
        await log[Symbol.asyncDispose]()
        assert.equal(await (await open()).position('offline'), 3)
      }))
  })

  describe('leases', () => {
    it('are held by one owner, who renews', () =>
      on(async ({ log, open, wall }) => {
        const other = await open()
        assert.deepEqual(await log.lease('sinks', 'a', 1_000), { epoch: 1 })
        assert.equal(await other.lease('sinks', 'b', 1_000), undefined)
        assert.deepEqual(await other.lease('another', 'b', 1_000), { epoch: 1 })
        for (let round = 0; round < 5; round++) {
          wall.now += 900 * MICROS.millisecond
          assert.deepEqual(await log.lease('sinks', 'a', 1_000), { epoch: 1 })
          assert.equal(await other.lease('sinks', 'b', 1_000), undefined)
        }
      }))

    it('pass on when not renewed, with a higher epoch', () =>
      on(async ({ log, open, wall }) => {
        const other = await open()
        await log.lease('sinks', 'a', 1_000)
        wall.now += 999 * MICROS.millisecond
        assert.equal(await other.lease('sinks', 'b', 1_000), undefined)
        wall.now += MICROS.millisecond
        assert.deepEqual(await other.lease('sinks', 'b', 500), { epoch: 2 })
        assert.equal(await log.lease('sinks', 'a', 1_000), undefined)
        wall.now += 500 * MICROS.millisecond
        assert.deepEqual(await log.lease('sinks', 'a', 1_000), { epoch: 3 })
      }))

    it('go to exactly one of several that ask at once', () =>
      on(async ({ log, open, wall }) => {
        const logs = [log, await open()]
        for (let round = 0; round < 3; round++) {
          const answers = await Promise.all(
            Array.from({ length: 6 }, (_, racer) =>
              logs[racer % 2]!.lease('sinks', `o${round}-${racer}`, 100),
            ),
          )
          assert.deepEqual(
            answers.filter((answer) => answer !== undefined),
            [{ epoch: round + 1 }],
          )
          wall.now += MICROS.second
        }
      }))

    it('are given back by their owner alone', () =>
      on(async ({ log, open }) => {
        const other = await open()
        await log.release('sinks', 'a')
        await log.lease('sinks', 'a', 60_000)
        await other.release('sinks', 'b')
        assert.equal(await other.lease('sinks', 'b', 60_000), undefined)
        await log.release('sinks', 'a')
        assert.deepEqual(await other.lease('sinks', 'b', 60_000), { epoch: 2 })
        await other.release('sinks', 'b')
        assert.deepEqual(await other.lease('sinks', 'b', 60_000), { epoch: 3 })
      }))

    it('do not last longer when the wall clock steps back', () =>
      on(async ({ log, wall }) => {
        await log.lease('sinks', 'a', 1_000)
        wall.now -= MICROS.hour
        assert.deepEqual(await log.lease('sinks', 'b', 1_000), { epoch: 2 })
      }))

    it('refuse a time that is none, and an owner without a name', () =>
      on(async ({ log }) => {
        for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          await assert.rejects(log.lease('sinks', 'a', ttl), { code: 'invalid_lease_ttl' })
        }
        await assert.rejects(log.lease('sinks', '', 1_000), { code: 'invalid_log_name' })
        assert.deepEqual(await log.lease('sinks', 'b', 1_000), { epoch: 1 })
      }))
  })
}
