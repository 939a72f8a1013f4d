import { serviceFingerprint } from '../apply/service-fingerprint.ts'
import { consumerName, type AppliedGroup, type Snapshot } from '../apply/snapshot.ts'
import type { Instant } from '../clock/instant.ts'
import type { Consumer, Definition, GroupDefinition } from '../model/definition.ts'
import { sourceClosure, groupSources } from '../model/definition-index.ts'
import type { Field } from '../model/feature-type.ts'
import { typeName } from '../model/feature-type.ts'
import { impact } from './impact.ts'
import { findReference, referenceTo } from './reference.ts'

/** Everything that the registry knows about one thing. */
export interface Description {
  /** Its full name. */
  readonly id: string
  readonly project: string
  readonly kind: Definition['kind'] | 'feature' | 'column' | 'model'
  readonly name: string
  /** The definition, or the one that the feature belongs to; a model has none. */
  readonly definition?: Definition
  /** Of a feature, a join key or a request's field: its type in one line. */
  readonly type?: string
  /** Of a feature of a group: what the group declares. */
  readonly feature?: Field
  /** Of a model. */
  readonly consumer?: Consumer
  /** Of a service: what decides its vectors, hashed. */
  readonly fingerprint?: string
  /** When a group version was first applied. */
  readonly firstApplied?: Instant
  /** All versions of a group that there are, the lowest first. */
  readonly versions?: readonly GroupVersion[]
  /** Full names of what it is computed from directly. */
  readonly from: readonly string[]
  /** Names of the sources behind it, those behind queries too. */
  readonly sources: readonly string[]
  readonly readBy: {
    /** Full names of groups, sources and on-demand groups that read it or a part of it. */
    readonly definitions: readonly string[]
    /** Names of services. */
    readonly services: readonly string[]
    readonly models: readonly (Consumer & { readonly services: readonly string[] })[]
  }
}

/** One version of a group. */
export interface GroupVersion {
  readonly version: number
  readonly status: GroupDefinition['status']
  readonly firstApplied: Instant
  readonly features: number
}

/**
 * Everything about what a reference names: what it is, where it comes from, who reads it.
 *
 * @throws {AsofError} see `findReference`
 * @example
 * ```ts
 * const { definition, readBy } = await describe(snapshot, 'airport_hourly:delay_mean')
 * ```
 */
export async function describe(snapshot: Snapshot, reference: string): Promise<Description> {
  const { project } = snapshot
  const found = findReference(snapshot, reference)
  if (found.kind === 'model') {
    const { consumer, services } = found
    return {
      id: `${project}.model/${consumerName(consumer)}`,
      project,
      kind: 'model',
      name: consumer.model,
      consumer,
      from: services.map((name) => `${project}.service/${name}`),
      sources: [],
      readBy: { definitions: [], services: [], models: [] },
    }
  }
  const { definition, part } = found
  const id = referenceTo(project, definition, part)
  return {
    id,
    project,
    kind: part === undefined ? definition.kind : definition.kind === 'source' ? 'column' : 'feature',
    name: part ?? definition.name,
    definition,
    ...ofPart(snapshot, definition, part),
    ...(definition.kind === 'service' && { fingerprint: serviceFingerprint(snapshot, definition) }),
    ...(definition.kind === 'group' && ofGroup(snapshot, definition)),
    from: madeFrom(snapshot, definition, part),
    sources: [...sourceClosure(snapshot.sources, sourcesRead(snapshot, definition))].sort(),
    readBy: await readersOf(snapshot, id),
  }
}

