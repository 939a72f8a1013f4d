import { AsofError, invalid, notFound } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import { applyDefinitions, type ApplyOptions, type ApplyResult } from '../apply/apply.ts'
import { planApply, type ApplyPlan } from '../apply/plan.ts'
import { loadSnapshot } from '../apply/load-snapshot.ts'
import type { AppliedGroup, Snapshot } from '../apply/snapshot.ts'
import { compileGroup, type GroupPlan } from '../ingest/group-plan.ts'
import type { GroupName } from '../ingest/log-record.ts'
import {
  backfilledBefore,
  materialize,
  recordedThrough,
  restate,
  type MaterializeOptions,
  type MaterializeParts,
  type MaterializeResult,
} from '../ingest/materialize.ts'
import { OfflineSink } from '../ingest/offline-sink.ts'
import { OnlineSink } from '../ingest/online-sink.ts'
import { countSuperseded, pushRows, type PushName, type PushResult, type PushRow } from '../ingest/push.ts'
import { Quarantine, type QuarantinedRow } from '../ingest/quarantine.ts'
import { SINK_SETTINGS, Sinks, type SinkSettings } from '../ingest/sinks.ts'
import type { SourceAccess } from '../ingest/source-relation.ts'
import {
  groupId,
  type Definition,
  type GroupDefinition,
  type ServiceDefinition,
} from '../model/definition.ts'
import type { FeatureService, KeysOf, RequestOf, VectorOf } from '../model/feature-service.ts'
import type { Project } from '../model/project.ts'
import type { ComputeEngine, LongCall } from '../ports/compute-engine.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OfflineStore } from '../ports/offline-store.ts'
import type { OnlineStore } from '../ports/online-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Registry } from '../ports/registry.ts'
import type { Staging } from '../ports/staging.ts'
import type { Timing } from '../ports/timing.ts'
import type { FeatureVector } from '../serve/feature-vector.ts'
import { lookUpAsOf, type AsOfParts } from '../serve/as-of.ts'
import { lookUp, type LookUpOptions, type LookUpParts, type Question } from '../serve/look-up.ts'
import { compileService, type ServicePlan, type SlotPlan } from '../serve/service-plan.ts'
import { silentTelemetry, type Telemetry } from '../telemetry/telemetry.ts'

/** What a feature store is made of: one implementation of each port. A preset is one literal of these. */
export interface FeatureStoreParts {
  readonly registry: Registry
  readonly log: EventLog
  readonly online: OnlineStore
  readonly offline: OfflineStore
  readonly engine: ComputeEngine
  readonly parquet: ParquetFiles
  readonly staging: Staging
  readonly sources: SourceAccess
  readonly timing: Timing
  readonly telemetry?: Telemetry
  /** Names this process among those that share the store: `pid:random`. */
  readonly owner: string
}

/** Settings of a feature store. */
export interface FeatureStoreSettings {
  /** Begins every online key; one per project and store. */
  readonly namespace: string
  readonly sinks: SinkSettings
}

/** A vector with the types that its service declares. */
export type TypedVector<S> = FeatureVector & VectorOf<S>

/** How long a snapshot of the registry is used before the head is looked up again, in microseconds. */
const SNAPSHOT_AGE_MAX = 1_000_000

/**
 * A feature store: declare, compute, push, look up, train.
 *
 * Everything that waits on the world is one of its parts; two processes may open the same store.
 */
export class FeatureStore implements AsyncDisposable {
  readonly project: string
  readonly #parts: FeatureStoreParts & { readonly telemetry: Telemetry }
  readonly #settings: FeatureStoreSettings
  readonly #code: Project
  readonly #sinks: Sinks
  readonly #quarantine: Quarantine
  readonly #plans = new Map<AppliedGroup, GroupPlan>()
  readonly #services = new Map<ServiceDefinition, ServicePlan>()
  readonly #snapshots = new Map<string, { readonly snapshot: Snapshot; readonly at: Instant }>()
  readonly #complete = new Map<GroupPlan, { readonly through: Instant; readonly at: Instant }>()
  #pushes = 0
  #closed = false

