import { durationMicros } from '../clock/duration.ts'
import { MICROS, type Instant } from '../clock/instant.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import type { GroupColumns, SourceRelation } from '../ports/compute-engine.ts'
import type { DataFile, OfflineStore } from '../ports/offline-store.ts'
import type { GroupPlan } from './group-plan.ts'
import { groupTableSchema, TABLE_COLUMNS } from './group-table.ts'
import type { Schedule } from './schedule.ts'
import { sourceRelation, type SourceAccess } from './source-relation.ts'

/** The parts that reading a group's sources needs. */
export interface InputParts {
  readonly snapshot: Snapshot
  readonly sources: SourceAccess
}

/** The sources of a group as the engine reads them, as of an instant. */
export async function relationsAt(
  parts: InputParts,
  plan: GroupPlan,
  asOf: Instant,
): Promise<SourceRelation[]> {
  return await Promise.all(
    sourceNames(plan).map((name) => sourceRelation(parts.snapshot, name, parts.sources, asOf)),
  )
}

/** Names of the sources that a group reads. */
export function sourceNames(plan: GroupPlan): readonly string[] {
  const { compute } = plan.group.definition
  return compute.from === 'query' ? compute.sources : compute.from === 'source' ? [compute.source] : []
}

/** The files of a group's table that may hold rows dated `from` or later. */
export async function filesFrom(
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
export function scheduleOf(plan: GroupPlan): Schedule {
  const { schedule } = plan.group.definition
  if (schedule === undefined) return { every: MICROS.day, delay: 0, runtime: 0, lookback: 0 }
  return {
    every: durationMicros(schedule.every),
    delay: durationMicros(schedule.delay),
    runtime: durationMicros(schedule.runtime),
    lookback: durationMicros(schedule.lookback),
  }
}
