import type { ServiceShape } from '../apply/service-shape.ts'
import type { Instant } from '../clock/instant.ts'
import { formatInstant } from '../clock/instant.ts'
import { AsofError, internal, invalid, isAsofError, notFound } from '../errors/asof-error.ts'
import { offlineTable } from '../ingest/group-table.ts'
import { LIMITS } from '../limits/limits.ts'
import type { Column } from '../model/column.ts'
import type { TimeColumn } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import type { Knowledge } from '../point-in-time/visible.ts'
import type {
  ComputeEngine,
  KeySet,
  LabelSession,
  LongCall,
  OutputChunk,
  OutputColumn,
  Relation,
  WrittenOutput,
} from '../ports/compute-engine.ts'
import type { OfflineStore, TableSnapshot } from '../ports/offline-store.ts'
import type { TrainingFiles } from '../ports/training-files.ts'
import { csvColumn } from './csv-form.ts'
import type { TrainingFormat, TrainingManifest } from './manifest.ts'
import { MANIFEST_FILE, writeManifest } from './manifest.ts'
import type { SlotAnswers, SlotWork } from './slot-answers.ts'
import { answerSlots, bytesPerValue, HISTORIES } from './slot-answers.ts'
import { deltaSchema, TRAINING_TABLE } from './training-table.ts'
import type { ChunkRecipe } from './training-chunk.ts'
import { chunkColumns } from './training-chunk.ts'
import type { TrainingPlan } from './training-plan.ts'
import { trainingPlan } from './training-plan.ts'
import { emptyTallies, manifestOf, type LeadTally } from './training-tally.ts'

/** A service as training sets need it. */
export interface TrainingService {
  readonly project: string
  /** Registry revision of the definitions. */
  readonly revision: number | undefined
  readonly shape: ServiceShape
  readonly fingerprint: string
  /** By `name@version`. */
  readonly functions: ReadonlyMap<string, OnDemandFunction>
}

/** The parts that building a training set needs. */
export interface TrainParts {
  readonly engine: Pick<ComputeEngine, 'labels'>
  readonly offline: OfflineStore
  readonly files: TrainingFiles
  /** Opens a store of Delta tables in a folder: where a set is written as Delta. */
  readonly tablesIn: (folder: string) => OfflineStore
  /** Name and version of this program, for the manifest. */
  readonly writer: string
}

/** What to build. */
export interface TrainRequest extends LongCall {
  readonly service: TrainingService
  readonly labels: Relation
  /** Where the labels came from, for the manifest. */
  readonly labelsFrom?: string
  /** Column of the label time. */
  readonly at: TimeColumn
  /** Everything committed up to here is in the tables; a later label is refused. */
  readonly horizon: Instant
  readonly now: Instant
  /** `as-known` by default. */
  readonly knowledge?: Knowledge
  /** Adds a column `{feature}__status` for each feature. */
  readonly statuses?: boolean
  /** Adds a column `{feature}__event_time` for each stored feature. */
  readonly eventTimes?: boolean
  /** Fails when an on-demand feature fails for any label. */
  readonly strict?: boolean
  /** Reads these table versions (by `name@version`) instead of the newest. */
  readonly versions?: Readonly<Record<string, number>>
  readonly output: {
    readonly format: TrainingFormat
    /** Absolute. Must not exist, or be empty, unless `overwrite` is set. */
    readonly folder: string
    readonly overwrite?: boolean
  }
  /** Memory for history and results together, 2 GiB by default; the engine's own comes on top. */
  readonly memoryBytes?: number
}

/** A finished training set. */
export interface TrainingSet {
  readonly folder: string
  readonly plan: TrainingPlan
  readonly manifest: TrainingManifest
}

const MEMORY_BYTES = 2 * 2 ** 30
/** Least labels of a chunk: fewer would make files of row groups too small to read well. */
const CHUNK_LABELS_MIN = 4_096

/**
 * Builds a training set: for each label what serving would have answered at its time (SEMANTICS section 5). The set appears
 * whole or not at all.
 *
 * @throws {AsofError} `label_in_future` and `label_beyond_horizon` with the row; `label_column_missing`,
 * `table_version_vacuumed`, `on_demand_code_missing`, `on_demand_failed` (strict), `output_exists`; or the signal's reason
 */
