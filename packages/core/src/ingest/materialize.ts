import { AsofError, invalid } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import { durationMicros } from '../clock/duration.ts'
import { LIMITS } from '../limits/limits.ts'
import { groupId } from '../model/definition.ts'
import type { ComputeEngine, Extraction, LongCall, Run } from '../ports/compute-engine.ts'
import type { OfflineStore } from '../ports/offline-store.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { commitAt, commitLive, commitStamped, type CommitParts } from './commit-batch.ts'
import {
  filesFrom,
  groupColumns,
  relationsAt,
  scheduleOf,
  sourceNames,
  type InputParts,
} from './group-inputs.ts'
import type { GroupPlan } from './group-plan.ts'
import type { Quarantine } from './quarantine.ts'
import { recordedThrough, runsProducer } from './recorded-runs.ts'
import { RefusedRows } from './refused-rows.ts'
import { checkRunCount, countDueRuns, countRuns, dueRuns, runsOf, type DueState } from './schedule.ts'
import type { Sinks } from './sinks.ts'
import { readsByCommit, sourceRelation } from './source-relation.ts'

/** The parts that computing a group's rows needs. */
export interface MaterializeParts extends CommitParts, InputParts {
  readonly engine: ComputeEngine
  readonly offline: OfflineStore
  readonly sinks: Sinks
  readonly quarantine: Quarantine
  readonly telemetry: Telemetry
}

/** What to compute. */
export interface MaterializeOptions extends LongCall {
  /** First interval of the first materialization; the source's first event by default. Later calls go on from the last run. */
  readonly from?: Instant
  /** Runs up to this run instant are done; now by default. */
  readonly to?: Instant
}

/** What was computed. */
export interface MaterializeResult {
  readonly group: string
  /** Runs done by this call; 0 for a group without a schedule. */
  readonly runs: number
  readonly rows: number
  readonly corrections: number
  readonly unchanged: number
  /** Refused rows, each once, however many runs meet it. */
  readonly quarantined: number
  readonly reasons: Readonly<Record<string, number>>
  /** Source rows known too late for every run. */
  readonly tooLate: number
  /** Live runs whose rows could be read only later than `runtime` after their instant. */
  readonly overdue: number
  /** The last run instant recorded, for a scheduled group. */
  readonly through: Instant | undefined
}

/** Runs computed in one go, and committed together. */
const RUNS_PER_BATCH = 5_000
/** Where the sequences of imported history begin: each import takes the next block above the previous one. */
const IMPORT_FIRST = -(2 ** 52)

/**
 * Computes what is due of a group and brings it through the log into both stores.
 *
 * A batch is computed and staged first and becomes true with one conditional append that names what was recorded
 * before; whoever loses that race, or dies before it, has changed nothing.
 *
 * @throws {AsofError} `invalid`, for a group that is only pushed, a range that leaves a gap, or `too_many_runs`
 */
export async function materialize(
  parts: MaterializeParts,
  plan: GroupPlan,
  options: MaterializeOptions = {},
): Promise<MaterializeResult> {
  const { compute, schedule } = plan.group.definition
  if (compute.from === 'push') {
    throw invalid('group_is_pushed', 'this group has no source: its rows are pushed', { group: nameOf(plan) })
  }
  return schedule === undefined
    ? await importHistory(parts, plan, compute.from === 'source' ? compute.source : '', options)
    : await runSchedule(parts, plan, options)
}

async function runSchedule(
  parts: MaterializeParts,
  plan: GroupPlan,
  options: MaterializeOptions,
): Promise<MaterializeResult> {
  const { log } = parts
  const schedule = scheduleOf(plan)
  const refused = new RefusedRows(nameOf(plan))
  let total = emptyResult(plan)
  for (;;) {
    options.signal?.throwIfAborted()
    const recorded = await recordedThrough(log, plan)
    const now = log.now()
    const startAt = recorded === undefined ? await firstInterval(parts, plan, options) : undefined
    const due: DueState = {
      schedule,
      ...(recorded === undefined ? { startAt: startAt! } : { recordedThrough: recorded }),
      now: Math.min(now, options.to ?? now) as Instant,
      firstApplied: plan.group.firstApplied,
    }
    // Before any work: a call that has begun goes on to its end.
    if (total.runs === 0) checkRunCount(nameOf(plan), countDueRuns(due))
    const runs = dueRuns(due)
    if (runs.length === 0) return { ...total, through: recorded }
    const batch = await nextBatch(parts, plan, runs)
    try {
      const call = withTotal(options, total.runs, runs.length)
      const done = await runBatch(parts, plan, batch, recorded, refused, call)
      total = add(total, done)
    } catch (error) {
      // Another process recorded these runs first: look again at what is due.
      if (!(error instanceof AsofError) || error.code !== 'sequence_moved') throw error
    }
  }
}

