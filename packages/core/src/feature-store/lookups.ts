import { invalid } from '../errors/asof-error.ts'
import { givenInstant, type Instant } from '../clock/instant.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import { recordedThrough } from '../ingest/recorded-runs.ts'
import type { Sinks } from '../ingest/sinks.ts'
import type { Answer } from '../serve/answer.ts'
import { lookUpAsOf, type AsOfParts } from '../serve/as-of.ts'
import {
  lookUp,
  withDeadline,
  type LookUpOptions,
  type LookUpParts,
  type Question,
} from '../serve/look-up.ts'
import type { ServicePlan, SlotPlan } from '../serve/service-plan.ts'
import type { Catalog, ServiceReference } from './catalog.ts'

/** How long it is believed how complete a pipeline is, in microseconds: it is about minutes. */
const COMPLETE_AGE_MAX = 1_000_000

/** Questions as they are, or made once it is known what the service is asked with. */
export type Questions = readonly Question[] | ((plan: ServicePlan) => readonly Question[])

/** Answers questions: from the online store, or as of a past instant from the tables and the log. */
export class Lookups {
  readonly #parts: Omit<LookUpParts & AsOfParts, 'completeThrough' | 'offlinePosition'>
  readonly #catalog: Catalog
  readonly #sinks: Sinks
  readonly #online: LookUpParts
  readonly #asOf: AsOfParts
  readonly #complete = new Map<GroupPlan, { readonly through: Instant; readonly at: Instant }>()

  constructor(
    parts: Omit<LookUpParts & AsOfParts, 'completeThrough' | 'offlinePosition'>,
    catalog: Catalog,
    sinks: Sinks,
  ) {
    this.#parts = parts
    this.#catalog = catalog
    this.#sinks = sinks
    this.#online = { ...parts, completeThrough: async (slot) => await this.#completeThrough(slot) }
    this.#asOf = { ...parts, offlinePosition: async () => (await sinks.positions())[1] }
  }

  /** @throws {AsofError} `at_and_as_of`, `invalid_deadline`, `invalid_instant`; see `lookUp` */
  async answer(service: ServiceReference, questions: Questions, options: LookUpOptions): Promise<Answer> {
    const { at, asOf, deadline } = options
    for (const each of [at, asOf]) if (each !== undefined) givenInstant(each)
    if (at !== undefined && asOf !== undefined) {
      throw invalid('at_and_as_of', 'at is about the recent past and asOf about any: give one of them')
    }
    if (deadline !== undefined && !(deadline >= 0)) {
      throw invalid('invalid_deadline', 'a deadline is a number of milliseconds')
    }
    return await this.#catalog.withService(service, async (plan) => {
      const asked = typeof questions === 'function' ? questions(plan) : questions
      if (asOf === undefined) return await lookUp(this.#online, plan, asked, options)
      const answering = lookUpAsOf(this.#asOf, plan, asked, asOf, options)
      return deadline === undefined ? await answering : await withDeadline(this.#parts, deadline, answering)
    })
  }

  /** Looked up at most once a second: it is about the pipeline, which moves no faster. */
  async #completeThrough({ plan }: SlotPlan): Promise<Instant> {
    const now = this.#parts.log.now()
    const known = this.#complete.get(plan)
    if (known !== undefined && now - known.at < COMPLETE_AGE_MAX) return known.through
    const runs = await recordedThrough(this.#parts.log, plan)
    const through =
      plan.group.definition.schedule === undefined ? await this.#sinks.onlineThrough() : (runs ?? now)
    this.#complete.set(plan, { through, at: now })
    return through
  }
}