export async function train(parts: TrainParts, request: TrainRequest): Promise<TrainingSet> {
  const { files } = parts
  const { folder, overwrite = false } = request.output
  const building = await files.begin(folder, { overwrite })
  try {
    const built = await build(parts, request, building)
    await files.writeText(`${building}/${MANIFEST_FILE}`, writeManifest(built.manifest))
    request.signal?.throwIfAborted()
    await files.finish(building, folder)
    return { folder, ...built }
  } catch (error) {
    await files.discard(building)
    throw error
  }
}

/** Plans a training set without building it, for `explain`. */
export async function planTraining(
  parts: Pick<TrainParts, 'engine' | 'offline'>,
  request: TrainRequest,
): Promise<TrainingPlan> {
  await using session = await parts.engine.labels(labelsRequest(request))
  return await planOver(parts, request, session)
}

function labelsRequest(request: TrainRequest, building?: string): Parameters<ComputeEngine['labels']>[0] {
  return {
    labels: request.labels,
    at: request.at,
    ...(request.signal && { signal: request.signal }),
    ...(building !== undefined && { writesTo: building }),
  }
}

async function planOver(
  { offline }: Pick<TrainParts, 'offline'>,
  request: TrainRequest,
  session: LabelSession,
): Promise<TrainingPlan> {
  const { service, horizon, now } = request
  return trainingPlan({
    project: service.project,
    shape: service.shape,
    at: request.at,
    knowledge: request.knowledge ?? 'as-known',
    statuses: request.statuses ?? false,
    eventTimes: request.eventTimes ?? false,
    labels: session.rows,
    labelColumns: session.columns.map(({ name }) => name),
    range: checkedRange(session.at, horizon, now),
    tables: await pinTables(offline, service, request.versions ?? {}),
  })
}

/** First and last label time; refuses the first label that no answer can be given for yet. */
function checkedRange(at: Float64Array, horizon: Instant, now: Instant): TrainingPlan['range'] {
  if (at.length === 0) return undefined
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (let row = 0; row < at.length; row++) {
    const time = at[row]!
    if (time < first) first = time
    if (time > last) last = time
    if (time <= horizon && time <= now + LIMITS.clockSkewMaxMicros) continue
    const label = { row, label: formatInstant(time as Instant) }
    if (time > now + LIMITS.clockSkewMaxMicros) {
      throw invalid('label_in_future', 'a label lies in the future; rows are counted from 0', {
        ...label,
        now: formatInstant(now),
      })
    }
    throw new AsofError(
      'unavailable',
      'label_beyond_horizon',
      'a label is later than what is committed to the tables; wait, or leave it out; rows are counted from 0',
      { ...label, horizon: formatInstant(horizon) },
    )
  }
  return { first: first as Instant, last: last as Instant }
}

/** The snapshot of each group version's table. */
export async function pinTables(
  offline: OfflineStore,
  service: TrainingService,
  versions: Readonly<Record<string, number>>,
): Promise<ReadonlyMap<string, TableSnapshot | undefined>> {
  const pinned = new Map<string, TableSnapshot | undefined>()
  for (const { group } of service.shape.slots) {
    const id = groupId(group.definition)
    if (pinned.has(id)) continue
    const table = offlineTable(service.project, group.definition)
    const version = Object.hasOwn(versions, id) ? versions[id] : undefined
    pinned.set(
      id,
      version === undefined ? await offline.snapshot(table) : await pinTable(offline, table, version),
    )
  }
  return pinned
}

async function pinTable(offline: OfflineStore, table: string, version: number): Promise<TableSnapshot> {
  const gone = (): AsofError =>
    notFound('table_version_vacuumed', 'the table no longer has this version', { table, version })
  try {
    const snapshot = await offline.snapshot(table, { version })
    if (snapshot === undefined) throw gone()
    return snapshot
  } catch (error) {
    throw isAsofError(error, 'not_found') ? gone() : error
  }
}