  /** @param code the project as this process has it: its name, and the functions of its on-demand groups */
  constructor(parts: FeatureStoreParts, code: Project, settings: Partial<FeatureStoreSettings> = {}) {
    this.project = code.name
    this.#parts = { ...parts, telemetry: parts.telemetry ?? silentTelemetry }
    this.#settings = { namespace: 'feature_store', sinks: SINK_SETTINGS, ...settings }
    this.#code = code
    const groupPlan = async (name: GroupName): Promise<GroupPlan | undefined> => await this.#planOf(name)
    this.#quarantine = new Quarantine(parts.online, code.name)
    this.#sinks = new Sinks(
      {
        ...this.#parts,
        onlineSink: new OnlineSink({ ...this.#parts, groupPlan }),
        offlineSink: new OfflineSink({ ...this.#parts, groupPlan }),
        groupPlans: async () => {
          const { groups } = await this.snapshot()
          return await Promise.all([...groups.values()].map((group) => this.#compiled(this.project, group)))
        },
      },
      this.#settings.sinks,
    )
  }

  /** The definitions as they are now, at most a second old. */
  async snapshot(): Promise<Snapshot> {
    return await this.#snapshotOf(this.project)
  }

  /** What applying definitions (the project's own by default) would change. */
  async plan(definitions: readonly Definition[] = this.#code.definitions): Promise<ApplyPlan> {
    this.#open()
    return planApply(await loadSnapshot(this.#parts.registry, this.project), definitions)
  }

  /**
   * Makes the registry hold definitions, the project's own by default.
   *
   * @throws {AsofError} `conflict` for a breaking change that is not allowed, naming whom it breaks
   */
  async apply(
    options: Partial<Omit<ApplyOptions, 'now'>> & { readonly definitions?: readonly Definition[] } = {},
  ): Promise<ApplyResult> {
    this.#open()
    const { definitions = this.#code.definitions, ...rest } = options
    const result = await applyDefinitions(this.#parts.registry, this.project, definitions, {
      author: 'unknown',
      message: '',
      ...rest,
      now: () => this.#parts.log.now(),
    })
    this.#snapshots.delete(this.project)
    return result
  }

  /**
   * Appends whole rows to a group, durably: all, or none.
   *
   * @param name of the push, made by the client, so that a repeat is a duplicate; without it every call is a new push
   * @param options `wait: 'applied'` returns once lookups see the rows
   */
  async push(
    group: string | { readonly definition: GroupDefinition },
    rows: readonly PushRow[],
    name?: PushName,
    options: { readonly wait?: 'applied'; readonly json?: boolean } = {},
  ): Promise<PushResult & { readonly superseded?: number }> {
    this.#open()
    const plan = await this.groupPlan(group)
    const push = name ?? { producer: this.#parts.owner, sequence: this.#pushes++ }
    const result = await pushRows({ log: this.#parts.log, quarantine: this.#quarantine }, plan, rows, push, {
      hold: await this.#holds(plan),
      json: options.json === true,
    })
    if (options.wait !== 'applied') return result
    await this.#sinks.drain({ offline: false })
    if (!plan.group.definition.online || result.duplicate) return result
    return { ...result, superseded: await countSuperseded(this.#parts.online, plan, rows, result) }
  }

  /** Computes what is due of a group and brings it into both stores. */
  async materialize(
    group: string | { readonly definition: GroupDefinition },
    options: MaterializeOptions = {},
  ): Promise<MaterializeResult> {
    this.#open()
    return await materialize(await this.#materializeParts(), await this.groupPlan(group), options)
  }

  /** Does the runs of some intervals again, as known now. */
  async restate(
    group: string | { readonly definition: GroupDefinition },
    range: { readonly from: Instant; readonly to: Instant },
    options: LongCall = {},
  ): Promise<MaterializeResult> {
    this.#open()
    return await restate(await this.#materializeParts(), await this.groupPlan(group), range, options)
  }

  /**
   * The features of one entity.
   *
   * @throws {AsofError} see `lookUp`; `service_not_found`
   * @example
   * ```ts
   * const vector = await store.get(delayModel, { origin: 'LAX' }, { request: { scheduled } })
   * ```
   */
  async get<S extends FeatureService>(
    service: S | string,
    keys: KeysOf<S>,
    options: LookUpOptions & { readonly request?: RequestOf<S> } = {},
  ): Promise<TypedVector<S>> {
    const [vector] = await this.getMany(service, [{ keys }], options)
    return vector!
  }

  /** The features of many entities, in the order asked, duplicates included; one read of the store. */
  async getMany<S extends FeatureService>(
    service: S | string,
    questions: readonly { readonly keys: KeysOf<S>; readonly request?: RequestOf<S> }[],
    options: LookUpOptions = {},
  ): Promise<TypedVector<S>[]> {
    this.#open()
    const snapshot = await this.snapshot()
    const plan = await this.#servicePlan(
      snapshot,
      typeof service === 'string' ? service : service.definition.name,
    )
    const asked = questions as unknown as readonly Question[]
    if (options.asOf !== undefined) {
      return (await lookUpAsOf(this.#asOfParts, plan, asked, options.asOf, options)) as TypedVector<S>[]
    }
    return (await lookUp(this.#lookUpParts, plan, asked, options)) as TypedVector<S>[]
  }

  /** A group version by `name` (the newest active one), `name@version`, or its declared value; compiled. */
  async groupPlan(group: string | { readonly definition: GroupDefinition }): Promise<GroupPlan> {
    const snapshot = await this.snapshot()
    const id = typeof group === 'string' ? group : groupId(group.definition)
    const found = snapshot.groups.get(id) ?? newestVersion(snapshot, id)
    if (found === undefined) {
      throw notFound('group_not_found', 'group not found; apply the definitions first, or see asof status', {
        group: id,
      })
    }
    return await this.#compiled(this.project, found)
  }

  /** The compiled service of a name. */
  async servicePlan(service: string): Promise<ServicePlan> {
    return await this.#servicePlan(await this.snapshot(), service)
  }

  /** Rows that were refused. */
  get quarantine(): Quarantine {
    return this.#quarantine
  }

  /** Tries quarantined rows again, as pushes of today; those that pass leave the quarantine. */
  async retryQuarantined(
    rows: readonly QuarantinedRow[],
  ): Promise<{ readonly accepted: number; readonly refused: number }> {
    this.#open()
    let accepted = 0
    for (const row of rows) {
      try {
        const values = JSON.parse(row.row) as PushRow
        const name = { producer: `quarantine:${row.group}:${row.id}`, sequence: 1 }
        const result = await this.push(row.group, [values], name, { json: true })
        if (result.quarantined > 0) continue
        await this.#quarantine.remove([row])
        accepted++
      } catch (error) {
        if (!(error instanceof AsofError) || error.kind !== 'invalid') throw error
      }
    }
    return { accepted, refused: rows.length - accepted }
  }

  /** Where each group stands. */
  async status(): Promise<readonly GroupStatus[]> {
    const snapshot = await this.snapshot()
    const [online, offline] = await this.#sinks.positions()
    const end = await this.#parts.log.end()
    const quarantined = Map.groupBy(await this.#quarantine.list(), (row) => row.group)
    const groups: GroupStatus[] = []
    for (const group of snapshot.groups.values()) {
      const plan = await this.#compiled(this.project, group)
      const table = await this.#parts.offline.snapshot(plan.offlineTable)
      groups.push({
        group: groupId(group.definition),
        status: group.definition.status,
        rows: table?.files.reduce((sum, file) => sum + (file.rows ?? 0), 0) ?? 0,
        tableVersion: table?.version,
        runsThrough: await recordedThrough(this.#parts.log, plan),
        quarantined: quarantined.get(groupId(group.definition))?.length ?? 0,
        onlineLag: end - online,
        offlineLag: end - offline,
      })
    }
    return groups
  }

  /**
   * The instant up to which training sets may ask: everything appended by then is in the tables, and no run of the
   * groups read is still to be backfilled before it.
   *
   * @throws {AsofError} `not_materialized`
   */
  async offlineHorizon(groups: readonly GroupPlan[]): Promise<Instant> {
    let horizon: number = await this.#sinks.offlineThrough()
    for (const plan of groups) {
      horizon = Math.min(horizon, (await backfilledBefore(this.#parts.log, plan)) ?? horizon)
    }
    return horizon as Instant
  }

  /** Applies everything that the log holds now to the online store, and to the tables too unless told otherwise. */
  async drain(what: { readonly offline: boolean } = { offline: true }): Promise<void> {
    this.#open()
    await this.#sinks.drain(what)
    await this.#sinks.tend()
  }

  /** Follows the log in the background, as a server does. */
  start(): void {
    this.#open()
    this.#sinks.start()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#sinks.close()
    await this.#parts.engine[Symbol.asyncDispose]()
    await this.#parts.online[Symbol.asyncDispose]()
    await this.#parts.log[Symbol.asyncDispose]()
    await this.#parts.registry[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #lookUpParts(): LookUpParts {
    return { ...this.#parts, completeThrough: async (slot) => await this.#completeThrough(slot) }
  }

  get #asOfParts(): AsOfParts {
    return { ...this.#parts, offlinePosition: async () => (await this.#sinks.positions())[1] }
  }

  async #materializeParts(): Promise<MaterializeParts> {
    return {
      ...this.#parts,
      snapshot: await this.snapshot(),
      sinks: this.#sinks,
      quarantine: this.#quarantine,
    }
  }

  async #snapshotOf(project: string): Promise<Snapshot> {
    const now = this.#parts.log.now()
    const known = this.#snapshots.get(project)
    if (known !== undefined && now - known.at < SNAPSHOT_AGE_MAX) return known.snapshot
    const head = await this.#parts.registry.head()
    const snapshot =
      known !== undefined && known.snapshot.revision?.number === head?.number
        ? known.snapshot
        : await loadSnapshot(this.#parts.registry, project)
    this.#snapshots.set(project, { snapshot, at: now })
    return snapshot
  }

  async #planOf({ project, group, version }: GroupName): Promise<GroupPlan | undefined> {
    const id = groupId({ name: group, version })
    let found = (await this.#snapshotOf(project)).groups.get(id)
    if (found === undefined) {
      // The record may be younger than the snapshot in hand.
      this.#snapshots.delete(project)
      found = (await this.#snapshotOf(project)).groups.get(id)
    }
    return found && (await this.#compiled(project, found))
  }

  /** A group compiled once, with its online tables there. */
  async #compiled(project: string, group: AppliedGroup): Promise<GroupPlan> {
    const known = this.#plans.get(group)
    if (known !== undefined) return known
    const plan = compileGroup(project, this.#settings.namespace, group)
    if (group.definition.online) {
      await this.#parts.online.provision(plan.onlineTable)
      await this.#parts.online.provision(plan.recentTable)
    }
    this.#plans.set(group, plan)
    return plan
  }

  async #servicePlan(snapshot: Snapshot, name: string): Promise<ServicePlan> {
    const service = snapshot.services.get(name)
    if (service === undefined) {
      throw notFound('service_not_found', 'service not found; apply the definitions first', { service: name })
    }
    const known = this.#services.get(service)
    if (known !== undefined) return known
    const plans = new Map<AppliedGroup, GroupPlan>()
    for (const group of snapshot.groups.values()) plans.set(group, await this.#compiled(this.project, group))
    const plan = compileService(snapshot, service, (group) => plans.get(group)!, this.#code.functions)
    for (const { plan: group } of plan.slots) {
      if (!group.group.definition.online) {
        throw invalid('group_not_online', 'a service reads a group that is kept offline only', {
          service: name,
          group: groupId(group.group.definition),
        })
      }
    }
    this.#services.set(service, plan)
    return plan
  }

  /** Whether a group's source says that rows from the future are held, however far ahead. */
  async #holds(plan: GroupPlan): Promise<boolean> {
    const { compute } = plan.group.definition
    if (compute.from !== 'source') return false
    return (await this.snapshot()).sources.get(compute.source)?.future === 'hold'
  }

  /** Looked up at most once a second: it is about the pipeline, which moves no faster. */
  async #completeThrough({ plan }: SlotPlan): Promise<Instant> {
    const now = this.#parts.log.now()
    const known = this.#complete.get(plan)
    if (known !== undefined && now - known.at < SNAPSHOT_AGE_MAX) return known.through
    const runs = await recordedThrough(this.#parts.log, plan)
    const through =
      plan.group.definition.schedule === undefined ? await this.#sinks.onlineThrough() : (runs ?? now)
    this.#complete.set(plan, { through, at: now })
    return through
  }

  #open(): void {
    if (this.#closed) throw new AsofError('closed', 'store_closed', 'this feature store was closed')
  }
}

/** Where a group stands. */
export interface GroupStatus {
  readonly group: string
  readonly status: GroupDefinition['status']
  readonly rows: number
  readonly tableVersion: number | undefined
  /** The last run instant recorded, for a scheduled group. */
  readonly runsThrough: Instant | undefined
  readonly quarantined: number
  /** Log positions not yet applied. */
  readonly onlineLag: number
  readonly offlineLag: number
}

function newestVersion(snapshot: Snapshot, name: string): AppliedGroup | undefined {
  const versions = [...snapshot.groups.values()].filter(({ definition }) => definition.name === name)
  const active = versions.filter(({ definition }) => definition.status === 'active')
  const of = active.length > 0 ? active : versions
  return of.reduce<AppliedGroup | undefined>(
    (best, group) =>
      best === undefined || group.definition.version > best.definition.version ? group : best,
    undefined,
  )
}
