import { MICROS, type Instant } from '../clock/instant.ts'
import { invalid } from '../errors/asof-error.ts'
import { checkLogName } from './log-append.ts'

/** Who holds a lease; the owner is empty when it was given back. */
export interface LeaseState {
  readonly owner: string
  /** Rises with each owner, from 1. */
  readonly epoch: number
  /** The wall time at which it was taken or renewed. */
  readonly since: Instant
  readonly ttlMicros: number
}

/**
 * Decides about a lease, for every log in the same way.
 *
 * It is free when it was given back, when `ttlMicros` have passed, when the wall clock lies before `since` (it has
 * stepped back, so the time left is unknown; the epoch keeps the former owner from doing harm), or when its owner is
 * known to be dead.
 *
 * @returns the state to store, or undefined while another owner holds the lease
 * @throws {AsofError} `invalid_log_name`, `invalid_lease_ttl`
 */
export function takeLease(
  held: LeaseState | undefined,
  asked: {
    readonly owner: string
    readonly ttlMs: number
    readonly now: Instant
    readonly isDead?: (owner: string) => boolean
  },
): LeaseState | undefined {
  const { owner, ttlMs, now } = asked
  checkLogName(owner)
  if (!Number.isFinite(ttlMs) || ttlMs <= 0) {
    throw invalid('invalid_lease_ttl', 'a lease lasts a positive number of milliseconds', { ttlMs })
  }
  const renewed = { owner, since: now, ttlMicros: ttlMs * MICROS.millisecond }
  if (held === undefined) return { ...renewed, epoch: 1 }
  if (held.owner === owner) return { ...renewed, epoch: held.epoch }
  const elapsed = now - held.since
  const free =
    held.owner === '' || elapsed < 0 || elapsed >= held.ttlMicros || asked.isDead?.(held.owner) === true
  return free ? { ...renewed, epoch: held.epoch + 1 } : undefined
}
