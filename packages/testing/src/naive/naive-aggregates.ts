import type { Value } from '@asof/core'
import { compareFractions, type Fraction, fractionOf, nearestFloat, plus } from './exact-fraction.ts'

/*
 * Each function over all values of a window at once, as SEMANTICS section 3 says it, in exact fractions. Slow, and so simple
 * that it is plainly right; everything clever must equal it to the last bit. All take the values that events handed in, nulls included.
 */

/** The values that are not null. */
export function given(values: readonly (Value | null)[]): Value[] {
  return values.filter((value) => value !== null)
}

/** Sum of floats. */
export function naiveFloatSum(
  values: readonly (Value | null)[],
  format: 'float64' | 'float32' = 'float64',
): number | null {
  const numbers = given(values) as number[]
  if (numbers.length === 0) return null
  return naiveSpecial(numbers) ?? nearest(naiveExactSum(numbers), format)
}

/** Mean of floats. */
export function naiveFloatMean(
  values: readonly (Value | null)[],
  format: 'float64' | 'float32' = 'float64',
): number | null {
  const numbers = given(values) as number[]
  if (numbers.length === 0) return null
  const { over, under } = naiveExactSum(numbers)
  return naiveSpecial(numbers) ?? nearest({ over, under: under * BigInt(numbers.length) }, format)
}

/** Sum of whole numbers, or the error that it is beyond int64. */
export function naiveWholeSum(values: readonly (Value | null)[]): bigint | null | 'error' {
  const numbers = given(values) as (number | bigint)[]
  if (numbers.length === 0) return null
  let sum = 0n
  for (const number of numbers) sum += BigInt(number)
  return sum < -(2n ** 63n) || sum > 2n ** 63n - 1n ? 'error' : sum
}

/** Mean of whole numbers. */
export function naiveWholeMean(values: readonly (Value | null)[]): number | null {
  const numbers = given(values) as (number | bigint)[]
  if (numbers.length === 0) return null
  let sum = 0n
  for (const number of numbers) sum += BigInt(number)
  return nearest({ over: sum, under: BigInt(numbers.length) }, 'float64')
}

/** Least (-1) or greatest (1) value, NaN aside. */
export function naiveExtreme(values: readonly (Value | null)[], side: -1 | 1): Value | null {
  const sorted = given(values)
    .filter((value) => !Number.isNaN(value))
    .sort(naiveOrder)
  return (side === -1 ? sorted.at(0) : sorted.at(-1)) ?? null
}

/** The order of values: -0 before 0 and NaN last, strings by code point, bytes as unsigned. */
export function naiveOrder(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') {
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  if (a < b) return -1
  if (a > b) return 1
  return Number(Object.is(b, -0)) - Number(Object.is(a, -0))
}

/** NaN or an infinity where one of the values, or two, decide a sum; else undefined. */
export function naiveSpecial(numbers: readonly number[]): number | undefined {
  const infinities = new Set(numbers.filter((number) => Math.abs(number) === Number.POSITIVE_INFINITY))
  if (numbers.some(Number.isNaN) || infinities.size === 2) return Number.NaN
  return [...infinities][0]
}

/** The exact sum of the numbers that are finite. */
export function naiveExactSum(numbers: readonly number[]): Fraction {
  return numbers.filter(Number.isFinite).map(fractionOf).reduce(plus, { over: 0n, under: 1n })
}

function nearest(fraction: Fraction, format: 'float64' | 'float32'): number {
  return nearestFloat((candidate) => compareFractions(fraction, candidate), format)
}
