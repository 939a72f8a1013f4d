import type { Instant } from '../clock/instant.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import type { Quarantine } from '../ingest/quarantine.ts'
import { recordedThrough } from '../ingest/recorded-runs.ts'
import type { Sinks } from '../ingest/sinks.ts'
import { groupId, type GroupDefinition } from '../model/definition.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OfflineStore } from '../ports/offline-store.ts'

/** Where a group stands. */
export interface GroupStatus {
  readonly group: string
  readonly status: GroupDefinition['status']
  readonly rows: number
  readonly tableVersion: number | undefined
  /** The last run instant recorded, for a scheduled group. */
  readonly runsThrough: Instant | undefined
  readonly quarantined: number
  /** Log positions not yet applied. */
  readonly onlineLag: number
  readonly offlineLag: number
}

/** The parts that know where a group stands. */
export interface StatusParts {
  readonly log: EventLog
  readonly offline: OfflineStore
  readonly sinks: Sinks
}

/** Where each of some groups stands. */
export async function groupStatuses(
  { log, offline, sinks }: StatusParts,
  quarantine: Quarantine,
  plans: readonly GroupPlan[],
): Promise<readonly GroupStatus[]> {
  const [onlineAt, offlineAt] = await sinks.positions()
  const end = await log.end()
  const quarantined = Map.groupBy(await quarantine.list(), (row) => row.group)
  const groups: GroupStatus[] = []
  for (const plan of plans) {
    const { group } = plan
    const table = await offline.snapshot(plan.offlineTable)
    groups.push({
      group: groupId(group.definition),
      status: group.definition.status,
      rows: table?.files.reduce((sum, file) => sum + (file.rows ?? 0), 0) ?? 0,
      tableVersion: table?.version,
      runsThrough: await recordedThrough(log, plan),
      quarantined: quarantined.get(groupId(group.definition))?.length ?? 0,
      onlineLag: end - onlineAt,
      offlineLag: end - offlineAt,
    })
  }
  return groups
}

/** Group versions, by `name@version`, of which nothing was computed or stored; none where the tables are behind the log. */
export async function emptyGroups(
  { log, offline, sinks }: StatusParts,
  plans: readonly GroupPlan[],
): Promise<ReadonlySet<string>> {
  const empty = new Set<string>()
  const [, offlineAt] = await sinks.positions()
  if (offlineAt < (await log.end())) return empty
  for (const plan of plans) {
    const files = (await offline.snapshot(plan.offlineTable))?.files ?? []
    if (files.length > 0 || (await recordedThrough(log, plan)) !== undefined) continue
    empty.add(groupId(plan.group.definition))
  }
  return empty
}
