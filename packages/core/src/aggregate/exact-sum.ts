import { addDyadic, type Dyadic, dyadicOf, roundRatio, ZERO } from './exact-ratio.ts'
import { corruptState, type StateReader, type StateWriter } from './state-bytes.ts'

/**
 * The exact sum of any float64s, and of any taken back: no rounding error, no intermediate overflow, whatever
 * the order.
 *
 * A sum is an expansion: floats that do not overlap and whose exact sum it is. Adding one is a chain of
 * error-free two-sums. Two parts (106 bits) hold nearly all sums there are and live in two fields; a sum that
 * needs more moves to an array for good. Beyond ±2^1023, multiples of 2^1023 are counted apart, so nothing
 * overflows on the way. NaN and the infinities are counted, so that they can be taken back.
 *
 * - Error: none. {@link ExactSum.round} rounds the exact sum once, to the nearest, ties to even.
 * - State: 1 byte, and 8 for each of its parts, of which there are 0 to 2 as a rule and at most 40; at most
 *   {@link EXACT_SUM_BYTES_MAX} bytes, with 8 for each count that is not zero.
 * - Cost: some 20 float operations for one add; a rounding is a field read while two parts suffice, else some
 *   microseconds.
 *
 * Sources: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
 * Predicates" (1997), Grow-Expansion; R. Hettinger's `msum` behind Python's `math.fsum`; D. Knuth's two-sum.
 * The encoding is canonical because taking the float nearest to what remains, again and again, has one
 * outcome for one exact sum.
 */
export class ExactSum {
  /** The float nearest to the sum, while `parts` is null. */
  #high = 0
  /** The sum less `#high`. */
  #low = 0
  /** The sum (less what `#rare` counts) in increasing parts, once two did not suffice. */
  #parts: number[] | null = null
  #rare: Rare | null = null

