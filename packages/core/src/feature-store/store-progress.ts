import { durationMicros } from '../clock/duration.ts'
import type { Instant } from '../clock/instant.ts'
import { AsofError } from '../errors/asof-error.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import { recordedThrough } from '../ingest/recorded-runs.ts'
import type { Sinks } from '../ingest/sinks.ts'
import { groupId } from '../model/definition.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { Catalog } from './catalog.ts'

/** How far one of the two sinks has followed the log. */
export interface SinkProgress {
  /** The first position that it has not applied. */
  readonly position: number
  /** The instant up to which everything appended is applied. */
  readonly through: Instant
}

/** How far the pipeline of one group version has come. */
export interface GroupProgress {
  /** `name@version`. */
  readonly group: string
  /** Whether it is kept online. */
  readonly online: boolean
  /** The instant up to which lookups see all there is: its last run, or its pushes; undefined before its first run. */
  readonly completeThrough: Instant | undefined
  /** How old `completeThrough` may be, in microseconds, where the group promises that. */
  readonly freshness: number | undefined
}

/** Where a whole store stands, as one look at it finds it; cheap enough for once a second. */
export interface StoreProgress {
  readonly now: Instant
  /** The revision of the definitions in use; undefined when nothing was ever applied. */
  readonly revision: number | undefined
  /** When the registry was last asked for it. */
  readonly lookedAt: Instant | undefined
  /** The position that the next record takes. */
  readonly end: number
  readonly sinks: { readonly online: SinkProgress; readonly offline: SinkProgress }
  /** Code of the error on which this process last failed to follow the log; undefined while it works. */
  readonly failure: string | undefined
  readonly groups: readonly GroupProgress[]
}

/** Looks at where a store stands. */
export async function storeProgress(parts: {
  readonly log: EventLog
  readonly sinks: Sinks
  readonly catalog: Catalog
}): Promise<StoreProgress> {
  const { log, sinks, catalog } = parts
  const { revision } = await catalog.snapshot()
  const [online, offline] = await sinks.positions()
  const through = { online: await sinks.onlineThrough(), offline: await sinks.offlineThrough() }
  const groups: GroupProgress[] = []
  for (const plan of await catalog.groups()) {
    groups.push(await groupProgress(log, plan, through))
  }
  const { failure } = sinks
  return {
    revision: revision?.number,
    lookedAt: catalog.lookedAt,
    end: await log.end(),
    sinks: {
      online: { position: online, through: through.online },
      offline: { position: offline, through: through.offline },
    },
    failure: failure === undefined ? undefined : failure instanceof AsofError ? failure.code : 'internal',
    groups,
    // Read last, so that nothing above is later.
    now: log.now(),
  }
}

async function groupProgress(
  log: EventLog,
  plan: GroupPlan,
  through: { readonly online: Instant; readonly offline: Instant },
): Promise<GroupProgress> {
  const { definition } = plan.group
  const applied = definition.online ? through.online : through.offline
  const runs = definition.schedule === undefined ? applied : await recordedThrough(log, plan)
  return {
    group: groupId(definition),
    online: definition.online,
    completeThrough: runs !== undefined && runs > applied ? applied : runs,
    freshness: definition.freshness === undefined ? undefined : durationMicros(definition.freshness),
  }
}
