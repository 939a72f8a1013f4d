import { isAsofError } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import type { Extraction } from '../ports/compute-engine.ts'
import type { Appended, EventLog } from '../ports/event-log.ts'
import type { Staging } from '../ports/staging.ts'
import type { GroupPlan } from './group-plan.ts'
import { encodeLogBody, type BatchBody } from './log-record.ts'
import type { PushName } from './push.ts'

/** The parts that bringing a batch into the log needs. */
export interface CommitParts {
  readonly log: EventLog
  readonly staging: Staging
}

/** Identifies a batch in the log: the append fails unless the producer stands at `after`. */
export interface BatchName {
  readonly producer: string
  readonly sequence: number
  readonly after: number | undefined
}

/** Where the rows' created time and sequence come from. */
export type Stamping = Pick<BatchBody, 'sequence' | 'created' | 'runsThrough'>

/** A backfill: positions are reserved, so that the staged file is final and can become the table's own. */
export async function commitStamped(
  parts: CommitParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName,
  stamping: Stamping,
): Promise<void> {
  const first = rows.rows === 0 ? 0 : await parts.log.reserve(rows.rows)
  await commitAt(parts, plan, rows, name, first, stamping)
}

/** A live run: created time and sequence are those of the append. */
export async function commitLive(
  parts: CommitParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName,
  runsThrough?: Instant,
): Promise<Appended> {
  return await commitAt(parts, plan, rows, name, 0, {
    sequence: 'position',
    created: 'append',
    ...(runsThrough !== undefined && { runsThrough }),
  })
}

/**
 * Stages the rows of a batch and appends the record that makes them true. What was staged goes away when nothing was
 * appended: for a duplicate, and when it is certain that an append has failed.
 *
 * @param name a push's own, under which a repeat is a duplicate; or one that says where the producer stands
 * @throws {AsofError} `sequence_moved` when another process was first; nothing has changed
 */
export async function commitAt(
  parts: CommitParts,
  plan: GroupPlan,
  rows: Extraction,
  name: BatchName | PushName,
  firstSequence: number,
  stamping: Stamping,
): Promise<Appended> {
  const { log, staging } = parts
  const { definition } = plan.group
  const file = rows.rows === 0 ? undefined : staging.create()
  let appending = false
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
    const { producer, sequence } = name
    const condition = 'after' in name ? { conditional: true, after: name.after } : {}
    appending = true
    const [appended] = await log.append([{ producer, sequence, span, body }], condition)
    if (appended!.duplicate && file !== undefined) await staging.remove(file)
    return appended!
  } catch (error) {
    // An append that may have happened keeps its file.
    if (file !== undefined && (!appending || isAsofError(error, 'conflict', 'invalid', 'closed'))) {
      await staging.remove(file)
    }
    throw error
  }
}
