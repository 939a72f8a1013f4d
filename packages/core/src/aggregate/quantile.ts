import { invalid } from '../errors/asof-error.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { type Aggregation, type AnyAggregation, NO_VALUE, type Outcome } from './aggregation.ts'
import { DDSketch, ddSketchBytesMax, type DDSketchShape } from './dd-sketch.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'
import { checkWhole, wrongInput } from './value-state.ts'

/** How fine the sketch of a quantile is. */
export interface QuantileAccuracy {
  /** Greatest relative error, 0.0002 to 0.2; 0.01 by default. */
  readonly relativeError?: number
  /** Most buckets on either side of zero, 64 to 65,536; 2,048 by default, which span 10 decades at 1 %. */
  readonly bucketsMax?: number
}

/**
 * `quantile`: about the value at rank `floor(q * (n - 1))` of the n values in order, as a float64; of int32,
 * int64, float32 and float64. NaN is skipped. Null of no values.
 *
 * - Error: at most `relativeError` of the exact value (see {@link DDSketch}, which rounds it down to what a
 *   power of two of buckets in an octave gives); where the values span more than `bucketsMax` buckets and the
 *   quantile lies among the collapsed ones nearest to zero, with the flag `approximate`.
 * - State: at most `32 + 22 * bucketsMax` bytes, as a rule 3 for each bucket in use. Several quantiles of one
 *   accuracy share it. Cost: a lookup in a map; a sort of the buckets in `finish`. Not invertible: what
 *   collapsed stays.
 *
 * @param q 0 to 1
 * @throws {AsofError} `invalid_aggregation` for another type or other numbers
 */
export function quantileOf(type: FeatureType, q: number, accuracy: QuantileAccuracy = {}): AnyAggregation {
  if (!['int32', 'int64', 'float32', 'float64'].includes(type.kind)) {
    throw wrongInput('quantile', type, 'int32, int64, float32 and float64')
  }
  if (!(q >= 0 && q <= 1)) throw invalid('invalid_aggregation', 'a quantile is from 0 to 1', { q })
  const { relativeError = 0.01, bucketsMax = 2_048 } = accuracy
  if (!(relativeError >= 0.0002 && relativeError <= 0.2)) {
    throw invalid('invalid_aggregation', 'a relative error is from 0.0002 to 0.2', { relativeError })
  }
  checkWhole(bucketsMax, 64, 65_536, 'bucketsMax')
  let octaveBits = 1
  while (1 / (2 ** (octaveBits + 1) + 1) > relativeError) octaveBits += 1
  return new Quantile(type, q, { octaveBits, bucketsMax })
}

class Quantile implements Aggregation<DDSketch> {
  readonly name = 'quantile'
  readonly version = 1
  readonly input: FeatureType
  readonly output: FeatureType = { kind: 'float64' }
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #q: number
  readonly #shape: DDSketchShape

  constructor(input: FeatureType, q: number, shape: DDSketchShape) {
    this.input = input
    this.#q = q
    this.#shape = shape
    this.state = `dd_sketch(${shape.octaveBits}, ${shape.bucketsMax})`
    this.stateBytesMax = ddSketchBytesMax(shape)
  }

  empty(): DDSketch {
    return new DDSketch(this.#shape)
  }

  add(state: DDSketch, value: Value | null): void {
    if (value !== null) state.add(Number(value))
  }

  merge(into: DDSketch, from: DDSketch): void {
    into.merge(from)
  }

  finish(state: DDSketch): Outcome {
    const found = state.quantile(this.#q)
    if (found === null) return NO_VALUE
    return found.isCollapsed ? { value: found.value, approximate: true } : { value: found.value }
  }

  encode(state: DDSketch, into: StateWriter): void {
    state.encode(into)
  }

  decode(from: StateReader): DDSketch {
    return DDSketch.decode(from, this.#shape)
  }
}
