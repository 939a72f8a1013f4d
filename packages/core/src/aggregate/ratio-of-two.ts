import type { ExactSum } from './exact-sum.ts'

/**
 * An exact sum divided by a count, rounded once, by float operations alone; or null where these cannot prove
 * which way to round, about once in 2^45 of typical sums.
 *
 * The quotient of the greater part is corrected by its exact remainder; where the correction, taken a little
 * too small and a little too large, leads to one and the same float, that is the answer (A. Ziv's rounding
 * test, 1991).
 *
 * @param count from 1 to 2^53
 */
export function ratioOfTwo(sum: ExactSum, count: number): number | null {
  const two = sum.asTwo()
  if (two === null) return null
  const [high, low] = two
  // One division is rounded right by IEEE 754, subnormals included.
  if (low === 0) return high / count
  const quotient = high / count
  // Outside of this the remainder below could lose bits to underflow, or overflow.
  const size = Math.abs(quotient)
  if (size < LEAST || size > MOST) return null
  // Dekker's two-product: quotient * count = product + error, exactly.
  const product = quotient * count
  const error = productError(quotient, count, product)
  // Exact: the remainder of a correctly rounded division is a float; only adding the low part rounds.
  const remainder = high - product - error + low
  const correction = remainder / count
  const down = quotient + correction * (1 - DOUBT)
  const up = quotient + correction * (1 + DOUBT)
  return down === up ? down : null
}

/**
 * What `product`, the float nearest to `a * b`, lacks of it: exactly, unless something over- or underflows.
 */
export function productError(a: number, b: number, product: number): number {
  const aSplit = SPLITTER * a
  const aHigh = aSplit - (aSplit - a)
  const aLow = a - aHigh
  const bSplit = SPLITTER * b
  const bHigh = bSplit - (bSplit - b)
  const bLow = b - bHigh
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}

/**
 * T. J. Dekker, "A floating-point technique for extending the available precision" (1971): 2^27 + 1 halves 53
 * bits.
 */
const SPLITTER: number = 2 ** 27 + 1
const LEAST: number = 2 ** -900
const MOST: number = 2 ** 900
/** Far above the few 2^-53 by which the correction itself is wrong. */
const DOUBT: number = 2 ** -45
