import { AsofError, invalid, isAsofError } from '../errors/asof-error.ts'
import { MICROS, type Instant } from '../clock/instant.ts'
import { durationMicros } from '../clock/duration.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import { LIMITS } from '../limits/limits.ts'
import { groupId } from '../model/definition.ts'
import type {
  ComputeEngine,
  Extraction,
  GroupColumns,
  LongCall,
  Run,
  SourceRelation,
} from '../ports/compute-engine.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { DataFile, OfflineStore } from '../ports/offline-store.ts'
import type { Staging } from '../ports/staging.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { GroupPlan } from './group-plan.ts'
import { groupTableSchema, TABLE_COLUMNS } from './group-table.ts'
import { encodeLogBody, type BatchBody } from './log-record.ts'
import type { Quarantine } from './quarantine.ts'
import { dueRuns, runsOf } from './schedule.ts'
import type { Sinks } from './sinks.ts'
import { readsByCommit, sourceRelation, type SourceAccess } from './source-relation.ts'

/** The parts that computing a group's rows needs. */
export interface MaterializeParts {
  readonly snapshot: Snapshot
  readonly log: EventLog
  readonly engine: ComputeEngine
  readonly offline: OfflineStore
  readonly staging: Staging
  readonly sinks: Sinks
  readonly quarantine: Quarantine
  readonly sources: SourceAccess
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
  readonly quarantined: number
  readonly reasons: Readonly<Record<string, number>>
  /** Source rows known too late for every run. */
  readonly tooLate: number
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
 * @throws {AsofError} `invalid`, for a group that is only pushed or a range that leaves a gap
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

/** The producer under which a group's runs stand in the log; its sequence is the last run instant. */
export function runsProducer(plan: GroupPlan): string {
  return `asof:runs:${plan.offlineTable}`
}

/** The last run instant recorded; undefined before the first. */
export async function recordedThrough(log: EventLog, plan: GroupPlan): Promise<Instant | undefined> {
  return (await log.lastSequence(runsProducer(plan))) as Instant | undefined
}

async function runSchedule(
  parts: MaterializeParts,
  plan: GroupPlan,
  options: MaterializeOptions,
): Promise<MaterializeResult> {
  const { log } = parts
  const schedule = scheduleOf(plan)
  let total = emptyResult(plan)
  for (;;) {
    options.signal?.throwIfAborted()
    const recorded = await recordedThrough(log, plan)
    const now = log.now()
    const startAt = recorded === undefined ? await firstInterval(parts, plan, options) : undefined
    const runs = dueRuns({
      schedule,
      ...(recorded === undefined ? { startAt: startAt! } : { recordedThrough: recorded }),
      now: Math.min(now, options.to ?? now) as Instant,
      firstApplied: plan.group.firstApplied,
    })
    if (runs.length === 0) return { ...total, through: recorded }
    const batch = await nextBatch(parts, plan, runs)
    try {
      const done = await runBatch(parts, plan, batch, recorded, withTotal(options, total.runs, runs.length))
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
 * @throws {AsofError} `not_scheduled`, `not_materialized`
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
  const runs = runsOf(scheduleOf(plan), range.from, range.to)
    .filter((run) => run.at <= recorded)
    .map((run): Run => ({ ...run, asOf: start, created: start }))
  if (runs.length === 0) return { ...emptyResult(plan), through: recorded }
  const producer = `asof:restate:${plan.offlineTable}`
  const after = await parts.log.lastSequence(producer)
  const sequence = Math.max((after ?? -1) + 1, start)
  const done = await computeBatch(parts, plan, runs, options, { onePerKey: true }, async (replay) => {
    await commitLive(parts, plan, replay, { producer, sequence, after })
  })
  return { ...done, through: recorded }
}

async function runBatch(
  parts: MaterializeParts,
  plan: GroupPlan,
  runs: readonly Run[],
  recorded: Instant | undefined,
  options: LongCall,
): Promise<MaterializeResult> {
  const last = runs.at(-1)!.at
  const name = { producer: runsProducer(plan), sequence: last, after: recorded }
  return await computeBatch(parts, plan, runs, options, {}, async (replay) => {
    if (last > plan.group.firstApplied) return await commitLive(parts, plan, replay, name, last)
    await commitStamped(parts, plan, replay, name, { sequence: 'file', created: 'file', runsThrough: last })
  })
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
    ...counts(plan, replay),
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
  if (after === undefined || found.rows > 0) {
    // Rows that turn up after the first import were not known before now: the past never moves.
    const created = after === undefined ? 'file' : 'later'
    const name = { producer, sequence: imported + Math.max(1, found.rows), after }
    await commitAt(parts, plan, found, name, IMPORT_FIRST + imported, { sequence: 'file', created })
    await parts.sinks.drain({ offline: true })
  }
  return counts(plan, found)
}

/** Identifies a batch in the log: the append fails unless the producer stands at `after`. */
interface BatchName {
  readonly producer: string
  readonly sequence: number
  readonly after: number | undefined
}

type Stamping = Pick<BatchBody, 'sequence' | 'created' | 'runsThrough'>

/** A backfill: positions are reserved, so that the staged file is final and can become the table's own. */
async function commitStamped(
  parts: MaterializeParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName,
  stamping: Stamping,
): Promise<void> {
  const first = rows.rows === 0 ? 0 : await parts.log.reserve(rows.rows)
  await commitAt(parts, plan, rows, name, first, stamping)
}

/** A live run: created time and sequence are those of the append. */
async function commitLive(
  parts: MaterializeParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName,
  runsThrough?: Instant,
): Promise<void> {
  await commitAt(parts, plan, rows, name, 0, {
    sequence: 'position',
    created: 'append',
    ...(runsThrough !== undefined && { runsThrough }),
  })
}

async function commitAt(
  parts: MaterializeParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName,
  firstSequence: number,
  stamping: Stamping,
): Promise<void> {
  const { log, staging } = parts
  const { definition } = plan.group
  const file = rows.rows === 0 ? undefined : staging.create()
  try {
    if (file !== undefined) {
      await rows.stage(staging.localPath(file), firstSequence)
      await staging.sync(file)
    }
    const body = encodeLogBody({
      kind: 'batch',
      project: plan.project,
      group: definition.name,
      version: definition.version,
      ...(file !== undefined && { file }),
      rows: rows.rows,
      schema: plan.schema,
      ...stamping,
    })
    const span = stamping.sequence === 'position' ? Math.max(1, rows.rows) : 1
    const { producer, sequence, after } = name
    await log.append([{ producer, sequence, span, body }], { conditional: true, after })
  } catch (error) {
    // Only an append that certainly did not happen leaves the file to nobody.
    if (file !== undefined && isAsofError(error, 'conflict')) await staging.remove(file)
    throw error
  }
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

async function relationsAt(
  parts: MaterializeParts,
  plan: GroupPlan,
  asOf: Instant,
): Promise<SourceRelation[]> {
  return await Promise.all(
    sourceNames(plan).map((name) => sourceRelation(parts.snapshot, name, parts.sources, asOf)),
  )
}

function sourceNames(plan: GroupPlan): readonly string[] {
  const { compute } = plan.group.definition
  return compute.from === 'query' ? compute.sources : compute.from === 'source' ? [compute.source] : []
}

/** The files of a group's table that may hold rows dated `from` or later. */
async function filesFrom(
  offline: OfflineStore,
  plan: GroupPlan,
  from: Instant | undefined,
): Promise<readonly DataFile[]> {
  const files = (await offline.snapshot(plan.offlineTable))?.files ?? []
  if (from === undefined) return files
  return files.filter((file) => {
    const newest = file.max[TABLE_COLUMNS.eventTime]
    return newest === undefined || Number(newest) >= from
  })
}

/** How a group's rows are made from the columns of its source or query. */
export function groupColumns(plan: GroupPlan): GroupColumns {
  const { definition, entity } = plan.group
  return {
    keys: entity.keys.map(({ name, type }) => ({ name, column: definition.key[name] ?? name, type })),
    features: definition.features,
    table: groupTableSchema(plan.group).columns.filter((column) => column.partitionOf === undefined),
    unknownColumns: definition.unknownColumns,
  }
}

/** A group's schedule in microseconds. */
export function scheduleOf(plan: GroupPlan): {
  readonly every: number
  readonly delay: number
  readonly runtime: number
  readonly lookback: number
} {
  const { schedule } = plan.group.definition
  if (schedule === undefined) return { every: MICROS.day, delay: 0, runtime: 0, lookback: 0 }
  return {
    every: durationMicros(schedule.every),
    delay: durationMicros(schedule.delay),
    runtime: durationMicros(schedule.runtime),
    lookback: durationMicros(schedule.lookback),
  }
}

function counts(plan: GroupPlan, rows: Extraction): MaterializeResult {
  const reasons: Record<string, number> = {}
  for (const { reason } of rows.rejected) reasons[reason] = (reasons[reason] ?? 0) + 1
  return {
    ...emptyResult(plan),
    rows: rows.rows,
    unchanged: rows.unchanged,
    quarantined: rows.rejectedCount,
    reasons,
  }
}

function emptyResult(plan: GroupPlan): MaterializeResult {
  const zero = { runs: 0, rows: 0, corrections: 0, unchanged: 0, quarantined: 0, tooLate: 0 }
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

/** The instant before the first run that is still to be backfilled; undefined when none is. */
export async function backfilledBefore(log: EventLog, plan: GroupPlan): Promise<Instant | undefined> {
  if (plan.group.definition.schedule === undefined) return undefined
  const recorded = await recordedThrough(log, plan)
  if (recorded === undefined) {
    throw invalid('not_materialized', 'this group has no rows yet: materialize it first', {
      group: nameOf(plan),
    })
  }
  const next = recorded + scheduleOf(plan).every
  return next <= plan.group.firstApplied ? ((next - 1) as Instant) : undefined
}
