import { formatDuration, MICROS, type Instant } from '@asof/core'

/** A count as people read it: `1,234,567`. */
export function formatCount(count: number): string {
  return COUNT.format(count)
}

/** A count of things: `1 file`, `2,000 files`. */
export function countOf(count: number, thing: string): string {
  return `${formatCount(count)} ${thing}${count === 1 ? '' : 's'}`
}

const COUNT = new Intl.NumberFormat('en-US')

/** A size as people read it: `1.5 MB`; powers of 1000. */
export function formatBytes(bytes: number): string {
  let size = bytes
  let unit = 0
  while (size >= 1_000 && unit < BYTE_UNITS.length - 1) {
    size /= 1_000
    unit++
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${BYTE_UNITS[unit]}`
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/**
 * How long before `now` something was, in the largest unit of which there are two, or `in …` for the future.
 *
 * @example
 * ```ts
 * formatAge(parseInstant('2024-01-01T11:56:40Z'), parseInstant('2024-01-01T12:00:00Z')) // '3 min ago'
 * ```
 */
export function formatAge(at: Instant, now: Instant): string {
  const micros = Math.abs(now - at)
  if (micros < MICROS.second) return 'just now'
  return at > now ? `in ${formatLength(micros)}` : `${formatLength(micros)} ago`
}

/** How long something takes, in the largest unit of which there are two, rounded down: `3 min`; exactly below a second: `500ms`. */
export function formatLength(micros: number): string {
  if (micros < MICROS.second) return formatDuration(micros)
  const [name, size] = AGE_UNITS.find(([, unit]) => micros >= 2 * unit) ?? ['s', MICROS.second]
  return `${formatCount(Math.floor(micros / size))} ${name}`
}

const AGE_UNITS: readonly (readonly [string, number])[] = [
  ['y', 365 * MICROS.day],
  ['d', MICROS.day],
  ['h', MICROS.hour],
  ['min', MICROS.minute],
]
