import { invalid } from '../errors/asof-error.ts'
import { MICROS } from './instant.ts'

type Unit = 'us' | 'ms' | 's' | 'm' | 'h' | 'd'

/** A length of time as people write it: a whole number and a unit. `1d` is 24 hours. */
export type Duration = `${number}${Unit}`

const UNITS: readonly (readonly [Unit, number])[] = [
  ['d', MICROS.day],
  ['h', MICROS.hour],
  ['m', MICROS.minute],
  ['s', MICROS.second],
  ['ms', MICROS.millisecond],
  ['us', 1],
]

/**
 * A duration in whole microseconds.
 *
 * @throws {AsofError} `invalid_duration`
 * @example
 * ```ts
 * durationMicros('90s') // 90_000_000
 * ```
 */
export function durationMicros(duration: Duration): number {
  const match = /^(\d{1,15})(us|ms|s|m|h|d)$/.exec(duration)
  const unit = UNITS.find(([name]) => name === match?.[2])
  const micros = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit[1]
  if (!Number.isSafeInteger(micros)) {
    throw invalid('invalid_duration', 'not a duration such as 30s, 15m, 1h or 7d', { value: duration })
  }
  return micros
}

/** The shortest way to write a number of microseconds: `formatDuration(3_600_000_000)` is `'1h'`. */
export function formatDuration(micros: number): Duration {
  if (micros === 0) return '0s'
  for (const [unit, size] of UNITS) if (micros % size === 0) return `${micros / size}${unit}`
  return `${micros}us`
}
