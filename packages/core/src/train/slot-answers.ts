import { internal } from '../errors/asof-error.ts'
import type { Column, ColumnValues } from '../model/column.ts'
import { allocateColumn } from '../model/column.ts'
import type { FeatureType } from '../model/feature-type.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { OpenColumn } from '../point-in-time/gather.ts'
import {
  answeredLabels,
  gatherColumn,
  gatherEventTime,
  gatherStatus,
  rowsByLabel,
} from '../point-in-time/gather.ts'
import { KernelMemory } from '../point-in-time/kernel-memory.ts'
import type { LabelOrder } from '../point-in-time/latest-kernel.ts'
import { orderLabels, pickLatest } from '../point-in-time/latest-kernel.ts'
import type { HistoryBatch, HistoryRequest, KeySet, LabelSession } from '../ports/compute-engine.ts'
import type { PlannedSlot } from './training-plan.ts'

/** What one slot answers for a range of labels, by label. */
export interface SlotAnswers {
  /** `STATUS_CODE` of the row: present, not_found or expired. */
  readonly status: Uint8Array
  /** Labels answered by a row. */
  readonly used: number
  /** Labels whose newest row has expired. */
  readonly expired: number
  /** Event time of the row that answers, NaN where none does; only where it was asked for. */
  readonly eventTime: Float64Array | undefined
  /** In the order of `PlannedSlot.features`; `copied` values are there. */
  readonly columns: readonly { readonly column: OpenColumn; readonly copied: number }[]
  /** Largest `e - T` and `c - T` over the rows that answer; -Infinity when none does. */
  readonly eventLead: number
  readonly createdLead: number
}

/** Histories that are read or asked for while one is answered: with two, neither who reads nor who answers waits for a slow one. */
const STEPS_AHEAD = 2
/** Histories that are in memory at a time. */
export const HISTORIES: number = STEPS_AHEAD + 1

/** One slot with what is needed to answer it. */
export interface SlotWork {
  readonly slot: PlannedSlot
  readonly keySet: KeySet
  readonly eventTime: boolean
}

/**
 * Answers slots one after the other for labels `[from, to)`; while one is answered, the histories of the next ones are read.
 *
 * @param historyBytes memory that the history of one slot may take; a slot with more goes over its keys in ranges
 */
