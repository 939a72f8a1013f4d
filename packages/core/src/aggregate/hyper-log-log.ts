import { corruptState, type StateReader, type StateWriter } from './state-bytes.ts'

/**
 * How many distinct hashes there are, about: in each of 2^precision registers the greatest rank (1 + leading
 * zeros of the bits that do not choose the register) of the hashes that chose it. Equal sets make equal
 * registers, whatever the order.
 *
 * - Error: a standard error of 1.04 / sqrt(2^precision) of the count: 1.6 % for 12, 0.8 % for 14. Near exact
 *   while it is far below 2^precision.
 * - State: at most 2^precision bytes and 4: a list of 2 to 4 bytes for each register in use, or all registers
 *   in 6 bits each once a quarter are in use. Cost of an add: a hash and a comparison.
 *
 * Sources: P. Flajolet and others, "HyperLogLog" (2007); the estimate is O. Ertl's improved raw estimator,
 * "New cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no tables of bias and
 * only multiplications and square roots, so that every machine gives the same.
 */
export class HyperLogLog {
  readonly #precision: number
  /** The registers in use, until they are many. */
  #few: Map<number, number> | null = new Map()
  #all: Uint8Array | null = null

  /** @param precision 4 to 16 */
  constructor(precision: number) {
    this.#precision = precision
  }

  /** Puts in a hash of 64 bits, as two unsigned numbers of 32. */
  add(high: number, low: number): void {
    const rest = (high << this.#precision) | 0
    const leading = low === 0 ? 32 + Math.min(Math.clz32(rest), 32 - this.#precision) : Math.clz32(low)
    this.#raise(high >>> (32 - this.#precision), leading + 1)
  }

  /** Puts in all that was put into `from`. */
  merge(from: HyperLogLog): void {
    if (from.#all !== null) {
      for (let register = 0; register < from.#all.length; register++) {
        if (from.#all[register]! > 0) this.#raise(register, from.#all[register]!)
      }
    } else {
      for (const [register, rank] of from.#few!) this.#raise(register, rank)
    }
  }

  /** About how many distinct hashes there are; 0 exactly where none is. */
  estimate(): number {
    const registers = 2 ** this.#precision
    const rankMax = 65 - this.#precision
    const counts = Array.from({ length: rankMax + 1 }, () => 0)
    let inUse = 0
    for (const [, rank] of this.#inUse()) {
      counts[rank]! += 1
      inUse += 1
    }
    if (inUse === 0) return 0
    let sum = registers * tau(1 - counts[rankMax]! / registers)
    for (let rank = rankMax - 1; rank >= 1; rank--) sum = 0.5 * (sum + counts[rank]!)
    sum += registers * sigma((registers - inUse) / registers)
    return (registers * registers) / (2 * Math.LN2 * sum)
  }

  /** Appends how many registers are in use, and then these, or all. */
  encode(into: StateWriter): void {
    const inUse = [...this.#inUse()]
    into.whole(inUse.length)
    const registers = 2 ** this.#precision
    if (inUse.length * 4 < registers) {
      let previous = 0
      for (const [register, rank] of inUse) {
        into.whole(register - previous)
        into.byte(rank)
        previous = register
      }
      return
    }
    const ranks = new Uint8Array(registers)
    for (const [register, rank] of inUse) ranks[register] = rank
    for (let at = 0; at < registers; at += 4) {
      const four = ranks[at]! | (ranks[at + 1]! << 6) | (ranks[at + 2]! << 12) | (ranks[at + 3]! << 18)
      into.byte(four & 0xff)
      into.byte((four >>> 8) & 0xff)
      into.byte(four >>> 16)
    }
  }

  /**
   * Reads a sketch of this precision back.
   *
   * @throws {AsofError} `corrupt_state`
   */
  static decode(from: StateReader, precision: number): HyperLogLog {
    const sketch = new HyperLogLog(precision)
    const registers = 2 ** precision
    const inUse = from.wholeUpTo(registers)
    if (inUse * 4 < registers) {
      let register = 0
      for (let left = inUse; left > 0; left--) {
        register += from.whole()
        sketch.#restore(register, from.byte())
      }
      return sketch
    }
    for (let at = 0; at < registers; at += 4) {
      const four = from.byte() | (from.byte() << 8) | (from.byte() << 16)
      for (let step = 0; step < 4; step++) {
        const rank = (four >>> (6 * step)) & 0x3f
        if (rank > 0) sketch.#restore(at + step, rank)
      }
    }
    return sketch
  }

  #restore(register: number, rank: number): void {
    if (register >= 2 ** this.#precision || rank < 1 || rank > 65 - this.#precision) {
      throw corruptState('a register that no hash makes')
    }
    this.#raise(register, rank)
  }

  #raise(register: number, rank: number): void {
    if (this.#all !== null) {
      if (rank > this.#all[register]!) this.#all[register] = rank
      return
    }
    const few = this.#few!
    if (rank > (few.get(register) ?? 0)) few.set(register, rank)
    if (few.size * 8 < 2 ** this.#precision) return
    this.#all = new Uint8Array(2 ** this.#precision)
    for (const [register, rank] of few) this.#all[register] = rank
    this.#few = null
  }

  /** The registers in use, in order. */
  *#inUse(): Generator<readonly [register: number, rank: number]> {
    if (this.#all === null) {
      yield* [...this.#few!].sort(([a], [b]) => a - b)
      return
    }
    for (let register = 0; register < this.#all.length; register++) {
      const rank = this.#all[register]!
      if (rank > 0) yield [register, rank]
    }
  }
}

/** The longest encoding of a sketch of this precision. */
export function hyperLogLogBytesMax(precision: number): number {
  return 2 ** precision + 4
}

/** What empty registers tell: the sum of `x^(2^k) * 2^(k-1)`, with x itself first. */
function sigma(x: number): number {
  let power = x
  let weight = 1
  let sum = x
  for (;;) {
    power *= power
    const next = sum + power * weight
    if (next === sum) return sum
    sum = next
    weight += weight
  }
}

/** What full registers tell, of which there are none below some 2^60 distinct values. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0
  let root = x
  let weight = 1
  let sum = 1 - x
  for (;;) {
    root = Math.sqrt(root)
    weight *= 0.5
    const next = sum - (1 - root) * (1 - root) * weight
    if (next === sum) return sum / 3
    sum = next
  }
}
