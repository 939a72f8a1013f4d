import { AsofError } from '../errors/asof-error.ts'
import { INSTANT_MIN, type Instant } from '../clock/instant.ts'
import { LIMITS } from '../limits/limits.ts'
import type { EventLog, LogRecord } from '../ports/event-log.ts'
import type { Staging } from '../ports/staging.ts'
import type { Timing } from '../ports/timing.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { GroupPlan } from './group-plan.ts'
import { decodeLogBody } from './log-record.ts'
import type { OfflineSink } from './offline-sink.ts'
import type { OnlineSink } from './online-sink.ts'

/** How the sinks run. */
export interface SinkSettings {
  /** The lease passes on when its holder has been silent so long, in milliseconds. */
  readonly leaseTtlMs: number
  /** How often a waiting process looks again, in milliseconds. */
  readonly pollMs: number
  /** At most one offline commit per table in so long, in milliseconds, unless someone waits for it. */
  readonly flushMs: number
  /** Records read from the log at once. */
  readonly recordsPerStep: number
  /** How often replaced rows that no `at` needs any more are removed, in milliseconds. */
  readonly pruneMs: number
}

/** Values that suit one process on one machine. */
export const SINK_SETTINGS: SinkSettings = {
  leaseTtlMs: 1_500,
  pollMs: 10,
  flushMs: 1_000,
  recordsPerStep: 256,
  pruneMs: 600_000,
}

/** The parts that the sinks run on. */
export interface SinksParts {
  readonly log: EventLog
  readonly onlineSink: OnlineSink
  readonly offlineSink: OfflineSink
  readonly staging: Staging
  readonly timing: Timing
  readonly telemetry: Telemetry
  /** Names this process in the lease: `pid:random`. */
  readonly owner: string
  /** The compiled groups whose replaced rows are looked after. */
  groupPlans(): Promise<readonly GroupPlan[]>
}

const LEASE = 'sinks'
const ONLINE = 'online'
const OFFLINE = 'offline'

/**
 * Runs both sinks under one lease: of several processes on a store one applies the log, the others append and wait.
 *
 * State of a follower: its durable position, the first that it has not done. It advances only after the sink has
 * applied, so a crash repeats records and loses none; both sinks make a repeat a no-op, which is why a holder that
 * lost its lease without noticing does no harm either.
 */
export class Sinks {
  readonly #parts: SinksParts
  readonly #settings: SinkSettings
  #turn: Promise<unknown> = Promise.resolve()
  #loop: Promise<void> | undefined
  readonly #stop = new AbortController()
  #failure: unknown
  #pruneAt = 0

  constructor(parts: SinksParts, settings: SinkSettings = SINK_SETTINGS) {
    this.#parts = parts
    this.#settings = settings
  }

  /** Resolves when everything that the log holds now is applied: online, and offline too where asked. */
  async drain(what: { readonly offline: boolean; readonly signal?: AbortSignal }): Promise<void> {
    const target = await this.#parts.log.end()
    for (;;) {
      what.signal?.throwIfAborted()
      await this.#exclusive(() => this.#step(target, what.offline))
      const [online, offline] = await this.positions()
      if (online >= target && (offline >= target || !what.offline)) return
      await this.#parts.timing.sleep(this.#settings.pollMs, what.signal)
    }
  }

  /** First positions not yet applied: online, offline. */
  async positions(): Promise<readonly [online: number, offline: number]> {
    return [await this.#parts.log.position(ONLINE), await this.#parts.log.position(OFFLINE)]
  }

  /** The instant up to which everything appended is in the tables. */
  async offlineThrough(): Promise<Instant> {
    return await this.#through(OFFLINE)
  }

  /** The instant up to which everything appended is in the online store. */
  async onlineThrough(): Promise<Instant> {
    return await this.#through(ONLINE)
  }

  async #through(follower: string): Promise<Instant> {
    const { log } = this.#parts
    const position = await log.position(follower)
    // The clock is read first: what is appended after it is later than it.
    const now = log.now()
    const [next] = await log.read(position, 1)
    return next === undefined ? now : (Math.max(INSTANT_MIN, next.at - 1) as Instant)
  }