function ofPart(
  snapshot: Snapshot,
  definition: Definition,
  part: string | undefined,
): Pick<Description, 'type' | 'feature'> {
  if (part === undefined) return {}
  const type = ((): Field['type'] | undefined => {
    switch (definition.kind) {
      case 'entity':
        return definition.keys.find((key) => key.name === part)?.type
      case 'source': {
        const { reads } = definition
        return reads.format === 'request'
          ? reads.fields.find((field) => field.name === part)?.type
          : undefined
      }
      case 'service': {
        const read = definition.features.find((feature) => feature.name === part)
        const id = `${read?.group}@${read?.version}`
        const group = snapshot.groups.get(id)?.definition ?? snapshot.onDemand.get(id)
        return group?.features.find((field) => field.name === read?.feature)?.type
      }
      case 'group':
      case 'on_demand':
        return definition.features.find((field) => field.name === part)?.type
      default:
        return definition satisfies never
    }
  })()
  const feature =
    definition.kind === 'group' || definition.kind === 'on_demand'
      ? definition.features.find((field) => field.name === part)
      : undefined
  return { ...(type !== undefined && { type: typeName(type) }), ...(feature !== undefined && { feature }) }
}

function ofGroup(snapshot: Snapshot, { name, version }: GroupDefinition): Partial<Description> {
  const versions = [...snapshot.groups.values()]
    .filter((group) => group.definition.name === name)
    .sort((a, b) => a.definition.version - b.definition.version)
  const own = snapshot.groups.get(`${name}@${version}`)
  return { ...(own && { firstApplied: own.firstApplied }), versions: versions.map(versionOf) }
}

function versionOf({ definition, firstApplied }: AppliedGroup): GroupVersion {
  const { version, status, features } = definition
  return { version, status, firstApplied, features: features.length }
}

function madeFrom(snapshot: Snapshot, definition: Definition, part: string | undefined): readonly string[] {
  const { project } = snapshot
  const source = (name: string): string => `${project}.source/${name}`
  switch (definition.kind) {
    case 'entity':
      return []
    case 'source':
      return definition.reads.format === 'sql' ? definition.reads.sources.map(source) : []
    case 'group':
      return groupSources(definition).map(source)
    case 'on_demand':
      return definition.inputs.map(({ from }) => {
        if ('request' in from) return `${source(from.request)}:${from.field}`
        if ('group' in from) return `${project}.group/${from.group}@${from.version}:${from.feature}`
        return `${project}.group/${from.eventTimeOf}@${from.version}:event_timestamp`
      })
    case 'service': {
      const read = definition.features.filter(({ name }) => part === undefined || name === part)
      return read.map(({ group, version, feature }) => {
        const kind = snapshot.onDemand.has(`${group}@${version}`) ? 'on_demand' : 'group'
        return `${project}.${kind}/${group}@${version}:${feature}`
      })
    }
    default:
      return definition satisfies never
  }
}

function sourcesRead(snapshot: Snapshot, definition: Definition): readonly string[] {
  switch (definition.kind) {
    case 'entity':
      return []
    case 'source':
      return definition.reads.format === 'sql' ? definition.reads.sources : []
    case 'group':
      return groupSources(definition)
    case 'on_demand':
      return definition.inputs.flatMap(({ from }) => {
        if ('request' in from) return [from.request]
        const read = snapshot.groups.get(`${'group' in from ? from.group : from.eventTimeOf}@${from.version}`)
        return read === undefined ? [] : groupSources(read.definition)
      })
    case 'service':
      return [...new Set(definition.features.map(({ group, version }) => `${group}@${version}`))].flatMap(
        (id) => {
          const read = snapshot.groups.get(id)?.definition ?? snapshot.onDemand.get(id)
          return read === undefined ? [] : sourcesRead(snapshot, read)
        },
      )
    default:
      return definition satisfies never
  }
}

async function readersOf(snapshot: Snapshot, id: string): Promise<Description['readBy']> {
  const { sources, features, onDemand, services, models } = await impact(snapshot, id)
  const whole = (node: string): string => /^([^:]*)/.exec(node)![1]!
  return {
    definitions: [...new Set([...sources, ...features, ...onDemand].map(whole))].filter(
      (each) => each !== whole(id),
    ),
    services: services.map(({ service }) => service),
    models,
  }
}
