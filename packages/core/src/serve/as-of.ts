import { formatInstant, type Instant } from '../clock/instant.ts'
import { invalid } from '../errors/asof-error.ts'
import { encodeRow, patchStamp } from '../codec/row-codec.ts'
import { decodeStamp } from '../codec/stamp.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import { groupTableSchema, TABLE_COLUMNS } from '../ingest/group-table.ts'
import { decodeLogBody, type BatchBody } from '../ingest/log-record.ts'
import { timesOf } from '../ingest/online-sink.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkKey } from '../model/check-value.ts'
import { columnOf, columnValue, type ColumnBatch } from '../model/column.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { KeyValues, Value } from '../model/value.ts'
import { isNewer, visibleFrom } from '../point-in-time/visible.ts'
import type { ComputeEngine, KeySet, LabelSession } from '../ports/compute-engine.ts'
import type { EventLog, LogRecord } from '../ports/event-log.ts'
import type { DataFile, OfflineStore } from '../ports/offline-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Staging } from '../ports/staging.ts'
import type { Timing } from '../ports/timing.ts'
import { MISSING, NULL_KEY, type Answer, type Found } from './answer.ts'
import { checkEntities, checkExpected, checkRequest, foundRow, type Question } from './look-up.ts'
import type { ServicePlan, SlotPlan } from './service-plan.ts'

/** The parts that looking into the past needs. */
export interface AsOfParts {
  readonly log: EventLog
  readonly offline: OfflineStore
  readonly engine: ComputeEngine
  readonly parquet: ParquetFiles
  readonly staging: Staging
  readonly timing: Timing
  /** First log position that is not in the tables yet. */
  offlinePosition(): Promise<number>
}

/** The best row so far of one entity in one slot. */
interface Best extends Stamp {
  readonly row: Uint8Array
}

/** No feature or key has a `$` in its name. */
const AT_COLUMN = '$at'
const RECORDS_PER_READ = 256

/**
 * Looks up entities as of any past instant, from the tables and what the log holds beyond them.
 *
 * @throws {AsofError} as `lookUp`
 */
export async function lookUpAsOf(
  parts: AsOfParts,
  plan: ServicePlan,
  questions: readonly Question[],
  asOf: Instant,
  options: { readonly request?: Readonly<Record<string, unknown>>; readonly expect?: string },
): Promise<Answer> {
  checkExpected(plan, options.expect)
  checkEntities(questions)
  const keys = questions.map(({ keys }, index) => checkKey(plan.shape.keys, keys, `keys[${index}]`))
  const inputs = questions.map(({ request }) => checkRequest(plan, request ?? options.request ?? {}))
  if (asOf > parts.log.now() + LIMITS.clockSkewMaxMicros) {
    throw invalid('as_of_in_future', 'the instant lies in the future', { asOf: formatInstant(asOf) })
  }
  while (parts.log.now() < asOf) await parts.timing.sleep(1)
  const answer = { plan, at: asOf, source: 'offline', entities: questions.length, inputs } as const
  if (questions.length === 0) return { ...answer, found: [], completeThrough: undefined }
  // The log first: what a sink moves into the tables meanwhile is then seen twice, not missed.
  const tail = await recordsFrom(parts.log, await parts.offlinePosition())
  await using session = await parts.engine.labels({
    labels: { kind: 'rows', batch: keyBatch(plan, keys, asOf) },
    at: { column: AT_COLUMN },
  })
  const bySlot: Found[][] = []
  for (const slot of plan.slots) bySlot.push(await answersOf(parts, session, slot, plan, keys, tail, asOf))
  const found = questions.flatMap((_, entity) => bySlot.map((slot) => slot[entity]!))
  return { ...answer, found, completeThrough: undefined }
}

async function answersOf(
  parts: AsOfParts,
  session: LabelSession,
  slot: SlotPlan,
  plan: ServicePlan,
  keys: readonly KeyValues[],
  tail: readonly LogRecord[],
  asOf: Instant,
): Promise<Found[]> {
  const { entity } = slot.plan.group
  const texts = keys.map((all) => {
    const parts = slot.keyPlaces.map((place) => all[place] ?? null)
    return parts.includes(null) ? undefined : slot.plan.entityKey(parts)
  })
  const best = new Map<string, Best>()
  const offer = (text: string, stamp: Stamp, row: () => Uint8Array): void => {
    if (visibleFrom(stamp, slot.plan.rule) > asOf) return
    const known = best.get(text)
    if (known === undefined || isNewer(stamp, known)) best.set(text, { ...stamp, row: row() })
  }
  const keySet = await session.keySet(
    entity.keys.map(({ type }, part) => ({ column: plan.shape.keys[slot.keyPlaces[part]!]!.name, type })),
  )
  await offerStored(parts, session, slot.plan, keySet, textsById(keySet, texts), asOf, offer)
  const asked = new Set(texts)
  for (const record of tail) await offerLogged(parts, slot.plan, record, asked, offer)
  return texts.map((text): Found => {
    if (text === undefined) return NULL_KEY
    const row = best.get(text)
    return row === undefined ? MISSING : foundRow(slot, row.row, asOf)
  })
}

