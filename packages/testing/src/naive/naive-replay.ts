import { runsOf } from '@asof/core'
import type { Instant, Run } from '@asof/core'

/** A row that a run's query gives; scalar values only. */
export interface GivenRow {
  readonly key: string | null
  /** Its event time; null where the query gives none. */
  readonly e: number | null
  readonly values: readonly (number | string | null)[]
  readonly deleted: boolean
  /** Whether a value does not fit the declared type. */
  readonly unfit: boolean
}

/** A row of the table. */
export interface ReplayedRow {
  readonly key: string
  readonly e: number
  readonly c: number
  readonly s: number
  readonly values: GivenRow['values']
  readonly deleted: boolean
}

/** What is replayed; times in microseconds. */
export interface NaiveReplayRequest<Event> {
  readonly runs: readonly Run[]
  readonly every: number
  readonly delay: number
  readonly lookback: number
  /** A restatement: the last run's row of each key and event time alone. */
  readonly onePerKey?: boolean
  /** Rows of the source, in its order. */
  readonly events: readonly Event[]
  /** What the query makes of the rows that a run sees, sorted by event time. */
  readonly given: (seen: readonly Event[], run: Run) => readonly GivenRow[]
  /** Rows of the table before. */
  readonly existing: readonly ReplayedRow[]
}

/** What came of it. */
export interface NaiveReplay {
  /** Appended rows, in order of run, key and event time, with sequences from 0 on. */
  readonly rows: readonly ReplayedRow[]
  readonly perRun: readonly number[]
  readonly corrections: number
  readonly unchanged: number
  readonly cut: number
  /** Reason and run of each refused row. */
  readonly rejected: readonly { readonly reason: string; readonly run: Instant }[]
  readonly tooLate: number
}

/** Runs of a scheduled group as SEMANTICS section 1 says, run by run and row by row. */
export function naiveReplay<Event extends { readonly e: number; readonly c: number }>(
  request: NaiveReplayRequest<Event>,
): NaiveReplay {
  const { runs, every, delay, lookback, onePerKey, events, given, existing } = request
  const table = [...existing]
  const rejected: { reason: string; run: Instant }[] = []
  let picked: { readonly row: ReplayedRow; readonly run: number }[] = []
  let [cut, accepted] = [0, 0]
  for (const [number, run] of runs.entries()) {
    const seen = events
      .filter(({ e, c }) => e >= run.from && e < run.end && c <= run.asOf)
      .toSorted((a, b) => a.e - b.e)
    const dated: (GivenRow & { readonly key: string; readonly e: number })[] = []
    for (const row of given(seen, run)) {
      const e = row.e ?? run.end
      if (row.key === null) rejected.push({ reason: 'null_key', run: run.at })
      else if (e < run.from) cut++
      else if (e > run.end) rejected.push({ reason: 'after_interval', run: run.at })
      else dated.push({ ...row, key: row.key, e })
    }
    const good: ReplayedRow[] = []
    for (const { key, e, values, deleted, unfit } of dated) {
      const alike = dated.filter((other) => other.key === key && other.e === e)
      if (unfit && !deleted) rejected.push({ reason: 'invalid_value', run: run.at })
      else if (alike.length > 1) rejected.push({ reason: 'duplicate_in_run', run: run.at })
      else
        good.push({
          key,
          e,
          c: run.created,
          s: 0,
          values: deleted ? values.map(() => null) : values,
          deleted,
        })
    }
    accepted += good.length
    for (const row of good.toSorted(byKeyAndTime)) {
      if (onePerKey === true) picked = picked.filter(({ row: before }) => !sameIdentity(before, row))
      else if (!differs(row, newest(table, row))) continue
      picked.push({ row, run: number })
      if (onePerKey !== true) table.push({ ...row, s: picked.length })
    }
  }
  const appended = picked.filter(({ row }) => onePerKey !== true || differs(row, newest(existing, row)))
  const rows = appended.map(({ row }, s) => ({ ...row, s }))
  const replaces = (row: ReplayedRow): boolean =>
    [...existing, ...rows.slice(0, row.s)].some((before) => sameIdentity(before, row))
  const [first, last] = [runs[0], runs.at(-1)]
  const tooLate = events.filter(({ e, c }) => {
    if (first === undefined || last === undefined || c <= first.at - every || c > last.at) return false
    const around = runsOf(
      { every, delay, runtime: 0, lookback },
      e as Instant,
      (e + lookback + every) as Instant,
    )
    return around.filter((run) => run.from <= e && e < run.end).every(({ at }) => at < c)
  })
  return {
    rows,
    perRun: runs.map((_, number) => appended.filter(({ run }) => run === number).length),
    corrections: rows.filter(replaces).length,
    unchanged: accepted - rows.length,
    cut,
    rejected,
    tooLate: onePerKey === true ? 0 : tooLate.length,
  }
}

function sameIdentity(a: ReplayedRow, b: ReplayedRow): boolean {
  return a.key === b.key && a.e === b.e
}

/** Keys in the order of their bytes. */
function byKeyAndTime(a: ReplayedRow, b: ReplayedRow): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.e - b.e
}

function newest(table: readonly ReplayedRow[], row: ReplayedRow): ReplayedRow | undefined {
  return table
    .filter((other) => sameIdentity(other, row))
    .toSorted((a, b) => a.c - b.c || a.s - b.s)
    .at(-1)
}

/** Whether a row is new, or differs in any bit. */
function differs(row: ReplayedRow, than: ReplayedRow | undefined): boolean {
  if (than === undefined || row.deleted !== than.deleted) return true
  return !row.values.every((value, at) => Object.is(value, than.values[at]))
}
