import type { Instant } from '../clock/instant.ts'
import { STATUSES, type Flags, type Status } from '../model/status.ts'
import type { Value } from '../model/value.ts'

/** What a vector's details are made from; arrays are in the order of the features. */
export interface VectorDetail {
  readonly names: readonly string[]
  /** Codes of `STATUSES`. */
  readonly statuses: Uint8Array
  /** Bits of `FLAG`. */
  readonly flags: Uint8Array
  /** Event time of the row behind each feature; NaN where there is none. */
  readonly eventTimes: Float64Array
  readonly at: Instant
  readonly fingerprint: string
  readonly source: 'online' | 'offline'
}

/** Bits of a feature's flags. */
export const FLAG = { stale: 1, defaulted: 2, null_key: 4 } as const

/**
 * One entity's features: each feature is a property, in the service's order; what is known about them is behind names
 * that begin with `$`, which no feature has.
 *
 * @example
 * ```ts
 * const vector = await store.get(delayModel, { airport: 'LAX' }, { request: { scheduled } })
 * vector.delay_mean // 12.5
 * vector.$statuses.delay_mean // 'present'
 * vector.$eventTimes.delay_mean // the instant of the row that answered
 * ```
 */
export class FeatureVector {
  readonly #detail: VectorDetail

  constructor(values: readonly (Value | null)[], detail: VectorDetail) {
    this.#detail = detail
    const own = this as unknown as Record<string, Value | null>
    const { names } = detail
    for (let index = 0; index < names.length; index++) own[names[index]!] = values[index]!
  }

  /** Status of each feature. */
  get $statuses(): Readonly<Record<string, Status>> {
    return this.#each((index) => STATUSES[this.#detail.statuses[index]!]!)
  }

  /** Flags of each feature that has any. */
  get $flags(): Readonly<Record<string, Flags>> {
    const flags: Record<string, Flags> = {}
    for (const [index, name] of this.#detail.names.entries()) {
      const bits = this.#detail.flags[index]!
      if (bits === 0) continue
      flags[name] = {
        ...((bits & FLAG.stale) !== 0 && { stale: true as const }),
        ...((bits & FLAG.defaulted) !== 0 && { defaulted: true as const }),
        ...((bits & FLAG.null_key) !== 0 && { null_key: true as const }),
      }
    }
    return flags
  }

  /** Event time of the row that answered each feature; null where none did. */
  get $eventTimes(): Readonly<Record<string, Instant | null>> {
    return this.#each((index) => {
      const at = this.#detail.eventTimes[index]!
      return Number.isNaN(at) ? null : (at as Instant)
    })
  }

  /** The instant as of which the values hold. */
  get $at(): Instant {
    return this.#detail.at
  }

  /** Fingerprint of the service: what a model must have been trained on. */
  get $fingerprint(): string {
    return this.#detail.fingerprint
  }

  /** `offline` for an answer as of a past instant, read from the tables and the log. */
  get $source(): 'online' | 'offline' {
    return this.#detail.source
  }

  #each<T>(of: (index: number) => T): Record<string, T> {
    const record: Record<string, T> = {}
    for (const [index, name] of this.#detail.names.entries()) record[name] = of(index)
    return record
  }
}
