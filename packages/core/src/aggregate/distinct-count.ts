import { LIMITS } from '../limits/limits.ts'
import type { FeatureType, ScalarType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import { HyperLogLog, hyperLogLogBytesMax } from './hyper-log-log.ts'
import { murmurHash } from './murmur-hash.ts'
import { corruptState, type StateReader, StateWriter } from './state-bytes.ts'
import {
  checkWhole,
  isScalar,
  type ValueIdentity,
  valueIdentity,
  type ValueOrder,
  valueOrder,
  type ValueState,
  valueState,
  wrongInput,
} from './value-state.ts'

/** What happens where there are more distinct values than an exact count is declared for. */
export type BeyondMax = 'error' | 'approximate'

/**
 * `distinctCount`, exact: the number of distinct values of any scalar type, as an int64. NaN is one value, -0
 * is 0. Null of no values. Beyond `max` distinct values it is the error `distinct_values_max`, or, where
 * declared so, the estimate of a {@link HyperLogLog} of precision 12 with the flag `approximate`.
 *
 * - Error: none up to `max`; beyond, as declared, a standard error of 1.6 %.
 * - State: every distinct value: at most `4 + max * (the longest value)` bytes, and the sketch's 4,100 where
 *   `approximate`. Cost: a lookup in a map. Not invertible: which values another event has too is forgotten.
 *
 * @param max 1 to `LIMITS.distinctValuesMax`
 * @throws {AsofError} `invalid_aggregation` for a type that is no scalar, or another `max`
 */
export function distinctCountOf(type: FeatureType, max: number, beyond: BeyondMax = 'error'): AnyAggregation {
  if (!isScalar(type)) throw wrongInput('distinct_count', type, 'scalars')
  checkWhole(max, 1, LIMITS.distinctValuesMax, 'max')
  return new DistinctCount(type, max, beyond, FALLBACK_PRECISION)
}

/**
 * `distinctCount`, approximate: the estimate of a {@link HyperLogLog}, rounded, as an int64. Null of no
 * values.
 *
 * - Error: a standard error of `1.04 / sqrt(2^precision)` of the count. State: at most `2^precision + 5`
 *   bytes. Cost: a hash. Not invertible.
 *
 * The hash of 64 bits is that of {@link murmurHash}, seed 0 above seed 0x9747b28c, of the value's bytes:
 * little-endian numbers, UTF-8.
 *
 * @param precision 4 to 16; 12 by default
 * @throws {AsofError} `invalid_aggregation` for a type that is no scalar, or another precision
 */
export function approximateDistinctCountOf(
  type: FeatureType,
  precision: number = FALLBACK_PRECISION,
): AnyAggregation {
  if (!isScalar(type)) throw wrongInput('distinct_count', type, 'scalars')
  return new DistinctCount(type, 0, 'sketch', checkWhole(precision, 4, 16, 'precision'))
}

interface DistinctState {
  /** By identity; null once they were too many. */
  values: Map<Value, Value> | null
  /** In place of too many values, where an estimate is declared. */
  sketch: HyperLogLog | null
}

class DistinctCount implements Aggregation<DistinctState> {
  readonly name = 'distinct_count'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType = { kind: 'int64' }
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #max: number
  readonly #beyond: BeyondMax | 'sketch'
  readonly #precision: number
  readonly #identity: ValueIdentity
  readonly #order: ValueOrder
  readonly #values: ValueState

  constructor(type: ScalarType, max: number, beyond: BeyondMax | 'sketch', precision: number) {
    this.input = type
    this.#max = max
    this.#beyond = beyond
    this.#precision = precision
    this.#identity = valueIdentity(type)
    this.#order = valueOrder(type)
    this.#values = valueState(type)
    this.state = beyond === 'sketch' ? `hyper_log_log(${precision})` : `distinct(${max}, ${beyond})`
    const sketchBytes = beyond === 'error' ? 0 : hyperLogLogBytesMax(precision)
    this.stateBytesMax = 1 + Math.max(sketchBytes, 3 + max * this.#values.bytesMax)
  }

  empty(): DistinctState {
    return this.#max === 0
      ? { values: null, sketch: new HyperLogLog(this.#precision) }
      : { values: new Map(), sketch: null }
  }

  add(state: DistinctState, value: Value | null): void {
    if (value === null) return
    const identity = this.#identity(value)
    if (state.sketch !== null) this.#hashInto(state.sketch, identity, value)
    else if (state.values !== null) {
      // A float goes in as its identity, so that which zero came first does not show.
      state.values.set(identity, typeof value === 'number' ? identity : value)
      if (state.values.size > this.#max) this.#pass(state)
    }
  }

  merge(into: DistinctState, from: DistinctState): void {
    if (from.values === null) {
      this.#pass(into)
      if (from.sketch !== null) into.sketch!.merge(from.sketch)
    } else {
      for (const value of from.values.values()) this.add(into, value)
    }
  }

  finish(state: DistinctState): Outcome {
    if (state.values !== null)
      return state.values.size === 0 ? NO_VALUE : { value: BigInt(state.values.size) }
    if (state.sketch === null) return TOO_MANY
    const estimate = state.sketch.estimate()
    if (estimate === 0) return NO_VALUE
    const value = BigInt(Math.round(estimate))
    return this.#beyond === 'sketch' ? { value } : { value, approximate: true }
  }

  encode(state: DistinctState, into: StateWriter): void {
    into.byte(state.values !== null ? 0 : state.sketch === null ? 1 : 2)
    if (state.values !== null) {
      into.whole(state.values.size)
      for (const value of [...state.values.values()].sort(this.#order)) this.#values.write(value, into)
    }
    state.sketch?.encode(into)
  }

  decode(from: StateReader): DistinctState {
    const form = from.byte()
    if (form === 2 && this.#beyond !== 'error') {
      return { values: null, sketch: HyperLogLog.decode(from, this.#precision) }
    }
    if (form === 1 && this.#beyond === 'error') return { values: null, sketch: null }
    if (form !== 0 || this.#max === 0) throw corruptState('distinct values in a form that was not declared')
    const values = new Map<Value, Value>()
    for (let left = from.wholeUpTo(this.#max); left > 0; left--) {
      const value = this.#values.read(from)
      values.set(this.#identity(value), value)
    }
    return { values, sketch: null }
  }

  /** Gives up the values: for good, since what passed the limit once has passed it in every union. */
  #pass(state: DistinctState): void {
    const values = state.values
    if (values === null) return
    state.values = null
    if (this.#beyond === 'error') return
    const sketch = new HyperLogLog(this.#precision)
    for (const [identity, value] of values) this.#hashInto(sketch, identity, value)
    state.sketch = sketch
  }

  #hashInto(sketch: HyperLogLog, identity: Value, value: Value): void {
    SCRATCH.reset()
    this.#values.writeBare(typeof value === 'number' ? identity : value, SCRATCH)
    const { bytes, length } = SCRATCH
    sketch.add(murmurHash(bytes, length, 0), murmurHash(bytes, length, LOW_SEED))
  }
}

const SCRATCH = new StateWriter()
const FALLBACK_PRECISION = 12
const LOW_SEED = 0x9747b28c
const TOO_MANY: Outcome = Object.freeze({ error: 'distinct_values_max' })
