import type { Instant } from '../clock/instant.ts'
import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
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

/** Runs that {@link dueRuns} answers at most; ask again when these are recorded. */
export const DUE_RUNS_MAX = 100_000

/**
 * The runs of all intervals that overlap `[from, to)`, in order, as backfills: known at `R`, created at `R + runtime`.
 *
 * @param limit at most so many, the earliest ones
 * @throws {AsofError} `invalid_schedule`
 * @example
 * ```ts
 * const hourly = { every: MICROS.hour, delay: 0, runtime: 0, lookback: MICROS.day }
 * const runs = runsOf(hourly, parseInstant('1969-12-31T23:30:00Z'), parseInstant('1970-01-01T00:30:00Z'))
 * runs.map((run) => formatInstant(run.at)) // ['1970-01-01T00:00:00.000000Z', '1970-01-01T01:00:00.000000Z']
 * ```
 */
export function runsOf(
  schedule: Schedule,
  from: Instant,
  to: Instant,
  limit: number = Number.POSITIVE_INFINITY,
): Run[] {
  checkSchedule(schedule)
  const runs: Run[] = []
  if (from >= to) return runs
  let start: number = intervalStart(schedule, from)
  for (; start < to && runs.length < limit; start += schedule.every) {
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

/** How many runs {@link runsOf} would answer without a limit. @throws {AsofError} `invalid_schedule` */
export function countRuns(schedule: Schedule, from: Instant, to: Instant): number {
  checkSchedule(schedule)
  return from >= to ? 0 : Math.ceil((to - intervalStart(schedule, from)) / schedule.every)
}

/**
 * Refuses more runs in one call than there may be.
 *
 * @throws {AsofError} `too_many_runs`
 */
export function checkRunCount(group: string, runs: number): void {
  if (runs <= LIMITS.runsPerCallMax) return
  throw invalid(
    'too_many_runs',
    "too many runs for one call: raise the schedule's `every`, or narrow the call with from and to",
    { group, runs, runsPerCallMax: LIMITS.runsPerCallMax },
  )
}

/**
 * What decides which runs are due: where the last call ended, or where history begins, and the clock.
 */
export type DueState = {
  readonly schedule: Schedule
  readonly now: Instant
  /** When the group version was first applied. */
  readonly firstApplied: Instant
  /** At most so many runs, the earliest ones; {@link DUE_RUNS_MAX} by default. */
  readonly limit?: number
} & (
  | { /** Instant of the last run recorded. */ readonly recordedThrough: Instant }
  | {
      /** Event time from which on the group has history; its interval is the first. */ readonly startAt: Instant
    }
)

/**
 * The runs to do now, in order: those whose instant is after the last one recorded and not after `now`. A live run
 * carries `now` as its created time until the append stamps the clock.
 *
 * @throws {AsofError} `invalid_schedule`
 */
export function dueRuns(state: DueState): Run[] {
  const { schedule, now, firstApplied, limit = DUE_RUNS_MAX } = state
  const { from, to } = dueRange(state)
  return runsOf(schedule, from, to, limit).map((run) =>
    isBackfill(run.at, firstApplied) ? run : { ...run, created: now },
  )
}

/** How many runs {@link dueRuns} would answer without a limit. @throws {AsofError} `invalid_schedule` */
export function countDueRuns(state: DueState): number {
  const { from, to } = dueRange(state)
  return countRuns(state.schedule, from, to)
}

function dueRange(state: DueState): { readonly from: Instant; readonly to: Instant } {
  const { schedule, now } = state
  checkSchedule(schedule)
  const from = 'startAt' in state ? state.startAt : ((state.recordedThrough - schedule.delay) as Instant)
  // The intervals that have ended, with their delay, by now are those that begin before this one.
  return { from, to: intervalStart(schedule, (now - schedule.delay) as Instant) }
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

/** The beginning of the interval that holds an instant; `%` is exact, a quotient of doubles need not be. */
function intervalStart({ every }: Schedule, at: Instant): Instant {
  return (at - (((at % every) + every) % every)) as Instant
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
