import type {
  Definition,
  GroupDefinition,
  OnDemandDefinition,
  ServiceDefinition,
} from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import type { DefinitionIndex } from '../model/definition-index.ts'
import { groupSources, sourceClosure } from '../model/definition-index.ts'

/**
 * Everything that a service's values rest on: ids of definitions as `definitionId` gives them, and of single features
 * as `{id}:{feature}` (of a request, its fields).
 */
export function serviceDependencies(index: DefinitionIndex, service: ServiceDefinition): ReadonlySet<string> {
  const reached = new Set<string>()
  const group = (definition: GroupDefinition | undefined, feature?: string): void => {
    if (definition === undefined) return
    const id = definitionId(definition)
    if (feature !== undefined) reached.add(`${id}:${feature}`)
    if (reached.has(id)) return
    reached.add(id)
    reached.add(`entity/${definition.entity}`)
    for (const name of sourceClosure(index.sources, groupSources(definition))) reached.add(`source/${name}`)
  }
  const onDemand = (definition: OnDemandDefinition, feature: string): void => {
    const id = definitionId(definition)
    reached.add(`${id}:${feature}`)
    if (reached.has(id)) return
    reached.add(id)
    for (const { from } of definition.inputs) {
      if ('request' in from) {
        reached.add(`source/${from.request}`)
        reached.add(`source/${from.request}:${from.field}`)
      } else if ('eventTimeOf' in from) {
        group(index.groups.get(`${from.eventTimeOf}@${from.version}`))
      } else {
        group(index.groups.get(`${from.group}@${from.version}`), from.feature)
      }
    }
  }
  for (const feature of service.features) {
    const id = `${feature.group}@${feature.version}`
    const computed = index.onDemand.get(id)
    if (computed === undefined) group(index.groups.get(id), feature.feature)
    else onDemand(computed, feature.feature)
  }
  return reached
}

/** Which services rest on a definition or a feature, by the ids of {@link serviceDependencies}. */
export function serviceReaders(index: DefinitionIndex): (id: string) => readonly ServiceDefinition[] {
  const readers = new Map<string, ServiceDefinition[]>()
  for (const service of index.services.values()) {
    for (const id of serviceDependencies(index, service)) {
      const known = readers.get(id)
      if (known === undefined) readers.set(id, [service])
      else known.push(service)
    }
  }
  return (id) => readers.get(id) ?? []
}

/** The definitions of an index by `definitionId`. */
export function definitionsById(definitions: readonly Definition[]): ReadonlyMap<string, Definition> {
  return new Map(definitions.map((definition) => [definitionId(definition), definition]))
}
