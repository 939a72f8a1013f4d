import type { StateReader, StateWriter } from './state-bytes.ts'

/**
 * The exact sum of whole numbers, without bound. Small ones go into a number, and that into a bigint before
 * it could lose a bit; a bigint for each add would cost ten times as much.
 *
 * - Error: none. State: at most {@link WHOLE_SUM_BYTES_MAX} bytes, 1 byte per 7 bits of the sum. Cost: one
 *   addition.
 */
export class WholeSum {
  #near = 0
  #far = 0n

  /** Adds a whole number of up to ±2^52. */
  addNumber(value: number): void {
    const sum = this.#near + value
    if (sum <= NEAR_MAX && sum >= -NEAR_MAX) {
      this.#near = sum
    } else {
      this.#far += BigInt(sum)
      this.#near = 0
    }
  }

  /** Adds any whole number. */
  addBigInt(value: bigint): void {
    const near = Number(value)
    if (near <= NEAR_MAX && near >= -NEAR_MAX) this.addNumber(near)
    else this.#far += value
  }

  /** Adds all that was added to `from`. */
  merge(from: WholeSum): void {
    this.addNumber(from.#near)
    this.#far += from.#far
  }

  /** The sum. */
  total(): bigint {
    return this.#far === 0n ? BigInt(this.#near) : this.#far + BigInt(this.#near)
  }

  /** The sum where a number holds it exactly, else NaN. */
  totalNumber(): number {
    return this.#far === 0n ? this.#near : Number.NaN
  }

  /** Appends the sum as a signed whole number. */
  encode(into: StateWriter): void {
    into.signed(this.total())
  }

  /** Reads a sum back. */
  static decode(from: StateReader): WholeSum {
    const sum = new WholeSum()
    sum.addBigInt(from.signed())
    return sum
  }
}

/** 2^53 values of 2^63 make 117 bits with the sign: 17 groups of 7. */
export const WHOLE_SUM_BYTES_MAX = 17

/** A number of up to this magnitude, and the sum of two such, is exact. */
const NEAR_MAX: number = 2 ** 52
