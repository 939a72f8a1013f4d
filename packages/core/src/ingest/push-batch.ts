import { AsofError, isAsofError } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import { LIMITS } from '../limits/limits.ts'
import { groupId } from '../model/definition.ts'
import type {
  ComputeEngine,
  Extraction,
  LongCall,
  Relation,
  SourceRelation,
} from '../ports/compute-engine.ts'
import { commitAt, type CommitParts } from './commit-batch.ts'
import { groupColumns } from './group-inputs.ts'
import type { GroupPlan } from './group-plan.ts'
import { TABLE_COLUMNS } from './group-table.ts'
import { checkPushName, type PushName, type PushResult } from './push.ts'
import type { Quarantine } from './quarantine.ts'

/**
 * One whole batch: a file of the local disk, absolute and below the folders that the engine may read, or rows by columns.
 *
 * Its columns are the entity's keys by their names, `event_timestamp` (RFC 3339 text, a time with a zone, or whole microseconds),
 * every feature, and `_deleted` where there are tombstones.
 */
export type PushedBatch =
  | { readonly path: string; readonly format: 'parquet' | 'csv' | 'jsonl' }
  | { readonly relation: Relation }

/** What became of a batch. */
export interface PushBatchResult extends PushResult {
  /** Rows that do not fit the group; they are in the quarantine, each with its reason. */
  readonly rejected: number
  /** Rows that say the same as the one before them with their key and event time; nothing is appended for them. */
  readonly unchanged: number
  /** Rows that are not in the log by the reason, those dated too far ahead among them. */
  readonly reasons: Readonly<Record<string, number>>
}

/** The parts that pushing a batch needs. */
export interface PushBatchParts extends CommitParts {
  readonly engine: ComputeEngine
  readonly quarantine: Quarantine
}

/**
 * Appends a whole batch to one group version, exactly once for its name: checked row by row, staged as an immutable file,
 * and made true by one log record that names it. Rows that do not fit go to the quarantine, the others are appended.
 *
 * As with rows, a batch of which nothing is appended leaves its name free.
 *
 * @throws {AsofError} `invalid` for a file whose columns are not the group's, or that is damaged; nothing was appended
 */
export async function pushBatch(
  parts: PushBatchParts,
  plan: GroupPlan,
  batch: PushedBatch,
  name: PushName,
  options: LongCall & { readonly hold: boolean },
): Promise<PushBatchResult> {
  checkPushName(name)
  const { log, quarantine } = parts
  if (((await log.lastSequence(name.producer)) ?? -Infinity) >= name.sequence) {
    // A sequence never falls, so this append is answered as the duplicate that it is, whoever appends meanwhile.
    const [appended] = await log.append([{ ...name, span: 1, body: new Uint8Array() }])
    return { ...nothing, duplicate: true, position: appended!.position, at: appended!.at }
  }
  const now = log.now()
  await using found = await extracted(parts, plan, batch, now, options)
  // Before the append: if this process dies in between, the repeat of the batch finds them there.
  await quarantine.add(groupId(plan.group.definition), found.rejected, now)
  const counts = countsOf(found)
  if (found.rows === 0) return { ...counts, position: await log.end(), at: log.now() }
  const { duplicate, position, at } = await commitAt(parts, plan, found, name, 0, {
    sequence: 'position',
    created: 'append',
  })
  return duplicate ? { ...nothing, duplicate, position, at } : { ...counts, position, at }
}

const nothing = { duplicate: false, accepted: 0, quarantined: 0, rejected: 0, unchanged: 0, reasons: {} }

async function extracted(
  parts: PushBatchParts,
  plan: GroupPlan,
  batch: PushedBatch,
  now: Instant,
  { hold, ...call }: LongCall & { readonly hold: boolean },
): Promise<Extraction> {
  // Rows are whole: what a row of JSON does not say is not null.
  const required = plan.group.definition.features.map(({ name }) => name)
  const relation: Relation =
    'relation' in batch
      ? batch.relation
      : { kind: 'files', format: batch.format, paths: [batch.path], required }
  const columns = groupColumns(plan)
  const extract = async (unit: { readonly unit?: 'us' }): Promise<Extraction> => {
    const source: SourceRelation = {
      name: 'batch',
      relation,
      eventTime: { column: TABLE_COLUMNS.eventTime, ...unit },
      created: { knownAt: now },
    }
    return await parts.engine.extract({
      ...call,
      source,
      // A push names the group's own columns, whatever the columns of its source are called.
      columns: { ...columns, keys: columns.keys.map((key) => ({ ...key, column: key.name })) },
      knownBy: now,
      existing: [],
      delay: 0,
      eventsUntil: hold ? undefined : ((now + LIMITS.futureMaxMicros) as Instant),
    })
  }
  try {
    return await extract({})
  } catch (error) {
    // A pushed instant that is a number counts microseconds, as in rows.
    if (isAsofError(error) && error.code === 'number_without_unit') return await extract({ unit: 'us' })
    throw 'path' in batch ? fileError(error, batch.format) : error
  }
}

/** Codes of an engine that cannot read a file; what it says may hold a line of it, and where it lies. */
const UNREADABLE: ReadonlySet<string> = new Set(['query_failed', 'damaged_file', 'no_columns'])

/** The file is the caller's: that it is damaged is no damage to the store, and what is in it is not repeated. */
function fileError(error: unknown, format: string): unknown {
  if (!isAsofError(error) || !UNREADABLE.has(error.code)) return error
  return new AsofError(
    'invalid',
    'invalid_batch',
    'the batch cannot be read in its form, or has no rows',
    { format },
    { cause: error },
  )
}

function countsOf(found: Extraction): Omit<PushBatchResult, 'position' | 'at'> {
  const reasons: Record<string, number> = {}
  for (const { reason } of found.rejected) reasons[reason] = (reasons[reason] ?? 0) + 1
  const quarantined = reasons['future'] ?? 0
  return {
    duplicate: false,
    accepted: found.rows,
    quarantined,
    rejected: found.rejectedCount - quarantined,
    unchanged: found.unchanged,
    reasons,
  }
}
