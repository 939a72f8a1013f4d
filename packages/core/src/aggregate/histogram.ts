import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import { COUNT_BYTES_MAX } from './count.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { wrongInput } from './value-state.ts'

/**
 * `histogram`: how many values lie between the declared bounds, as a list of int64 with one more element than
 * there are bounds: below the first, from the first (inclusive) to the second (exclusive), and so on, from
 * the last up. Of int32, int64, float32 and float64; NaN is skipped, as by `min`. Null of no values.
 *
 * - Error: none. State: at most `8 * (bounds + 1)` bytes. Cost: a binary search. Invertible.
 *
 * @param bounds finite, strictly ascending, 1 to `LIMITS.aggregateItemsMax` of them
 * @throws {AsofError} `invalid_aggregation` for another type, or other bounds
 */
export function histogramOf(type: FeatureType, bounds: readonly number[]): AnyAggregation {
  if (!['int32', 'int64', 'float32', 'float64'].includes(type.kind)) {
    throw wrongInput('histogram', type, 'int32, int64, float32 and float64')
  }
  const isAscending = bounds.every(
    (bound, at) => Number.isFinite(bound) && (at === 0 || bound > bounds[at - 1]!),
  )
  if (!isAscending || bounds.length < 1 || bounds.length > LIMITS.aggregateItemsMax) {
    throw invalid(
      'invalid_aggregation',
      'the bounds of a histogram are finite and strictly ascending, from one to aggregateItemsMax of them',
      { bounds: bounds.length, aggregateItemsMax: LIMITS.aggregateItemsMax },
    )
  }
  return new Histogram(type, [...bounds])
}

interface HistogramState {
  readonly counts: number[]
}

class Histogram implements Aggregation<HistogramState> {
  readonly name = 'histogram'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType = { kind: 'list', element: { kind: 'int64' } }
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #bounds: readonly number[]

  constructor(input: FeatureType, bounds: readonly number[]) {
    this.input = input
    this.#bounds = bounds
    this.state = `histogram(${bounds.join(', ')})`
    this.stateBytesMax = (bounds.length + 1) * COUNT_BYTES_MAX
  }

  empty(): HistogramState {
    return { counts: Array.from({ length: this.#bounds.length + 1 }, () => 0) }
  }

  add(state: HistogramState, value: Value | null): void {
    if (value !== null && !Number.isNaN(value)) state.counts[this.#bucketOf(value as number | bigint)]! += 1
  }

  retract(state: HistogramState, value: Value | null): void {
    if (value !== null && !Number.isNaN(value)) state.counts[this.#bucketOf(value as number | bigint)]! -= 1
  }

  merge(into: HistogramState, from: HistogramState): void {
    for (let bucket = 0; bucket < from.counts.length; bucket++) into.counts[bucket]! += from.counts[bucket]!
  }

  finish(state: HistogramState): Outcome {
    return state.counts.every((count) => count === 0) ? NO_VALUE : { value: state.counts.map(BigInt) }
  }

  encode(state: HistogramState, into: StateWriter): void {
    for (const count of state.counts) into.whole(count)
  }

  decode(from: StateReader): HistogramState {
    return { counts: Array.from({ length: this.#bounds.length + 1 }, () => from.whole()) }
  }

  /** How many bounds are at most the value; a bigint compares with a number exactly. */
  #bucketOf(value: number | bigint): number {
    let low = 0
    let high = this.#bounds.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#bounds[middle]! <= value) low = middle + 1
      else high = middle
    }
    return low
  }
}
