import { invalid } from '../errors/asof-error.ts'
import type {
  Definition,
  GroupDefinition,
  OnDemandDefinition,
  OnDemandInput,
  ServiceDefinition,
  ServiceFeature,
  SourceDefinition,
} from './definition.ts'
import { definitionId, groupId } from './definition.ts'
import type { DefinitionIndex } from './definition-index.ts'
import { groupSources, indexDefinitions, sortDefinitions } from './definition-index.ts'
import type { FeatureType } from './feature-type.ts'
import { sameStoredType, typeName } from './feature-type.ts'
import { canonicalJson } from './fingerprint.ts'
import { readDefinition } from './read-definition.ts'
import { CREATED_CHOICES } from './read-source.ts'

/**
 * Reads all definitions of one project and checks them against each other: every reference is found, and means
 * something that can be computed.
 *
 * @param path stands before each definition's index in messages
 * @returns the definitions in canonical form, sorted by kind, name and version
 * @throws {AsofError} of kind `invalid`, naming the definition or the path
 */
export function checkDefinitions(
  definitions: readonly unknown[],
  path = 'definitions',
): readonly Definition[] {
  const byId = new Map<string, Definition>()
  for (const [position, json] of definitions.entries()) {
    const definition = readDefinition(json, `${path}[${position}]`)
    const id = definitionId(definition)
    const other = byId.get(id)
    if (other !== undefined && canonicalJson(other) !== canonicalJson(definition)) {
      throw invalid(
        'duplicate_name',
        'two different definitions of one name: rename one, or raise its version',
        { id },
      )
    }
    byId.set(id, definition)
  }
  const sorted = sortDefinitions(byId.values())
  const index = indexDefinitions(sorted)
  for (const source of index.sources.values()) checkSource(index, source)
  refuseCycles(index)
  const onDemandNames = new Set([...index.onDemand.values()].map((group) => group.name))
  for (const group of index.groups.values()) checkGroup(index, group, onDemandNames)
  for (const group of index.onDemand.values()) checkOnDemand(index, group)
  for (const service of index.services.values()) checkService(index, service)
  return Object.freeze(sorted)
}

function checkSource(index: DefinitionIndex, source: SourceDefinition): void {
  if (source.reads.format !== 'sql') return
  for (const name of source.reads.sources) readableSource(index, name, definitionId(source))
}

/** Takes away sources that read nothing left, as long as there is one; what stays reads itself. */
function refuseCycles(index: DefinitionIndex): void {
  const waitsFor = new Map<string, Set<string>>()
  const readBy = new Map<string, string[]>()
  for (const { name, reads } of index.sources.values()) {
    const inputs = reads.format === 'sql' ? reads.sources : []
    waitsFor.set(name, new Set(inputs))
    for (const input of inputs) readBy.set(input, [...(readBy.get(input) ?? []), name])
  }
  const ready = [...waitsFor.keys()].filter((name) => waitsFor.get(name)?.size === 0)
  for (let name = ready.pop(); name !== undefined; name = ready.pop()) {
    waitsFor.delete(name)
    for (const reader of readBy.get(name) ?? []) {
      const waiting = waitsFor.get(reader)
      if (waiting?.delete(name) === true && waiting.size === 0) ready.push(reader)
    }
  }
  if (waitsFor.size > 0) {
    throw invalid('source_cycle', 'sql sources read each other in a circle', {
      sources: [...waitsFor.keys()].slice(0, 5).join(', '),
    })
  }
}

function readableSource(index: DefinitionIndex, name: string, by: string): SourceDefinition {
  const source = index.sources.get(name)
  if (source === undefined) throw unknownReference('source', name, by)
  if (source.reads.format === 'request') {
    throw invalid('request_as_source', 'a request has no history: only on-demand groups read it', {
      source: name,
      by,
    })
  }
  return source
}

