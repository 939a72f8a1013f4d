import type { Instant } from '../clock/instant.ts'
import type {
  Consumer,
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
  /** Models that their own side has registered, by service; those that a service declares are in its definition. */
  readonly registered?: ReadonlyMap<string, readonly Consumer[]>
}

/** The models that read a service: those that it declares, then those registered by their own side, each once. */
export function consumersOf(snapshot: Snapshot, service: ServiceDefinition): readonly Consumer[] {
  const registered = snapshot.registered?.get(service.name)
  if (registered === undefined) return service.consumers
  const declared = new Set(service.consumers.map(consumerName))
  return [...service.consumers, ...registered.filter((consumer) => !declared.has(consumerName(consumer)))]
}

/** A model by name and version, as messages name it: `delay@7`. */
export function consumerName({ model, version }: Pick<Consumer, 'model' | 'version'>): string {
  return `${model}@${version}`
}
