/**
 * Memory that is used for one slot after the other: fresh arrays of megabytes would cost as much as the work that is done in
 * them. What stands in an array that is asked for means nothing.
 */
export class KernelMemory {
  readonly #int32 = new Map<string, Int32Array>()
  readonly #float64 = new Map<string, Float64Array>()
  readonly #bytes = new Map<string, Uint8Array>()

  /** An array for one purpose; what was handed out for it before is given up. */
  int32(purpose: string, size: number): Int32Array {
    let array = this.#int32.get(purpose)
    if (array === undefined || array.length < size) this.#int32.set(purpose, (array = new Int32Array(size)))
    return array.subarray(0, size)
  }

  /** As {@link int32}. */
  float64(purpose: string, size: number): Float64Array {
    let array = this.#float64.get(purpose)
    if (array === undefined || array.length < size)
      this.#float64.set(purpose, (array = new Float64Array(size)))
    return array.subarray(0, size)
  }

  /** As {@link int32}. */
  bytes(purpose: string, size: number): Uint8Array {
    let array = this.#bytes.get(purpose)
    if (array === undefined || array.length < size) this.#bytes.set(purpose, (array = new Uint8Array(size)))
    return array.subarray(0, size)
  }
}
