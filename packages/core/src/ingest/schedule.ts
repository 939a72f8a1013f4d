import type { Instant } from '../clock/instant.ts'
import { invalid } from '../errors/asof-error.ts'
import type { Run } from '../ports/compute-engine.ts'

/**
 * When a scheduled group is computed and what each run reads (SEMANTICS section 1), in microseconds.
 *
 * Time is cut into intervals `[k·every, (k+1)·every)`, counted from the Unix epoch, before 1970 too. The run of an
 * interval has the instant `R = end + delay`, its identity; it reads events from `start - lookback` on.
 */
export interface Schedule {
  readonly every: number
  readonly delay: number
  /** What a run takes until its rows can be read. */
  readonly runtime: number
  readonly lookback: number
}

/** Runs that one call plans at most; ask again when these are recorded. */
export const RUNS_PER_CALL_MAX = 100_000

/**
 * The runs of all intervals that overlap `[from, to)`, in order, as backfills: known at `R`, created at `R + runtime`.
 *
 * @param limit at most so many, the earliest ones
 * @throws {AsofError} `invalid_schedule`
 * @example
 * ```ts
 * const hourly = { every: MICROS.hour, delay: 0, runtime: 0, lookback: MICROS.day }
 * runsOf(hourly, parseInstant('1969-12-31T23:30:00Z'), parseInstant('1970-01-01T00:30:00Z'))
 * // two runs, at 1970-01-01T00:00:00Z and at 01:00:00Z
 * ```
 */
export function runsOf(schedule: Schedule, from: Instant, to: Instant, limit = RUNS_PER_CALL_MAX): Run[] {
  checkSchedule(schedule)
  const runs: Run[] = []
  for (
    let start = intervalStart(schedule, from);
    start < to && runs.length < limit;
    start += schedule.every
  ) {
    const end = start + schedule.every
    const at = (end + schedule.delay) as Instant
    runs.push({
      at,
      from: (start - schedule.lookback) as Instant,
      end: end as Instant,
      asOf: at,
      created: (at + schedule.runtime) as Instant,
    })
  }
  return runs
}

/**
 * The runs to do now: those after the last one recorded (or, for a group without any, from the interval that holds
 * `startAt`) whose instant is not after `now`. A live run carries `now` as its created time until the append stamps
 * the clock.
 *
 * @throws {AsofError} `invalid_schedule`
 */
export function dueRuns(state: {
  readonly schedule: Schedule
  /** Instant of the last run recorded; undefined when there is none. */
  readonly recordedThrough: Instant | undefined
  /** Event time from which on the group has history. */
  readonly startAt: Instant
  readonly now: Instant
  /** When the group version was first applied. */
  readonly firstApplied: Instant
  /** At most so many, the earliest ones. */
  readonly limit?: number
}): Run[] {
  const { schedule, recordedThrough, now, firstApplied } = state
  checkSchedule(schedule)
  const from = recordedThrough === undefined ? state.startAt : ((recordedThrough - schedule.delay) as Instant)
  // The intervals that have ended, with their delay, by now are those that begin before this one.
  const to = intervalStart(schedule, (now - schedule.delay) as Instant)
  return runsOf(schedule, from, to, state.limit).map((run) =>
    isBackfill(run.at, firstApplied) ? run : { ...run, created: now },
  )
}

/**
 * The recorded runs of all intervals that overlap `[from, to)`, to be done again as known `now`: the one way to do a
 * run twice.
 *
 * @throws {AsofError} `invalid_schedule`
 */
export function restatedRuns(state: {
  readonly schedule: Schedule
  readonly from: Instant
  readonly to: Instant
  readonly recordedThrough: Instant
  readonly now: Instant
  /** At most so many, the earliest ones. */
  readonly limit?: number
}): Run[] {
  const { schedule, from, recordedThrough, now } = state
  const to = Math.min(state.to, recordedThrough - schedule.delay) as Instant
  return runsOf(schedule, from, to, state.limit).map((run) => ({ ...run, asOf: now, created: now }))
}

/** The first run instant after an instant: after a run, the next one. */
export function nextRun(schedule: Schedule, after: Instant): Instant {
  checkSchedule(schedule)
  return (intervalStart(schedule, (after - schedule.delay) as Instant) +
    schedule.every +
    schedule.delay) as Instant
}

/** Whether a run stamps `R + runtime` (a backfill) and not the clock (live). */
export function isBackfill(at: Instant, firstApplied: Instant): boolean {
  return at <= firstApplied
}

/** The last run that reads events of time `e`; what becomes known after it comes too late for every run. */
export function lastRunOf(schedule: Schedule, e: Instant): Instant {
  checkSchedule(schedule)
  const start = intervalStart(schedule, (e + schedule.lookback) as Instant)
  return (start + schedule.every + schedule.delay) as Instant
}

/** The beginning of the interval that holds an instant; `%` is exact, a quotient of doubles need not be. */
function intervalStart(schedule: Schedule, at: Instant): number {
  const { every } = schedule
  return at - (((at % every) + every) % every)
}

function checkSchedule(schedule: Schedule): void {
  const whole = Object.values(schedule).every((micros: number) => Number.isSafeInteger(micros) && micros >= 0)
  if (whole && schedule.every > 0) return
  throw invalid(
    'invalid_schedule',
    'give a schedule whole microseconds, `every` at least 1 and no other below 0',
    {
      every: schedule.every,
      delay: schedule.delay,
      runtime: schedule.runtime,
      lookback: schedule.lookback,
    },
  )
}
