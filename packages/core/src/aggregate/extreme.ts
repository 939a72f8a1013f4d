import type { FeatureType, ScalarType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { corruptState } from './state-bytes.ts'
import {
  isScalar,
  type ValueOrder,
  valueOrder,
  type ValueState,
  valueState,
  wrongInput,
} from './value-state.ts'

/** The least or greatest value so far; null of none. */
interface ExtremeState {
  value: Value | null
}

/** The least or greatest number so far; NaN of none. */
interface FloatExtremeState {
  value: number
}

/**
 * `min`: the least value, of any scalar type: numbers by size, false before true, strings by code point,
 * bytes as unsigned. NaN is skipped; -0 is less than 0, so that no order of adds decides between them. Null
 * of no values.
 *
 * - Error: none. State: 1 byte and one value. Cost: a comparison. Not invertible: what was not the least is
 *   forgotten.
 *
 * @throws {AsofError} `invalid_aggregation` for a type that is no scalar
 */
export function minOf(type: FeatureType): AnyAggregation {
  return extremeOf('min', type)
}

/** `max`: the greatest value, as {@link minOf} the least; 0 is greater than -0. */
export function maxOf(type: FeatureType): AnyAggregation {
  return extremeOf('max', type)
}

function extremeOf(name: 'min' | 'max', type: FeatureType): AnyAggregation {
  if (!isScalar(type)) throw wrongInput(name, type, 'scalars')
  if (type.kind === 'float32' || type.kind === 'float64') {
    return name === 'min' ? new FloatMin(name, type) : new FloatMax(name, type)
  }
  return new Extreme(name, type)
}

class Extreme implements Aggregation<ExtremeState> {
  readonly name: 'min' | 'max'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #sign: 1 | -1
  readonly #order: ValueOrder
  readonly #values: ValueState

  constructor(name: 'min' | 'max', type: ScalarType) {
    this.name = name
    this.input = type
    this.output = type
    this.state = name
    this.#sign = name === 'min' ? 1 : -1
    this.#order = valueOrder(type)
    this.#values = valueState(type)
    this.stateBytesMax = 1 + this.#values.bytesMax
  }

  empty(): ExtremeState {
    return { value: null }
  }

  add(state: ExtremeState, value: Value | null): void {
    if (value === null) return
    if (state.value === null || this.#order(value, state.value) * this.#sign < 0) state.value = value
  }

  merge(into: ExtremeState, from: ExtremeState): void {
    this.add(into, from.value)
  }

  finish(state: ExtremeState): Outcome {
    return state.value === null ? NO_VALUE : { value: state.value }
  }

  encode(state: ExtremeState, into: StateWriter): void {
    into.byte(state.value === null ? 0 : 1)
    if (state.value !== null) this.#values.write(state.value, into)
  }

  decode(from: StateReader): ExtremeState {
    return { value: readPresence(from) ? this.#values.read(from) : null }
  }
}

abstract class FloatExtreme implements Aggregation<FloatExtremeState> {
  readonly name: 'min' | 'max'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #values: ValueState

  constructor(name: 'min' | 'max', type: ScalarType) {
    this.name = name
    this.input = type
    this.output = type
    this.state = name
    this.#values = valueState(type)
    this.stateBytesMax = 1 + this.#values.bytesMax
  }

  empty(): FloatExtremeState {
    return { value: Number.NaN }
  }

  abstract add(state: FloatExtremeState, value: Value | null): void

  merge(into: FloatExtremeState, from: FloatExtremeState): void {
    this.add(into, from.value)
  }

  finish(state: FloatExtremeState): Outcome {
    return Number.isNaN(state.value) ? NO_VALUE : { value: state.value }
  }

  encode(state: FloatExtremeState, into: StateWriter): void {
    into.byte(Number.isNaN(state.value) ? 0 : 1)
    if (!Number.isNaN(state.value)) this.#values.write(state.value, into)
  }

  decode(from: StateReader): FloatExtremeState {
    return { value: readPresence(from) ? (this.#values.read(from) as number) : Number.NaN }
  }
}

class FloatMin extends FloatExtreme {
  override add(state: FloatExtremeState, value: Value | null): void {
    if (value === null) return
    const number = value as number
    const least = state.value
    // A NaN is not less than anything, and replaces only the NaN that stands for no value.
    if (number < least || Number.isNaN(least) || (number === 0 && least === 0 && Object.is(number, -0))) {
      state.value = number
    }
  }
}

class FloatMax extends FloatExtreme {
  override add(state: FloatExtremeState, value: Value | null): void {
    if (value === null) return
    const number = value as number
    const greatest = state.value
    if (
      number > greatest ||
      Number.isNaN(greatest) ||
      (number === 0 && greatest === 0 && Object.is(number, 0))
    ) {
      state.value = number
    }
  }
}

/** Whether a state holds a value. */
export function readPresence(from: StateReader): boolean {
  const byte = from.byte()
  if (byte > 1) throw corruptState('a state that neither has nor lacks a value')
  return byte === 1
}