export async function* answerSlots(
  session: LabelSession,
  work: readonly SlotWork[],
  from: number,
  to: number,
  historyBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SlotAnswers> {
  const at = session.at.subarray(from, to)
  const orders = new Map<KeySet, LabelOrder>()
  const memory = new KernelMemory()
  const steps = work.flatMap((each) => keyRanges(each, historyBytes).map((range) => ({ ...each, ...range })))
  let spare: History | undefined
  const ahead: Promise<History>[] = []
  let asked = 0
  const readAhead = (): void => {
    while (ahead.length < STEPS_AHEAD && asked < steps.length) {
      const history = readHistory(session, steps[asked++]!, spare)
      spare = undefined
      // Waited for in its turn; until then its failure is nobody's.
      history.catch(() => undefined)
      ahead.push(history)
    }
  }
  readAhead()
  let open: ReturnType<typeof openAnswers> | undefined
  for (const { slot, keySet, eventTime, fromId, toId } of steps) {
    const history = await ahead.shift()!
    signal?.throwIfAborted()
    readAhead()
    let order = orders.get(keySet)
    if (order === undefined)
      orders.set(keySet, (order = orderLabels(keySet.ids.subarray(from, to), at, keySet.size)))
    open ??= openAnswers(session, slot, to - from, eventTime)
    addAnswers(open, slot, order, history, fromId, toId, memory)
    spare = history
    if (toId === keySet.size) {
      yield open
      open = undefined
    }
  }
}

type OpenAnswers = { -readonly [Name in Exclude<keyof SlotAnswers, 'columns'>]: SlotAnswers[Name] } & {
  readonly columns: { readonly column: OpenColumn; copied: number }[]
}

function openAnswers(
  session: LabelSession,
  slot: PlannedSlot,
  labels: number,
  eventTime: boolean,
): OpenAnswers {
  return {
    status: new Uint8Array(labels).fill(STATUS_CODE.not_found),
    used: 0,
    expired: 0,
    eventTime: eventTime ? new Float64Array(labels).fill(Number.NaN) : undefined,
    columns: slot.features.map(({ type }) => ({ column: session.allocate(type, labels), copied: 0 })),
    eventLead: Number.NEGATIVE_INFINITY,
    createdLead: Number.NEGATIVE_INFINITY,
  }
}

function addAnswers(
  into: OpenAnswers,
  slot: PlannedSlot,
  order: LabelOrder,
  history: History,
  fromId: number,
  toId: number,
  memory: KernelMemory,
): void {
  const picks = pickLatest(order, history, slot.rule, fromId, toId, memory)
  into.used += picks.used
  into.expired += picks.expired
  into.eventLead = Math.max(into.eventLead, picks.eventLead)
  into.createdLead = Math.max(into.createdLead, picks.createdLead)
  gatherStatus(order, picks, into.status)
  const rowOf = rowsByLabel(order, picks, into.status.length, memory)
  const answered = answeredLabels(rowOf, memory)
  if (into.eventTime !== undefined) gatherEventTime(history.e, rowOf, into.eventTime)
  for (const [index, open] of into.columns.entries()) {
    open.copied += gatherColumn(history.features[index]!, rowOf, answered, picks.used, open.column)
  }
}

/** Rows of history, all batches as one. */
type History = HistoryBatch

async function readHistory(
  session: LabelSession,
  { slot, keySet, fromId, toId }: SlotWork & { readonly fromId: number; readonly toId: number },
  spare: History | undefined,
): Promise<History> {
  const features = slot.features.map(({ name, type }) => ({ name, type, nullable: true }))
  const batches: HistoryBatch[] = []
  if (slot.files.length > 0 && fromId < toId) {
    const { files, eMax, eMin } = slot
    const keyColumns = slot.keys.map(({ key }) => key)
    const request: HistoryRequest = {
      ...(spare !== undefined && { spare }),
      keySet,
      keyColumns,
      files,
      features,
      fromId,
      toId,
      eMax,
      ...(eMin !== undefined && { eMin }),
    }
    for await (const batch of session.history(request)) batches.push(batch)
  }
  return batches.length === 1
    ? batches[0]!
    : concatenate(
        batches,
        features.map(({ type }) => type),
      )
}

function concatenate(batches: readonly HistoryBatch[], types: readonly FeatureType[]): History {
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0)
  const joined = {
    rows,
    keyIds: new Int32Array(rows),
    e: new Float64Array(rows),
    c: new Float64Array(rows),
    s: new Float64Array(rows),
    deleted: new Uint8Array(rows),
  }
  const features = types.map((type) => allocateColumn(type, rows))
  let at = 0
  for (const batch of batches) {
    joined.keyIds.set(batch.keyIds.subarray(0, batch.rows), at)
    joined.e.set(batch.e.subarray(0, batch.rows), at)
    joined.c.set(batch.c.subarray(0, batch.rows), at)
    joined.s.set(batch.s.subarray(0, batch.rows), at)
    joined.deleted.set(batch.deleted.subarray(0, batch.rows), at)
    for (const [index, feature] of features.entries()) append(feature, batch.features[index]!, at, batch.rows)
    at += batch.rows
  }
  return { ...joined, features }
}

function append(into: OpenColumn, from: Column, at: number, rows: number): void {
  const target: ColumnValues = into.values
  const source: ColumnValues = from.values
  if (Array.isArray(target) !== Array.isArray(source)) throw internal('a column of history has another form')
  if (Array.isArray(target))
    for (let row = 0; row < rows; row++) target[at + row] = source[row] as (typeof target)[number]
  else target.set((source as Float64Array).subarray(0, rows) as never, at)
  if (from.valid === undefined) into.valid.fill(1, at, at + rows)
  else into.valid.set(from.valid.subarray(0, rows), at)
}

/** Cuts the keys of a slot so that each part's history fits, as far as row counts tell; at least one range. */
function keyRanges({ slot, keySet }: SlotWork, historyBytes: number): { fromId: number; toId: number }[] {
  const bytes = slot.files.reduce((sum, file) => sum + rowsOf(file), 0) * bytesPerRow(slot)
  const parts = Math.max(1, Math.min(keySet.size, Math.ceil(bytes / historyBytes)))
  return Array.from({ length: parts }, (_, part) => ({
    fromId: Math.floor((keySet.size * part) / parts),
    toId: Math.floor((keySet.size * (part + 1)) / parts),
  }))
}

/** Rows of a file whose log does not say, guessed from its size. */
function rowsOf(file: { readonly rows: number | undefined; readonly bytes: number }): number {
  return file.rows ?? Math.ceil(file.bytes / 16)
}

/** Key id, three numbers, tombstone mark, what the kernel adds, and the features. */
function bytesPerRow(slot: PlannedSlot): number {
  return slot.features.reduce((sum, { type }) => sum + bytesPerValue(type), 4 + 24 + 1 + 16)
}

/** About how much memory one value of a column takes, in bytes. */
export function bytesPerValue(type: FeatureType): number {
  switch (type.kind) {
    case 'bool':
      return 2
    case 'int32':
    case 'float32':
      return 5
    case 'int64':
    case 'float64':
    case 'timestamp':
      return 9
    case 'string':
    case 'bytes':
      return 64
    case 'vector':
      return 128 + 4 * type.size
    default:
      return 256
  }
}
