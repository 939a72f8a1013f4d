import type {
  Definition,
  EntityDefinition,
  GroupDefinition,
  OnDemandDefinition,
  ServiceDefinition,
  SourceDefinition,
} from './definition.ts'
import { groupId } from './definition.ts'

/** Definitions of one project by name; groups and on-demand groups by `name@version`. */
export interface DefinitionIndex {
  readonly entities: ReadonlyMap<string, EntityDefinition>
  readonly sources: ReadonlyMap<string, SourceDefinition>
  readonly groups: ReadonlyMap<string, GroupDefinition>
  readonly onDemand: ReadonlyMap<string, OnDemandDefinition>
  readonly services: ReadonlyMap<string, ServiceDefinition>
}

/** Finds definitions by name; of two with one name the later one. */
export function indexDefinitions(definitions: Iterable<Definition>): DefinitionIndex {
  const index = {
    entities: new Map<string, EntityDefinition>(),
    sources: new Map<string, SourceDefinition>(),
    groups: new Map<string, GroupDefinition>(),
    onDemand: new Map<string, OnDemandDefinition>(),
    services: new Map<string, ServiceDefinition>(),
  }
  for (const definition of definitions) {
    switch (definition.kind) {
      case 'entity':
        index.entities.set(definition.name, definition)
        break
      case 'source':
        index.sources.set(definition.name, definition)
        break
      case 'group':
        index.groups.set(groupId(definition), definition)
        break
      case 'on_demand':
        index.onDemand.set(groupId(definition), definition)
        break
      case 'service':
        index.services.set(definition.name, definition)
        break
      default:
        definition satisfies never
    }
  }
  return index
}

const KIND_ORDER: readonly Definition['kind'][] = ['entity', 'source', 'group', 'on_demand', 'service']

/** Sorted so that what is referred to comes first: by kind, then name, then version. */
export function sortDefinitions(definitions: Iterable<Definition>): Definition[] {
  return [...definitions].sort(
    (a, b) =>
      KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) ||
      (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) ||
      ('version' in a && 'version' in b ? a.version - b.version : 0),
  )
}

/** Every source that the named ones read through SQL, themselves included; unknown names are passed over. */
export function sourceClosure(
  sources: ReadonlyMap<string, SourceDefinition>,
  names: readonly string[],
): ReadonlySet<string> {
  const reached = new Set<string>()
  const pending = [...names]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    const reads = sources.get(name)?.reads
    if (reads?.format === 'sql') pending.push(...reads.sources)
  }
  return reached
}

/** The sources that a group reads directly. */
export function groupSources(group: GroupDefinition): readonly string[] {
  switch (group.compute.from) {
    case 'source':
      return [group.compute.source]
    case 'query':
      return group.compute.sources
    case 'push':
      return []
    default:
      return group.compute satisfies never
  }
}
