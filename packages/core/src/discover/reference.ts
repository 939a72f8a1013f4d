import { consumersOf, type Snapshot } from '../apply/snapshot.ts'
import { invalid, notFound } from '../errors/asof-error.ts'
import type { Consumer, Definition } from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'

/** What a reference found in a snapshot. */
export type FoundReference =
  | {
      readonly kind: 'definition'
      readonly definition: Definition
      /** A feature of a group, on-demand group or service; a column of a source; a field of a request. */
      readonly part: string | undefined
    }
  | {
      readonly kind: 'model'
      readonly consumer: Consumer
      /** Names of the services that it reads. */
      readonly services: readonly string[]
    }

/** The part of a group by which the event time of its rows is named. */
export const EVENT_TIME = 'event_timestamp'

const KINDS: readonly Definition['kind'][] = ['group', 'on_demand', 'service', 'source', 'entity']
const REFERENCE =
  /^(?:([a-z][a-z0-9_]*)\.)?(?:(group|on_demand|service|source|entity)\/)?([a-z][a-z0-9_]*)(?:@(\d{1,7}))?(?::(.+))?$/s
const MODEL = /^(?:([a-z][a-z0-9_]*)\.)?model\/(.+)@([^@]+)$/s
const SHOWN_MAX = 200

/**
 * The project that a reference names, where it names one.
 *
 * @example
 * ```ts
 * projectOf('flights.hourly:delay_mean') // 'flights'
 * ```
 */
export function projectOf(reference: string): string | undefined {
  return (MODEL.exec(reference) ?? REFERENCE.exec(reference))?.[1]
}

/**
 * Finds what a reference names: `[project.][kind/]name[@version][:part]`, or `model/name@version` for a consumer. A
 * group without a version is its highest active version. Without a kind, groups come first, then on-demand groups,
 * services, sources, entities; a part that only one of them can have decides.
 *
 * @throws {AsofError} `invalid_reference`; `reference_not_found`
 * @example
 * ```ts
 * findReference(snapshot, 'airport_hourly:delay_mean')
 * findReference(snapshot, 'source/flights:delay')
 * findReference(snapshot, 'model/delay@7')
 * ```
 */
export function findReference(snapshot: Snapshot, reference: string): FoundReference {
  const model = MODEL.exec(reference)
  const match = model ?? REFERENCE.exec(reference)
  if (match === null) {
    throw invalid(
      'invalid_reference',
      'write group:feature, group@2:feature, a name, kind/name, or model/name@version',
      { reference: reference.slice(0, SHOWN_MAX) },
    )
  }
  if (match[1] !== undefined && match[1] !== snapshot.project) {
    throw notFound('reference_not_found', 'the reference names another project', {
      reference: reference.slice(0, SHOWN_MAX),
      project: snapshot.project,
    })
  }
  const found = model === null ? findDefinition(snapshot, match) : findModel(snapshot, match)
  if (found !== undefined) return found
  throw notFound('reference_not_found', 'there is nothing of this name; `asof search` finds what is alike', {
    reference: reference.slice(0, SHOWN_MAX),
    project: snapshot.project,
  })
}

function findModel(snapshot: Snapshot, [, , model, version]: RegExpExecArray): FoundReference | undefined {
  let consumer: Consumer | undefined
  const services: string[] = []
  for (const service of snapshot.services.values()) {
    const known = consumersOf(snapshot, service).find(
      (each) => each.model === model && each.version === version,
    )
    if (known === undefined) continue
    consumer ??= known
    services.push(service.name)
  }
  return consumer && { kind: 'model', consumer, services }
}

function findDefinition(
  snapshot: Snapshot,
  [, , kind, name, version, part]: RegExpExecArray,
): FoundReference | undefined {
  for (const candidate of KINDS) {
    if (kind !== undefined && kind !== candidate) continue
    const definition = named(snapshot, candidate, name!, version)
    if (definition !== undefined && hasPart(definition, part)) return { kind: 'definition', definition, part }
  }
  return undefined
}

function named(
  snapshot: Snapshot,
  kind: Definition['kind'],
  name: string,
  version: string | undefined,
): Definition | undefined {
  switch (kind) {
    case 'group':
      if (version !== undefined) return snapshot.groups.get(`${name}@${Number(version)}`)?.definition
      return newest([...snapshot.groups.values()].map((group) => group.definition).filter(isNamed(name)))
    case 'on_demand':
      if (version !== undefined) return snapshot.onDemand.get(`${name}@${Number(version)}`)
      return newest([...snapshot.onDemand.values()].filter(isNamed(name)))
    case 'service':
      return version === undefined ? snapshot.services.get(name) : undefined
    case 'source':
      return version === undefined ? snapshot.sources.get(name) : undefined
    case 'entity':
      return version === undefined ? snapshot.entities.get(name) : undefined
    default:
      return kind satisfies never
  }
}

function isNamed(name: string): (definition: { readonly name: string }) => boolean {
  return (definition) => definition.name === name
}

/** The highest version that is active, or the highest of all where none is. */
function newest<D extends { readonly version: number; readonly status?: string }>(
  versions: readonly D[],
): D | undefined {
  const active = versions.filter(({ status }) => status === undefined || status === 'active')
  return (active.length > 0 ? active : [...versions]).sort((a, b) => a.version - b.version).at(-1)
}

/** Which columns a file has nobody has declared, so any name may be one. */
function hasPart(definition: Definition, part: string | undefined): boolean {
  if (part === undefined) return true
  switch (definition.kind) {
    case 'entity':
      return definition.keys.some((key) => key.name === part)
    case 'source':
      return (
        definition.reads.format !== 'request' || definition.reads.fields.some((field) => field.name === part)
      )
    case 'group':
      return part === EVENT_TIME || definition.features.some((feature) => feature.name === part)
    case 'on_demand':
    case 'service':
      return definition.features.some((feature) => feature.name === part)
    default:
      return definition satisfies never
  }
}

/** The full name of a definition or of a part of it, itself a reference: `flights.group/hourly@1:delay_mean`. */
export function referenceTo(project: string, definition: Definition, part?: string): string {
  return `${project}.${definitionId(definition)}${part === undefined ? '' : `:${part}`}`
}
