import { decoderOf, instantOf, type Decode } from './decode-value.ts'
import type { GetColumnsAnswer, Json, WireFlags, WireStatus, WireType } from './wire.ts'

/** How the values of one fingerprint are read. */
export type Decoders = ReadonlyMap<string, Decode | undefined>

/** Compiles the types of an answer. */
export function compileTypes(types: Readonly<Record<string, WireType>>): Decoders {
  return new Map(Object.entries(types).map(([name, type]) => [name, decoderOf(type)]))
}

/**
 * Checks that an answer has what was asked for, so that nothing is found missing later.
 *
 * @throws {TypeError | RangeError}
 */
export function checkAnswer(answer: GetColumnsAnswer, entities: number): void {
  instantOf(answer.at)
  for (const name of answer.features) {
    for (const columns of [answer.columns, answer.statuses, answer.eventTimes]) {
      if (columns?.[name]?.length !== entities) throw new RangeError('not as many values as entities')
    }
  }
}

/**
 * One entity's features, as in process: each feature is a property, in the service's order; what is known about them is behind
 * names that begin with `$`, which no feature has.
 *
 * @example
 * ```ts
 * async function delayAt(airport: string): Promise<number | null> {
 *   const vector = await client.get(delayModel, { airport }, { request: { scheduled } })
 *   return vector.$statuses['delay_mean'] === 'present' ? vector.delay_mean : null
 * }
 * ```
 */
export class FeatureVector {
  readonly #answer: GetColumnsAnswer
  readonly #place: number

  /** @throws {TypeError | RangeError} for an answer that does not hold what its types say */
  constructor(answer: GetColumnsAnswer, place: number, decoders: Decoders) {
    this.#answer = answer
    this.#place = place
    const own = this as unknown as Record<string, unknown>
    for (const name of answer.features) {
      const json: Json = answer.columns[name]![place]!
      const decode = decoders.get(name)
      own[name] = decode === undefined ? json : decode(json)
    }
  }

  /** Status of each feature. */
  get $statuses(): Readonly<Record<string, WireStatus>> {
    return this.#each((name) => this.#answer.statuses![name]![this.#place]!)
  }

  /** Flags of each feature that has any. */
  get $flags(): Readonly<Record<string, WireFlags>> {
    const flags: Record<string, WireFlags> = {}
    for (const name of this.#answer.features) {
      const given = this.#answer.flags?.[name]?.[this.#place]
      if (given) flags[name] = given
    }
    return flags
  }

  /** Event time of the row that answered each feature, in microseconds since 1970; null where none did. */
  get $eventTimes(): Readonly<Record<string, number | null>> {
    return this.#each((name) => {
      const at = this.#answer.eventTimes![name]![this.#place]!
      return at === null ? null : instantOf(at)
    })
  }

  /** The instant as of which the values hold, in microseconds since 1970. */
  get $at(): number {
    return instantOf(this.#answer.at)
  }

  /** Fingerprint of the service: what a model must have been trained on. */
  get $fingerprint(): string {
    return this.#answer.fingerprint
  }

  /** `offline` for an answer as of a past instant, read from the tables and the log. */
  get $source(): 'online' | 'offline' {
    return this.#answer.source
  }

  #each<T>(of: (name: string) => T): Record<string, T> {
    const record: Record<string, T> = {}
    for (const name of this.#answer.features) record[name] = of(name)
    return record
  }
}
