import type { ApplyPlan, PlannedChange } from '../apply/plan.ts'
import { consumerName, consumersOf, type Snapshot } from '../apply/snapshot.ts'
import type { ColumnsOf, LineageNode } from './lineage.ts'
import { lineageEdges } from './lineage-edges.ts'
import { EVENT_TIME, findReference } from './reference.ts'

/** Who would notice if a thing changed or went away. */
export interface Impact {
  /** What was asked about; of a whole group or service all its parts. */
  readonly of: readonly string[]
  /** Sources that are queries over it, and their columns, by their full names. */
  readonly sources: readonly string[]
  /** Features of groups, by their full names. */
  readonly features: readonly string[]
  /** Features of on-demand groups, by their full names. */
  readonly onDemand: readonly string[]
  readonly services: readonly ImpactedService[]
  readonly models: readonly ImpactedModel[]
  /** Whom to tell: owners of definitions and teams of models. */
  readonly tell: readonly Told[]
}

/** A service with features that would change. */
export interface ImpactedService {
  readonly service: string
  readonly owner?: string
  readonly features: readonly string[]
}

/** A model that reads such a service. */
export interface ImpactedModel {
  readonly model: string
  readonly version: string
  readonly team: string
  readonly services: readonly string[]
}

/** Someone to tell, and what of theirs it is about. */
export interface Told {
  readonly who: string
  /** Names of definitions, `service/delay_model`, and of models, `model/delay@7`. */
  readonly about: readonly string[]
}

/**
 * What changes or breaks with the thing that a reference names: everything that is made of it, and everything whose rows it
 * dates, keys or cuts.
 *
 * @param columnsOf as for `lineage`; without it whatever reads a table reads all of it
 * @throws {AsofError} see `findReference`
 * @example
 * ```ts
 * const { models, tell } = await impact(snapshot, 'source/flights:delay')
 * ```
 */
export async function impact(
  snapshot: Snapshot,
  reference: string,
  columnsOf: ColumnsOf = () => undefined,
): Promise<Impact> {
  const edges = lineageEdges(snapshot, columnsOf, true)
  const start = edges.start(findReference(snapshot, reference))
  const reached = new Map<string, LineageNode>(start.map((node) => [node.id, node]))
  const pending = [...start]
  for (let at = 0; at < pending.length; at++) {
    for (const { to } of await edges.outOf(pending[at]!)) {
      if (reached.has(to.id)) continue
      reached.set(to.id, to)
      pending.push(to)
    }
  }
  const of = start.map((node) => node.id)
  for (const id of of) reached.delete(id)
  // The event time of a group's rows is nobody's feature; what is made of it has been reached.
  const changed = [...reached.values()].filter((node) => node.kind !== 'group' || node.part !== EVENT_TIME)
  return { of, ...impactOf(snapshot, changed) }
}

function impactOf(snapshot: Snapshot, reached: readonly LineageNode[]): Omit<Impact, 'of'> {
  const ids = (kind: LineageNode['kind']): string[] =>
    reached
      .filter((node) => node.kind === kind)
      .map((node) => node.id)
      .sort()
  const services = new Map<string, string[]>()
  for (const { kind, name, part } of reached) {
    if (kind !== 'service' || part === undefined) continue
    const features = services.get(name)
    if (features === undefined) services.set(name, [part])
    else features.push(part)
  }
  const about = new Telling()
  for (const { kind, name, version, owner, team } of reached) {
    const id = `${kind}/${name}${version === undefined ? '' : `@${version}`}`
    about.add(kind === 'model' ? team : owner, id)
  }
  return {
    sources: ids('source'),
    features: ids('group'),
    onDemand: ids('on_demand'),
    services: [...services]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([service, features]) => {
        const owner = snapshot.services.get(service)?.owner
        return { service, ...(owner !== undefined && { owner }), features: features.sort() }
      }),
    models: reached
      .filter((node) => node.kind === 'model')
      .map((node) => ({
        model: node.name,
        version: String(node.version),
        team: node.team ?? '',
        services: servicesRead(snapshot, node).filter((name) => services.has(name)),
      }))
      .sort((a, b) => (consumerName(a) < consumerName(b) ? -1 : 1)),
    tell: about.all(),
  }
}

function servicesRead(snapshot: Snapshot, node: LineageNode): string[] {
  return [...snapshot.services.values()]
    .filter((service) =>
      consumersOf(snapshot, service).some(
        ({ model, version }) => model === node.name && version === node.version,
      ),
    )
    .map((service) => service.name)
    .sort()
}

/** What planned changes would break, and whom to tell before they are made. */
export interface PlannedImpact {
  /** The changes that break something, or can never be made. */
  readonly changes: readonly PlannedChange[]
  readonly tell: readonly Told[]
}

/**
 * What a plan would break.
 *
 * @example
 * ```ts
 * const { definitions } = project('flights', [hourly])
 * impactOfPlan(snapshot, planApply(snapshot, definitions)).tell
 * ```
 */
export function impactOfPlan(snapshot: Snapshot, plan: ApplyPlan): PlannedImpact {
  const changes = plan.changes.filter(({ severity }) => severity === 'breaking' || severity === 'forbidden')
  const about = new Telling()
  for (const name of new Set(changes.flatMap((change) => change.services))) {
    const service = snapshot.services.get(name)
    if (service === undefined) continue
    about.add(service.owner, `service/${name}`)
    for (const consumer of consumersOf(snapshot, service)) {
      about.add(consumer.team, `model/${consumerName(consumer)}`)
    }
  }
  return { changes, tell: about.all() }
}

/** Gathers what each one has to hear about. */
class Telling {
  readonly #about = new Map<string, Set<string>>()

  add(who: string | undefined, id: string): void {
    if (who === undefined) return
    this.#about.set(who, (this.#about.get(who) ?? new Set()).add(id))
  }

  all(): readonly Told[] {
    return [...this.#about]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([who, about]) => ({ who, about: [...about].sort() }))
  }
}
