import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import { COUNT_BYTES_MAX } from './count.ts'
import { FLOAT32, roundRatio } from './exact-ratio.ts'
import { EXACT_SUM_BYTES_MAX, ExactSum } from './exact-sum.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { wrongInput } from './value-state.ts'

/**
 * `sum` of vectors, element by element, as a vector of float32; an infinity where an exact sum rounds to one.
 * Null of no values.
 *
 * - Error: each element's exact sum, rounded once to float32. State: a count and an {@link ExactSum} for each
 *   element: 8 + 354 n bytes at most, 9 to 17 n as a rule. Cost: some 20 float operations for each element.
 *   Invertible.
 *
 * @throws {AsofError} `invalid_aggregation` for another type
 */
export function vectorSumOf(type: FeatureType): AnyAggregation {
  return new VectorSum('sum', checked('sum', type))
}

/**
 * `mean` of vectors, element by element: each exact sum over the count, rounded once to float32; all else as
 * {@link vectorSumOf}.
 */
export function vectorMeanOf(type: FeatureType): AnyAggregation {
  return new VectorSum('mean', checked('mean', type))
}

type VectorType = FeatureType & { readonly kind: 'vector' }

interface VectorSumState {
  count: number
  /** For each element the float nearest to its sum, and the rest. */
  readonly high: Float64Array
  readonly low: Float64Array
  /**
   * The whole sum of the few elements that two floats do not hold, or to which NaN or an infinity was added;
   * `high` and `low` are then 0.
   */
  readonly rest: Map<number, ExactSum>
}

class VectorSum implements Aggregation<VectorSumState> {
  readonly name: 'sum' | 'mean'
  readonly version = 1
  readonly input: VectorType
  readonly output: FeatureType
  readonly state = 'vector_sum'
  readonly stateBytesMax: number
  readonly commutative = true

  constructor(name: 'sum' | 'mean', input: VectorType) {
    this.name = name
    this.input = input
    this.output = input
    this.stateBytesMax = COUNT_BYTES_MAX + input.size * EXACT_SUM_BYTES_MAX
  }

  empty(): VectorSumState {
    const size = this.input.size
    return { count: 0, high: new Float64Array(size), low: new Float64Array(size), rest: new Map() }
  }

  add(state: VectorSumState, value: Value | null): void {
    if (value === null) return
    state.count += 1
    const vector = value as Float32Array
    for (let index = 0; index < vector.length; index++) addTo(state, index, vector[index]!)
  }

  retract(state: VectorSumState, value: Value | null): void {
    if (value === null) return
    state.count -= 1
    const vector = value as Float32Array
    for (let index = 0; index < vector.length; index++) {
      const element = vector[index]!
      if (Number.isFinite(element)) addTo(state, index, -element)
      else restOf(state, index).subtract(element)
    }
  }

  merge(into: VectorSumState, from: VectorSumState): void {
    into.count += from.count
    for (let index = 0; index < this.input.size; index++) {
      addTo(into, index, from.high[index]!)
      addTo(into, index, from.low[index]!)
    }
    for (const [index, sum] of from.rest) restOf(into, index).merge(sum)
  }

  finish(state: VectorSumState): Outcome {
    if (state.count === 0) return NO_VALUE
    const vector = new Float32Array(this.input.size)
    const count = this.name === 'sum' ? 1 : state.count
    for (let index = 0; index < vector.length; index++) {
      const rest = state.rest.get(index)
      vector[index] =
        rest === undefined
          ? ratioToFloat32(state.high[index]!, state.low[index]!, count)
          : exactly(rest, count)
    }
    return { value: vector }
  }

  encode(state: VectorSumState, into: StateWriter): void {
    into.whole(state.count)
    for (let index = 0; index < this.input.size; index++) elementOf(state, index).encode(into)
  }

  decode(from: StateReader): VectorSumState {
    const state = this.empty()
    state.count = from.whole()
    for (let index = 0; index < this.input.size; index++) {
      const sum = ExactSum.decode(from)
      const two = sum.asTwo()
      if (two === null) state.rest.set(index, sum)
      else [state.high[index], state.low[index]] = two
    }
    return state
  }
}

/** As the two floats of an {@link ExactSum}, but in arrays: a vector has hundreds of them. */
function addTo(state: VectorSumState, index: number, value: number): void {
  const high = state.high[index]!
  const sum = high + value
  const virtual = sum - high
  const error = high - (sum - virtual) + (value - virtual)
  const low = state.low[index]!
  const rest = low + error
  const virtualRest = rest - low
  if (
    low - (rest - virtualRest) + (error - virtualRest) !== 0 ||
    (state.rest.size > 0 && state.rest.has(index))
  ) {
    restOf(state, index).add(value)
    return
  }
  const rounded = sum + rest
  const virtualRounded = rounded - sum
  state.high[index] = rounded
  state.low[index] = sum - (rounded - virtualRounded) + (rest - virtualRounded)
}

/** The sum of one element, moved to where any sum fits. */
function restOf(state: VectorSumState, index: number): ExactSum {
  let sum = state.rest.get(index)
  if (sum === undefined) {
    sum = elementOf(state, index)
    state.rest.set(index, sum)
    state.high[index] = 0
    state.low[index] = 0
  }
  return sum
}

function elementOf(state: VectorSumState, index: number): ExactSum {
  const rest = state.rest.get(index)
  if (rest !== undefined) return rest
  const sum = new ExactSum()
  sum.add(state.high[index]!)
  sum.add(state.low[index]!)
  return sum
}

/**
 * `(high + low) / count`, rounded once to float32: a quotient that is a little wrong either way decides
 * unless it lies next to a middle.
 */
function ratioToFloat32(high: number, low: number, count: number): number {
  if (high === 0) return 0
  if (low === 0 && count === 1) return Math.fround(high)
  const quotient = high / count
  const down = Math.fround(quotient * (1 - DOUBT))
  const up = Math.fround(quotient * (1 + DOUBT))
  if (Object.is(down, up)) return down
  const sum = new ExactSum()
  sum.add(high)
  sum.add(low)
  return exactly(sum, count)
}

function exactly(sum: ExactSum, count: number): number {
  const special = sum.special()
  if (special !== 0) return special
  const { mantissa, exponent } = sum.exact()
  return roundRatio(mantissa, BigInt(count), exponent, FLOAT32)
}

/** Far above the 2^-52 by which the quotient of the rounded sum is wrong, far below the 2^-25 that decide. */
const DOUBT: number = 2 ** -48

function checked(name: string, type: FeatureType): VectorType {
  if (type.kind === 'vector') return type
  throw wrongInput(name, type, 'vectors here')
}
