import type { Instant } from './instant.ts'

/** Tells the wall time in microseconds; the one place from which time enters asof. */
export type WallClock = () => Instant

/**
 * A monotonic hybrid clock (SEMANTICS section 1).
 *
 * State: `last`, the greatest instant handed out. Invariants:
 * 1. an append gets an instant above every instant handed out before, reads included;
 * 2. a read gets an instant at or above every instant handed out before;
 * 3. `ceiling` is durable and at or above `last` before an instant is handed out, so a restart, which begins at
 *    the ceiling, keeps 1 and 2.
 *
 * After Kulkarni et al., "Logical Physical Clocks" (2014), with one component, as microseconds leave room to count.
 */
export class HybridClock {
  #last: number
  #ceiling: number
  readonly #wall: WallClock
  readonly #persistCeiling: (ceiling: Instant) => void

  /**
   * @param wall the wall clock; it may step back
   * @param ceiling the last durable ceiling, or undefined for a new log
   * @param persistCeiling makes a ceiling durable before it returns
   */
  constructor(wall: WallClock, ceiling: Instant | undefined, persistCeiling: (ceiling: Instant) => void) {
    this.#wall = wall
    this.#last = ceiling ?? Number.NEGATIVE_INFINITY
    this.#ceiling = ceiling ?? Number.NEGATIVE_INFINITY
    this.#persistCeiling = persistCeiling
  }

  /** The instant of an append: above everything handed out so far. */
  append(): Instant {
    return this.#advance(Math.max(this.#wall(), this.#last) + 1)
  }

  /** Now, for a read: at or above everything handed out so far. */
  read(): Instant {
    return this.#advance(Math.max(this.#wall(), this.#last))
  }

  /** Raises the clock to at least `at`, as when another process is seen to have handed it out. */
  observe(at: Instant): void {
    if (at > this.#last) this.#advance(at)
  }

  /** Takes note of a ceiling that was made durable ahead of need; a lower one changes nothing. */
  raiseCeiling(ceiling: Instant): void {
    if (ceiling > this.#ceiling) this.#ceiling = ceiling
  }

  #advance(to: number): Instant {
    if (to > this.#ceiling) {
      // Durable first: a ceiling that could not be written must not be believed.
      this.#persistCeiling((to + CEILING_AHEAD) as Instant)
      this.#ceiling = to + CEILING_AHEAD
    }
    this.#last = to
    return to as Instant
  }
}

/** How far ahead of the clock the durable ceiling is set, in microseconds: one write a second at most. */
export const CEILING_AHEAD = 1_000_000
