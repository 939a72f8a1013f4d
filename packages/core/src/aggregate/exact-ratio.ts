/*
 * Exact numbers and their one rounding. A finite float64 is a whole number times a power of two, so sums,
 * means and variances of floats are ratios of whole numbers times powers of two, and rounding such a ratio
 * once, to the nearest, ties to even, is all that keeps a result from being exact. (IEEE 754-2019, section
 * 4.3.1.)
 */

/** `mantissa * 2^exponent`, exactly. */
export interface Dyadic {
  readonly mantissa: bigint
  readonly exponent: number
}

/**
 * How a binary format rounds: bits of precision, exponent of the least subnormal, and the greatest finite
 * number.
 */
export interface FloatFormat {
  readonly precision: number
  readonly leastExponent: number
  readonly max: number
}

/** IEEE 754 binary64. */
export const FLOAT64: FloatFormat = { precision: 53, leastExponent: -1074, max: Number.MAX_VALUE }
/** IEEE 754 binary32. */
export const FLOAT32: FloatFormat = { precision: 24, leastExponent: -149, max: (2 - 2 ** -23) * 2 ** 127 }

/** The zero of {@link addDyadic}. */
export const ZERO: Dyadic = { mantissa: 0n, exponent: 0 }

/** A finite number as what it is. */
export function dyadicOf(value: number): Dyadic {
  if (value === 0) return ZERO
  BITS.setFloat64(0, value)
  const high = BITS.getUint32(0)
  const biased = (high >>> 20) & 0x7ff
  const fraction = (high & 0xfffff) * 2 ** 32 + BITS.getUint32(4)
  const magnitude = BigInt(biased === 0 ? fraction : fraction + 2 ** 52)
  return { mantissa: high >>> 31 === 1 ? -magnitude : magnitude, exponent: Math.max(biased, 1) - 1075 }
}

/** The exact sum. */
export function addDyadic(a: Dyadic, b: Dyadic): Dyadic {
  if (a.mantissa === 0n) return b
  if (b.mantissa === 0n) return a
  return a.exponent <= b.exponent
    ? { mantissa: a.mantissa + (b.mantissa << BigInt(b.exponent - a.exponent)), exponent: a.exponent }
    : addDyadic(b, a)
}

/**
 * `numerator / denominator * 2^exponent`, rounded once to the nearest, ties to even; an infinity beyond the
 * format, and +0 for a numerator of zero.
 *
 * @param denominator greater than 0
 */
export function roundRatio(
  numerator: bigint,
  denominator: bigint,
  exponent: number,
  format: FloatFormat = FLOAT64,
): number {
  if (numerator === 0n) return 0
  const magnitude = numerator < 0n ? -numerator : numerator
  // Two bits more than the precision, and a last one that says whether anything was cut off.
  const shift = format.precision + 2 - (bitLength(magnitude) - bitLength(denominator))
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator
  const quotient = dividend / divisor
  const rest = quotient * divisor === dividend ? 0n : 1n
  const rounded = roundBits((quotient << 1n) | rest, exponent - shift - 1, format)
  return numerator < 0n ? -rounded : rounded
}

/** The square root of `numerator / denominator * 2^exponent`, of which none is negative, rounded once. */
export function roundRootOfRatio(numerator: bigint, denominator: bigint, exponent: number): number {
  if (numerator === 0n) return 0
  // The root of a whole number of 112 bits has 56: three more than the precision.
  let shift = 112 - (bitLength(numerator) - bitLength(denominator))
  if ((exponent - shift) % 2 !== 0) shift += 1
  const dividend = shift > 0 ? numerator << BigInt(shift) : numerator
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator
  const square = dividend / divisor
  const root = wholeRoot(square)
  const rest = root * root === square && square * divisor === dividend ? 0n : 1n
  return roundBits((root << 1n) | rest, (exponent - shift) / 2 - 1, FLOAT64)
}

/**
 * `2^exponent` for exponents from -1074 to 1023, made of its bits: powers by logarithm differ between
 * machines.
 */
export function powerOfTwo(exponent: number): number {
  const bit = exponent + 1074
  BITS.setUint32(0, exponent >= -1022 ? (exponent + 1023) << 20 : bit < 32 ? 0 : 1 << (bit - 32))
  BITS.setUint32(4, exponent < -1022 && bit < 32 ? 1 << bit : 0)
  return BITS.getFloat64(0)
}

/** The bits of a whole number greater than 0. */
export function bitLength(value: bigint): number {
  const digits = value.toString(16)
  return digits.length * 4 - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28
}

const BITS = new DataView(new ArrayBuffer(8))

/** Rounds `bits * 2^exponent`, where the last bit may stand for any rest that is not zero. */
function roundBits(bits: bigint, exponent: number, format: FloatFormat): number {
  const drop = Math.max(bitLength(bits) - format.precision, format.leastExponent - exponent)
  let kept = bits
  let scale = exponent
  if (drop > 0) {
    const cut = BigInt(drop)
    kept = bits >> cut
    const rest = bits - (kept << cut)
    const half = 1n << (cut - 1n)
    if (rest > half || (rest === half && (kept & 1n) === 1n)) kept += 1n
    scale += drop
  }
  if (scale > 1023) return Number.POSITIVE_INFINITY
  const rounded = Number(kept) * powerOfTwo(scale)
  return rounded > format.max ? Number.POSITIVE_INFINITY : rounded
}

/** The greatest whole number whose square is at most `square`, by Newton's method. */
function wholeRoot(square: bigint): bigint {
  let root = BigInt(Math.floor(Math.sqrt(Number(square)))) + 1n
  for (;;) {
    const next = (root + square / root) >> 1n
    if (next === root || next === root + 1n) break
    root = next
  }
  while (root * root > square) root -= 1n
  while ((root + 1n) * (root + 1n) <= square) root += 1n
  return root
}
