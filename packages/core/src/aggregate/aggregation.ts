import type { ScalarType, FeatureType } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { ScalarValue, Value } from '../model/value.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'

/**
 * What makes one value of many events, piece by piece: the same object in batch, in the stream and at read
 * time.
 *
 * A state stands for a multiset of events. `empty` is that of none, `add` puts one in, `merge` makes the
 * union, `retract` takes one out that is in, and `finish` answers the value. The laws, which
 * `checkAggregationLaws` of `@asof/testing` holds an implementation to:
 *
 * 1. merging is associative, and `empty` is neutral on either side;
 * 2. where `commutative`, the order of adds and merges does not matter;
 * 3. adding an event equals merging the state of that event alone;
 * 4. equal multisets give equal bytes, and `decode` of them is a state like any other;
 * 5. `retract` of what was added leaves the bytes of what was there before;
 * 6. no encoding is longer than `stateBytesMax`;
 * 7. `merge` leaves `from` as it was and keeps nothing of it that changes; `finish` and `encode` change
 *    nothing.
 *
 * All methods are called with states of this same aggregation. A null value changes nothing (but for the
 * count of rows).
 */
export interface Aggregation<State> {
  /** As declared, such as `sum`; with {@link Aggregation.version} the name of what is computed. */
  readonly name: string
  /** Of the meaning and of the encoding: stored states of another version are not read. */
  readonly version: number
  /** The type of the value that an event hands in; null where it counts rows and looks at none. */
  readonly input: FeatureType | null
  readonly output: AggregateType
  /**
   * Names the form and content of the state. Over the same events two aggregations of one `state` have equal
   * states and may share them, as the mean and the sum of a column do.
   */
  readonly state: string
  /** The longest encoding of a state, in bytes; the formula is in the documentation of each function. */
  readonly stateBytesMax: number
  /** Whether the order of merges does not matter. True of all that are built in. */
  readonly commutative: boolean
  /** A new state of no events. */
  empty(): State
  /**
   * Puts one event into the state, in place.
   *
   * @param value of the type `input`, checked before; kept, where it is kept, as it is, so it may not change
   * later
   * @param stamp of the event, unique among all events added; it is copied where it is kept, so the caller
   * may use the object again
   */
  add(state: State, value: Value | null, stamp: Stamp): void
  /**
   * Takes back one event that was added before with this value and stamp. Absent where the function has no
   * inverse.
   */
  retract?(state: State, value: Value | null, stamp: Stamp): void
  /** Puts all events of `from` into `into`; where not `commutative`, those of `into` come first. */
  merge(into: State, from: State): void
  /** The value over the events in the state. */
  finish(state: State): Outcome
  /** Appends the state's bytes, which end by themselves: nothing else says how long they are. */
  encode(state: State, into: StateWriter): void
  /**
   * Reads a state back, and leaves `from` where it ends.
   *
   * @throws {AsofError} `corrupt_state`
   */
  decode(from: StateReader): State
}

/** An aggregation whose state the holder does not look into. */
export type AnyAggregation = Aggregation<unknown>

/**
 * What an aggregation gives: any type of a feature, and lists of structs, which `firstN` and `lastN` of
 * several columns give.
 */
export type AggregateType =
  | FeatureType
  | {
      readonly kind: 'list'
      readonly element: { readonly kind: 'struct'; readonly fields: Readonly<Record<string, ScalarType>> }
    }

/** A value of an {@link AggregateType}. */
export type AggregateValue = Value | readonly { readonly [field: string]: ScalarValue | null }[]

/**
 * What `finish` answers: a value (null where there is none), with `approximate` where a declared limit was
 * passed and the declaration allows that; or the status `error`, by the name of what went wrong.
 */
export type Outcome =
  | { readonly value: AggregateValue | null; readonly approximate?: true }
  | { readonly error: string }

/** The outcome of a function over no values. */
export const NO_VALUE: Outcome = Object.freeze({ value: null })

/** A whole number as an int64, or the error `int64_overflow`. */
export function int64Outcome(value: bigint): Outcome {
  return BigInt.asIntN(64, value) === value ? { value } : INT64_OVERFLOW
}

const INT64_OVERFLOW: Outcome = Object.freeze({ error: 'int64_overflow' })
