/** Waiting, as an ambient part: core itself has no timers. */
export interface Timing {
  /** Resolves after so many milliseconds, or at once when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `then` after so many milliseconds, unless the function that it answers is called before. */
  after(ms: number, then: () => void): () => void
}
