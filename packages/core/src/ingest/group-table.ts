import type { AppliedGroup } from '../apply/snapshot.ts'
import type { TableColumn, TableSchema } from '../ports/offline-store.ts'
import type { Visibility } from '../point-in-time/visible.ts'
import { durationMicros } from '../clock/duration.ts'

/** The columns that every group's table has beside keys and features. */
export const TABLE_COLUMNS = {
  eventTime: 'event_timestamp',
  created: 'created_timestamp',
  sequence: 'seq',
  deleted: 'is_deleted',
} as const

/** Path of a group version's offline table: it begins with the project. */
export function offlineTable(
  project: string,
  group: { readonly name: string; readonly version: number },
): string {
  return `${project}/${group.name}/v${group.version}`
}

/** Name of a group version's online table: the newest row of each key. */
export function onlineTable(
  project: string,
  group: { readonly name: string; readonly version: number },
): string {
  return `${project}/${group.name}@${group.version}`
}

/** Name of the online table of rows that a newer one has replaced and that an `at` in the recent past still needs. */
export function recentTable(
  project: string,
  group: { readonly name: string; readonly version: number },
): string {
  return `${onlineTable(project, group)}#recent`
}

/** The columns of a group version's offline table: keys, times, sequence, tombstone mark, features. */
export function groupTableSchema(group: AppliedGroup): TableSchema {
  const { definition, entity } = group
  const columns: TableColumn[] = [
    ...entity.keys.map((key) => ({ name: key.name, type: key.type, nullable: false })),
    { name: TABLE_COLUMNS.eventTime, type: { kind: 'timestamp' }, nullable: false },
    { name: TABLE_COLUMNS.created, type: { kind: 'timestamp' }, nullable: false },
    { name: TABLE_COLUMNS.sequence, type: { kind: 'int64' }, nullable: false },
    { name: TABLE_COLUMNS.deleted, type: { kind: 'bool' }, nullable: false },
    ...definition.features.map((feature) => ({ name: feature.name, type: feature.type, nullable: true })),
  ]
  if (definition.partition === 'none') return { columns, partitionBy: [] }
  const name = `event_${definition.partition}`
  const partitionOf = { column: TABLE_COLUMNS.eventTime, unit: definition.partition }
  return {
    columns: [...columns, { name, type: { kind: 'string' }, nullable: false, partitionOf }],
    partitionBy: [name],
  }
}

/** Sort order of a group's files. */
export function groupSortOrder(group: AppliedGroup): readonly string[] {
  return [
    ...group.entity.keys.map((key) => key.name),
    TABLE_COLUMNS.eventTime,
    TABLE_COLUMNS.created,
    TABLE_COLUMNS.sequence,
  ]
}

/** The rule by which a group's rows answer. */
export function visibilityOf(
  group: AppliedGroup,
  knowledge: Visibility['knowledge'] = 'as-known',
): Visibility {
  const { ttl, boundary } = group.definition
  return {
    ttl: ttl === undefined ? undefined : durationMicros(ttl),
    exclusive: boundary === 'exclusive',
    knowledge,
  }
}
