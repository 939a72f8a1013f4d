import type { ApplyOptions, ApplyResult } from '../apply/apply.ts'
import {
  addConsumer,
  listConsumers,
  removeConsumer,
  type ConsumerChange,
  type ServiceConsumer,
} from '../apply/consumers.ts'
import { loadSnapshots } from '../apply/load-snapshot.ts'
import { planApply, type ApplyPlan } from '../apply/plan.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import { countUnapplied } from '../apply/unapplied.ts'
import type { Instant } from '../clock/instant.ts'
import { describe, type Description } from '../discover/describe.ts'
import { impact, impactOfPlan, type Impact, type PlannedImpact } from '../discover/impact.ts'
import { lineage, type ColumnsOf, type Lineage, type LineageDirection } from '../discover/lineage.ts'
import { projectOf } from '../discover/reference.ts'
import {
  diffRevisions,
  projectRevisions,
  restoreRevision,
  type ProjectRevision,
  type RevisionDiff,
  type RevisionsOptions,
} from '../discover/revisions.ts'
import { searchIndexInSteps, type SearchIndex } from '../discover/search-index.ts'
import { search, type SearchAnswer } from '../discover/search.ts'
import { isAsofError, notFound } from '../errors/asof-error.ts'
import type { Consumer, Definition } from '../model/definition.ts'
import type { Project } from '../model/project.ts'
import type { SourceAccess } from '../ingest/source-relation.ts'
import type { ComputeEngine } from '../ports/compute-engine.ts'
import type { Registry } from '../ports/registry.ts'
import type { Timing } from '../ports/timing.ts'
import type { Catalog } from './catalog.ts'
import { queryColumns } from './query-columns.ts'
import { sourceWarnings, type SourceWarning } from './source-warnings.ts'

export type { SourceWarning } from './source-warnings.ts'

/** What a desk works with. */
export interface RegistryDeskParts {
  readonly registry: Registry
  readonly catalog: Catalog
  /** The project that names without one belong to: its name, and what applying it applies. */
  readonly code: Pick<Project, 'name' | 'definitions'>
  readonly now: () => Instant
  readonly engine: ComputeEngine
  readonly sources: SourceAccess
  readonly timing: Timing
}

/** Who changes the registry, and why. */
export type Signed = Partial<Pick<ApplyOptions, 'author' | 'message'>>

/** How many names are said that are like one that there is not, and how much of that one is looked at. */
const ALIKE = 3
const ALIKE_CHARS = 100

/** The part of a feature store that answers questions about its registry, and changes it. */
export abstract class RegistryDesk {
  #index: { readonly made: Promise<SearchIndex>; readonly revision: number } | undefined

  /** @throws {AsofError} `store_closed` */
  protected abstract registryParts(): RegistryDeskParts