type Offer = (text: string, stamp: Stamp, row: () => Uint8Array) => void

async function offerStored(
  parts: AsOfParts,
  session: LabelSession,
  plan: GroupPlan,
  keySet: KeySet,
  texts: readonly string[],
  asOf: Instant,
  offer: Offer,
): Promise<void> {
  const table = await parts.offline.snapshot(plan.offlineTable)
  if (table === undefined || keySet.size === 0) return
  const { columns } = groupTableSchema(plan.group)
  const names = new Set(plan.group.definition.features.map((feature) => feature.name))
  const history = session.history({
    keySet,
    keyColumns: plan.group.entity.keys.map((key) => key.name),
    files: table.files.filter((file) => mayHold(file, asOf)),
    features: columns.filter((column) => names.has(column.name)),
    fromId: 0,
    toId: keySet.size,
    eMax: asOf,
  })
  for await (const batch of history) {
    for (let row = 0; row < batch.rows; row++) {
      const stamp = { e: batch.e[row]! as Instant, c: batch.c[row]! as Instant, s: batch.s[row]! }
      offer(texts[batch.keyIds[row]!]!, stamp, () => {
        const values = batch.features.map((column) => columnValue(column, row))
        return encodeRow(plan.layout, stamp, batch.deleted[row] === 1 ? 'deleted' : values)
      })
    }
  }
}

async function offerLogged(
  parts: AsOfParts,
  plan: GroupPlan,
  record: LogRecord,
  asked: ReadonlySet<string | undefined>,
  offer: Offer,
): Promise<void> {
  const body = decodeLogBody(record.body)
  const { name, version } = plan.group.definition
  if (body.project !== plan.project || body.group !== name || body.version !== version) return
  if (body.kind === 'rows') {
    for (const [index, { entityKey, row }] of body.rows.entries()) {
      if (!asked.has(entityKey)) continue
      const stamp = { e: decodeStamp(row).e, c: record.at, s: record.position + index }
      offer(entityKey, stamp, () => patchStamp(row, stamp))
    }
  } else if (body.file !== undefined) {
    await offerStaged(parts, plan, record, body, body.file, asked, offer)
  }
}

async function offerStaged(
  parts: AsOfParts,
  plan: GroupPlan,
  record: LogRecord,
  body: BatchBody,
  file: string,
  asked: ReadonlySet<string | undefined>,
  offer: Offer,
): Promise<void> {
  if (!(await parts.staging.exists(file))) return // In the table by now.
  const columns = groupTableSchema(plan.group).columns.filter((column) => column.partitionOf === undefined)
  const read = parts.parquet.read([{ localPath: parts.staging.localPath(file), constants: {} }], columns)
  for await (const batch of read) {
    const times = timesOf(batch, record, body)
    const keyColumns = plan.group.entity.keys.map((key) => batch.columns[key.name]!)
    for (let row = 0; row < batch.rows; row++) {
      const text = plan.entityKey(keyColumns.map((column) => columnValue(column, row)) as KeyValues)
      if (!asked.has(text)) continue
      const stamp = times(row)
      offer(text, stamp, () => {
        const values = plan.group.definition.features.map((feature) =>
          columnValue(batch.columns[feature.name]!, row),
        )
        const deleted = columnValue(batch.columns[TABLE_COLUMNS.deleted]!, row) === true
        return encodeRow(plan.layout, stamp, deleted ? 'deleted' : values)
      })
    }
  }
}

async function recordsFrom(log: EventLog, position: number): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (let from = position; ;) {
    const read = await log.read(from, RECORDS_PER_READ)
    records.push(...read)
    const last = read.at(-1)
    if (last === undefined || read.length < RECORDS_PER_READ) return records
    from = last.position + last.span
  }
}

/** The keys that are asked for, as a label row each. */
function keyBatch(plan: ServicePlan, keys: readonly KeyValues[], asOf: Instant): ColumnBatch {
  const at = keys.map((): Value => BigInt(asOf))
  const columns = plan.shape.keys.map(
    ({ name, type }, place) =>
      [
        name,
        columnOf(
          type,
          keys.map((key) => key[place] ?? null),
        ),
      ] as const,
  )
  return {
    rows: keys.length,
    columns: { ...Object.fromEntries(columns), [AT_COLUMN]: columnOf({ kind: 'timestamp' }, at) },
  }
}

function textsById(keySet: KeySet, texts: readonly (string | undefined)[]): string[] {
  const byId: string[] = []
  for (const [row, text] of texts.entries()) {
    const id = keySet.ids[row]!
    if (id >= 0 && text !== undefined) byId[id] = text
  }
  return byId
}

function mayHold(file: DataFile, asOf: Instant): boolean {
  const oldest = file.min[TABLE_COLUMNS.eventTime]
  return oldest === undefined || Number(oldest) <= asOf
}