async function build(
  parts: TrainParts,
  request: TrainRequest,
  building: string,
): Promise<{ plan: TrainingPlan; manifest: TrainingManifest }> {
  const { service, output, signal } = request
  const functions = service.shape.onDemand.map(({ id, definition }) => {
    const compute = service.functions.get(id)
    if (compute !== undefined) return compute
    throw new AsofError(
      'unavailable',
      'on_demand_code_missing',
      'this process lacks the code of an on-demand group',
      {
        group: id,
        module: definition.code.module,
      },
    )
  })
  await using session = await parts.engine.labels(labelsRequest(request, building))
  const plan = await planOver(parts, request, session)
  const keySets = await keySetsOf(session, plan)
  const requestColumns: Column[] = []
  for (const { name, type } of plan.request) requestColumns.push(await session.column(name, type))

  const tallies = emptyTallies(plan, service.shape)
  const recipe: ChunkRecipe = {
    shape: service.shape,
    slots: plan.slots,
    columns: plan.columns,
    functions,
    ...tallies,
  }
  const work = plan.slots.map((slot, index): SlotWork => {
    return { slot, keySet: keySets[index]!, eventTime: needsEventTime(plan, service.shape, index) }
  })
  const asText = output.format === 'csv'
  const chunks = chunksOf(request, plan, session, work, recipe, tallies.leads, requestColumns)
  const dataFolder = output.format === 'delta' ? `${building}/.staged` : building
  if (output.format === 'delta') await parts.files.makeFolder(dataFolder)
  const columns = plan.columns.map(({ name, type }) => ({
    name,
    type: asText ? ({ kind: 'string' } as const) : type,
  }))
  // Meanwhile the labels are hashed; a failure is told in its turn.
  const fingerprinting = session.fingerprint()
  fingerprinting.catch(() => undefined)
  let written: WrittenOutput
  try {
    written = await session.write({
      format: asText ? 'csv' : 'parquet',
      folder: dataFolder,
      columns,
      chunks: asText ? asTexts(chunks) : chunks,
      ...(signal && { signal }),
    })
  } finally {
    // The session is not to be closed before.
    await Promise.allSettled([fingerprinting])
  }
  if (request.strict === true) refuseErrors(tallies.onDemandErrors, service.shape)
  const paths: readonly DescribedFile[] =
    output.format === 'delta'
      ? await intoTable(parts, building, deltaSchema(session.columns, plan.columns), written.files)
      : written.files
  const files = []
  for (const { localPath, rows, bytes, sha256 } of paths) {
    const described =
      bytes !== undefined && sha256 !== undefined ? { bytes, sha256 } : await parts.files.describe(localPath)
    if (described === undefined)
      throw internal('a file that was just written is not there', { path: localPath })
    files.push({ path: localPath.slice(building.length + 1), rows, ...described })
  }
  await parts.files.discard(`${building}/.staged`)
  const fingerprint = await fingerprinting
  const manifest = manifestOf({
    request,
    plan,
    session,
    fingerprint,
    keySets,
    tallies,
    files,
    writer: parts.writer,
  })
  return { plan, manifest }
}

/** Distinct keys by label columns; slots that name the same columns share one set. */
async function keySetsOf(session: LabelSession, plan: TrainingPlan): Promise<KeySet[]> {
  const known = new Map<string, KeySet>()
  const sets: KeySet[] = []
  for (const slot of plan.slots) {
    const columns = slot.keys.map(({ column, type }) => ({ column, type }))
    const name = JSON.stringify(columns)
    const set = known.get(name) ?? (await session.keySet(columns))
    known.set(name, set)
    sets.push(set)
  }
  return sets
}

function needsEventTime(plan: TrainingPlan, shape: ServiceShape, slot: number): boolean {
  const asInput = shape.onDemand.some((call) =>
    call.inputs.some((input) => input.from === 'event-time' && input.slot === slot),
  )
  return (
    asInput ||
    plan.columns.some(({ shows, output }) => {
      const from = shape.outputs[output]!
      return shows === 'event-time' && from.from === 'slot' && from.slot === slot
    })
  )
}

