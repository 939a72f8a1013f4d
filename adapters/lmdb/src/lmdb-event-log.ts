import { randomUUID } from 'node:crypto'
import {
  checkLogEntries,
  checkLogName,
  checkPosition,
  checkSpan,
  planAppend,
  positionsExhausted,
  silentTelemetry,
  takeLease,
  type Appended,
  type EventLog,
  type Instant,
  type LeaseState,
  type LogEntry,
  type LogRecord,
  type ProducerState,
  type Telemetry,
  type WallClock,
} from '@asof/core'
import type { Database } from 'lmdb'
import { LmdbEnvironment } from './lmdb-environment.ts'
import { LmdbLogClock } from './lmdb-log-clock.ts'
import { decodePosition, decodeRecord, encodePosition, encodeRecord } from './log-record-bytes.ts'
import { isDeadOwner } from './process-alive.ts'

/** What a log runs on. */
export interface LmdbEventLogOptions {
  readonly wall: WallClock
  /**
   * Counts `asof_log_clock_behind` (appends while the wall clock lay more than `clockSkewMax` behind the last append) and
   * `asof_log_clock_stalled` (readings of the clock while the disk took no new ceiling).
   */
  readonly telemetry?: Telemetry
}

/**
 * An event log in a folder, shared by the processes of one machine.
 *
 * An append is on disk when it returns. Appends that are asked for in the same turn of the event loop share one
 * transaction, and so one sync.
 *
 * @throws {AsofError} `wrong_folder`, `unknown_format`
 * @example
 * ```ts
 * await using log = await openLmdbEventLog('.asof/log', { wall: () => instant(Date.now() * 1_000) })
 * const body = new TextEncoder().encode('three bananas')
 * await log.append([{ producer: 'till-7', sequence: 1, span: 1, body }])
 * ```
 */
export async function openLmdbEventLog(folder: string, options: LmdbEventLogOptions): Promise<EventLog> {
  const environment = await LmdbEnvironment.open(folder, 'log')
  try {
    return new LmdbEventLog(environment, options)
  } catch (error) {
    await environment[Symbol.asyncDispose]()
    throw error
  }
}

/** Where the log ends, and the instant of its last append. */
interface Tail {
  readonly end: number
  readonly last?: Instant
}

interface WaitingAppend {
  readonly entries: readonly LogEntry[]
  readonly options: Parameters<EventLog['append']>[1]
  readonly resolve: (answers: Appended[]) => void
  readonly reject: (error: unknown) => void
}

const TAIL = 'tail'

class LmdbEventLog implements EventLog {
  readonly #environment: LmdbEnvironment
  readonly #clock: LmdbLogClock
  readonly #records: Database<Uint8Array, Uint8Array>
  readonly #tail: Database<Tail>
  readonly #producers: Database<ProducerState>
  readonly #followers: Database<number>
  readonly #leases: Database<LeaseState>
  #waiting: WaitingAppend[] = []