/**
 * Does the runs of some intervals again, as known now: the only way in which a recorded run is repeated.
 *
 * @param range event time of the intervals: `[from, to)`
 * @throws {AsofError} `not_scheduled`, `not_materialized`, `too_many_runs`
 */
export async function restate(
  parts: MaterializeParts,
  plan: GroupPlan,
  range: { readonly from: Instant; readonly to: Instant },
  options: LongCall = {},
): Promise<MaterializeResult> {
  if (plan.group.definition.schedule === undefined) {
    throw invalid('not_scheduled', 'only a scheduled group has runs to restate', { group: nameOf(plan) })
  }
  const recorded = await recordedThrough(parts.log, plan)
  if (recorded === undefined) {
    throw invalid('not_materialized', 'nothing to restate: materialize the group first', {
      group: nameOf(plan),
    })
  }
  const start = parts.log.now()
  // No interval that begins later has a recorded run.
  const to = Math.min(range.to, recorded) as Instant
  checkRunCount(nameOf(plan), countRuns(scheduleOf(plan), range.from, to))
  const runs = runsOf(scheduleOf(plan), range.from, to)
    .filter((run) => run.at <= recorded)
    .map((run): Run => ({ ...run, asOf: start, created: start }))
  if (runs.length === 0) return { ...emptyResult(plan), through: recorded }
  const producer = `asof:restate:${plan.offlineTable}`
  const after = await parts.log.lastSequence(producer)
  const sequence = Math.max((after ?? -1) + 1, start)
  const refused = new RefusedRows(nameOf(plan))
  const mode = { onePerKey: true } as const
  const done = await computeBatch(parts, plan, runs, refused, options, mode, async (replay) => {
    await commitLive(parts, plan, replay, { producer, sequence, after })
  })
  return { ...done, through: recorded }
}

async function runBatch(
  parts: MaterializeParts,
  plan: GroupPlan,
  runs: readonly Run[],
  recorded: Instant | undefined,
  refused: RefusedRows,
  options: LongCall,
): Promise<MaterializeResult> {
  const last = runs.at(-1)!.at
  const name = { producer: runsProducer(plan), sequence: last, after: recorded }
  let overdue = 0
  const done = await computeBatch(parts, plan, runs, refused, options, {}, async (replay) => {
    if (last <= plan.group.firstApplied) {
      const stamping = { sequence: 'file', created: 'file', runsThrough: last } as const
      return await commitStamped(parts, plan, replay, name, stamping)
    }
    const { at } = await commitLive(parts, plan, replay, name, last)
    if (at > last + scheduleOf(plan).runtime) overdue++
  })
  parts.telemetry.count('asof_runs_overdue', overdue, { group: nameOf(plan) })
  return { ...done, overdue }
}

/** Progress over all that is due, though it is computed batch by batch. */
function withTotal(options: LongCall, before: number, due: number): LongCall {
  const { progress } = options
  if (progress === undefined) return options
  return {
    ...options,
    progress: (state) =>
      progress(state.unit === 'runs' ? { ...state, done: before + state.done, total: before + due } : state),
  }
}

/** The runs that may be computed together: a live run stands alone, as do runs that read other table versions. */
async function nextBatch(
  parts: MaterializeParts,
  plan: GroupPlan,
  due: readonly Run[],
): Promise<readonly Run[]> {
  const [first] = due
  if (first === undefined || first.at > plan.group.firstApplied) return due.slice(0, 1)
  const backfill = due.filter((run) => run.at <= plan.group.firstApplied).slice(0, RUNS_PER_BATCH)
  if (!sourceNames(plan).some((name) => readsByCommit(parts.snapshot, name))) return backfill
  const versions = async (run: Run): Promise<string> =>
    JSON.stringify((await relationsAt(parts, plan, run.asOf)).map((source) => source.created))
  const version = await versions(first)
  const together = [first]
  for (const run of backfill.slice(1)) {
    if ((await versions(run)) !== version) break
    together.push(run)
  }
  return together
}

