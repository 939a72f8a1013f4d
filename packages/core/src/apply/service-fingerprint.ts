import { internal } from '../errors/asof-error.ts'
import type { OnDemandDefinition, ServiceDefinition } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import { groupSources, sourceClosure } from '../model/definition-index.ts'
import { canonicalJson, sha256Hex } from '../model/fingerprint.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

/**
 * A hash of everything that decides a vector's meaning and order: the features of the service and, of what they rest
 * on, keys, types, defaults, ttl, boundary, schedule, queries, sources, versions and on-demand code. Descriptions,
 * owners, tags, statuses, promises and features that the service does not read leave it as it is.
 *
 * A model that was trained on one fingerprint may expect it of every answer.
 *
 * @example
 * ```ts
 * serviceFingerprint(snapshot, delayModel.definition) // 64 hexadecimal digits
 * ```
 */
export function serviceFingerprint(snapshot: Snapshot, service: ServiceDefinition): string {
  return sha256Hex(canonicalJson(meaningOfService(snapshot, service)))
}

function meaningOfService(snapshot: Snapshot, service: ServiceDefinition): unknown {
  const read = new Map<string, Set<string>>()
  const onDemand: unknown[] = []
  const reads = (id: string, feature?: string): void => {
    const features = read.get(id) ?? new Set()
    read.set(id, features)
    if (feature !== undefined) features.add(feature)
  }
  const computed = new Map<string, Set<string>>()
  for (const { group, version, feature } of service.features) {
    const id = groupId({ name: group, version })
    if (snapshot.onDemand.has(id)) computed.set(id, (computed.get(id) ?? new Set()).add(feature))
    else reads(id, feature)
  }
  for (const [id, features] of computed) {
    const definition = snapshot.onDemand.get(id)
    if (definition === undefined) continue
    for (const { from } of definition.inputs) {
      if ('eventTimeOf' in from) reads(`${from.eventTimeOf}@${from.version}`)
      else if ('group' in from) reads(`${from.group}@${from.version}`, from.feature)
    }
    onDemand.push(meaningOfOnDemand(snapshot, definition, features))
  }
  const groups = [...read].map(([id, features]) => {
    const group = snapshot.groups.get(id)
    if (group === undefined) throw internal('a service reads a group that is not there', { group: id })
    return meaningOfGroup(snapshot, group, features)
  })
  return { features: service.features, groups, onDemand }
}

function meaningOfGroup(
  snapshot: Snapshot,
  { definition, entity }: AppliedGroup,
  features: Set<string>,
): unknown {
  const { name, version, key, compute, schedule, delay, ttl, boundary } = definition
  const sources = [...sourceClosure(snapshot.sources, groupSources(definition))].sort().map((source) => {
    const { reads, eventTime, created, future } = snapshot.sources.get(source) ?? {}
    return { name: source, reads, eventTime, created, future }
  })
  return {
    name,
    version,
    entity: { name: entity.name, keys: entity.keys },
    key,
    compute,
    schedule,
    delay,
    ttl,
    boundary,
    sources,
    features: definition.features
      .filter((field) => features.has(field.name))
      .map((field) => ({ name: field.name, type: field.type, default: field.default }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

function meaningOfOnDemand(
  snapshot: Snapshot,
  definition: OnDemandDefinition,
  features: Set<string>,
): unknown {
  const inputs = definition.inputs.map((input) => {
    if (!('request' in input.from)) return input
    const { request, field } = input.from
    const reads = snapshot.sources.get(request)?.reads
    const fields = reads?.format === 'request' ? reads.fields : []
    return { ...input, type: fields.find((candidate) => candidate.name === field)?.type }
  })
  return {
    name: definition.name,
    version: definition.version,
    code: definition.code.fingerprint,
    inputs,
    features: definition.features
      .filter((field) => features.has(field.name))
      .map(({ name, type }) => ({ name, type }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}