function checkGroup(
  index: DefinitionIndex,
  group: GroupDefinition,
  onDemandNames: ReadonlySet<string>,
): void {
  const by = definitionId(group)
  const entity = index.entities.get(group.entity)
  if (entity === undefined) throw unknownReference('entity', group.entity, by)
  const replacement = group.deprecation?.replacement
  if (replacement !== undefined && (replacement === groupId(group) || !index.groups.has(replacement))) {
    throw unknownReference('feature group to read instead', replacement, by)
  }
  const keys = entity.keys.map((key) => key.name)
  for (const name of Object.keys(group.key)) {
    if (!keys.includes(name)) {
      throw invalid('unknown_key', 'the entity has no such join key', { group: groupId(group), key: name })
    }
  }
  for (const field of group.features) {
    if (keys.includes(field.name)) {
      throw invalid('duplicate_name', 'a feature is named as a join key of its entity', {
        group: groupId(group),
        name: field.name,
      })
    }
  }
  if (onDemandNames.has(group.name)) {
    throw invalid('duplicate_name', 'a feature group and an on-demand group of one name', {
      name: group.name,
    })
  }
  for (const name of groupSources(group)) {
    const source = readableSource(index, name, by)
    if (group.compute.from === 'source' && source.eventTime === undefined) {
      throw invalid(
        'source_without_event_time',
        'a source without an event time is a reference table: declare eventTime, or read it in a query',
        { source: name, group: groupId(group) },
      )
    }
    if (source.created === undefined) {
      throw invalid(
        'created_missing',
        `a group may only read rows that say when they became known. ${CREATED_CHOICES}; or put a sql source over it that declares created`,
        { source: name, group: groupId(group) },
      )
    }
  }
}

function checkOnDemand(index: DefinitionIndex, group: OnDemandDefinition): void {
  const by = definitionId(group)
  for (const { from } of group.inputs) {
    if ('request' in from) {
      requestFieldType(index, from, by)
    } else if ('eventTimeOf' in from) {
      readGroup(index, { group: from.eventTimeOf, version: from.version }, by)
    } else {
      const read = readGroup(index, from, by)
      if (!read.features.some((field) => field.name === from.feature)) {
        throw unknownReference('feature', `${groupId(read)}:${from.feature}`, by)
      }
    }
  }
  for (const { read, names } of readsOf(index, group)) {
    const keys = index.entities.get(read.entity)?.keys.map((key) => key.name) ?? []
    const unknown = Object.keys(names ?? {}).find((name) => !keys.includes(name))
    if (unknown !== undefined) throw unknownReference('join key', `${groupId(read)}:${unknown}`, by)
  }
  joinKeys(index, group)
}

function readGroup(
  index: DefinitionIndex,
  from: { readonly group: string; readonly version: number },
  by: string,
): GroupDefinition {
  const id = `${from.group}@${from.version}`
  const group = index.groups.get(id)
  if (group !== undefined) return group
  if (index.onDemand.has(id)) {
    throw invalid(
      'on_demand_chain',
      'an on-demand group reads stored features and requests, no other on-demand group',
      {
        reads: id,
        by,
      },
    )
  }
  throw unknownReference('feature group', id, by)
}

function requestFieldType(
  index: DefinitionIndex,
  from: { readonly request: string; readonly field: string },
  by: string,
): FeatureType {
  const reads = index.sources.get(from.request)?.reads
  if (reads?.format !== 'request') throw unknownReference('request', from.request, by)
  const field = reads.fields.find((candidate) => candidate.name === from.field)
  if (field === undefined) throw unknownReference('request field', `${from.request}.${from.field}`, by)
  return field.type
}

/**
 * The join keys that answer for a group: those of its entity, or of all groups that an on-demand group reads.
 *
 * @throws {AsofError} `key_conflict` when one name stands for two types
 */
export function joinKeys(
  index: DefinitionIndex,
  group: GroupDefinition | OnDemandDefinition,
): ReadonlyMap<string, FeatureType> {
  const keys = new Map<string, FeatureType>()
  const reads = group.kind === 'group' ? [{ read: group, names: undefined }] : readsOf(index, group)
  for (const { read, names } of reads) {
    for (const key of index.entities.get(read.entity)?.keys ?? []) {
      addType(keys, names?.[key.name] ?? key.name, key.type, 'key_conflict', definitionId(group))
    }
  }
  return keys
}

