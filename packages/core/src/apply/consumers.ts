import { invalid, notFound } from '../errors/asof-error.ts'
import { similarNames } from '../errors/similar-names.ts'
import { groupsOf } from '../model/check-definitions.ts'
import { groupId, type Consumer } from '../model/definition.ts'
import type { Registry } from '../ports/registry.ts'
import { commitProject, type CommitOptions } from './commit-project.ts'
import { consumerName, consumersOf, type Snapshot } from './snapshot.ts'

/** A model that reads a service. */
export interface ServiceConsumer extends Consumer {
  readonly service: string
  /** `declared` in the service's definition, or `registered` by the model's side. */
  readonly from: 'declared' | 'registered'
}

/** What a change of consumers did. */
export interface ConsumerChange {
  /** The project afterwards. */
  readonly snapshot: Snapshot
  /** False when it was so already: no revision was made. */
  readonly committed: boolean
}

/** Characters of the names of a model, its version and its team. */
const TEXT_CHARS_MAX = 200

/**
 * Registers a model as a reader of a service: from now on plans that break the service name it. Applying definitions
 * leaves it there. A model that is there already gets the team given.
 *
 * @throws {AsofError} `service_not_found`, `consumer_declared`, `staging_group`, `invalid_consumer`, `registry_busy`
 * @example
 * ```ts
 * const consumer = { model: 'delay', version: '8', team: 'ops-ml' }
 * const given = { now: () => now, author: 'ann', message: 'the new model' }
 * const { committed } = await addConsumer(registry, 'flights', 'hourly_model', consumer, given)
 * committed // true
 * ```
 */
export async function addConsumer(
  registry: Registry,
  project: string,
  service: string,
  { model, version, team }: Consumer,
  options: CommitOptions,
): Promise<ConsumerChange> {
  const consumer = {
    model: text(model, 'model'),
    version: text(version, 'version'),
    team: text(team, 'team'),
  }
  if (consumer.version.includes('@')) {
    throw invalid('invalid_consumer', 'a version has no @, which stands between a model and its version')
  }
  return await commitProject(registry, project, options, (snapshot) => {
    const definition = snapshot.services.get(service)
    if (definition === undefined) {
      throw notFound('service_not_found', 'service not found; apply the definitions first', {
        service,
        project,
        similar: similarNames(service, snapshot.services.keys()),
      })
    }
    const same = sameModel(consumer)
    const declared = definition.consumers.find(same)
    if (declared !== undefined) {
      if (declared.team === team) return undefined
      throw invalid('consumer_declared', "the service's definition declares this model: change it there", {
        service,
        consumer: consumerName(consumer),
      })
    }
    refuseStaging(snapshot, service)
    const others = snapshot.registered?.get(service) ?? []
    if (others.find(same)?.team === team) return undefined
    return withRegistered(snapshot, service, [...others.filter((each) => !same(each)), consumer])
  })
}

/**
 * Takes a model that {@link addConsumer} registered off the list; also of a service that is there no more.
 *
 * @throws {AsofError} `consumer_not_found`, `consumer_declared`, `registry_busy`
 */
export async function removeConsumer(
  registry: Registry,
  project: string,
  service: string,
  consumer: Pick<Consumer, 'model' | 'version'>,
  options: CommitOptions,
): Promise<ConsumerChange> {
  return await commitProject(registry, project, options, (snapshot) => {
    const same = sameModel(consumer)
    const registered = snapshot.registered?.get(service) ?? []
    if (registered.some(same)) {
      return withRegistered(
        snapshot,
        service,
        registered.filter((each) => !same(each)),
      )
    }
    const details = { service, consumer: consumerName(consumer) }
    if (snapshot.services.get(service)?.consumers.some(same) === true) {
      throw invalid(
        'consumer_declared',
        "the service's definition declares this model: change it there",
        details,
      )
    }
    throw notFound('consumer_not_found', 'no such model is registered with the service', details)
  })
}

/** The models that read services, by service, then in order of declaration and registration. */
export function listConsumers(snapshot: Snapshot, service?: string): readonly ServiceConsumer[] {
  const names = new Set([...snapshot.services.keys(), ...(snapshot.registered?.keys() ?? [])])
  return [...names].sort().flatMap((name) => {
    if (service !== undefined && name !== service) return []
    const definition = snapshot.services.get(name)
    const declared = new Set(definition?.consumers)
    const all = definition === undefined ? snapshot.registered?.get(name) : consumersOf(snapshot, definition)
    return (all ?? []).map((consumer) => ({
      service: name,
      ...consumer,
      from: declared.has(consumer) ? ('declared' as const) : ('registered' as const),
    }))
  })
}

function sameModel(one: Pick<Consumer, 'model' | 'version'>): (other: Consumer) => boolean {
  return ({ model, version }) => model === one.model && version === one.version
}

function withRegistered(snapshot: Snapshot, service: string, consumers: readonly Consumer[]): Snapshot {
  const registered = new Map(snapshot.registered)
  const sorted = consumers.toSorted((a, b) => (consumerName(a) < consumerName(b) ? -1 : 1))
  if (sorted.length === 0) registered.delete(service)
  else registered.set(service, sorted)
  return Object.freeze({ ...snapshot, registered })
}

/** What a model reads must not be about to change at will; the same holds for consumers that a service declares. */
function refuseStaging(snapshot: Snapshot, service: string): void {
  const definitions = new Map([...snapshot.groups].map(([id, group]) => [id, group.definition]))
  for (const { group, version } of snapshot.services.get(service)?.features ?? []) {
    const id = `${group}@${version}`
    const computed = snapshot.onDemand.get(id)
    const read =
      computed === undefined
        ? [definitions.get(id) ?? []].flat()
        : groupsOf({ groups: definitions }, computed)
    const staging = read.find(({ status }) => status === 'staging')
    if (staging === undefined) continue
    throw invalid(
      'staging_group',
      'a service with consumers may not read a staging group: make it active first',
      { service, group: groupId(staging) },
    )
  }
}

function text(given: string, what: string): string {
  const isName = typeof given === 'string' && given.trim() !== '' && given.isWellFormed()
  if (isName && given.length <= TEXT_CHARS_MAX && !/\p{Cc}/u.test(given)) return given
  throw invalid('invalid_consumer', `the ${what} is a text of 1 to ${TEXT_CHARS_MAX} characters in one line`)
}