async function computeBatch(
  parts: MaterializeParts,
  plan: GroupPlan,
  runs: readonly Run[],
  refused: RefusedRows,
  options: LongCall,
  mode: { readonly onePerKey?: true },
  commit: (extraction: Extraction) => Promise<void>,
): Promise<MaterializeResult> {
  const { compute } = plan.group.definition
  const schedule = scheduleOf(plan)
  const [first] = runs as readonly [Run, ...Run[]]
  await parts.sinks.drain({ offline: true, ...(options.signal && { signal: options.signal }) })
  await using replay = await parts.engine.replay({
    query: compute.from === 'query' ? compute.query : undefined,
    sources: await relationsAt(parts, plan, first.asOf),
    columns: groupColumns(plan),
    runs,
    every: schedule.every,
    delay: schedule.delay,
    lookback: schedule.lookback,
    existing: await filesFrom(parts.offline, plan, first.from),
    ...mode,
    ...longCall(options),
  })
  await parts.quarantine.add(nameOf(plan), replay.rejected, parts.log.now())
  await commit(replay)
  await parts.sinks.drain({ offline: true })
  parts.telemetry.count('asof_source_rows_too_late', replay.tooLate, { group: nameOf(plan) })
  return {
    ...counts(plan, replay, refused),
    runs: runs.length,
    corrections: replay.corrections,
    tooLate: replay.tooLate,
    through: runs.at(-1)!.at,
  }
}

async function importHistory(
  parts: MaterializeParts,
  plan: GroupPlan,
  source: string,
  options: MaterializeOptions,
): Promise<MaterializeResult> {
  const { log } = parts
  const producer = `asof:import:${plan.offlineTable}`
  const after = await log.lastSequence(producer)
  await parts.sinks.drain({ offline: true, ...(options.signal && { signal: options.signal }) })
  const now = log.now()
  const isHeld = parts.snapshot.sources.get(source)?.future === 'hold'
  await using found = await parts.engine.extract({
    source: await sourceRelation(parts.snapshot, source, parts.sources, now),
    columns: groupColumns(plan),
    knownBy: options.to ?? now,
    existing: await filesFrom(parts.offline, plan, undefined),
    delay: durationMicros(plan.group.definition.delay),
    eventsUntil: isHeld ? undefined : ((now + LIMITS.futureMaxMicros) as Instant),
    ...longCall(options),
  })
  await parts.quarantine.add(nameOf(plan), found.rejected, now)
  const imported = after ?? 0
  // What appends nothing has materialized nothing, so that a source may be mended before its history is declared.
  if (found.rows > 0) {
    // Rows that turn up after the first import were not known before now: the past never moves.
    const created = after === undefined ? 'file' : 'later'
    const name = { producer, sequence: imported + found.rows, after }
    await commitAt(parts, plan, found, name, IMPORT_FIRST + imported, { sequence: 'file', created })
    await parts.sinks.drain({ offline: true })
  }
  return counts(plan, found, new RefusedRows(nameOf(plan)))
}

async function firstInterval(
  parts: MaterializeParts,
  plan: GroupPlan,
  options: MaterializeOptions,
): Promise<Instant> {
  if (options.from !== undefined) return options.from
  const firsts: number[] = []
  for (const source of await relationsAt(parts, plan, parts.log.now())) {
    const bounds = source.eventTime === undefined ? undefined : await parts.engine.bounds(source)
    if (bounds !== undefined) firsts.push(bounds.first)
  }
  return Math.min(...firsts, parts.log.now()) as Instant
}

function counts(plan: GroupPlan, rows: Extraction, refused: RefusedRows): MaterializeResult {
  const { rows: count, unchanged } = rows
  return { ...emptyResult(plan), rows: count, unchanged, ...refused.count(rows) }
}

function emptyResult(plan: GroupPlan): MaterializeResult {
  const zero = { runs: 0, rows: 0, corrections: 0, unchanged: 0, quarantined: 0, tooLate: 0, overdue: 0 }
  return { group: nameOf(plan), ...zero, reasons: {}, through: undefined }
}

function add(a: MaterializeResult, b: MaterializeResult): MaterializeResult {
  const reasons = { ...a.reasons }
  for (const [reason, count] of Object.entries(b.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count
  return {
    group: b.group,
    runs: a.runs + b.runs,
    rows: a.rows + b.rows,
    corrections: a.corrections + b.corrections,
    unchanged: a.unchanged + b.unchanged,
    quarantined: a.quarantined + b.quarantined,
    tooLate: a.tooLate + b.tooLate,
    overdue: a.overdue + b.overdue,
    reasons,
    through: b.through,
  }
}

function longCall(options: LongCall): LongCall {
  return {
    ...(options.signal && { signal: options.signal }),
    ...(options.progress && { progress: options.progress }),
  }
}

function nameOf(plan: GroupPlan): string {
  return groupId(plan.group.definition)
}
