import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import type { Aggregation, AnyAggregation, Outcome } from './aggregation.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'

/** How many events there are. */
interface CountState {
  count: number
}

/**
 * `count()`: the number of events, nulls and all, as an int64; 0 of none.
 *
 * - Error: none, up to 2^53 events. State: 1 to 8 bytes. Cost: an addition. Invertible.
 */
export function countRows(): AnyAggregation {
  return new Count(null)
}

/**
 * `count(column)`: the number of values that are not null, as an int64; 0 of none. NaN is a value.
 *
 * - Error, state and cost as {@link countRows}.
 */
export function countOf(type: FeatureType): AnyAggregation {
  return new Count(type)
}

/** The longest encoding of a count: 53 bits in groups of 7. */
export const COUNT_BYTES_MAX = 8

class Count implements Aggregation<CountState> {
  readonly name = 'count'
  readonly version = 1
  readonly input: FeatureType | null
  readonly output: FeatureType = { kind: 'int64' }
  readonly state: string
  readonly stateBytesMax: number = COUNT_BYTES_MAX
  readonly commutative = true

  constructor(input: FeatureType | null) {
    this.input = input
    this.state = input === null ? 'rows' : 'count'
  }

  empty(): CountState {
    return { count: 0 }
  }

  add(state: CountState, value: Value | null): void {
    if (value !== null || this.input === null) state.count += 1
  }

  retract(state: CountState, value: Value | null): void {
    if (value !== null || this.input === null) state.count -= 1
  }

  merge(into: CountState, from: CountState): void {
    into.count += from.count
  }

  finish(state: CountState): Outcome {
    return { value: BigInt(state.count) }
  }

  encode(state: CountState, into: StateWriter): void {
    into.whole(state.count)
  }

  decode(from: StateReader): CountState {
    return { count: from.whole() }
  }
}
