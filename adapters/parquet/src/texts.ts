/** Texts in UTF-8, one behind the other: text `i` is `bytes[ends[i - 1]…]` up to `ends[i]`. */
export interface Texts {
  readonly bytes: Uint8Array
  readonly ends: Float64Array
}

/** A column of texts: row `i` has `texts[ids[i]]`. */
export interface TextColumn {
  readonly ids: Int32Array
  readonly texts: Texts
}

/** Puts texts into memory that threads share, each once. */
export class TextCollector {
  readonly #ids = new Map<string, number>()
  #bytes = Buffer.from(new SharedArrayBuffer(1024))
  #ends = new Float64Array(new SharedArrayBuffer(512))
  #used = 0

  /** The number of a text, a new one if it was not there. */
  add(text: string): number {
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const id = this.#ids.size
    // A unit of UTF-16 takes three bytes at most.
    const room = this.#used + text.length * 3
    if (room > this.#bytes.length) {
      const grown = Buffer.from(new SharedArrayBuffer(room * 2))
      grown.set(this.#bytes.subarray(0, this.#used))
      this.#bytes = grown
    }
    if (id === this.#ends.length) {
      const grown = new Float64Array(new SharedArrayBuffer(id * 16))
      grown.set(this.#ends)
      this.#ends = grown
    }
    this.#used += this.#bytes.write(text, this.#used, 'utf8')
    this.#ends[id] = this.#used
    this.#ids.set(text, id)
    return id
  }

  /** All texts so far. */
  texts(): Texts {
    return {
      bytes: new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#used),
      ends: this.#ends.subarray(0, this.#ids.size),
    }
  }
}

/** A column of values, each distinct text once; null and undefined may stand where no value is asked for. */
export function textColumn(values: ArrayLike<unknown>, rows: number): TextColumn {
  const collector = new TextCollector()
  const ids = new Int32Array(new SharedArrayBuffer(rows * 4))
  let last: string | undefined
  let id = 0
  for (let row = 0; row < rows; row++) {
    const value = values[row]
    if (typeof value !== 'string') continue
    // Texts often come in runs.
    if (value !== last) id = collector.add((last = value))
    ids[row] = id
  }
  return { ids, texts: collector.texts() }
}

/** Finds texts by their bytes: a hash table with open addressing, as a string for each row would cost more than reading it. */
export class TextIndex {
  readonly #bytes: Uint8Array
  readonly #ends: Float64Array
  readonly #slots: Int32Array
  readonly #mask: number

  /** @param texts distinct */
  constructor({ bytes, ends }: Texts) {
    this.#bytes = bytes
    this.#ends = ends
    let size = 8
    while (size < ends.length * 2) size *= 2
    this.#slots = new Int32Array(size).fill(-1)
    this.#mask = size - 1
    for (let id = 0; id < ends.length; id++) {
      let slot = hashOf(bytes, id === 0 ? 0 : ends[id - 1]!, ends[id]!) & this.#mask
      while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask
      this.#slots[slot] = id
    }
  }

  /** The number of the text `bytes[from..to)`, or -1. */
  find(bytes: Uint8Array, from: number, to: number): number {
    let slot = hashOf(bytes, from, to) & this.#mask
    for (;;) {
      const id = this.#slots[slot]!
      if (id === -1 || this.#is(id, bytes, from, to)) return id
      slot = (slot + 1) & this.#mask
    }
  }

  #is(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = id === 0 ? 0 : this.#ends[id - 1]!
    if (this.#ends[id]! - start !== to - from) return false
    for (let i = 0; i < to - from; i++) if (this.#bytes[start + i] !== bytes[from + i]) return false
    return true
  }
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
