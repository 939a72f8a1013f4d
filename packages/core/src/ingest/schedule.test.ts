import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { propertyRuns } from '../../../testing/src/property-runs.ts'
import { MICROS, parseInstant, type Instant } from '../clock/instant.ts'
import { countDueRuns, countRuns, dueRuns, isBackfill, nextRun, runsOf, type Schedule } from './schedule.ts'

const hourly: Schedule = {
  every: MICROS.hour,
  delay: 5 * MICROS.minute,
  runtime: MICROS.minute,
  lookback: MICROS.day,
}
const at = parseInstant

/** Schedules with odd lengths, and instants over the whole range, many of them just beside an interval's edge. */
const schedules = fc.record({
  every: fc.oneof(
    fc.constantFrom(1, 7, 1_000_000, MICROS.hour, MICROS.day),
    fc.integer({ min: 1, max: 1e10 }),
  ),
  delay: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1e11 })),
  runtime: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1e10 })),
  lookback: fc.oneof(fc.constantFrom(0, MICROS.day), fc.integer({ min: 0, max: 1e11 })),
})
const around = fc.oneof(
  fc.integer({ min: -2_000_000, max: 2_000_000 }),
  fc.integer({ min: -2_208_988_800_000_000, max: 7_258_118_399_999_999 }),
) as fc.Arbitrary<Instant>

test('intervals are aligned to the epoch, also before it', () => {
  const runs = runsOf(hourly, at('1969-12-31T22:30:00Z'), at('1970-01-01T00:00:00.000001Z'))
  assert.deepEqual(
    runs.map((run) => [run.from, run.end, run.at, run.asOf, run.created]),
    ['1969-12-31T23:00:00Z', '1970-01-01T00:00:00Z', '1970-01-01T01:00:00Z'].map((end) => [
      at(end) - 25 * MICROS.hour,
      at(end),
      at(end) + 5 * MICROS.minute,
      at(end) + 5 * MICROS.minute,
      at(end) + 6 * MICROS.minute,
    ]),
  )
  for (const instant of [at('1969-12-31T22:00:00Z'), at('1969-12-31T22:30:00Z')]) {
    assert.deepEqual(runsOf(hourly, instant, instant), [], 'an empty range overlaps no interval')
  }
  assert.equal(nextRun(hourly, at('1969-12-31T22:05:00Z')), at('1969-12-31T23:05:00Z'))
})

test('a run covers its interval, and runs follow each other without gap or overlap', () => {
  fc.assert(
    fc.property(
      schedules,
      around,
      fc.integer({ min: 0, max: 20 }),
      fc.nat(),
      (schedule, from, count, more) => {
        const to = (from + schedule.every * count + (more % schedule.every)) as Instant
        const runs = runsOf(schedule, from, to)
        assert.equal(countRuns(schedule, from, to), runs.length)
        if (to === from) return assert.equal(runs.length, 0)
        assert.ok(runs[0]!.end - schedule.every <= from && from < runs[0]!.end)
        assert.ok(runs.at(-1)!.end - schedule.every < to && to <= runs.at(-1)!.end)
        for (const [n, run] of runs.entries()) {
          assert.equal(Math.abs(run.end % schedule.every), 0)
          assert.equal(run.at, run.end + schedule.delay)
          assert.equal(run.from, run.end - schedule.every - schedule.lookback)
          assert.equal(run.created, run.at + schedule.runtime)
          if (n > 0) assert.equal(run.at, nextRun(schedule, runs[n - 1]!.at))
        }
      },
    ),
    propertyRuns(),
  )
})

test('runs are due once, in order, however the time is cut up', () => {
  fc.assert(
    fc.property(
      schedules,
      around,
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 6 }),
      fc.integer({ min: 0, max: 50 }),
      (schedule, startAt, steps, applied) => {
        const firstApplied = (startAt + schedule.delay + (schedule.every * applied) / 2) as Instant
        let now = (startAt + schedule.delay) as Instant
        let recordedThrough: Instant | undefined
        const seen: Instant[] = []
        const begin = () => ({
          schedule,
          firstApplied,
          ...(recordedThrough === undefined ? { startAt } : { recordedThrough }),
        })
        for (const step of steps) {
          now = (now + Math.floor((schedule.every * step) / 3)) as Instant
          for (const run of dueRuns({ ...begin(), now, limit: 3 })) {
            assert.ok(run.at <= now)
            assert.equal(run.asOf, run.at)
            assert.equal(run.created, isBackfill(run.at, firstApplied) ? run.at + schedule.runtime : now)
            seen.push(run.at)
            recordedThrough = run.at
          }
        }
        const rest = dueRuns({ ...begin(), now })
        const whole = dueRuns({ schedule, startAt, now, firstApplied })
        assert.equal(countDueRuns({ schedule, startAt, now, firstApplied }), whole.length)
        assert.deepEqual(
          [...seen, ...rest.map((run) => run.at)],
          whole.map((run) => run.at),
        )
        assert.ok(nextRun(schedule, whole.at(-1)?.at ?? now) > now)
        if (whole.length > 0) assert.ok(whole[0]!.end - schedule.every <= startAt && startAt < whole[0]!.end)
      },
    ),
    propertyRuns(),
  )
})

test('a schedule without length is refused', () => {
  for (const wrong of [{ every: 0 }, { every: 0.5 }, { delay: -1 }, { lookback: Number.NaN }]) {
    assert.throws(() => runsOf({ ...hourly, ...wrong }, 0 as Instant, 1 as Instant), {
      code: 'invalid_schedule',
    })
  }
})
