import { invalid, isAsofError, notFound } from '../errors/asof-error.ts'
import { similarNames } from '../errors/similar-names.ts'
import type { Instant } from '../clock/instant.ts'
import { loadSnapshot } from '../apply/load-snapshot.ts'
import { shapeOf } from '../apply/service-shape.ts'
import type { AppliedGroup, Snapshot } from '../apply/snapshot.ts'
import { unknownSchema } from '../codec/row-layout.ts'
import { compileGroup, type GroupPlan } from '../ingest/group-plan.ts'
import type { GroupName } from '../ingest/log-record.ts'
import { groupId, type GroupDefinition, type ServiceDefinition } from '../model/definition.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import type { Project } from '../model/project.ts'
import type { OnlineStore } from '../ports/online-store.ts'
import type { Registry } from '../ports/registry.ts'
import { compileService, type ServicePlan } from '../serve/service-plan.ts'
import { listedService, type FeatureList } from './feature-list.ts'

/** A group by `name` (the newest active version), by `name@version`, or as it was declared. */
export type GroupReference = string | { readonly definition: GroupDefinition }

/** A service by name, as it was declared, or as a list of features. */
export type ServiceReference = string | { readonly definition: ServiceDefinition } | FeatureList

/** How many lists of features are kept compiled: those that were asked for last. */
const LISTS_KEPT = 256

/** How long a snapshot of the registry is used before the head is looked up again, in microseconds. */
const SNAPSHOT_AGE_MAX = 1_000_000

/** A plan, and the definitions that it was made from. */
interface CompiledService {
  readonly snapshot: Snapshot
  readonly plan: ServicePlan
}

/** What the catalog is made from. */
export interface CatalogParts {
  readonly registry: Registry
  readonly online: OnlineStore
  /** Begins every online key. */
  readonly namespace: string
  readonly now: () => Instant
}

/**
 * The definitions as this process uses them: snapshots of the registry, and what is compiled from them.
 *
 * The registry is looked at once a second at most, never on the way of a lookup that it does not concern; what is compiled
 * belongs to one definition of one snapshot and is made once.
 */
