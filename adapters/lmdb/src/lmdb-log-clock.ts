import {
  CEILING_AHEAD,
  HybridClock,
  INSTANT_MIN,
  instant,
  isAsofError,
  LIMITS,
  type Instant,
  type Telemetry,
  type WallClock,
} from '@asof/core'
import type { Database } from 'lmdb'
import type { LmdbEnvironment } from './lmdb-environment.ts'
import { isDeadOwner } from './process-alive.ts'

/** The ceiling at or above everything that closed or dead processes have handed out. */
const FLOOR = 'floor'

/**
 * The clock of one process on a log that several share (SEMANTICS section 1).
 *
 * Each process has a hybrid clock of its own and keeps its ceiling under its own name. Invariants, beside those of the
 * hybrid clock:
 * 1. a process starts at or above the last append and the ceilings of all that are gone; a ceiling of one that is alive
 *    counts only when the wall clock is seen to have stepped back behind it, else each start would push time ahead;
 * 2. instants are taken within the write transaction that appends, after `follow` has raised the clock to the last
 *    append: appends of all processes rise together;
 * 3. an instant counts as handed out when its transaction is on disk; when that fails, the clock goes back to before it.
 */
export class LmdbLogClock {
  readonly #environment: LmdbEnvironment
  readonly #ceilings: Database<Instant>
  readonly #owner: string
  readonly #wall: WallClock
  readonly #telemetry: Telemetry
  #clock: HybridClock
  /** The greatest instant handed out. */
  #told: Instant | undefined
  /** The greatest instant taken, whether or not it is on disk yet. */
  #taken: Instant | undefined
  /** The ceiling on disk, and the one last written. */
  #durable: Instant | undefined
  #written: Instant | undefined
  #raising = false
  #closed = false

  /**
   * @param owner names this process as `pid:random`
   * @param lastAppend reads the instant of the last append, within a transaction
   */
  constructor(
    environment: LmdbEnvironment,
    options: {
      readonly owner: string
      readonly wall: WallClock
      readonly telemetry: Telemetry
      readonly lastAppend: () => Instant | undefined
    },
  ) {
    this.#environment = environment
    this.#ceilings = environment.json<Instant>('ceilings')
    this.#owner = options.owner
    this.#wall = () => instant(options.wall())
    this.#telemetry = options.telemetry
    const start = environment.write(() => this.#start(options.lastAppend()))
    this.#told = this.#taken = this.#durable = this.#written = start
    this.#clock = this.#restarted()
  }

  /**
   * Now, at or above everything handed out. While the disk takes no new ceiling, time stands still at the last one:
   * lookups go on, and a restart is still above them.
   */
  now(): Instant {
    try {
      this.#taken = this.#clock.read()
      this.#settle()
      this.#raiseCeiling()
    } catch (error) {
      this.#goBack()
      if (this.#durable === undefined || isAsofError(error, 'invalid', 'closed')) throw error
      this.#telemetry.count('asof_log_clock_stalled', 1)
      this.#told = this.#durable
      this.#clock = this.#restarted()
    }
    return this.#told!
  }

  /** Raises the clock to at least `at`. */
  observe(at: Instant): void {
    try {
      this.#clock.observe(at)
      this.#taken = max(this.#taken, at)
      this.#settle()
    } catch (error) {
      this.#goBack()
      throw error
    }
  }

  /** Wall time, for leases. */
  wall(): Instant {
    return this.#wall()
  }

  /** Runs a write transaction in which instants are taken. */
  within<Result>(transaction: () => Result): Result {
    try {
      const result = this.#environment.write(transaction)
      this.#settle()
      return result
    } catch (error) {
      this.#goBack()
      throw error
    }
  }

  /** Within such a transaction, before the first instant: catches up with the appends of other processes. */
  follow(lastAppend: Instant | undefined): void {
    if (lastAppend === undefined) return
    this.#clock.observe(lastAppend)
    this.#taken = max(this.#taken, lastAppend)
    const wall = this.#wall()
    if (wall < lastAppend - LIMITS.clockSkewMaxMicros) this.#telemetry.count('asof_log_clock_behind', 1)
    // Others that are alive handed out instants up to here, and only a clock that stepped back can lie before them.
    const others = this.#ceilingsOf((owner) => owner !== this.#owner)
    if (others !== undefined && Math.max(wall, this.#taken ?? INSTANT_MIN) < others - CEILING_AHEAD) {
      this.#clock.observe(others)
      this.#taken = max(this.#taken, others)
    }
  }

  /** The next instant, within such a transaction. */
  append(): Instant {
    this.#taken = this.#clock.append()
    return this.#taken
  }

  /** Leaves what was handed out to those that come later. */
  close(): void {
    this.#closed = true
    this.#environment.write(() => {
      this.#ceilings.removeSync(this.#owner)
      const floor = max(this.#ceilings.get(FLOOR), this.#told)
      if (floor !== undefined) this.#ceilings.putSync(FLOOR, floor)
    })
  }

  #start(lastAppend: Instant | undefined): Instant | undefined {
    const isGone = (owner: string): boolean => owner === FLOOR || isDeadOwner(owner)
    const floor = this.#ceilingsOf(isGone)
    if (floor !== undefined) this.#ceilings.putSync(FLOOR, floor)
    for (const owner of [...this.#ceilings.getKeys()] as string[]) {
      if (owner !== FLOOR && isGone(owner)) this.#ceilings.removeSync(owner)
    }
    const start = max(floor, lastAppend)
    const alive = this.#ceilingsOf((owner) => !isGone(owner))
    const steppedBack =
      alive !== undefined && Math.max(this.#wall(), start ?? INSTANT_MIN) < alive - CEILING_AHEAD
    return steppedBack ? max(start, alive) : start
  }

  #ceilingsOf(which: (owner: string) => boolean): Instant | undefined {
    let greatest: Instant | undefined
    for (const { key, value } of this.#ceilings.getRange())
      if (which(key as string)) greatest = max(greatest, value)
    return greatest
  }

  /**
   * Makes a new ceiling durable on another thread when half of the last one is used up, so that no reading has to wait for
   * the disk. Where that fails, the reading that passes the ceiling writes one itself, and tells.
   */
  #raiseCeiling(): void {
    const [told, durable] = [this.#told, this.#durable]
    if (this.#raising || told === undefined || durable === undefined) return
    if (durable - told > CEILING_AHEAD / 2) return
    this.#raising = true
    const ceiling = (told + CEILING_AHEAD) as Instant
    const write = (): boolean => {
      if (this.#closed) return false
      if ((this.#ceilings.get(this.#owner) ?? INSTANT_MIN) < ceiling) {
        this.#ceilings.putSync(this.#owner, ceiling)
      }
      return true
    }
    const note = (written: boolean): void => {
      if (!written) return
      this.#clock.raiseCeiling(ceiling)
      this.#written = max(this.#written, ceiling)
      this.#durable = max(this.#durable, ceiling)
    }
    void this.#environment
      .writeAside(write)
      .then(note, () => undefined)
      .finally(() => (this.#raising = false))
  }

  #settle(): void {
    this.#told = this.#taken
    this.#durable = this.#written
  }

  #goBack(): void {
    this.#taken = this.#told
    this.#written = this.#durable
    this.#clock = this.#restarted()
  }

  /** A clock at what was handed out, which makes a new ceiling durable before it goes on. */
  #restarted(): HybridClock {
    return new HybridClock(this.#wall, this.#told, (ceiling) => {
      this.#environment.write(() => this.#ceilings.putSync(this.#owner, ceiling))
      this.#written = ceiling
    })
  }
}

function max(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}
