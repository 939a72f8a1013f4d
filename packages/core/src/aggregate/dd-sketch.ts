import { powerOfTwo } from './exact-ratio.ts'
import { corruptState, type StateReader, type StateWriter } from './state-bytes.ts'

/** What a {@link DDSketch} is made for. */
export interface DDSketchShape {
  /** log2 of the buckets in each octave, 1 to 12. */
  readonly octaveBits: number
  /** Most buckets on either side of zero. */
  readonly bucketsMax: number
}

/**
 * Quantiles with a bounded relative error: values are counted in buckets whose bounds are at most a factor `1
 * + 2^-octaveBits` apart. The bucket of a float64 is the upper part of its bits, its exponent and so many
 * bits of its fraction, so finding it takes no logarithm and is the same on every machine. Negative numbers
 * have buckets of their own, and so have zero and the infinities; NaN is skipped.
 *
 * At most `bucketsMax` buckets are kept on either side: those that lie so many or more below the one farthest
 * from zero collapse into the lowest that is kept. As that depends on the greatest alone, equal multisets
 * make equal states.
 *
 * - Error: the answer differs from the exact quantile by at most `1 / (2^(octaveBits + 1) + 1)` of it, and
 *   twice that of subnormal numbers; where it falls into a bucket into which others collapsed, the answer
 *   says so.
 * - State: 2 to 10 bytes for each bucket in use. Cost of an add: a lookup in a map. Quantiles sort the
 *   buckets.
 *
 * Sources: C. Masson, J. Rim, H. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees" (2019); the buckets are those of its bitwise linearly interpolated mapping in
 * sketches-java, with a power of two of them in an octave.
 */
export class DDSketch {
  readonly #shape: DDSketchShape
  readonly #positive: Buckets
  readonly #negative: Buckets
  #zeros = 0
  #plus = 0
  #minus = 0

  constructor(shape: DDSketchShape) {
    this.#shape = shape
    this.#positive = new Buckets(shape.bucketsMax)
    this.#negative = new Buckets(shape.bucketsMax)
  }

  /** Adds any float64. */
  add(value: number): void {
    if (value === 0) this.#zeros += 1
    else if (value === Number.POSITIVE_INFINITY) this.#plus += 1
    else if (value === Number.NEGATIVE_INFINITY) this.#minus += 1
    else if (value > 0) this.#positive.add(bucketOf(value, this.#shape.octaveBits), 1)
    else if (value < 0) this.#negative.add(bucketOf(-value, this.#shape.octaveBits), 1)
  }

  /** Adds all that was added to `from`, of the same shape. */
  merge(from: DDSketch): void {
    this.#positive.merge(from.#positive)
    this.#negative.merge(from.#negative)
    this.#zeros += from.#zeros
    this.#plus += from.#plus
    this.#minus += from.#minus
  }