export class Catalog {
  readonly #parts: CatalogParts
  readonly #code: Project
  readonly #snapshots = new Map<string, { readonly snapshot: Snapshot; readonly at: Instant }>()
  readonly #plans = new WeakMap<AppliedGroup, GroupPlan>()
  readonly #services = new WeakMap<ServiceDefinition, CompiledService>()
  /** By the list's text, in order of use. */
  readonly #lists = new Map<string, CompiledService>()
  #unknownSchemas = 0
  readonly #unreadable = (error: unknown): void => {
    if (isAsofError(error, 'conflict') && error.code === 'unknown_schema') this.#unknownSchemas++
  }

  constructor(parts: CatalogParts, code: Project) {
    this.#parts = parts
    this.#code = code
  }

  /** The definitions of the project, or of another one in the same store, at most a second old. */
  async snapshot(project: string = this.#code.name): Promise<Snapshot> {
    const now = this.#parts.now()
    const known = this.#snapshots.get(project)
    if (known !== undefined && now - known.at < SNAPSHOT_AGE_MAX) return known.snapshot
    try {
      return await this.refreshed(project)
    } catch (error) {
      // What was known goes on answering while the registry does not; its age tells.
      if (known !== undefined && isAsofError(error, 'unavailable')) return known.snapshot
      throw error
    }
  }

  /** When the registry last answered for the project; undefined before it ever did. */
  get lookedAt(): Instant | undefined {
    return this.#snapshots.get(this.#code.name)?.at
  }

  /**
   * Uses a service's plan; where a row was met that is in a schema younger than the definitions in hand, looks at the registry
   * again and, if there are newer ones, does it once more with their plan.
   */
  async withService<T>(reference: ServiceReference, use: (plan: ServicePlan) => Promise<T>): Promise<T> {
    const plan = await this.service(reference)
    // Another call's row at the same time costs a needless look, and no row goes unnoticed.
    const before = this.#unknownSchemas
    const result = await use(plan)
    if (this.#unknownSchemas === before) return result
    await this.refreshed()
    const newer = await this.service(reference)
    return newer === plan ? result : await use(newer)
  }

  /** The definitions of the project at one revision; the newest where none is named. */
  async snapshotAt(revision: number | undefined): Promise<Snapshot> {
    if (revision === undefined) return await this.snapshot()
    return await loadSnapshot(this.#parts.registry, this.#code.name, revision)
  }

  /** The on-demand functions that this process has in the very version that a snapshot names. */
  functionsOf(snapshot: Snapshot): ReadonlyMap<string, OnDemandFunction> {
    const known = new Map<string, OnDemandFunction>()
    for (const definition of this.#code.definitions) {
      if (definition.kind !== 'on_demand') continue
      const id = groupId(definition)
      const compute = this.#code.functions.get(id)
      const { fingerprint } = snapshot.onDemand.get(id)?.code ?? {}
      if (compute !== undefined && fingerprint === definition.code.fingerprint) known.set(id, compute)
    }
    return known
  }

  /** Looks at the registry again, whatever the snapshot's age. */
  async refreshed(project: string = this.#code.name): Promise<Snapshot> {
    const { registry, now } = this.#parts
    const at = now()
    const known = this.#snapshots.get(project)?.snapshot
    const head = await registry.head()
    const isCurrent = known !== undefined && known.revision?.number === head?.number
    const snapshot = isCurrent ? known : await loadSnapshot(registry, project)
    // Of others only what is there is kept: there is no end to the names of what there is not.
    if (project === this.#code.name || !isEmpty(snapshot)) this.#snapshots.set(project, { snapshot, at })
    return snapshot
  }

  /**
   * A group version of the project, compiled.
   *
   * @throws {AsofError} `group_not_found`
   */
  async group(reference: GroupReference): Promise<GroupPlan> {
    const id = typeof reference === 'string' ? reference : groupId(reference.definition)
    const find = (snapshot: Snapshot): AppliedGroup | undefined =>
      snapshot.groups.get(id) ?? newestVersion(snapshot, id)
    const found = find(await this.snapshot()) ?? find(await this.refreshed())
    if (found === undefined) {
      throw notFound('group_not_found', 'group not found; apply the definitions first', {
        group: id,
        similar: similarGroups(await this.snapshot(), id),
      })
    }
    return await this.compiled(this.#code.name, found)
  }

  /** Every group version of the project, compiled. */
  async groups(): Promise<readonly GroupPlan[]> {
    const { groups } = await this.snapshot()
    return await Promise.all([...groups.values()].map((group) => this.compiled(this.#code.name, group)))
  }

  /**
   * The group version that a log record is about, removed ones included: what was acknowledged is kept, and is there when the
   * version comes back. Undefined where there never was one.
   *
   * @param schema index of the schema in which the record's rows are
   * @throws {AsofError} `unknown_schema`
   */
  async groupOfRecord(
    { project, group, version }: GroupName,
    schema: number = 0,
  ): Promise<GroupPlan | undefined> {
    const id = groupId({ name: group, version })
    const find = (snapshot: Snapshot): AppliedGroup | undefined =>
      snapshot.groups.get(id) ?? snapshot.retired?.get(id)
    // A record may be younger than the snapshot in hand.
    const known = find(await this.snapshot(project))
    const found =
      known !== undefined && schema < known.schemas.length ? known : find(await this.refreshed(project))
    if (found !== undefined && schema >= found.schemas.length) throw unknownSchema(schema)
    return found && (await this.compiled(project, found))
  }

  /** A group compiled once, its online tables ready. */
  async compiled(project: string, group: AppliedGroup): Promise<GroupPlan> {
    const known = this.#plans.get(group)
    if (known !== undefined) return known
    const plan = compileGroup(project, this.#parts.namespace, group, this.#unreadable)
    if (group.definition.online) {
      await this.#parts.online.provision(plan.onlineTable, { together: true })
      await this.#parts.online.provision(plan.recentTable)
    }
    this.#plans.set(group, plan)
    return plan
  }

  /**
   * A service compiled for looking up.
   *
   * @throws {AsofError} `service_not_found`, `group_not_online`, `on_demand_code_missing`
   */
  async service(reference: ServiceReference): Promise<ServicePlan> {
    const snapshot = await this.snapshot()
    if (typeof reference === 'object' && 'features' in reference)
      return await this.#listed(snapshot, reference)
    const service = serviceNamed(snapshot, reference)
    const known = this.#services.get(service)
    // One service in another snapshot may read groups that have changed.
    if (known?.snapshot === snapshot) return known.plan
    const plan = await this.#compile(snapshot, service)
    this.#services.set(service, { snapshot, plan })
    return plan
  }

  /** A list of features, compiled once for a snapshot while it is among those asked for last. */
  async #listed(snapshot: Snapshot, list: FeatureList): Promise<ServicePlan> {
    const text = JSON.stringify(list.features)
    const known = this.#lists.get(text)
    const plan =
      known?.snapshot === snapshot ? known.plan : await this.#compile(snapshot, listedService(snapshot, list))
    this.#lists.delete(text)
    this.#lists.set(text, { snapshot, plan })
    const [oldest] = this.#lists.keys()
    if (this.#lists.size > LISTS_KEPT) this.#lists.delete(oldest!)
    return plan
  }

  async #compile(snapshot: Snapshot, service: ServiceDefinition): Promise<ServicePlan> {
    const plans = new Map<AppliedGroup, GroupPlan>()
    for (const { group } of shapeOf(snapshot, service).slots) {
      plans.set(group, await this.compiled(this.#code.name, group))
    }
    const plan = compileService(snapshot, service, (group) => plans.get(group)!, this.functionsOf(snapshot))
    const offlineOnly = plan.slots.find((slot) => !slot.plan.group.definition.online)
    if (offlineOnly !== undefined) {
      throw invalid('group_not_online', 'a service reads a group that is kept offline only', {
        service: service.name,
        group: groupId(offlineOnly.plan.group.definition),
      })
    }
    return plan
  }
}

/**
 * A service of a snapshot.
 *
 * @throws {AsofError} `service_not_found`
 */
export function serviceNamed(snapshot: Snapshot, reference: ServiceReference): ServiceDefinition {
  if (typeof reference === 'object' && 'features' in reference) return listedService(snapshot, reference)
  const name = typeof reference === 'string' ? reference : reference.definition.name
  const service = snapshot.services.get(name)
  if (service !== undefined) return service
  throw notFound('service_not_found', 'service not found; apply the definitions first', {
    service: name,
    similar: similarNames(name, snapshot.services.keys()),
  })
}

/** Groups of a name, where it is the version that there is not; else of names like it. */
function similarGroups({ groups }: Snapshot, id: string): string | undefined {
  const [name = ''] = id.split('@', 1)
  const versions = [...groups.keys()].filter((other) => other.startsWith(`${name}@`))
  if (versions.length > 0) return versions.slice(-3).join(', ')
  return similarNames(
    name,
    [...groups.values()].map(({ definition }) => definition.name),
  )
}

function isEmpty({ entities, sources, groups, onDemand, services, retired }: Snapshot): boolean {
  return [entities, sources, groups, onDemand, services, retired].every((each) => (each?.size ?? 0) === 0)
}

function newestVersion(snapshot: Snapshot, name: string): AppliedGroup | undefined {
  const versions = [...snapshot.groups.values()].filter(({ definition }) => definition.name === name)
  const active = versions.filter(({ definition }) => definition.status === 'active')
  return (active.length > 0 ? active : versions)
    .sort((a, b) => a.definition.version - b.definition.version)
    .at(-1)
}