  /** Adds any float64. */
  add(value: number): void {
    if (!this.#addToTwo(value)) this.#addSlowly(value, 1)
  }

  /** Takes back a float64 that was added. */
  subtract(value: number): void {
    if (!this.#addToTwo(-value)) this.#addSlowly(value, -1)
  }

  /** Adds all that was added to `from`. */
  merge(from: ExactSum): void {
    if (from.#parts === null) {
      if (from.#high !== 0) this.add(from.#high)
      if (from.#low !== 0) this.add(from.#low)
    } else {
      for (const part of from.#parts) this.add(part)
    }
    if (from.#rare === null) return
    const rare = this.#rareCounts()
    for (const name of RARE) rare[name] += from.#rare[name]
    // What is counted in multiples of 2^1023 belongs to the form of many parts.
    if (rare.huge !== 0) this.#toParts()
  }

  /** The sum, rounded once; +0 for zero; the quiet NaN where a NaN or both infinities were added. */
  round(): number {
    const special = this.special()
    if (special !== 0) return special
    if (this.#parts === null) return this.#high
    const { mantissa, exponent } = this.exact()
    return roundRatio(mantissa, 1n, exponent)
  }

  /** NaN or an infinity where values that are not finite decide the sum; else 0. */
  special(): number {
    const rare = this.#rare
    if (rare === null || (rare.nan === 0 && rare.plus === 0 && rare.minus === 0)) return 0
    if (rare.nan > 0 || (rare.plus > 0 && rare.minus > 0)) return Number.NaN
    return rare.plus > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  }

  /**
   * The float nearest to the sum and the rest, where nothing but finite values were added and two floats hold
   * their sum; else null.
   */
  asTwo(): readonly [high: number, low: number] | null {
    return this.#parts === null && this.#rare === null ? [this.#high, this.#low] : null
  }

  /** The sum of what is finite, exactly. */
  exact(): Dyadic {
    if (this.#parts === null) return addDyadic(dyadicOf(this.#low), dyadicOf(this.#high))
    let sum: Dyadic = ZERO
    for (const part of this.#parts) sum = addDyadic(sum, dyadicOf(part))
    const huge = this.#rare?.huge ?? 0
    return huge === 0 ? sum : addDyadic(sum, { mantissa: BigInt(huge), exponent: 1023 })
  }

  /**
   * Appends: how many parts, shifted left by four, with a bit for each of the counts of NaN, +Infinity,
   * -Infinity and 2^1023 that is not zero; those counts; the parts, greatest first.
   */
  encode(into: StateWriter): void {
    const { parts, huge } = this.#canonical()
    const rare = this.#rare
    const flags =
      (rare === null ? 0 : (rare.nan > 0 ? 1 : 0) | (rare.plus > 0 ? 2 : 0) | (rare.minus > 0 ? 4 : 0)) |
      (huge === 0n ? 0 : 8)
    into.whole(parts.length * 16 + flags)
    if (rare !== null) {
      if (rare.nan !== 0) into.whole(rare.nan)
      if (rare.plus !== 0) into.whole(rare.plus)
      if (rare.minus !== 0) into.whole(rare.minus)
    }
    if (huge !== 0n) into.signed(huge)
    for (const part of parts) into.float64(part)
  }

  /**
   * Reads a sum back.
   *
   * @throws {AsofError} `corrupt_state`
   */
  static decode(from: StateReader): ExactSum {
    const sum = new ExactSum()
    const head = from.wholeUpTo(PARTS_MAX * 16 + 15)
    if ((head & 15) !== 0) {
      const rare = sum.#rareCounts()
      if ((head & 1) !== 0) rare.nan = from.whole()
      if ((head & 2) !== 0) rare.plus = from.whole()
      if ((head & 4) !== 0) rare.minus = from.whole()
      if ((head & 8) !== 0) {
        rare.huge = Number(from.signed())
        if (!Number.isSafeInteger(rare.huge)) throw corruptState('a count beyond 2^53')
        sum.#toParts()
      }
    }
    for (let left = head >> 4; left > 0; left--) {
      const part = from.float64()
      if (!Number.isFinite(part)) throw corruptState('a part of a sum that is not finite')
      sum.add(part)
    }
    return sum
  }

  /** The fast path, which answers false and changes nothing where two parts do not hold the sum. */
  #addToTwo(value: number): boolean {
    if (this.#parts !== null) return false
    const high = this.#high
    const sum = high + value
    const virtual = sum - high
    const error = high - (sum - virtual) + (value - virtual)
    const low = this.#low
    const rest = low + error
    const virtualRest = rest - low
    // NaN, and so not zero, where the value or the sum is not finite.
    const lost = low - (rest - virtualRest) + (error - virtualRest)
    if (lost !== 0 || sum >= HUGE || sum <= -HUGE) return false
    const rounded = sum + rest
    const virtualRounded = rounded - sum
    this.#high = rounded
    this.#low = sum - (rounded - virtualRounded) + (rest - virtualRounded)
    return true
  }

  #addSlowly(value: number, count: 1 | -1): void {
    if (Number.isFinite(value)) {
      this.#toParts()
      this.#grow(count === 1 ? value : -value)
    } else if (Number.isNaN(value)) this.#rareCounts().nan += count
    else if (value > 0) this.#rareCounts().plus += count
    else this.#rareCounts().minus += count
  }

  /**
   * Grow-Expansion, from the least part up. Everything stays below 2^1023, so that no sum of two overflows.
   */
  #grow(value: number): void {
    const parts = this.#parts!
    let sum = this.#below(value)
    let kept = 0
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index]!
      const next = sum + part
      const virtual = next - sum
      const error = sum - (next - virtual) + (part - virtual)
      if (error !== 0) parts[kept++] = error
      sum = this.#below(next)
    }
    if (sum !== 0) parts[kept++] = sum
    parts.length = kept
  }

  /** The value less the 2^1023 in it, which is counted apart: both are exact. */
  #below(value: number): number {
    if (value < HUGE && value > -HUGE) return value
    const sign = value > 0 ? 1 : -1
    this.#rareCounts().huge += sign
    return value - sign * HUGE
  }

  #toParts(): void {
    if (this.#parts !== null) return
    this.#parts = []
    const [high, low] = [this.#high, this.#low]
    this.#high = 0
    this.#low = 0
    if (low !== 0) this.#grow(low)
    if (high !== 0) this.#grow(high)
  }

  #rareCounts(): Rare {
    return (this.#rare ??= { nan: 0, plus: 0, minus: 0, huge: 0 })
  }

  /**
   * The one form of this sum: what no float reaches in multiples of 2^1023, then the nearest float of the
   * rest, again and again.
   */
  #canonical(): { parts: number[]; huge: bigint } {
    if (this.#parts === null) {
      const parts = this.#high === 0 ? [] : this.#low === 0 ? [this.#high] : [this.#high, this.#low]
      return { parts, huge: 0n }
    }
    let rest = this.exact()
    let huge = 0n
    if (!Number.isFinite(roundRatio(rest.mantissa, 1n, rest.exponent))) {
      const unit = 1n << BigInt(1023 - rest.exponent)
      huge = rest.mantissa / unit
      rest = { mantissa: rest.mantissa - huge * unit, exponent: rest.exponent }
    }
    const parts: number[] = []
    while (rest.mantissa !== 0n) {
      const part = roundRatio(rest.mantissa, 1n, rest.exponent)
      parts.push(part)
      rest = addDyadic(rest, dyadicOf(-part))
    }
    return { parts, huge }
  }
}

/**
 * The longest encoding of an {@link ExactSum}: head, four counts, and as many parts as the bits of a
 * float64's range fill.
 */
export const EXACT_SUM_BYTES_MAX: number = 2 + 4 * 8 + 40 * 8

/** What hardly any sum has: counts of values that are not finite, and of 2^1023. */
interface Rare {
  nan: number
  plus: number
  minus: number
  huge: number
}

const RARE = ['nan', 'plus', 'minus', 'huge'] as const
const PARTS_MAX = 40
const HUGE: number = 2 ** 1023
