import { AsofError, invalid, isAsofError } from '../errors/asof-error.ts'
import { givenInstant, type Instant } from '../clock/instant.ts'
import { applyDefinitions, type ApplyOptions, type ApplyResult } from '../apply/apply.ts'
import { planApply, type ApplyPlan } from '../apply/plan.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import type { GroupName } from '../ingest/log-record.ts'
import {
  materialize,
  restate,
  type MaterializeOptions,
  type MaterializeParts,
  type MaterializeResult,
} from '../ingest/materialize.ts'
import { OfflineSink } from '../ingest/offline-sink.ts'
import { OnlineSink } from '../ingest/online-sink.ts'
import { countSuperseded, pushRows, type PushName, type PushOptions } from '../ingest/push.ts'
import type { PushResult, PushRow } from '../ingest/push.ts'
import { pushBatch, type PushBatchResult, type PushedBatch } from '../ingest/push-batch.ts'
import { Quarantine, type QuarantinedRow } from '../ingest/quarantine.ts'
import { retriedRow } from '../ingest/retried-row.ts'
import { SINK_SETTINGS, Sinks, type SinkSettings } from '../ingest/sinks.ts'
import type { SourceAccess } from '../ingest/source-relation.ts'
import type { Definition, SourceDefinition } from '../model/definition.ts'
import type { FeatureService, KeysOf, RequestOf, VectorOf } from '../model/feature-service.ts'
import type { Project } from '../model/project.ts'
import type { NaiveValue } from '../point-in-time/visible.ts'
import type { ComputeEngine, LongCall } from '../ports/compute-engine.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OfflineStore } from '../ports/offline-store.ts'
import type { OnlineStore } from '../ports/online-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Registry } from '../ports/registry.ts'
import type { Staging } from '../ports/staging.ts'
import type { Timing } from '../ports/timing.ts'
import type { TrainingFiles } from '../ports/training-files.ts'
import { vectorsOf, type Answer } from '../serve/answer.ts'
import type { FeatureVector } from '../serve/feature-vector.ts'
import type { LookUpOptions, Question } from '../serve/look-up.ts'
import type { ServicePlan } from '../serve/service-plan.ts'
import { silentTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import type { TrainingSet } from '../train/train.ts'
import type { Verification } from '../train/verify.ts'
import { Catalog, type GroupReference, type ServiceReference } from './catalog.ts'
import { emptyGroups, groupStatuses, type GroupStatus } from './group-status.ts'
import { Lookups, type Questions } from './lookups.ts'
import { storeProgress, type StoreProgress } from './store-progress.ts'
import { RegistryDesk, type RegistryDeskParts } from './registry-desk.ts'
import {
  buildTrainingSet,
  verifySet,
  type TrainingOptions,
  type TrainingParts,
  type VerifyOptions,
} from './training.ts'

export type { GroupStatus } from './group-status.ts'

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
  readonly trainingFiles: TrainingFiles
  /** Opens a store of Delta tables in a local folder, for training sets that are written as Delta. */
  readonly tablesIn: (folder: string) => OfflineStore
  /** The implementation against which training sets are verified. */
  readonly naive: NaiveValue
  readonly timing: Timing
  /** Name and version of this program, for manifests. */
  readonly writer: string
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

/**
 * A feature store: declare, compute, push, look up, train.
 *
 * Everything that waits on the world is one of its parts; two processes may open the same store.
 */
export class FeatureStore extends RegistryDesk implements AsyncDisposable {
  readonly project: string
  readonly #parts: FeatureStoreParts & { readonly telemetry: Telemetry }
  readonly #settings: FeatureStoreSettings
  readonly #code: Project
  readonly #sinks: Sinks
  readonly #quarantine: Quarantine
  readonly #catalog: Catalog
  readonly #lookups: Lookups
  #pushes = 0
  #closed = false

  /** @param code the project as this process has it: its name, and the functions of its on-demand groups */
  constructor(parts: FeatureStoreParts, code: Project, settings: Partial<FeatureStoreSettings> = {}) {
    super()
    this.project = code.name
    this.#parts = { ...parts, telemetry: parts.telemetry ?? silentTelemetry }
    this.#settings = { namespace: 'feature_store', sinks: SINK_SETTINGS, ...settings }
    this.#code = code
    const { namespace } = this.#settings
    this.#catalog = new Catalog({ ...this.#parts, namespace, now: () => parts.log.now() }, code)
    const groupPlan = async (name: GroupName, schema?: number): Promise<GroupPlan | undefined> =>
      await this.#catalog.groupOfRecord(name, schema)
    this.#quarantine = new Quarantine(parts.online, code.name)
    this.#sinks = new Sinks(
      {
        ...this.#parts,
        onlineSink: new OnlineSink({ ...this.#parts, groupPlan }),
        offlineSink: new OfflineSink({ ...this.#parts, groupPlan }),
        groupPlans: async () => await this.#catalog.groups(),
      },
      this.#settings.sinks,
    )
    this.#lookups = new Lookups(this.#parts, this.#catalog, this.#sinks)
  }

  /** The definitions as they are now, at most a second old. */
  async snapshot(): Promise<Snapshot> {
    return await this.#catalog.snapshot()
  }

  /**
   * What applying definitions (the project's own by default) would change.
   *
   * @example
   * ```ts
   * const plan = await store.plan()
   * plan.changes // []
   * ```
   */
  async plan(definitions: readonly Definition[] = this.#code.definitions): Promise<ApplyPlan> {
    this.#open()
    const snapshot = await this.#catalog.refreshed()
    const plan = planApply(snapshot, definitions)
    // Whether a change of values breaks anything depends on what is stored, which is looked at only then.
    return plan.severity === 'breaking' ? planApply(snapshot, definitions, await this.#emptyGroups()) : plan
  }

  /**
   * Makes the registry hold definitions, the project's own by default.
   *
   * @throws {AsofError} `conflict` for a breaking change that is not allowed, naming whom it breaks
   * @example
   * ```ts
   * const { committed } = await store.apply({ author: 'ann', message: 'hourly delays' })
   * committed // false
   * ```
   */
  async apply(
    options: Partial<Omit<ApplyOptions, 'now'>> & { readonly definitions?: readonly Definition[] } = {},
  ): Promise<ApplyResult> {
    this.#open()
    const { definitions = this.#code.definitions, ...rest } = options
    const applying = async (empty?: ReadonlySet<string>): Promise<ApplyResult> =>
      await applyDefinitions(this.#parts.registry, this.project, definitions, {
        author: 'unknown',
        message: '',
        ...rest,
        ...(empty && { empty }),
        now: () => this.#parts.log.now(),
      })
    const result = await applying().catch(async (error: unknown) => {
      if (!isAsofError(error) || error.code !== 'breaking_change') throw error
      return await applying(await this.#emptyGroups())
    })
    await this.#catalog.refreshed()
    return result
  }

  /**
   * Appends whole rows to a group, durably: all, or none.
   *
   * @param name of the push, made by the client, so that a repeat is a duplicate; without it every call is a new push
   * @param options `wait: 'applied'` returns once lookups see the rows
   * @example
   * ```ts
   * const row = { user_id: 'ann', event_timestamp: '2024-01-01T10:00:00Z', orders: 3 }
   * const name = { producer: 'shop-7', sequence: 1 }
   * const pushed = await store.push(userStats, [row], name, { wait: 'applied' })
   * pushed.accepted // 1
   * const again = await store.push(userStats, [row], name)
   * again.duplicate // true
   * ```
   */
  async push(
    group: GroupReference,
    rows: readonly PushRow[],
    name?: PushName,
    options: PushOptions = {},
  ): Promise<PushResult & { readonly superseded?: number }> {
    const own = (): PushName => ({ producer: this.#parts.owner, sequence: this.#pushes++ })
    return await this.#push(group, rows, name ?? own, options)
  }

  async #push(
    group: GroupReference,
    rows: readonly PushRow[],
    push: PushName | (() => PushName),
    options: PushOptions,
  ): Promise<PushResult & { readonly superseded?: number }> {
    this.#open()
    const plan = await this.#catalog.group(group)
    const pushed = await pushRows({ log: this.#parts.log, quarantine: this.#quarantine }, plan, rows, push, {
      hold: await this.#holds(plan),
      json: options.json === true,
    })
    const { rows: appended, ...result } = pushed
    if (options.wait !== 'applied') return result
    await this.#sinks.drain({ offline: false, ...(options.signal && { signal: options.signal }) })
    if (!plan.group.definition.online || appended.length === 0) return result
    return { ...result, superseded: await countSuperseded(this.#parts.online, plan, pushed) }
  }

  /**
   * Appends a whole batch to a group, durably and once for its name; rows that do not fit go to the quarantine.
   *
   * @param options `wait: 'applied'` returns once lookups see the rows
   * @throws {AsofError} see `pushBatch`
   */
  async pushBatch(
    group: GroupReference,
    batch: PushedBatch,
    name: PushName,
    options: LongCall & { readonly wait?: 'applied' } = {},
  ): Promise<PushBatchResult> {
    this.#open()
    const { wait, ...call } = options
    const plan = await this.#catalog.group(group)
    const parts = { ...this.#parts, quarantine: this.#quarantine }
    const result = await pushBatch(parts, plan, batch, name, { ...call, hold: await this.#holds(plan) })
    if (wait === 'applied') await this.#sinks.drain({ offline: false })
    return result
  }

  /**
   * Computes what is due of a group and brings it into both stores.
   *
   * @example
   * ```ts
   * const { runs, rows, through } = await store.materialize(hourly)
   * ```
   */
  async materialize(group: GroupReference, options: MaterializeOptions = {}): Promise<MaterializeResult> {
    this.#open()
    checkInstants(options.from, options.to)
    return await materialize(await this.#materializeParts(), await this.#catalog.group(group), options)
  }

  /** Does the runs of some intervals again, as known now. */
  async restate(
    group: GroupReference,
    range: { readonly from: Instant; readonly to: Instant },
    options: LongCall = {},
  ): Promise<MaterializeResult> {
    this.#open()
    checkInstants(range.from, range.to)
    if (range.from >= range.to) throw invalid('invalid_range', 'a range ends after it begins')
    return await restate(await this.#materializeParts(), await this.#catalog.group(group), range, options)
  }

  /**
   * The features of one entity.
   *
   * @throws {AsofError} see `lookUp`; `service_not_found`
   * @example
   * ```ts
   * const vector = await store.get(delayModel, { airport: 'LAX' }, { request: { scheduled } })
   * vector.delay_mean // 12.5
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

  /**
   * The features of many entities, in the order asked, duplicates included; one read of the store.
   *
   * @example
   * ```ts
   * const flights = ['LAX', 'SFO'].map((airport) => ({ keys: { airport }, request: { scheduled } }))
   * const vectors = await store.getMany(delayModel, flights)
   * vectors.map((vector) => vector.delay_mean) // [12.5, null]
   * ```
   */
  async getMany<S extends FeatureService>(
    service: S | string,
    questions: readonly { readonly keys: KeysOf<S>; readonly request?: RequestOf<S> }[],
    options: LookUpOptions = {},
  ): Promise<TypedVector<S>[]> {
    this.#open()
    const asked = questions as unknown as readonly Question[]
    return vectorsOf(await this.#lookups.answer(service, asked, options)) as TypedVector<S>[]
  }

  /** Looks up entities without making vectors of what is found; for those who write it somewhere themselves. */
  async lookUp(
    service: ServiceReference,
    questions: Questions,
    options: LookUpOptions = {},
  ): Promise<Answer> {
    this.#open()
    return await this.#lookups.answer(service, questions, options)
  }

  /**
   * Builds a training set: one row per label row, in the order given, each value as serving would have returned it then.
   *
   * @throws {AsofError} see `train`; with `wait`, labels beyond the offline horizon are waited for
   * @example
   * ```ts
   * const to = `${import.meta.dirname}/train/delays`
   * const set = await store.train(delayModel, { labels: 'labels.parquet', at: 'scheduled', to })
   * set.manifest.labels.rows // 1
   * ```
   */
  async train(service: FeatureService | string, options: TrainingOptions): Promise<TrainingSet> {
    this.#open()
    return await buildTrainingSet(this.#trainingParts, service, options)
  }

  /**
   * Checks a training set: the hash of every file, and rows computed again by the naive implementation.
   *
   * @param folder absolute path of the set
   * @throws {AsofError} see `verifyTrainingSet`
   * @example
   * ```ts
   * const to = `${import.meta.dirname}/train/verified`
   * await store.train(delayModel, { labels: 'labels.parquet', at: 'scheduled', to })
   * const { ok, rowsChecked } = await store.verify(to)
   * ok // true
   * ```
   */
  async verify(folder: string, options: VerifyOptions = {}): Promise<Verification> {
    this.#open()
    return await verifySet({ ...this.#trainingParts, ...this.#parts }, folder, options)
  }

  /** A group version, compiled: its definition, its tables, how its rows are read. */
  async groupPlan(group: GroupReference): Promise<GroupPlan> {
    return await this.#catalog.group(group)
  }

  /** A service, compiled: what it is asked with, its features and its fingerprint. */
  async servicePlan(service: ServiceReference): Promise<ServicePlan> {
    return await this.#catalog.service(service)
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
        const plan = await this.#catalog.group(row.group)
        const values = retriedRow(plan, await this.#sourceOf(plan), JSON.parse(row.row) as PushRow)
        const name = (): PushName => ({ producer: `quarantine:${row.group}:${row.id}`, sequence: 1 })
        const result = await this.#push(row.group, [values], name, { json: true })
        if (result.quarantined > 0) continue
        await this.#quarantine.remove([row])
        accepted++
      } catch (error) {
        if (!(error instanceof AsofError) || error.kind !== 'invalid') throw error
      }
    }
    return { accepted, refused: rows.length - accepted }
  }

  /** Where each group stands, or one of them. */
  async status(only?: GroupReference): Promise<readonly GroupStatus[]> {
    const plans = only === undefined ? await this.#catalog.groups() : [await this.#catalog.group(only)]
    return await groupStatuses({ ...this.#parts, sinks: this.#sinks }, this.#quarantine, plans)
  }

  /** Where the sinks and each group's pipeline stand; cheaper than `status`, for metrics. */
  async progress(): Promise<StoreProgress> {
    this.#open()
    return await storeProgress({ log: this.#parts.log, sinks: this.#sinks, catalog: this.#catalog })
  }

  /** Applies everything that the log holds now to the online store, and to the tables too unless told otherwise. */
  async drain(what: Parameters<Sinks['drain']>[0] = { offline: true }): Promise<void> {
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

  get #trainingParts(): TrainingParts {
    return {
      ...this.#parts,
      files: this.#parts.trainingFiles,
      catalog: this.#catalog,
      code: this.#code,
      sinks: this.#sinks,
      pollMs: this.#settings.sinks.pollMs,
    }
  }

  async #materializeParts(): Promise<MaterializeParts> {
    return {
      ...this.#parts,
      snapshot: await this.snapshot(),
      sinks: this.#sinks,
      quarantine: this.#quarantine,
    }
  }

  async #emptyGroups(): Promise<ReadonlySet<string>> {
    return await emptyGroups({ ...this.#parts, sinks: this.#sinks }, await this.#catalog.groups())
  }

  /** Whether a group's source says that rows from the future are held, however far ahead. */
  async #holds(plan: GroupPlan): Promise<boolean> {
    return (await this.#sourceOf(plan))?.future === 'hold'
  }

  /** The source whose rows are the group's, where there is such. */
  async #sourceOf({ group }: GroupPlan): Promise<SourceDefinition | undefined> {
    const { compute } = group.definition
    return compute.from === 'source' ? (await this.snapshot()).sources.get(compute.source) : undefined
  }

  /** What questions about the registry are answered from. */
  protected override registryParts(): RegistryDeskParts {
    this.#open()
    return { ...this.#parts, catalog: this.#catalog, code: this.#code, now: () => this.#parts.log.now() }
  }

  #open(): void {
    if (this.#closed) throw new AsofError('closed', 'store_closed', 'this feature store was closed')
  }
}

/** Refuses what only looks like an instant, such as milliseconds. */
function checkInstants(...given: readonly (Instant | undefined)[]): void {
  for (const each of given) if (each !== undefined) givenInstant(each)
}
