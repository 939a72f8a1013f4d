import type { Instant } from '../clock/instant.ts'
import type {
  EntityDefinition,
  GroupDefinition,
  OnDemandDefinition,
  ServiceDefinition,
  SourceDefinition,
} from '../model/definition.ts'
import type { Field } from '../model/feature-type.ts'
import type { Revision } from '../ports/registry.ts'

/** A group version as the registry keeps it: its definition and what followed from applying it. */
export interface AppliedGroup {
  readonly definition: GroupDefinition
  readonly entity: EntityDefinition
  /** Every list of features that this version ever had; a stored row names its own by index. The last is today's. */
  readonly schemas: readonly (readonly Field[])[]
  /** When this group version was first applied: runs up to then are backfills. */
  readonly firstApplied: Instant
}

/** All definitions of one project at one revision; immutable. Names as in `definitionId`, without the kind. */
export interface Snapshot {
  readonly project: string
  readonly revision: Revision | undefined
  readonly entities: ReadonlyMap<string, EntityDefinition>
  readonly sources: ReadonlyMap<string, SourceDefinition>
  /** By `name@version`. */
  readonly groups: ReadonlyMap<string, AppliedGroup>
  /** By `name@version`. */
  readonly onDemand: ReadonlyMap<string, OnDemandDefinition>
  readonly services: ReadonlyMap<string, ServiceDefinition>
  /**
   * Group versions that were removed, by `name@version`: their rows are still stored, so a version that comes back
   * must fit them. Absent is none.
   */
  readonly retired?: ReadonlyMap<string, AppliedGroup>
}
