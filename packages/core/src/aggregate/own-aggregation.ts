import { conflict, invalid } from '../errors/asof-error.ts'
import { checkType, type FeatureType } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import { checkName } from '../model/name.ts'
import type { Value } from '../model/value.ts'
import type { Aggregation, AnyAggregation, Outcome } from './aggregation.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { checkWhole } from './value-state.ts'

/** An aggregation as a user writes it: the algebra of {@link Aggregation}, with states encoded one by one. */
export interface AggregationSpec<State> {
  readonly name: string
  /** From 1; a change of the meaning or of the encoding is a new version. */
  readonly version: number
  /** What an event hands in; null values never reach `add`. */
  readonly input: FeatureType
  readonly output: FeatureType
  /** The longest encoding that `encode` makes, up to 65,536 bytes. */
  readonly stateBytesMax: number
  /** Whether the order of merges does not matter; true by default. */
  readonly commutative?: boolean
  empty(): State
  /** Changes `state` in place. */
  add(state: State, value: Value, stamp: Stamp): void
  /** Changes `state` in place; only where every add can be undone. */
  retract?(state: State, value: Value, stamp: Stamp): void
  /** Changes `into` in place, and leaves `from` as it is. */
  merge(into: State, from: State): void
  finish(state: State): Outcome
  /** Equal multisets of events give equal bytes, whatever the order of adds and merges. */
  encode(state: State): Uint8Array
  decode(bytes: Uint8Array): State
}

/** The aggregations that users have declared, by `name@version`. */
export class AggregationRegistry {
  readonly #byName = new Map<string, AnyAggregation>()

  /**
   * Adds an aggregation under its `name@version`.
   *
   * @throws {AsofError} `aggregation_exists` where another has that name
   */
  add(aggregation: AnyAggregation): void {
    const name = `${aggregation.name}@${aggregation.version}`
    if ((this.#byName.get(name) ?? aggregation) !== aggregation) {
      throw conflict('aggregation_exists', 'another aggregation has this name; declare a new version', {
        name,
      })
    }
    this.#byName.set(name, aggregation)
  }

  /** The aggregation of a `name@version`. */
  find(name: string): AnyAggregation | undefined {
    return this.#byName.get(name)
  }
}

/** Where {@link aggregation} registers unless told otherwise. */
export const OWN_AGGREGATIONS: AggregationRegistry = new AggregationRegistry()

/**
 * Declares an aggregation of one's own and registers it as `name@version`. `checkAggregationLaws` of
 * `@asof/testing` tells whether it is one.
 *
 * @throws {AsofError} `invalid_name`, `invalid_type`, `invalid_aggregation`; `aggregation_exists` for a name
 * that another has
 * @example
 * ```ts
 * const bitOr = aggregation<{ bits: number }>({
 *   name: 'bit_or', version: 1, input: { kind: 'int32' }, output: { kind: 'int32' }, stateBytesMax: 4,
 *   empty: () => ({ bits: 0 }),
 *   add: (state, value) => void (state.bits |= value as number),
 *   merge: (into, from) => void (into.bits |= from.bits),
 *   finish: (state) => ({ value: state.bits }),
 *   encode: (state) => new Uint8Array(Int32Array.of(state.bits).buffer),
 *   decode: (bytes) => ({ bits: new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true) }),
 * })
 * ```
 */
export function aggregation<State>(
  spec: AggregationSpec<State>,
  registry: AggregationRegistry = OWN_AGGREGATIONS,
): Aggregation<State> {
  checkName(spec.name, 'aggregation')
  checkWhole(spec.version, 1, 1_000_000, 'a version')
  checkWhole(spec.stateBytesMax, 0, STATE_BYTES_MAX, 'stateBytesMax')
  checkType(spec.input, 'input')
  checkType(spec.output, 'output')
  const own = spec.retract === undefined ? new OwnAggregation(spec) : new OwnInvertible(spec)
  registry.add(own)
  return own
}

class OwnAggregation<State> implements Aggregation<State> {
  readonly name: string
  readonly version: number
  readonly input: FeatureType
  readonly output: FeatureType
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative: boolean
  protected readonly spec: AggregationSpec<State>

  constructor(spec: AggregationSpec<State>) {
    this.spec = spec
    this.name = spec.name
    this.version = spec.version
    this.input = spec.input
    this.output = spec.output
    this.state = `${spec.name}@${spec.version}`
    this.stateBytesMax = LENGTH_BYTES_MAX + spec.stateBytesMax
    this.commutative = spec.commutative ?? true
  }

  empty(): State {
    return this.spec.empty()
  }

  add(state: State, value: Value | null, stamp: Stamp): void {
    if (value !== null) this.spec.add(state, value, stamp)
  }

  merge(into: State, from: State): void {
    this.spec.merge(into, from)
  }

  finish(state: State): Outcome {
    return this.spec.finish(state)
  }

  encode(state: State, into: StateWriter): void {
    const bytes = this.spec.encode(state)
    if (bytes.length > this.spec.stateBytesMax) {
      throw invalid('state_too_large', 'a state larger than its aggregation declares; raise stateBytesMax', {
        aggregation: this.state,
        bytes: bytes.length,
        stateBytesMax: this.spec.stateBytesMax,
      })
    }
    into.whole(bytes.length)
    into.append(bytes)
  }

  decode(from: StateReader): State {
    const length = from.wholeUpTo(this.spec.stateBytesMax)
    const start = from.skip(length)
    return this.spec.decode(from.bytes.slice(start, start + length))
  }
}

class OwnInvertible<State> extends OwnAggregation<State> {
  retract(state: State, value: Value | null, stamp: Stamp): void {
    if (value !== null) this.spec.retract!(state, value, stamp)
  }
}

const STATE_BYTES_MAX = 65_536
const LENGTH_BYTES_MAX = 3
