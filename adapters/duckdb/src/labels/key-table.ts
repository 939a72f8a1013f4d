import type { Texts } from '@asof/parquet'

/** The distinct keys of labels, as history is matched against them: each key is `width` words of 32 bits. */
export interface KeyWords {
  /** Name of the key set. */
  readonly name: string
  readonly count: number
  readonly width: number
  /** Key `id` is `words[id * width]` and those after it. */
  readonly words: Int32Array
  /** Of each part that is a text: the distinct ones, whose numbers are the words. */
  readonly texts: readonly (Texts | undefined)[]
}

/**
 * Finds the id of a key: a hash table with open addressing over words, as a bigint for each row of history would cost more than
 * reading it.
 */
export class KeyTable {
  readonly #keys: KeyWords
  readonly #dense: DenseKeys | undefined
  readonly #slots: Int32Array
  readonly #mask: number

  constructor(keys: KeyWords) {
    this.#keys = keys
    this.#dense = denseKeys(keys)
    let size = 8
    while (size < keys.count * 2) size *= 2
    this.#slots = new Int32Array(size).fill(-1)
    this.#mask = size - 1
    const { words, width } = keys
    for (let id = 0; id < keys.count; id++) {
      let hash = 0
      for (let i = 0; i < width; i++) hash = mixed(hash, words[id * width + i]!)
      let slot = finished(hash) & this.#mask
      while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask
      this.#slots[slot] = id
    }
  }

  /**
   * The id of each row's key, or -1.
   *
   * @param parts for each word of a key the array that it lies in, and how far apart two rows are in it
   */
  find(parts: readonly KeyPart[], rows: number, ids: Int32Array): void {
    const [low, high] = parts
    if (parts.length === 2 && low!.array === high!.array && low!.step === 2) {
      if (this.#dense === undefined) this.#findLong(low!.array, rows, ids)
      else findDense(this.#dense, low!.array, rows, ids)
    } else this.#findAny(parts, rows, ids)
  }

  /** One int64. */
  #findLong(array: Int32Array, rows: number, ids: Int32Array): void {
    const slots = this.#slots
    const mask = this.#mask
    const { words } = this.#keys
    for (let row = 0; row < rows; row++) {
      const low = array[2 * row]!
      const high = array[2 * row + 1]!
      let slot = finished(mixed(mixed(0, low), high)) & mask
      let id = slots[slot]!
      while (id !== -1 && (words[2 * id] !== low || words[2 * id + 1] !== high)) {
        slot = (slot + 1) & mask
        id = slots[slot]!
      }
      ids[row] = id
    }
  }

  #findAny(parts: readonly KeyPart[], rows: number, ids: Int32Array): void {
    const { words, width } = this.#keys
    for (let row = 0; row < rows; row++) {
      let hash = 0
      for (let i = 0; i < width; i++) hash = mixed(hash, wordOf(parts[i]!, row))
      let slot = finished(hash) & this.#mask
      let id = this.#slots[slot]!
      while (id !== -1 && !isKey(parts, row, words, id * width)) {
        slot = (slot + 1) & this.#mask
        id = this.#slots[slot]!
      }
      ids[row] = id
    }
  }
}

/** Keys of one int64 that lie close together: `ids[key - least]`, or -1. */
interface DenseKeys {
  readonly least: number
  readonly ids: Int32Array
}

/** How many places for each key a table of all numbers between them may have. */
const DENSE_PLACES_MAX = 8

/** Numbers beyond this are not told apart as they are added to; one that rounds never lands below it. */
const EXACT_MAX = 2 ** 52

function denseKeys({ words, count, width }: KeyWords): DenseKeys | undefined {
  if (width !== 2 || count === 0) return undefined
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < count; id++) {
    const key = longOf(words, id)
    if (key < least) least = key
    if (key > greatest) greatest = key
  }
  const size = greatest - least + 1
  if (size > count * DENSE_PLACES_MAX || Math.max(-least, greatest) > EXACT_MAX) return undefined
  const ids = new Int32Array(size).fill(-1)
  for (let id = 0; id < count; id++) ids[longOf(words, id) - least] = id
  return { least, ids }
}

function findDense({ least, ids: known }: DenseKeys, array: Int32Array, rows: number, ids: Int32Array): void {
  const size = known.length
  for (let row = 0; row < rows; row++) {
    const place = longOf(array, row) - least
    ids[row] = place >= 0 && place < size ? known[place]! : -1
  }
}

function longOf(words: Int32Array, index: number): number {
  return words[2 * index + 1]! * 4294967296 + (words[2 * index]! >>> 0)
}

/** Where one word of a key lies: row `r` has `array[r * step + offset]`. */
export interface KeyPart {
  readonly array: Int32Array
  readonly step: number
  readonly offset: number
}

function wordOf({ array, step, offset }: KeyPart, row: number): number {
  return array[row * step + offset]!
}

function isKey(parts: readonly KeyPart[], row: number, words: Int32Array, at: number): boolean {
  for (let i = 0; i < parts.length; i++) if (words[at + i] !== wordOf(parts[i]!, row)) return false
  return true
}

function mixed(hash: number, word: number): number {
  return Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15)
}

function finished(hash: number): number {
  const folded = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return folded ^ (folded >>> 13)
}
