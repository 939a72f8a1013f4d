/** A ratio of whole numbers; the denominator is greater than 0. */
export interface Fraction {
  readonly over: bigint
  readonly under: bigint
}

/** The exact value of a finite float64: its own decimal expansion, which is finite, read digit by digit. */
export function fractionOf(value: number): Fraction {
  // Doubling or halving a float until it is whole loses nothing, bar the overflow that 2^53 stops.
  let scaled = Math.abs(value)
  let under = 1n
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    under *= 2n
  }
  return { over: BigInt(scaled) * (value < 0 ? -1n : 1n), under }
}

/** The exact sum. */
export function plus(a: Fraction, b: Fraction): Fraction {
  // Denominators are powers of two as a rule, of which the greater serves both.
  if (b.under % a.under === 0n) return { over: a.over * (b.under / a.under) + b.over, under: b.under }
  if (a.under % b.under === 0n) return plus(b, a)
  return { over: a.over * b.under + b.over * a.under, under: a.under * b.under }
}

/** The exact product. */
export function times(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.over, under: a.under * b.under }
}

/** -1, 0 or 1. */
export function compareFractions(a: Fraction, b: Fraction): number {
  const difference = a.over * b.under - b.over * a.under
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/**
 * The float nearest to a fraction, ties to even, by searching among all floats: their bits, read as whole
 * numbers, are in the order of the floats.
 *
 * @param isAbove whether the number sought is greater than the given fraction (1), equal (0) or less (-1)
 * @param format float64, or float32
 */
export function nearestFloat(
  compareWith: (candidate: Fraction) => number,
  format: 'float64' | 'float32' = 'float64',
): number {
  const sign = compareWith({ over: 0n, under: 1n })
  if (sign === 0) return 0
  const sought = (candidate: Fraction): number =>
    sign * compareWith({ over: candidate.over * BigInt(sign), under: candidate.under })
  let low = 0n
  let high = format === 'float64' ? 0x7ff0_0000_0000_0000n : 0x7f80_0000n
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (sought(magnitude(middle, format)) >= 0) low = middle
    else high = middle
  }
  const [below, above] = [magnitude(low, format), magnitude(high, format)]
  const half = plus(below, above)
  const side = sought({ over: half.over, under: half.under * 2n })
  const bits = side < 0 ? low : side > 0 ? high : low % 2n === 0n ? low : high
  return sign * floatOfBits(bits, format)
}

/**
 * The value that bits would have with one exponent more than there is, so that what lies beyond the greatest
 * float has a middle too.
 */
function magnitude(bits: bigint, format: 'float64' | 'float32'): Fraction {
  const fractionBits = format === 'float64' ? 52n : 23n
  const bias = format === 'float64' ? 1075n : 150n
  const biased = bits >> fractionBits
  const fraction = bits & ((1n << fractionBits) - 1n)
  const whole = biased === 0n ? fraction : fraction | (1n << fractionBits)
  const exponent = (biased === 0n ? 1n : biased) - bias
  return exponent >= 0n ? { over: whole << exponent, under: 1n } : { over: whole, under: 1n << -exponent }
}

function floatOfBits(bits: bigint, format: 'float64' | 'float32'): number {
  const view = new DataView(new ArrayBuffer(8))
  if (format === 'float32') {
    view.setUint32(0, Number(bits))
    return view.getFloat32(0)
  }
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}
