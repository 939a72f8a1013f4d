import { addDyadic, type Dyadic } from './exact-ratio.ts'
import { EXACT_SUM_BYTES_MAX, ExactSum } from './exact-sum.ts'
import { productError } from './ratio-of-two.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'

/**
 * The exact sum of the squares of float64s, those left out that are not finite. A square is two floats, by
 * Dekker's two-product, where its bits are in range; so very large and very small numbers are scaled by a
 * power of two, which is exact, and summed apart. Which sum a number belongs to follows from the number
 * alone, so the three sums are as canonical as one.
 *
 * - Error: none. State: three {@link ExactSum}s, two of them 1 byte as a rule. Cost: a product and two exact
 *   additions.
 */
export class ExactSquares {
  readonly #middle: ExactSum
  readonly #large: ExactSum
  readonly #small: ExactSum

  constructor(
    middle: ExactSum = new ExactSum(),
    large: ExactSum = new ExactSum(),
    small: ExactSum = new ExactSum(),
  ) {
    this.#middle = middle
    this.#large = large
    this.#small = small
  }

  /** Adds the square of a number. */
  add(value: number): void {
    const size = Math.abs(value)
    if (size >= SMALL && size < LARGE) addSquare(this.#middle, size, 1)
    else this.#addScaled(size, 1)
  }

  /** Takes back the square of a number that was added. */
  subtract(value: number): void {
    const size = Math.abs(value)
    if (size >= SMALL && size < LARGE) addSquare(this.#middle, size, -1)
    else this.#addScaled(size, -1)
  }

  /** Adds all that was added to `from`. */
  merge(from: ExactSquares): void {
    this.#middle.merge(from.#middle)
    this.#large.merge(from.#large)
    this.#small.merge(from.#small)
  }

  /** The sum. */
  exact(): Dyadic {
    return [
      shifted(this.#small.exact(), -2 * SHIFT),
      this.#middle.exact(),
      shifted(this.#large.exact(), 2 * SHIFT),
    ].reduce(addDyadic)
  }

  /** Appends the three sums. */
  encode(into: StateWriter): void {
    this.#middle.encode(into)
    this.#large.encode(into)
    this.#small.encode(into)
  }

  /** Reads them back. */
  static decode(from: StateReader): ExactSquares {
    return new ExactSquares(ExactSum.decode(from), ExactSum.decode(from), ExactSum.decode(from))
  }

  #addScaled(size: number, sign: 1 | -1): void {
    if (size === 0 || !Number.isFinite(size)) return
    if (size < SMALL) addSquare(this.#small, size * UP, sign)
    else addSquare(this.#large, size * DOWN, sign)
  }
}

/** The longest encoding of {@link ExactSquares}. */
export const EXACT_SQUARES_BYTES_MAX: number = 3 * EXACT_SUM_BYTES_MAX

/**
 * From 2^-400 to 2^500 a square and its last bit are within the range of a float64, and so are they of what
 * is scaled.
 */
const SMALL: number = 2 ** -400
const LARGE: number = 2 ** 500
const SHIFT = 600
const UP: number = 2 ** SHIFT
const DOWN: number = 2 ** -SHIFT

function addSquare(sum: ExactSum, size: number, sign: 1 | -1): void {
  const square = size * size
  sum.add(sign * square)
  const error = productError(size, size, square)
  if (error !== 0) sum.add(sign * error)
}

function shifted(value: Dyadic, by: number): Dyadic {
  return value.mantissa === 0n ? value : { mantissa: value.mantissa, exponent: value.exponent + by }
}
