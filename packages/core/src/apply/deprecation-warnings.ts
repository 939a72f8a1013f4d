import type { Definition, GroupDefinition, ServiceDefinition } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import { groupsOf } from '../model/check-definitions.ts'
import { indexDefinitions, type DefinitionIndex } from '../model/definition-index.ts'
import { consumerName, consumersOf, type Snapshot } from './snapshot.ts'

/** A service that reads a deprecated group. */
export interface PlanWarning {
  readonly service: string
  /** The group version, `hourly@1`. */
  readonly group: string
  /** The last day on which it can be relied on, where it says so. */
  readonly after?: string
  /** What to read instead, where it says so. */
  readonly replacement?: string
  /** The models that read the service, as `model@version (team)`. */
  readonly consumers: readonly string[]
}

/** The services that would read deprecated groups, by name. */
export function deprecationWarnings(
  snapshot: Snapshot,
  wanted: readonly Definition[],
): readonly PlanWarning[] {
  if (!wanted.some((each) => each.kind === 'group' && each.status === 'deprecated')) return []
  const index = indexDefinitions(wanted)
  return [...index.services.values()].flatMap((service) =>
    deprecatedGroups(index, service).map((group) => ({
      service: service.name,
      group: groupId(group),
      ...group.deprecation,
      consumers: consumersOf(snapshot, service).map((each) => `${consumerName(each)} (${each.team})`),
    })),
  )
}

/** The deprecated groups that a service reads, through on-demand groups too, each once, in order of first use. */
export function deprecatedGroups(
  index: Pick<DefinitionIndex, 'groups' | 'onDemand'>,
  service: ServiceDefinition,
): readonly GroupDefinition[] {
  const read = new Set<GroupDefinition>()
  for (const id of new Set(service.features.map(({ group, version }) => `${group}@${version}`))) {
    const computed = index.onDemand.get(id)
    const groups = computed === undefined ? [index.groups.get(id) ?? []].flat() : groupsOf(index, computed)
    for (const group of groups) if (group.status === 'deprecated') read.add(group)
  }
  return [...read]
}