  /**
   * About the value at rank `floor(q * (n - 1))` of the n values in order, counted from 0; null of none.
   *
   * @param q from 0 to 1
   */
  quantile(q: number): { readonly value: number; readonly isCollapsed: boolean } | null {
    const { octaveBits } = this.#shape
    const total = this.#minus + this.#negative.total + this.#zeros + this.#positive.total + this.#plus
    if (total === 0) return null
    let before = Math.floor(q * (total - 1))
    if (before < this.#minus) return { value: Number.NEGATIVE_INFINITY, isCollapsed: false }
    before -= this.#minus
    if (before < this.#negative.total) {
      const { bucket, isCollapsed } = this.#negative.at(this.#negative.total - 1 - before)
      return { value: -valueOf(bucket, octaveBits), isCollapsed }
    }
    before -= this.#negative.total
    if (before < this.#zeros) return { value: 0, isCollapsed: false }
    before -= this.#zeros
    if (before >= this.#positive.total) return { value: Number.POSITIVE_INFINITY, isCollapsed: false }
    const { bucket, isCollapsed } = this.#positive.at(before)
    return { value: valueOf(bucket, octaveBits), isCollapsed }
  }

  /** Appends the counts of zeros and infinities, and both sides. */
  encode(into: StateWriter): void {
    into.whole(this.#zeros)
    into.whole(this.#plus)
    into.whole(this.#minus)
    this.#positive.encode(into)
    this.#negative.encode(into)
  }

  /** Reads a sketch of this shape back. */
  static decode(from: StateReader, shape: DDSketchShape): DDSketch {
    const sketch = new DDSketch(shape)
    sketch.#zeros = from.whole()
    sketch.#plus = from.whole()
    sketch.#minus = from.whole()
    sketch.#positive.restore(from)
    sketch.#negative.restore(from)
    return sketch
  }
}

/**
 * The longest encoding of a sketch: three counts, and on each side a head and, for each bucket, a step of 1
 * to 3 bytes and a count.
 */
export function ddSketchBytesMax(shape: DDSketchShape): number {
  return 3 * 8 + 2 * (4 + shape.bucketsMax * (3 + 8))
}

/**
 * The bucket of a finite number above 0: from 0, ascending with it.
 *
 * @param octaveBits log2 of the buckets in an octave
 */
export function bucketOf(value: number, octaveBits: number): number {
  // A subnormal number is scaled to where its bits are those of an exponent and a fraction too.
  const isSubnormal = value < LEAST_NORMAL
  BITS.setFloat64(0, isSubnormal ? value * TWO_52 : value)
  return (BITS.getUint32(0) >>> (20 - octaveBits)) + (isSubnormal ? 0 : 52 << octaveBits)
}

/** The number in a bucket that is nearest, relatively, to both its ends. */
export function valueOf(bucket: number, octaveBits: number): number {
  const buckets = 1 << octaveBits
  const exponent = (bucket >> octaveBits) - 52 - 1023
  const low = buckets + (bucket & (buckets - 1))
  const middle = (2 * low * (low + 1)) / (2 * low + 1) / buckets
  return middle * powerOfTwo(exponent)
}

const BITS = new DataView(new ArrayBuffer(8))
const LEAST_NORMAL: number = 2 ** -1022
const TWO_52: number = 2 ** 52

/** Counts by bucket, of numbers on one side of zero. */
class Buckets {
  readonly #bucketsMax: number
  readonly #counts = new Map<number, number>()
  #greatest = -1
  #least = Number.POSITIVE_INFINITY
  /** Whether the lowest bucket that is kept holds what belongs below it. */
  #isCollapsed = false
  total = 0

  constructor(bucketsMax: number) {
    this.#bucketsMax = bucketsMax
  }

  add(bucket: number, count: number): void {
    this.total += count
    if (bucket > this.#greatest) {
      this.#greatest = bucket
      if (this.#least < this.#floor()) this.#collapse()
    }
    let kept = bucket
    if (bucket < this.#floor()) {
      kept = this.#floor()
      this.#isCollapsed = true
    }
    if (kept < this.#least) this.#least = kept
    this.#counts.set(kept, (this.#counts.get(kept) ?? 0) + count)
  }

  merge(from: Buckets): void {
    // First the greatest, so that nothing is counted in a bucket that collapses at once.
    if (from.#greatest >= 0) this.add(from.#greatest, from.#counts.get(from.#greatest)!)
    for (const [bucket, count] of from.#counts) if (bucket !== from.#greatest) this.add(bucket, count)
    if (from.#isCollapsed) this.#isCollapsed = true
  }

  /** The bucket of the value at a rank, from 0 and ascending. */
  at(rank: number): { bucket: number; isCollapsed: boolean } {
    let before = 0
    for (const [bucket, count] of this.#sorted()) {
      before += count
      if (rank < before) return { bucket, isCollapsed: this.#isCollapsed && bucket === this.#floor() }
    }
    throw corruptState('a sketch whose counts do not add up')
  }

  /**
   * Appends twice the buckets in use, and 1 where others collapsed; then for each the step from the one
   * before, and its count.
   */
  encode(into: StateWriter): void {
    into.whole(this.#counts.size * 2 + (this.#isCollapsed ? 1 : 0))
    let previous = 0
    for (const [bucket, count] of this.#sorted()) {
      into.whole(bucket - previous)
      into.whole(count)
      previous = bucket
    }
  }

  restore(from: StateReader): void {
    const head = from.wholeUpTo(this.#bucketsMax * 2 + 1)
    let bucket = 0
    const entries = Array.from({ length: head >> 1 }, () => {
      bucket += from.wholeUpTo(BUCKET_MAX)
      if (bucket > BUCKET_MAX) throw corruptState('a bucket that no number has')
      return [bucket, from.whole()] as const
    })
    for (const [bucket, count] of entries.toReversed()) this.add(bucket, count)
    this.#isCollapsed = (head & 1) === 1
  }

  #floor(): number {
    return this.#greatest - this.#bucketsMax + 1
  }

  #collapse(): void {
    const floor = this.#floor()
    let count = 0
    for (const [bucket, below] of this.#counts) {
      if (bucket >= floor) continue
      count += below
      this.#counts.delete(bucket)
    }
    this.#counts.set(floor, (this.#counts.get(floor) ?? 0) + count)
    this.#least = floor
    this.#isCollapsed = true
  }

  #sorted(): (readonly [number, number])[] {
    return [...this.#counts].sort(([a], [b]) => a - b)
  }
}

/** Above the bucket of the greatest float with the finest buckets. */
const BUCKET_MAX: number = (2047 + 52) * 2 ** 12
