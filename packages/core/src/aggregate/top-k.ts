import { LIMITS } from '../limits/limits.ts'
import type { FeatureType, ScalarType } from '../model/feature-type.ts'
import type { ScalarValue, Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import { COUNT_BYTES_MAX } from './count.ts'
import { readPresence } from './extreme.ts'
import { type StateReader, StateWriter } from './state-bytes.ts'
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

/**
 * `topK`: the k most frequent values of any scalar type as a list, the most frequent first and equally
 * frequent ones in the order of values. NaN is one value, -0 is 0. Fewer than k where there are fewer, null
 * of no values. Beyond `distinctMax` distinct values in the window it is the error `distinct_values_max`;
 * values together larger than one may be are the error `value_too_large`.
 *
 * - Error: none. State: every distinct value and its count: at most `4 + distinctMax * (8 + the longest
 *   value)` bytes.
 * - Cost: a lookup in a map; a sort of the distinct values in `finish`. Not invertible: what passed the limit
 *   is given up.
 *
 * @param k 1 to `LIMITS.aggregateItemsMax`
 * @param distinctMax k to `LIMITS.distinctValuesMax`
 * @throws {AsofError} `invalid_aggregation` for a type that is no scalar, or other numbers
 */
export function topKOf(type: FeatureType, k: number, distinctMax: number): AnyAggregation {
  if (!isScalar(type)) throw wrongInput('top_k', type, 'scalars')
  checkWhole(k, 1, LIMITS.aggregateItemsMax, 'k')
  return new TopK(type, k, checkWhole(distinctMax, k, LIMITS.distinctValuesMax, 'distinctMax'))
}

interface Counted {
  readonly value: Value
  count: number
}

interface TopKState {
  /** By identity; null once they were too many. */
  values: Map<Value, Counted> | null
}

class TopK implements Aggregation<TopKState> {
  readonly name = 'top_k'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #k: number
  readonly #distinctMax: number
  readonly #identity: ValueIdentity
  readonly #order: ValueOrder
  readonly #values: ValueState

  constructor(type: ScalarType, k: number, distinctMax: number) {
    this.input = type
    this.output = { kind: 'list', element: type }
    this.#k = k
    this.#distinctMax = distinctMax
    this.#identity = valueIdentity(type)
    this.#order = valueOrder(type)
    this.#values = valueState(type)
    this.state = `value_counts(${distinctMax})`
    this.stateBytesMax = 4 + distinctMax * (COUNT_BYTES_MAX + this.#values.bytesMax)
  }

  empty(): TopKState {
    return { values: new Map() }
  }

  add(state: TopKState, value: Value | null): void {
    if (value !== null) this.#count(state, value, 1)
  }

  merge(into: TopKState, from: TopKState): void {
    if (from.values === null) into.values = null
    else for (const { value, count } of from.values.values()) this.#count(into, value, count)
  }

  finish(state: TopKState): Outcome {
    if (state.values === null) return TOO_MANY
    if (state.values.size === 0) return NO_VALUE
    const top = [...state.values.values()]
      .sort((a, b) => b.count - a.count || this.#order(a.value, b.value))
      .slice(0, this.#k)
    SCRATCH.reset()
    for (const { value } of top) this.#values.write(value, SCRATCH)
    if (SCRATCH.length > LIMITS.valueBytesMax) return TOO_LARGE
    return { value: top.map((counted) => counted.value) as ScalarValue[] }
  }

  encode(state: TopKState, into: StateWriter): void {
    into.byte(state.values === null ? 0 : 1)
    if (state.values === null) return
    into.whole(state.values.size)
    for (const { value, count } of [...state.values.values()].sort((a, b) => this.#order(a.value, b.value))) {
      this.#values.write(value, into)
      into.whole(count)
    }
  }

  decode(from: StateReader): TopKState {
    if (!readPresence(from)) return { values: null }
    const values = new Map<Value, Counted>()
    for (let left = from.wholeUpTo(this.#distinctMax); left > 0; left--) {
      const value = this.#values.read(from)
      values.set(this.#identity(value), { value, count: from.whole() })
    }
    return { values }
  }

  #count(state: TopKState, value: Value, count: number): void {
    if (state.values === null) return
    const identity = this.#identity(value)
    const counted = state.values.get(identity)
    if (counted !== undefined) {
      counted.count += count
    } else if (state.values.size === this.#distinctMax) {
      state.values = null
    } else {
      // A float goes in as its identity, so that which zero came first does not show.
      state.values.set(identity, { value: typeof value === 'number' ? identity : value, count })
    }
  }
}

const SCRATCH = new StateWriter()
const TOO_MANY: Outcome = Object.freeze({ error: 'distinct_values_max' })
const TOO_LARGE: Outcome = Object.freeze({ error: 'value_too_large' })