/** The stored groups that an on-demand group reads, each once. */
export function groupsOf(
  index: Pick<DefinitionIndex, 'groups'>,
  group: OnDemandDefinition,
): readonly GroupDefinition[] {
  return [...new Set(readsOf(index, group).map(({ read }) => read))]
}

/** The stored group of each input, and how it names that group's join keys. */
function readsOf(
  index: Pick<DefinitionIndex, 'groups'>,
  group: OnDemandDefinition,
): readonly { readonly read: GroupDefinition; readonly names: OnDemandInput['keys'] }[] {
  return group.inputs.flatMap(({ from, keys: names }) => {
    if ('request' in from) return []
    const read = index.groups.get(`${'group' in from ? from.group : from.eventTimeOf}@${from.version}`)
    return read === undefined ? [] : [{ read, names }]
  })
}

function addType(
  types: Map<string, FeatureType>,
  name: string,
  type: FeatureType,
  code: string,
  by: string,
): void {
  const other = types.get(name)
  if (other !== undefined && !sameStoredType(other, type)) {
    throw invalid(code, 'one name stands for values of two types', {
      name,
      first: typeName(other),
      second: typeName(type),
      by,
    })
  }
  types.set(name, type)
}

function checkService(index: DefinitionIndex, service: ServiceDefinition): void {
  const by = definitionId(service)
  const asked = new Map<string, FeatureType>()
  const fields = new Map<string, FeatureType>()
  const groups = new Map<
    string,
    { readonly keys: ReadonlyMap<string, FeatureType>; readonly names: Set<string> }
  >()
  for (const feature of service.features) {
    const id = groupId({ name: feature.group, version: feature.version })
    let group = groups.get(id)
    if (group === undefined) {
      const definition = index.groups.get(id) ?? index.onDemand.get(id)
      if (definition === undefined) throw unknownReference('feature group', id, by)
      group = {
        keys: joinKeys(index, definition),
        names: new Set(definition.features.map((field) => field.name)),
      }
      groups.set(id, group)
      if (definition.kind === 'on_demand') addRequestFields(index, definition, fields, by)
      refuseStaging(index, service, definition)
    }
    if (!group.names.has(feature.feature)) throw unknownReference('feature', `${id}:${feature.feature}`, by)
    checkFeatureKeys(service, feature, group.keys)
    for (const [name, type] of group.keys)
      addType(asked, feature.keys[name] ?? name, type, 'key_conflict', by)
  }
  for (const { name } of service.features) {
    if (asked.has(name) || fields.has(name)) {
      throw invalid(
        'duplicate_name',
        'a feature is named as a join key or request field of its service: use an alias',
        {
          service: service.name,
          name,
        },
      )
    }
  }
}

function addRequestFields(
  index: DefinitionIndex,
  group: OnDemandDefinition,
  fields: Map<string, FeatureType>,
  by: string,
): void {
  for (const { from } of group.inputs) {
    if ('request' in from)
      addType(fields, from.field, requestFieldType(index, from, by), 'request_conflict', by)
  }
}

function checkFeatureKeys(
  service: ServiceDefinition,
  feature: ServiceFeature,
  keys: ReadonlyMap<string, FeatureType>,
): void {
  const given = Object.keys(feature.keys)
  if (given.length === keys.size && given.every((name) => keys.has(name))) return
  throw invalid('key_mismatch', 'name every join key of the group, and no other', {
    service: service.name,
    feature: feature.name,
    wanted: [...keys.keys()].join(', '),
  })
}

function refuseStaging(
  index: DefinitionIndex,
  service: ServiceDefinition,
  group: GroupDefinition | OnDemandDefinition,
): void {
  const consumer = service.consumers[0]
  if (consumer === undefined) return
  const read = group.kind === 'group' ? [group] : groupsOf(index, group)
  const staging = read.find((candidate) => candidate.status === 'staging')
  if (staging !== undefined) {
    throw invalid(
      'staging_group',
      'a service with consumers may not read a staging group: make it active first',
      {
        service: service.name,
        group: groupId(staging),
        consumer: `${consumer.model}@${consumer.version}`,
      },
    )
  }
}

function unknownReference(what: string, name: string, by: string): Error {
  return invalid('unknown_reference', `there is no such ${what}`, { name, by })
}
