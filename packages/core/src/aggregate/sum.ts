import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, int64Outcome, NO_VALUE, type Outcome } from './aggregation.ts'
import { COUNT_BYTES_MAX } from './count.ts'
import { FLOAT64, type FloatFormat, roundRatio } from './exact-ratio.ts'
import { EXACT_SUM_BYTES_MAX, ExactSum } from './exact-sum.ts'
import { ratioOfTwo } from './ratio-of-two.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { wrongInput } from './value-state.ts'
import { WHOLE_SUM_BYTES_MAX, WholeSum } from './whole-sum.ts'

/** The values that are not null, counted and summed. */
interface FloatSumState {
  count: number
  readonly sum: ExactSum
}

/** The values that are not null, counted and summed. */
interface WholeSumState {
  count: number
  readonly sum: WholeSum
}

/**
 * `sum`: of int32 and int64 an int64, with the error `int64_overflow` where the exact sum is beyond it; of
 * float32 and float64 a float64, an infinity where the exact sum rounds to one. Null of no values.
 *
 * - Error: none of whole numbers; one final rounding of floats (see {@link ExactSum}). A zero sum is +0.
 * - State: a count and the sum: at most 25 bytes of whole numbers, 362 of floats, 2 to 18 as a rule. Cost:
 *   see the two sums. Invertible.
 *
 * @throws {AsofError} `invalid_aggregation` for another type
 */
export function sumOf(type: FeatureType): AnyAggregation {
  return sumOrMean('sum', type)
}

/**
 * `mean`: a float64, of whole numbers too. Null of no values.
 *
 * - Error: the exact sum divided by the count, rounded once. State and cost of an add as {@link sumOf}, whose
 *   state it shares; a division in `finish`, exact by bigints (some microseconds) where floats cannot prove
 *   which way to round.
 *
 * @throws {AsofError} `invalid_aggregation` for another type
 */
export function meanOf(type: FeatureType): AnyAggregation {
  return sumOrMean('mean', type)
}

/** The exact sum over a count, rounded once to a format. */
export function exactMean(sum: ExactSum, count: number, format: FloatFormat = FLOAT64): number {
  const special = sum.special()
  if (special !== 0) return special
  if (format === FLOAT64) {
    const quick = ratioOfTwo(sum, count)
    if (quick !== null) return quick
  }
  const { mantissa, exponent } = sum.exact()
  return roundRatio(mantissa, BigInt(count), exponent, format)
}

function sumOrMean(name: 'sum' | 'mean', type: FeatureType): AnyAggregation {
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return new FloatSum(name, type)
    case 'int32':
    case 'int64':
      return new WholeNumberSum(name, type)
    default:
      throw wrongInput(name, type, 'int32, int64, float32 and float64')
  }
}

class FloatSum implements Aggregation<FloatSumState> {
  readonly name: 'sum' | 'mean'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType = { kind: 'float64' }
  readonly state = 'float_sum'
  readonly stateBytesMax: number = COUNT_BYTES_MAX + EXACT_SUM_BYTES_MAX
  readonly commutative = true

  constructor(name: 'sum' | 'mean', input: FeatureType) {
    this.name = name
    this.input = input
  }

  empty(): FloatSumState {
    return { count: 0, sum: new ExactSum() }
  }

  add(state: FloatSumState, value: Value | null): void {
    if (value === null) return
    state.count += 1
    state.sum.add(value as number)
  }

  retract(state: FloatSumState, value: Value | null): void {
    if (value === null) return
    state.count -= 1
    state.sum.subtract(value as number)
  }

  merge(into: FloatSumState, from: FloatSumState): void {
    into.count += from.count
    into.sum.merge(from.sum)
  }

  finish(state: FloatSumState): Outcome {
    if (state.count === 0) return NO_VALUE
    return { value: this.name === 'sum' ? state.sum.round() : exactMean(state.sum, state.count) }
  }

  encode(state: FloatSumState, into: StateWriter): void {
    into.whole(state.count)
    state.sum.encode(into)
  }

  decode(from: StateReader): FloatSumState {
    return { count: from.whole(), sum: ExactSum.decode(from) }
  }
}

class WholeNumberSum implements Aggregation<WholeSumState> {
  readonly name: 'sum' | 'mean'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType
  readonly state = 'whole_sum'
  readonly stateBytesMax: number = COUNT_BYTES_MAX + WHOLE_SUM_BYTES_MAX
  readonly commutative = true

  constructor(name: 'sum' | 'mean', input: FeatureType) {
    this.name = name
    this.input = input
    this.output = { kind: name === 'sum' ? 'int64' : 'float64' }
  }

  empty(): WholeSumState {
    return { count: 0, sum: new WholeSum() }
  }

  add(state: WholeSumState, value: Value | null): void {
    if (value === null) return
    state.count += 1
    if (typeof value === 'number') state.sum.addNumber(value)
    else state.sum.addBigInt(value as bigint)
  }

  retract(state: WholeSumState, value: Value | null): void {
    if (value === null) return
    state.count -= 1
    if (typeof value === 'number') state.sum.addNumber(-value)
    else state.sum.addBigInt(-(value as bigint))
  }

  merge(into: WholeSumState, from: WholeSumState): void {
    into.count += from.count
    into.sum.merge(from.sum)
  }

  finish(state: WholeSumState): Outcome {
    if (state.count === 0) return NO_VALUE
    if (this.name === 'sum') return int64Outcome(state.sum.total())
    // Both numbers are exact, so their quotient is rounded once.
    const quick = state.sum.totalNumber() / state.count
    return { value: Number.isNaN(quick) ? roundRatio(state.sum.total(), BigInt(state.count), 0) : quick + 0 }
  }

  encode(state: WholeSumState, into: StateWriter): void {
    into.whole(state.count)
    state.sum.encode(into)
  }

  decode(from: StateReader): WholeSumState {
    return { count: from.whole(), sum: WholeSum.decode(from) }
  }
}
