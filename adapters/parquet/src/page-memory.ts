/**
 * Memory that is used again and again while pages are decoded: it grows to the largest page, and is touched once.
 */
export class PageMemory {
  #input = new Uint8Array(0)
  #levels = new Uint8Array(0)
  #indices = new Int32Array(0)

  /** For the bytes of a column chunk as they are in the file. */
  input(bytes: number): Uint8Array {
    if (this.#input.length < bytes) this.#input = new Uint8Array(roomier(bytes))
    return this.#input
  }

  /** For a definition level of each value. */
  levels(count: number): Uint8Array {
    if (this.#levels.length < count) this.#levels = new Uint8Array(roomier(count))
    return this.#levels
  }

  /** For an index into a dictionary of each value. */
  indices(count: number): Int32Array {
    if (this.#indices.length < count) this.#indices = new Int32Array(roomier(count))
    return this.#indices
  }
}

function roomier(size: number): number {
  return Math.ceil(size * 1.25)
}
