import { AsofError, invalid, notFound } from '../errors/asof-error.ts'
import { parseInstant, type Instant } from '../clock/instant.ts'
import { serviceFingerprint } from '../apply/service-fingerprint.ts'
import { shapeOf } from '../apply/service-shape.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import { backfilledBefore } from '../ingest/recorded-runs.ts'
import type { Sinks } from '../ingest/sinks.ts'
import type { SourceAccess } from '../ingest/source-relation.ts'
import { LIMITS } from '../limits/limits.ts'
import type { TimeColumn } from '../model/definition.ts'
import type { Project } from '../model/project.ts'
import type { Knowledge, NaiveValue } from '../point-in-time/visible.ts'
import type { LongCall, Relation } from '../ports/compute-engine.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Timing } from '../ports/timing.ts'
import { MANIFEST_FILE, readManifest, type TrainingFormat } from '../train/manifest.ts'
import { train, type TrainingService, type TrainingSet, type TrainParts } from '../train/train.ts'
import { verifyTrainingSet, type Verification } from '../train/verify.ts'
import { serviceNamed, type Catalog, type ServiceReference } from './catalog.ts'

/** What to build a training set from, and where. */
export interface TrainingOptions extends LongCall {
  /** A file of the project's folder (.parquet, .csv, .jsonl), a Delta table, or rows. */
  readonly labels: string | Relation
  /** Column of the label time; its zone or unit where it has none of its own. */
  readonly at: string | TimeColumn
  /** Absolute path of the folder to make. */
  readonly to: string
  readonly format?: TrainingFormat
  /** Replaces a set that is there. */
  readonly overwrite?: boolean
  readonly knowledge?: Knowledge
  /** Adds the status of each feature. */
  readonly statuses?: boolean
  /** Adds the event time behind each stored feature. */
  readonly eventTimes?: boolean
  /** Fails when an on-demand feature fails for any label. */
  readonly strict?: boolean
  /** Waits for labels beyond the offline horizon. */
  readonly wait?: boolean
}

/** The parts that building training sets through a store needs. */
export interface TrainingParts extends TrainParts {
  readonly catalog: Catalog
  readonly code: Project
  readonly log: EventLog
  readonly sinks: Sinks
  readonly sources: SourceAccess
  readonly timing: Timing
  readonly pollMs: number
}

const LABEL_FORMATS = ['parquet', 'csv', 'jsonl'] as const

/** Builds a training set of a service from everything that the store knows by now. */
export async function buildTrainingSet(
  parts: TrainingParts,
  reference: ServiceReference,
  options: TrainingOptions,
): Promise<TrainingSet> {
  const { labels, to, at, wait = false, format = 'parquet', overwrite = false, ...rest } = options
  const relation = typeof labels === 'string' ? await labelFile(parts.sources, labels) : labels
  for (;;) {
    await parts.sinks.drain({ offline: true, ...(options.signal && { signal: options.signal }) })
    const service = trainingService(parts.catalog, await parts.catalog.snapshot(), reference)
    const slots = service.shape.slots.map((slot) => parts.catalog.compiled(parts.code.name, slot.group))
    const horizon = await offlineHorizon(parts, await Promise.all(slots))
    try {
      return await train(parts, {
        ...rest,
        service,
        labels: relation,
        ...(typeof labels === 'string' && { labelsFrom: labels }),
        at: typeof at === 'string' ? { column: at } : at,
        horizon,
        now: parts.log.now(),
        output: { format, folder: to, overwrite },
      })
    } catch (error) {
      if (!(error instanceof AsofError) || error.code !== 'label_beyond_horizon') throw error
      // A label about now is only a moment away, unless it waits for a run.
      const label = parseInstant(String(error.details['label']))
      const isNear = label > horizon && Math.abs(label - parts.log.now()) <= LIMITS.clockSkewMaxMicros
      if (!wait && !isNear) throw error
      await parts.timing.sleep(parts.pollMs, options.signal)
    }
  }
}

/** What of a training set to check. */
export interface VerifyOptions extends LongCall {
  /** How many rows are computed again; 1,000 by default. */
  readonly sample?: number | 'all'
  /** The labels that the set was built from: a CSV set needs them. */
  readonly labels?: string | Relation
}

/** Verifies a training set against the definitions of the revision that it was built from. */
export async function verifySet(
  parts: TrainingParts & { readonly parquet: ParquetFiles; readonly naive: NaiveValue },
  folder: string,
  options: VerifyOptions,
): Promise<Verification> {
  const path = `${folder}/${MANIFEST_FILE}`
  const text = await parts.files.readText(path)
  if (text === undefined) throw notFound('set_not_found', 'no training set here', { path })
  const { service, revision } = readManifest(text, path)
  const { labels, ...rest } = options
  return await verifyTrainingSet(parts, {
    ...rest,
    folder,
    service: trainingService(parts.catalog, await parts.catalog.snapshotAt(revision), service.name),
    ...(labels !== undefined && {
      labels: typeof labels === 'string' ? await labelFile(parts.sources, labels) : labels,
    }),
  })
}

/** A service as training sets need it; groups that are kept offline only may be in it. */
function trainingService(catalog: Catalog, snapshot: Snapshot, reference: ServiceReference): TrainingService {
  const service = serviceNamed(snapshot, reference)
  return {
    project: snapshot.project,
    revision: snapshot.revision?.number,
    shape: shapeOf(snapshot, service),
    fingerprint: serviceFingerprint(snapshot, service),
    functions: catalog.functionsOf(snapshot),
  }
}

/**
 * The instant up to which training sets may ask: everything appended by then is in the tables, and no run of the groups
 * read is still to be backfilled before it.
 *
 * @throws {AsofError} `not_materialized`
 */
export async function offlineHorizon(
  { sinks, log }: Pick<TrainingParts, 'sinks' | 'log'>,
  groups: readonly GroupPlan[],
): Promise<Instant> {
  let horizon = await sinks.offlineThrough()
  for (const plan of groups) {
    const before = await backfilledBefore(log, plan)
    if (before !== undefined && before < horizon) horizon = before
  }
  return horizon
}

/** A file of labels, by the ending of its name; a folder is a Delta table. */
async function labelFile(sources: SourceAccess, path: string): Promise<Relation> {
  const format = LABEL_FORMATS.find((known) => path.endsWith(`.${known}`))
  if (format === undefined) {
    const table = await sources.deltaTable(path)
    if (table !== undefined) return { kind: 'table', files: table.files, columns: table.schema.columns }
    throw invalid('labels_not_found', 'labels are a .parquet, .csv or .jsonl file, or a Delta table', {
      path,
    })
  }
  const paths = await sources.files(path)
  if (paths.length === 0) throw notFound('labels_not_found', 'the file of labels is not there', { path })
  return { kind: 'files', format, paths }
}
