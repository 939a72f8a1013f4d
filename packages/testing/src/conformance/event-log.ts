import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { instant, LIMITS, MICROS, type EventLog, type LogEntry, type WallClock } from '@asof/core'
import { logClockConformance } from './event-log-clock.ts'
import { logFollowerConformance } from './event-log-followers.ts'
import { logModelConformance } from './event-log-model.ts'
import { entry, placed, rising, START, text, type OnLog } from './event-log-stage.ts'

/** One empty event log to test, and how to get at it. */
export interface EventLogSetup {
  /** A handle on it; each call as another process would open it. The suite disposes what it opened. */
  readonly open: () => Promise<EventLog>
  readonly dispose?: () => Promise<void>
}

/**
 * What every event log must do, as tests of node:test.
 *
 * @param make gives a new, empty log for each test, on the wall clock given
 * @example
 * ```ts
 * eventLogConformance('memory', async (wall) => {
 *   const log = memoryEventLog({ wall })
 *   return { open: async () => log }
 * })
 * ```
 */
export function eventLogConformance(name: string, make: (wall: WallClock) => Promise<EventLogSetup>): void {
  const on: OnLog = async (body) => {
    const wall = { now: START }
    const setup = await make(() => instant(wall.now))
    const opened: EventLog[] = []
    const open = async (): Promise<EventLog> => {
      const log = await setup.open()
      opened.push(log)
      return log
    }
    try {
      await body({ log: await open(), open, wall })
    } finally {
      for (const log of opened) await log[Symbol.asyncDispose]()
      await setup.dispose?.()
    }
  }

  describe(`event log: ${name}`, () => {
    describe('records', () => {
      it('begins empty, at position 0', () =>
        on(async ({ log }) => {
          assert.equal(await log.end(), 0)
          assert.deepEqual(await log.read(0, 10), [])
          assert.equal(await log.lastSequence('p'), undefined)
          assert.deepEqual(await log.append([]), [])
          assert.equal(await log.end(), 0)
        }))

      it('gives each entry as many positions as its span, and a later instant than the one before', () =>
        on(async ({ log }) => {
          const first = await log.append([entry('p', 1, 'a', 3), entry('p', 2, 'b')])
          const second = await log.append([entry('q', -7, 'c', 1_000_000)])
          assert.deepEqual(
            [...first, ...second].map(({ duplicate, position }) => [duplicate, position]),
            [
              [false, 0],
              [false, 3],
              [false, 4],
            ],
          )
          rising([...first, ...second])
          assert.equal(await log.end(), 1_000_004)
          const records = await log.read(0, 10)
          assert.deepEqual(
            records.map(({ producer, sequence, span, body }) => [producer, sequence, span, text(body)]),
            [
              ['p', 1, 3, 'a'],
              ['p', 2, 1, 'b'],
              ['q', -7, 1_000_000, 'c'],
            ],
          )
          assert.deepEqual(records.map(placed), [...first, ...second].map(placed))
        }))

      it('reads from a position, inclusive, at most as many as asked', () =>
        on(async ({ log }) => {
          await log.append(Array.from({ length: 20 }, (_, index) => entry('p', index, String(index), 2)))
          const bodies = async (from: number, limit: number): Promise<string> =>
            (await log.read(from, limit)).map(({ body }) => text(body)).join(' ')
          assert.equal(await bodies(0, 3), '0 1 2')
          assert.equal(await bodies(6, 2), '3 4')
          assert.equal(await bodies(7, 2), '4 5')
          assert.equal(await bodies(36, 100), '18 19')
          assert.equal(await bodies(40, 100), '')
          assert.equal(await bodies(0, 0), '')
          assert.equal((await log.read(0, 20)).length, 20)
          assert.equal((await log.read(0, 21)).length, 20)
        }))

      it('keeps bodies of any bytes whole, and no hold on those given', () =>
        on(async ({ log }) => {
          const bodies = [[], [0], [255, 0, 10, 13]].map((bytes) => Uint8Array.from(bytes))
          bodies.push(new Uint8Array(3_000_000).fill(171))
          const given = bodies.map((body) => Buffer.from(body))
          await log.append(given.map((body, sequence) => ({ producer: 'p', sequence, span: 1, body })))
          for (const body of given) body.fill(1)
          const records = await log.read(0, 10)
          for (const [index, body] of bodies.entries())
            assert.ok(Buffer.from(body).equals(records[index]!.body))
        }))

      it('takes producers by any name, and keeps them apart', () =>
        on(async ({ log }) => {
          const names = [
            'a',
            'A',
            'a b',
            'asof:runs:x/y@1',
            '\u0000',
            '\u0001\u0004',
            'é',
            'e\u0301',
            '\u{1F680}',
            '__proto__',
          ]
          names.push('constructor', 'x'.repeat(512), '\u{1F680}'.repeat(256))
          await log.append(names.map((producer, sequence) => ({ ...entry(producer, sequence, producer) })))
          for (const [sequence, producer] of names.entries())
            assert.equal(await log.lastSequence(producer), sequence)
          assert.deepEqual(
            (await log.read(0, 100)).map(({ producer, body }) => [producer, text(body)]),
            names.map((producer) => [producer, producer]),
          )
        }))

      it('refuses what is no entry, and appends nothing of the call', () =>
        on(async ({ log }) => {
          const tooLarge = new Uint8Array(LIMITS.logRecordBytesMax + 1)
          const wrong: [Partial<LogEntry>, string][] = [
            [{ producer: '' }, 'invalid_log_name'],
            [{ producer: 'x'.repeat(513) }, 'invalid_log_name'],
            [{ producer: '\ud800' }, 'invalid_log_name'],
            [{ sequence: 1.5 }, 'invalid_sequence'],
            [{ sequence: Number.NaN }, 'invalid_sequence'],
            [{ span: 0 }, 'invalid_span'],
            [{ span: 1.5 }, 'invalid_span'],
            [{ body: tooLarge }, 'log_record_too_large'],
          ]
          for (const [part, code] of wrong) {
            await assert.rejects(log.append([entry('p', 1, 'good'), { ...entry('p', 2, 'x'), ...part }]), {
              code,
            })
          }
          for (const span of [0, -1, 0.5]) await assert.rejects(log.reserve(span), { code: 'invalid_span' })
          for (const from of [-1, 0.5, Number.NaN])
            await assert.rejects(log.read(from, 1), { code: 'invalid_position' })
          assert.equal(await log.end(), 0)
          assert.equal(await log.lastSequence('p'), undefined)
        }))

      it('takes reserved positions once, without a record', () =>
        on(async ({ log, open }) => {
          const other = await open()
          assert.equal(await log.reserve(10), 0)
          const [appended] = await other.append([entry('p', 1, 'a')])
          assert.equal(appended!.position, 10)
          assert.equal(await other.reserve(5), 11)
          assert.equal(await log.end(), 16)
          assert.deepEqual(
            (await log.read(0, 10)).map(({ position }) => position),
            [10],
          )
          assert.deepEqual(await log.read(11, 10), [])
        }))

      it('appends of many callers at once: positions without gaps, instants rising', () =>
        on(async ({ log, open }) => {
          const logs = [log, await open()]
          const answers = await Promise.all(
            Array.from({ length: 40 }, (_, caller) =>
              logs[caller % 2]!.append([
                entry(`p${caller}`, 1, `${caller}`, 2),
                entry(`p${caller}`, 2, `${caller}`),
              ]),
            ),
          )
          const records = await log.read(0, 1_000)
          assert.deepEqual(
            records.map(({ position }) => position),
            Array.from({ length: 80 }, (_, index) => Math.floor(index / 2) * 3 + (index % 2) * 2),
          )
          rising(records)
          const told = answers.flat().sort((a, b) => a.position - b.position)
          assert.deepEqual(told.map(placed), records.map(placed))
        }))
    })

    describe('producers', () => {
      it('answers a repeat as a duplicate that takes nothing', () =>
        on(async ({ log, open, wall }) => {
          const [first] = await log.append([entry('p', 5, 'a', 4)])
          wall.now += MICROS.hour
          for (const again of [log, await open()]) {
            for (const sequence of [5, 4, -1]) {
              const [answer] = await again.append([entry('p', sequence, 'other', 9)])
              assert.deepEqual(answer, { duplicate: true, position: first!.position, at: first!.at })
            }
          }
          assert.equal(await log.end(), 4)
          assert.equal((await log.read(0, 10)).length, 1)
          assert.equal(await log.lastSequence('p'), 5)
          const [next] = await log.append([entry('p', 6, 'b')])
          assert.equal(next!.position, 4)
        }))

      it('finds duplicates within one call, and between new entries', () =>
        on(async ({ log }) => {
          const answers = await log.append([
            entry('p', 1, 'a'),
            entry('p', 1, 'again'),
            entry('q', 1, 'b'),
            entry('p', 2, 'c'),
            entry('p', 1, 'late'),
          ])
          assert.deepEqual(
            answers.map(({ duplicate, position }) => [duplicate, position]),
            [
              [false, 0],
              [true, 0],
              [false, 1],
              [false, 2],
              [true, 2],
            ],
          )
          assert.equal((await log.read(0, 10)).map(({ body }) => text(body)).join(' '), 'a b c')
        }))

      it('lets one of several racing repeats through', () =>
        on(async ({ log, open }) => {
          const logs = [log, await open()]
          const answers = await Promise.all(
            Array.from({ length: 8 }, (_, racer) => logs[racer % 2]!.append([entry('p', 1, 'once')])),
          )
          assert.equal(answers.flat().filter(({ duplicate }) => !duplicate).length, 1)
          assert.equal(new Set(answers.flat().map(({ at }) => at)).size, 1)
          assert.equal((await log.read(0, 10)).length, 1)
        }))

      it('appends on condition that the last sequence is the one named, all or nothing', () =>
        on(async ({ log, open }) => {
          const moved = { code: 'sequence_moved', kind: 'conflict' }
          await assert.rejects(log.append([entry('p', 1, 'a')], { conditional: true, after: 0 }), moved)
          await log.append([entry('p', 3, 'a')], { conditional: true, after: undefined })
          await assert.rejects(
            log.append([entry('p', 9, 'b')], { conditional: true, after: undefined }),
            moved,
          )
          await assert.rejects(log.append([entry('p', 9, 'b')], { conditional: true }), moved)
          await assert.rejects(log.append([entry('p', 9, 'b')], { after: 2 }), moved)
          await assert.rejects(
            log.append([entry('p', 9, 'b'), entry('q', 1, 'c')], { conditional: true, after: 3 }),
            moved,
          )
          assert.equal(await log.end(), 1)
          assert.equal(await log.lastSequence('q'), undefined)
          const other = await open()
          const both = [entry('p', 4, 'b'), entry('p', 5, 'c')]
          assert.equal((await other.append(both, { conditional: true, after: 3 })).length, 2)
          await assert.rejects(log.append(both, { conditional: true, after: 3 }), moved)
          assert.equal(await log.lastSequence('p'), 5)
          // A refused call leaves others of the same moment alone.
          const outcomes = await Promise.allSettled([
            log.append([entry('p', 6, 'x')], { conditional: true, after: 4 }),
            log.append([entry('r', 1, 'y')]),
            log.append([entry('p', 6, 'z')], { conditional: true, after: 5 }),
            log.append([entry('p', 7, 'w')], { conditional: true, after: 5 }),
          ])
          assert.deepEqual(
            outcomes.map(({ status }) => status),
            ['rejected', 'fulfilled', 'fulfilled', 'rejected'],
          )
          assert.equal((await log.read(0, 10)).map(({ body }) => text(body)).join(''), 'abcyz')
        }))
    })

    logClockConformance(on)
    logFollowerConformance(on)
    logModelConformance(on)
  })
}
