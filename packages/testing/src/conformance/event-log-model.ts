import assert from 'node:assert/strict'
import { it } from 'node:test'
import { instant, type Appended, type Instant, type LogEntry, type LogRecord } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'
import { comparable, entry, type OnLog } from './event-log-stage.ts'

/** Holds an event log equal to a list, for random scripts by two handles. */
export function logModelConformance(on: OnLog): void {
  it('does what a list of records does, for any script and any wall clock', () =>
    on(async ({ log, open, wall }) => {
      const logs = [log, await open()]
      const model = new Model()
      const entries = fc.array(
        fc.record({ producer: fc.constantFrom('p', 'q'), ahead: fc.integer({ min: -1, max: 2 }) }),
        {
          maxLength: 3,
        },
      )
      const step = fc.record({
        by: fc.nat(1),
        wall: fc.oneof(fc.constant(0), fc.integer({ min: -3_000_000, max: 3_000_000 })),
        does: fc.constantFrom('append', 'append', 'conditional', 'reserve', 'now', 'read', 'observe'),
        entries,
        n: fc.nat(5),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (script) => {
          for (const { by, does, n, ...given } of script) {
            wall.now += given.wall
            const here = logs[by]!
            switch (does) {
              case 'append':
              case 'conditional': {
                const offered = given.entries.map(({ producer, ahead }) =>
                  entry(producer, (model.sequences.get(producer) ?? 0) + ahead, `${n}`, n + 1),
                )
                const after = model.sequences.get('p')
                const fits = offered.every(({ producer }) => model.sequences.get(producer) === after)
                const answer = here.append(
                  offered,
                  does === 'conditional' ? { conditional: true, after } : {},
                )
                if (does === 'conditional' && !fits) await assert.rejects(answer, { code: 'sequence_moved' })
                else model.append(offered, await answer, by)
                break
              }
              case 'reserve':
                assert.equal(await here.reserve(n + 1), model.end)
                model.end += n + 1
                break
              case 'now':
                model.saw(by, here.now())
                break
              case 'observe':
                here.observe(instant(wall.now))
                model.told[by] = Math.max(model.told[by]!, wall.now)
                break
              case 'read': {
                const from = Math.max(0, model.end - n * 3)
                const expected = model.records.filter(({ position }) => position >= from).slice(0, n)
                assert.deepEqual((await here.read(from, n)).map(comparable), expected.map(comparable))
                break
              }
              default:
                does satisfies never
            }
            assert.equal(await here.end(), model.end)
          }
        }),
        propertyRuns(0.5),
      )
      for (const [producer, sequence] of model.sequences)
        assert.equal(await log.lastSequence(producer), sequence)
    }))
}

/** The log in the fewest lines: a list, and what each handle was told. */
class Model {
  readonly records: LogRecord[] = []
  readonly sequences = new Map<string, number>()
  /** The greatest instant that each handle has given. */
  readonly told = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  end = 0

  append(offered: readonly LogEntry[], answers: readonly Appended[], by: number): void {
    assert.equal(answers.length, offered.length)
    for (const [index, given] of offered.entries()) {
      const { duplicate, position, at } = answers[index]!
      const last = this.sequences.get(given.producer)
      assert.equal(duplicate, last !== undefined && given.sequence <= last)
      if (duplicate) {
        const record = this.records.findLast(({ producer }) => producer === given.producer)!
        assert.deepEqual([position, at], [record.position, record.at])
        continue
      }
      assert.equal(position, this.end)
      assert.ok(at > this.told[by]!)
      assert.ok(at > (this.records.at(-1)?.at ?? Number.NEGATIVE_INFINITY))
      this.records.push({ ...given, position, at })
      this.sequences.set(given.producer, given.sequence)
      this.end += given.span
      this.told[by] = at
    }
  }

  saw(by: number, now: Instant): void {
    assert.ok(now >= this.told[by]!)
    this.told[by] = now
  }
}