/** The output, a chunk of labels at a time: as many as fit in their share of the memory. */
async function* chunksOf(
  request: TrainRequest,
  plan: TrainingPlan,
  session: LabelSession,
  work: readonly SlotWork[],
  recipe: ChunkRecipe,
  leads: readonly LeadTally[],
  requestColumns: readonly Column[],
): AsyncGenerator<OutputChunk> {
  const memory = request.memoryBytes ?? MEMORY_BYTES
  const labelBytes = plan.columns.reduce((sum, { type }) => sum + bytesPerValue(type), plan.slots.length * 9)
  const chunkMax = Math.max(CHUNK_LABELS_MIN, Math.floor((memory * 2) / 3 / labelBytes))
  const chunkLabels = Math.ceil(session.rows / Math.ceil(session.rows / chunkMax))
  for (let from = 0; from < session.rows; from += chunkLabels) {
    const to = Math.min(from + chunkLabels, session.rows)
    const inputs = requestColumns.map((column) => slice(column, from, to))
    const answers = answerSlots(session, work, from, to, memory / 3 / HISTORIES, request.signal)
    const counted = countAnswers(answers, leads, (slots) =>
      request.progress?.({
        done: from * work.length + slots * (to - from),
        total: session.rows * work.length,
        unit: 'label values',
      }),
    )
    yield { rows: to - from, columns: chunkColumns(recipe, counted, session.at.subarray(from, to), inputs) }
  }
}

/** Adds each slot's answers to its tally. */
async function* countAnswers(
  answers: AsyncIterable<SlotAnswers>,
  leads: readonly LeadTally[],
  progress: (slots: number) => void,
): AsyncGenerator<SlotAnswers> {
  let slot = 0
  for await (const answer of answers) {
    const lead = leads[slot++]!
    lead.used += answer.used
    lead.event = Math.max(lead.event, answer.eventLead)
    lead.created = Math.max(lead.created, answer.createdLead)
    progress(slot)
    yield answer
  }
}

function slice(column: Column, from: number, to: number): Column {
  const { type, values, valid } = column
  const part = Array.isArray(values) ? values.slice(from, to) : values.subarray(from, to)
  return { type, values: part, valid: valid?.subarray(from, to) }
}

/** The same chunks with every column as text. */
async function* asTexts(chunks: AsyncIterable<OutputChunk>): AsyncGenerator<OutputChunk> {
  for await (const { rows, columns } of chunks) yield { rows, columns: columnsAsText(columns, rows) }
}

async function* columnsAsText(columns: OutputChunk['columns'], rows: number): AsyncGenerator<OutputColumn> {
  for await (const { name, column } of columns) yield { name, column: csvColumn(column, rows) }
}

function refuseErrors(errors: Float64Array, shape: ServiceShape): void {
  for (const [call, count] of errors.entries()) {
    if (count === 0) continue
    throw invalid('on_demand_failed', 'an on-demand group failed for some labels', {
      group: shape.onDemand[call]!.id,
      values: count,
    })
  }
}

/** A file of the output; its size and hash where they are known. */
interface DescribedFile {
  readonly localPath: string
  readonly rows: number
  readonly bytes?: number
  readonly sha256?: string
}

/** Hands written Parquet files to a Delta table; answers where they lie now. */
async function intoTable(
  parts: TrainParts,
  building: string,
  schema: ReturnType<typeof deltaSchema>,
  files: readonly { readonly localPath: string; readonly rows: number }[],
): Promise<readonly { readonly localPath: string; readonly rows: number }[]> {
  const tables = parts.tablesIn(building)
  await tables.ensure(TRAINING_TABLE, schema)
  await tables.append(TRAINING_TABLE, { files, writers: [{ writer: 'train', sequence: 1 }], sortBy: [] })
  const snapshot = await tables.snapshot(TRAINING_TABLE)
  if (snapshot === undefined) throw internal('the table that was just written is not there')
  return snapshot.files.map(({ localPath, rows }) => ({ localPath, rows: rows ?? 0 }))
}
