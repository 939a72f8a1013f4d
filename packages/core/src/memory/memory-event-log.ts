import { HybridClock, type WallClock } from '../clock/hybrid-clock.ts'
import { instant } from '../clock/instant.ts'
import type { EventLog, LogRecord } from '../ports/event-log.ts'
import { takeLease, type LeaseState } from '../ports/lease.ts'
import {
  checkLogEntries,
  checkLogName,
  checkPosition,
  checkSpan,
  planAppend,
  positionsExhausted,
  type ProducerState,
} from '../ports/log-append.ts'

/**
 * An event log in memory, for tests and short-lived stores. It holds its content until it is garbage; disposing it
 * does nothing.
 *
 * @example
 * ```ts
 * const log = memoryEventLog({ wall: () => instant(1_704_067_200_000_000) })
 * ```
 */
export function memoryEventLog(options: { readonly wall: WallClock }): EventLog {
  const wall: WallClock = () => instant(options.wall())
  const clock = new HybridClock(wall, undefined, () => {})
  const records: LogRecord[] = []
  const producers = new Map<string, ProducerState>()
  const followers = new Map<string, number>()
  const leases = new Map<string, LeaseState>()
  let end = 0

  /** Index of the first record at or after a position: positions rise. */
  const indexOf = (position: number): number => {
    let [low, high] = [0, records.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (records[middle]!.position < position) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    append: async (entries, condition) => {
      checkLogEntries(entries)
      const plan = planAppend(entries, condition, {
        end,
        last: (producer) => producers.get(producer),
        next: () => clock.append(),
      })
      // `slice` of a Buffer would share its bytes.
      for (const record of plan.records) records.push({ ...record, body: new Uint8Array(record.body) })
      for (const [producer, state] of plan.producers) producers.set(producer, state)
      end = plan.end
      return [...plan.answers]
    },
    reserve: async (span) => {
      checkSpan(span)
      if (!Number.isSafeInteger(end + span)) throw positionsExhausted(end + span)
      end += span
      return end - span
    },
    read: async (from, limit) => {
      checkPosition(from)
      checkPosition(limit)
      const first = indexOf(from)
      return records
        .slice(first, first + limit)
        .map((record) => ({ ...record, body: new Uint8Array(record.body) }))
    },
    end: async () => end,
    lastSequence: async (producer) => producers.get(producer)?.sequence,
    now: () => clock.read(),
    observe: (at) => {
      clock.observe(at)
    },
    position: async (follower) => followers.get(follower) ?? 0,
    advance: async (follower, to) => {
      checkLogName(follower)
      checkPosition(to)
      followers.set(follower, to)
    },
    lease: async (name, owner, ttlMs) => {
      checkLogName(name)
      const taken = takeLease(leases.get(name), { owner, ttlMs, now: wall() })
      if (taken === undefined) return undefined
      leases.set(name, taken)
      return { epoch: taken.epoch }
    },
    release: async (name, owner) => {
      const held = leases.get(name)
      if (held?.owner === owner) leases.set(name, { ...held, owner: '' })
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