  /** Applies held rows whose time has come and removes what nobody can ask for, if this process holds the lease. */
  async tend(): Promise<void> {
    await this.#exclusive(async () => {
      if (await this.#lease()) await this.#tend(this.#parts.log.now())
    })
  }

  /** Follows the log in the background until `close`. */
  start(): void {
    this.#loop ??= this.#follow()
  }

  /** Why the background loop last failed; undefined once it works again. */
  get failure(): unknown {
    return this.#failure
  }

  /** Stops following, finishes the step under way and gives the lease back. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await this.#turn.catch(() => undefined)
    await this.#parts.log.release(LEASE, this.#parts.owner)
  }

  async #follow(): Promise<void> {
    const { log, timing, telemetry } = this.#parts
    const { signal } = this.#stop
    let flushed = log.now()
    while (!signal.aborted) {
      try {
        await this.#exclusive(async () => {
          if (!(await this.#lease())) return
          const now = log.now()
          const flush = now - flushed >= this.#settings.flushMs * 1_000
          await this.#step(await log.end(), flush)
          await this.#tend(now)
          if (flush) flushed = now
        })
        this.#failure = undefined
      } catch (error) {
        this.#failure = error
        telemetry.count('asof_sink_failures', 1, {
          code: error instanceof AsofError ? error.code : 'internal',
        })
      }
      await timing.sleep(this.#settings.pollMs, signal)
    }
  }

  async #tend(now: Instant): Promise<void> {
    const { onlineSink } = this.#parts
    await onlineSink.releaseHeld(now)
    if (now < this.#pruneAt) return
    this.#pruneAt = now + this.#settings.pruneMs * 1_000
    for (const plan of await this.#parts.groupPlans()) {
      if (plan.group.definition.online) await onlineSink.pruneRecent(plan, now)
    }
    await this.#clearOrphans(now)
  }

  /** Removes staged files that a process left which died before its record was in the log. */
  async #clearOrphans(now: Instant): Promise<void> {
    const { log, staging, telemetry } = this.#parts
    const before = now / 1_000 - LIMITS.stagedOrphanAgeMs
    const old = (await staging.list()).filter(({ modifiedMs }) => modifiedMs < before)
    if (old.length === 0) return
    // What lies before the tables' position is in the tables, so its file is needed no more.
    const orphans = new Set(old.map(({ name }) => name))
    let position = await log.position(OFFLINE)
    for (;;) {
      const records = await log.read(position, this.#settings.recordsPerStep)
      const last = records.at(-1)
      if (last === undefined) break
      for (const record of records) {
        const body = decodeLogBody(record.body)
        if (body.kind === 'batch' && body.file !== undefined) orphans.delete(body.file)
      }
      position = last.position + last.span
    }
    for (const name of orphans) await staging.remove(name)
    telemetry.count('asof_staged_orphans_removed', orphans.size, {})
  }

  /** Applies up to `target`, as far as the lease is ours. */
  async #step(target: number, offline: boolean): Promise<void> {
    if (!(await this.#lease())) return
    const { log, onlineSink, offlineSink } = this.#parts
    await this.#advance(ONLINE, target, async (records) => {
      // Another process may have appended them a moment ahead of this one's clock. They are known by then, so they are not
      // held: whoever waits for them would be told too early.
      const last = records.at(-1)
      if (last !== undefined) log.observe(last.at)
      await onlineSink.apply(records, log.now())
    })
    if (!offline) return
    // A staged file is cleared once both sinks are past it, and offline never runs ahead of online.
    await this.#advance(OFFLINE, target, async (records) => {
      await offlineSink.apply(records)
      await this.#clearStaged(records)
    })
  }

  async #advance(
    follower: string,
    target: number,
    apply: (records: readonly LogRecord[]) => Promise<void>,
  ): Promise<void> {
    const { log } = this.#parts
    let position = await log.position(follower)
    while (position < target) {
      const records = await log.read(position, this.#settings.recordsPerStep)
      const last = records.at(-1)
      if (last === undefined) break
      await apply(records)
      position = last.position + last.span
      await log.advance(follower, position)
      if (!(await this.#lease())) return
    }
    // Reserved positions at the end have no record; there is nothing to apply there.
    if (position < target && (await log.read(position, 1)).length === 0) await log.advance(follower, target)
  }

  async #clearStaged(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      const body = decodeLogBody(record.body)
      if (body.kind === 'batch' && body.file !== undefined) await this.#parts.staging.remove(body.file)
    }
  }

  async #lease(): Promise<boolean> {
    const { log, owner } = this.#parts
    return (await log.lease(LEASE, owner, this.#settings.leaseTtlMs)) !== undefined
  }

  /** One step at a time within a process; the lease sees to the others. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => undefined).then(work)
    this.#turn = turn
    return await turn
  }
}
