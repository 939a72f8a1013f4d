import type { AppliedGroup } from '../apply/snapshot.ts'
import { encodeEntityKey, onlineKeys } from '../codec/entity-key.ts'
import { rowLayout, type RowLayout } from '../codec/row-layout.ts'
import { rowReader, type RowReader } from '../codec/row-codec.ts'
import type { KeyType } from '../model/feature-type.ts'
import type { KeyValues } from '../model/value.ts'
import { visibilityOf, onlineTable, offlineTable, recentTable } from './group-table.ts'
import type { Visibility } from '../point-in-time/visible.ts'

/** Everything about a group version that paths over rows need, compiled once per revision. */
export interface GroupPlan {
  readonly project: string
  readonly group: AppliedGroup
  readonly keyTypes: readonly KeyType[]
  /** Index of today's schema; new rows are written in it. */
  readonly schema: number
  readonly layout: RowLayout
  /** Reads rows of every schema that the group ever had. */
  readonly reader: RowReader
  readonly rule: Visibility
  readonly onlineTable: string
  readonly recentTable: string
  readonly offlineTable: string
  /** The stored text of a key without nulls. */
  readonly entityKey: (key: KeyValues) => string
  /** The online store's key for that text. */
  readonly onlineKey: (entityKey: string) => Uint8Array
  /** Is told why a stored row could not be read: it may be of a schema that is younger than this plan. */
  readonly unreadable: (error: unknown) => void
}

/** Compiles a group version. `namespace` begins every online key. */
export function compileGroup(
  project: string,
  namespace: string,
  group: AppliedGroup,
  unreadable: GroupPlan['unreadable'] = () => undefined,
): GroupPlan {
  const { definition, entity } = group
  const keyTypes = entity.keys.map((key) => key.type)
  const layouts = group.schemas.map((fields, id) => rowLayout(id, fields))
  const schema = layouts.length - 1
  return {
    project,
    group,
    keyTypes,
    schema,
    layout: layouts[schema] as RowLayout,
    reader: rowReader(layouts),
    rule: visibilityOf(group),
    onlineTable: onlineTable(project, definition),
    recentTable: recentTable(project, definition),
    offlineTable: offlineTable(project, definition),
    entityKey: (key) => encodeEntityKey(keyTypes, key),
    onlineKey: onlineKeys({
      namespace,
      version: definition.version,
      entity: entity.name,
      group: definition.name,
    }),
    unreadable,
  }
}
