import type { Stamp, Value } from '@asof/core'
import { compareFractions, type Fraction, fractionOf, nearestFloat, plus, times } from './exact-fraction.ts'

/*
 * Each function over all values of a window at once, as SEMANTICS section 3 says it, in exact fractions.
 * Slow, and so simple that it is plainly right; everything clever must equal it to the last bit. All take the
 * values that events handed in, nulls included.
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

/**
 * Variance, or its square root, of floats or whole numbers; a sample's squares are divided by one less than
 * its count.
 */
export function naiveVariance(
  values: readonly (Value | null)[],
  of: 'population' | 'sample',
  root = false,
): number | null {
  const numbers = given(values) as (number | bigint)[]
  const divisor = BigInt(numbers.length) - (of === 'sample' ? 1n : 0n)
  if (divisor < 1n) return null
  if (numbers.some((number) => typeof number === 'number' && !Number.isFinite(number))) return Number.NaN
  const fractions = numbers.map((number) =>
    typeof number === 'number' ? fractionOf(number) : { over: number, under: 1n },
  )
  const sum = fractions.reduce(plus, { over: 0n, under: 1n })
  const mean = { over: sum.over, under: sum.under * BigInt(numbers.length) }
  const squares = fractions
    .map((fraction) => plus(fraction, { over: -mean.over, under: mean.under }))
    .map((distance) => times(distance, distance))
    .reduce(plus, { over: 0n, under: 1n })
  const variance = { over: squares.over, under: squares.under * divisor }
  return nearestFloat((candidate) =>
    compareFractions(variance, root ? times(candidate, candidate) : candidate),
  )
}

/** What `each` makes of the numbers of every element. */
export function naiveElements(
  values: readonly (Value | null)[],
  each: (elements: readonly number[]) => number | null,
): Float32Array | null {
  const vectors = given(values) as Float32Array[]
  if (vectors.length === 0) return null
  return vectors[0]!.map((_, index) => each(vectors.map((vector) => vector[index]!))!)
}

/**
 * The values of the first n events by `(e, c, s)`, or with `side` -1 of the last n; with `same` of equal ones
 * the first alone.
 */
export function naiveFirstN(
  events: readonly { readonly value: Value | null; readonly stamp: Stamp }[],
  n: number,
  side: 1 | -1,
  same: (a: Value, b: Value) => boolean = () => false,
): Value[] | null {
  const sorted = events
    .filter((event) => event.value !== null)
    .sort((a, b) => side * (a.stamp.e - b.stamp.e || a.stamp.c - b.stamp.c || a.stamp.s - b.stamp.s))
    .map((event) => event.value!)
  const kept = sorted.filter((value, index) => !sorted.slice(0, index).some((other) => same(other, value)))
  return kept.length === 0 ? null : kept.slice(0, n)
}

/**
 * The distinct values with their counts, the most frequent first, then in order; NaN is one value, and -0 is
 * 0.
 */
export function naiveCounts(values: readonly (Value | null)[]): [value: Value, count: number][] {
  const counts: [Value, number][] = []
  for (const value of given(values)) {
    const counted = counts.find(([other]) => sameDistinct(other, value))
    if (counted === undefined) counts.push([value === 0 ? 0 : value, 1])
    else counted[1] += 1
  }
  return counts.sort(([a, m], [b, n]) => n - m || naiveOrder(a, b))
}

/** Whether two values are one where values are counted by value. */
export function sameDistinct(a: Value, b: Value): boolean {
  return a === b || naiveOrder(a, b) === 0 || (a === 0 && b === 0)
}

/** Counts below the first bound, from it to the next, and so on. */
export function naiveHistogram(
  values: readonly (Value | null)[],
  bounds: readonly number[],
): readonly bigint[] | null {
  const numbers = given(values).filter((value) => !Number.isNaN(value)) as (number | bigint)[]
  if (numbers.length === 0) return null
  return [...bounds, Number.POSITIVE_INFINITY].map((bound, index) => {
    const from = bounds[index - 1] ?? Number.NEGATIVE_INFINITY
    const isLast = index === bounds.length
    return BigInt(numbers.filter((number) => number >= from && (isLast || number < bound)).length)
  })
}

/** The value at rank `floor(q * (n - 1))` in order, NaN aside. */
export function naiveQuantile(values: readonly (Value | null)[], q: number): number | null {
  const sorted = given(values)
    .map(Number)
    .filter((number) => !Number.isNaN(number))
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return sorted[Math.floor(q * (sorted.length - 1))] ?? null
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