  constructor(environment: LmdbEnvironment, options: LmdbEventLogOptions) {
    this.#environment = environment
    this.#records = environment.bytes('records')
    this.#tail = environment.json<Tail>('tail')
    this.#producers = environment.json<ProducerState>('producers')
    this.#followers = environment.json<number>('followers')
    this.#leases = environment.json<LeaseState>('leases')
    this.#clock = new LmdbLogClock(environment, {
      owner: `${process.pid}:${randomUUID()}`,
      wall: options.wall,
      telemetry: options.telemetry ?? silentTelemetry,
      lastAppend: () => this.#tailNow().last,
    })
  }

  async append(
    entries: readonly LogEntry[],
    options?: { readonly after?: number | undefined; readonly conditional?: boolean },
  ): Promise<Appended[]> {
    this.#environment.check()
    checkLogEntries(entries)
    return await new Promise((resolve, reject) => {
      if (this.#waiting.push({ entries, options, resolve, reject }) === 1)
        setImmediate(() => this.#appendWaiting())
    })
  }

  async reserve(span: number): Promise<number> {
    checkSpan(span)
    return this.#environment.write(() => {
      const tail = this.#tailNow()
      const end = tail.end + span
      if (!Number.isSafeInteger(end)) throw positionsExhausted(end)
      this.#tail.putSync(TAIL, { ...tail, end })
      return tail.end
    })
  }

  async read(from: number, limit: number): Promise<LogRecord[]> {
    checkPosition(from)
    checkPosition(limit)
    // An append under way elsewhere may have its instant already: whoever asked for now must not miss it.
    this.#environment.barrier()
    this.#environment.fresh()
    const records: LogRecord[] = []
    for (const { key, value } of this.#records.getRange({ start: encodePosition(from), limit })) {
      records.push(decodeRecord(decodePosition(key), value))
    }
    return records
  }

  async end(): Promise<number> {
    return this.#environment.write(() => this.#tailNow().end)
  }

  async lastSequence(producer: string): Promise<number | undefined> {
    checkLogName(producer)
    this.#environment.fresh()
    return this.#producers.get(producer)?.sequence
  }

  now(): Instant {
    this.#environment.check()
    return this.#clock.now()
  }

  observe(at: Instant): void {
    this.#environment.check()
    this.#clock.observe(at)
  }

  async position(follower: string): Promise<number> {
    checkLogName(follower)
    this.#environment.fresh()
    return this.#followers.get(follower) ?? 0
  }

  async advance(follower: string, to: number): Promise<void> {
    checkLogName(follower)
    checkPosition(to)
    this.#environment.write(() => this.#followers.putSync(follower, to))
  }

  async lease(name: string, owner: string, ttlMs: number): Promise<{ readonly epoch: number } | undefined> {
    checkLogName(name)
    this.#environment.check()
    const own = this.#leases.get(name)
    const at = this.#clock.wall()
    // A renewal in the first quarter of the time takes no transaction: holders renew far more often than a disk syncs, and
    // nobody else can take the lease meanwhile.
    if (own?.owner === owner && at >= own.since && at - own.since < own.ttlMicros / 4) {
      if (own.ttlMicros === ttlMs * 1_000) return { epoch: own.epoch }
    }
    return this.#environment.write(() => {
      const held = this.#leases.get(name)
      const now = this.#clock.wall()
      const taken = takeLease(held, { owner, ttlMs, now, isDead: isDeadOwner })
      if (taken === undefined) return undefined
      this.#leases.putSync(name, taken)
      return { epoch: taken.epoch }
    })
  }

  async release(name: string, owner: string): Promise<void> {
    checkLogName(name)
    this.#environment.write(() => {
      const held = this.#leases.get(name)
      if (held !== undefined && held.owner === owner) this.#leases.putSync(name, { ...held, owner: '' })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#environment.closed) return
    this.#appendWaiting()
    try {
      this.#clock.close()
    } catch {
      // A disk that takes nothing: the ceiling stays, and the next process starts there.
    }
    await this.#environment[Symbol.asyncDispose]()
  }

  /** Does all appends that wait, in order, in one transaction; one that is refused leaves the others alone. */
  #appendWaiting(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    try {
      const outcomes = this.#clock.within(() => {
        this.#clock.follow(this.#tailNow().last)
        return waiting.map(({ entries, options }) => this.#appendOne(entries, options))
      })
      outcomes.forEach((outcome, index) => {
        if ('refused' in outcome) waiting[index]!.reject(outcome.refused)
        else waiting[index]!.resolve(outcome.answers)
      })
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }

  #appendOne(
    entries: readonly LogEntry[],
    options: WaitingAppend['options'],
  ): { readonly answers: Appended[] } | { readonly refused: unknown } {
    const tail = this.#tailNow()
    let plan
    try {
      plan = planAppend(entries, options, {
        end: tail.end,
        last: (producer) => this.#producers.get(producer),
        next: () => this.#clock.append(),
      })
    } catch (refused) {
      return { refused }
    }
    for (const record of plan.records)
      this.#records.putSync(encodePosition(record.position), encodeRecord(record))
    for (const [producer, state] of plan.producers) this.#producers.putSync(producer, state)
    const last = plan.records.at(-1)
    if (last !== undefined) this.#tail.putSync(TAIL, { end: plan.end, last: last.at })
    return { answers: [...plan.answers] }
  }

  #tailNow(): Tail {
    return this.#tail.get(TAIL) ?? { end: 0 }
  }
}