  /** Everything of every project that a query finds; see `search`. */
  async search(query: string, options: { readonly limit?: number } = {}): Promise<SearchAnswer> {
    return search(await this.#searchIndex(), query, options)
  }

  /** Everything about what a reference names; see `describe`. */
  async show(reference: string): Promise<Description> {
    return await this.#about(reference, async (snapshot) => await describe(snapshot, reference))
  }

  /** What something is made of, and what is made of it; see `lineage`. */
  async lineage(reference: string, direction: LineageDirection = 'both'): Promise<Lineage> {
    return await this.#about(
      reference,
      async (snapshot) => await lineage(snapshot, reference, direction, this.#columnsOf(snapshot)),
    )
  }

  /** What changes with something, and whom to tell; see `impact`. */
  async impact(reference: string): Promise<Impact> {
    return await this.#about(
      reference,
      async (snapshot) => await impact(snapshot, reference, this.#columnsOf(snapshot)),
    )
  }

  /** What applying definitions would break, and whom to tell. */
  async impactOfPlan(
    definitions: readonly Definition[] = this.registryParts().code.definitions,
  ): Promise<PlannedImpact & { readonly plan: ApplyPlan }> {
    const snapshot = await this.registryParts().catalog.refreshed()
    const plan = planApply(snapshot, definitions)
    return { ...impactOfPlan(snapshot, plan), plan }
  }

  /** What materializing would meet at the sources that a plan is about; see `sourceWarnings`. */
  async sourceWarnings(
    plan: ApplyPlan,
    definitions: readonly Definition[] = this.registryParts().code.definitions,
  ): Promise<readonly SourceWarning[]> {
    const { engine, sources, now } = this.registryParts()
    return await sourceWarnings(definitions, plan.changes, { engine, sources, now: now() })
  }

  /** How many of the project's own definitions are not as they are applied; see `countUnapplied`. */
  async unapplied(): Promise<number> {
    const { catalog, code } = this.registryParts()
    return countUnapplied(await catalog.snapshot(), code.definitions)
  }

  /** The revisions that changed the project, the newest first. */
  async revisions(options?: RevisionsOptions): Promise<readonly ProjectRevision[]> {
    const { registry, code } = this.registryParts()
    return await projectRevisions(registry, code.name, options)
  }

  /** What differs between two revisions of the project; to the newest where one is named. */
  async diffRevisions(from: number, to?: number): Promise<RevisionDiff> {
    const { registry, code } = this.registryParts()
    return await diffRevisions(registry, code.name, from, to ?? (await registry.head())?.number ?? 0)
  }

  /** Makes the project's definitions those of an earlier revision, in a new one. */
  async restoreRevision(
    revision: number,
    options: Signed & { readonly allowBreaking?: boolean } = {},
  ): Promise<ApplyResult> {
    const { registry, code } = this.registryParts()
    const allow = { allowBreaking: options.allowBreaking ?? false }
    return await this.#changed(
      await restoreRevision(registry, code.name, revision, { ...this.#signed(options), ...allow }),
    )
  }

  /** The models that read services of the project. */
  async consumers(service?: string): Promise<readonly ServiceConsumer[]> {
    return listConsumers(await this.registryParts().catalog.refreshed(), service)
  }

  /** Registers a model as a reader of a service. */
  async addConsumer(service: string, consumer: Consumer, options: Signed = {}): Promise<ConsumerChange> {
    const { registry, code } = this.registryParts()
    const what = `${consumer.model}@${consumer.version} reads ${service}`
    return await this.#changed(
      await addConsumer(registry, code.name, service, consumer, this.#signed({ message: what, ...options })),
    )
  }

  /** Takes a model that was registered off the list of a service. */
  async removeConsumer(
    service: string,
    consumer: Pick<Consumer, 'model' | 'version'>,
    options: Signed = {},
  ): Promise<ConsumerChange> {
    const { registry, code } = this.registryParts()
    const what = `${consumer.model}@${consumer.version} reads ${service} no more`
    return await this.#changed(
      await removeConsumer(
        registry,
        code.name,
        service,
        consumer,
        this.#signed({ message: what, ...options }),
      ),
    )
  }

  #signed({ author = 'unknown', message = '' }: Signed): ApplyOptions {
    return { author, message, now: this.registryParts().now }
  }

  /** What this process has changed it sees at once. */
  async #changed<R>(result: R): Promise<R> {
    await this.registryParts().catalog.refreshed()
    return result
  }

  /** Answers about what a reference names; where there is no such thing, what is alike is named. */
  async #about<T>(reference: string, answer: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const snapshot = await this.registryParts().catalog.snapshot(projectOf(reference))
    try {
      return await answer(snapshot)
    } catch (error) {
      if (!isAsofError(error, 'not_found') || error.code !== 'reference_not_found') throw error
      const alike = await this.search(reference.slice(0, ALIKE_CHARS), { limit: ALIKE }).catch(
        () => undefined,
      )
      if (alike === undefined || alike.total === 0) throw error
      throw notFound('reference_not_found', 'there is nothing of this name', {
        ...error.details,
        alike: alike.results.map(({ id }) => id).join(', '),
      })
    }
  }

  /** The files of other projects lie elsewhere: what their queries read is known by tables. */
  #columnsOf(snapshot: Snapshot): ColumnsOf | undefined {
    const { code, engine, sources, now } = this.registryParts()
    return snapshot.project === code.name ? queryColumns(snapshot, engine, sources, now()) : undefined
  }

  /** Made anew where the definitions in hand are of another revision, which is looked at once a second at most. */
  async #searchIndex(): Promise<SearchIndex> {
    const { registry, catalog, timing } = this.registryParts()
    const revision = (await catalog.snapshot()).revision?.number ?? 0
    if (this.#index?.revision === revision) return await this.#index.made
    const made = loadSnapshots(registry).then(
      async (snapshots) => await searchIndexInSteps(snapshots.values(), async () => await timing.sleep(0)),
    )
    const index = { made, revision }
    this.#index = index
    try {
      return await made
    } catch (error) {
      // What failed once may succeed at the next question.
      if (this.#index === index) this.#index = undefined
      throw error
    }
  }
}
