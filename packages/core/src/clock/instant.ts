import { invalid } from '../errors/asof-error.ts'

declare const instantBrand: unique symbol

/**
 * A point in time: a whole number of microseconds since 1970-01-01T00:00:00Z, between the years 1900 and 2200.
 * Never a `Date` (milliseconds only), never a float of seconds.
 */
export type Instant = number & { readonly [instantBrand]: 'Instant' }

/** Microseconds in the units that people say. */
export const MICROS = {
  millisecond: 1_000,
  second: 1_000_000,
  minute: 60_000_000,
  hour: 3_600_000_000,
  day: 86_400_000_000,
} as const

/** The first instant that a row, a label or a request may carry: 1900-01-01T00:00:00Z. */
export const INSTANT_MIN = -2_208_988_800_000_000 as Instant
/** The last one: 2199-12-31T23:59:59.999999Z. */
export const INSTANT_MAX = 7_258_118_399_999_999 as Instant

/** Least and greatest microsecond of a *feature* of type timestamp: years 0001 to 9999. */
export const TIMESTAMP_MIN = -62_135_596_800_000_000n
/** The last microsecond of the year 9999. */
export const TIMESTAMP_MAX = 253_402_300_799_999_999n

/**
 * Checks that a number of microseconds is an instant.
 *
 * @throws {AsofError} `invalid_instant` when it is not whole or outside 1900..2200; the message guesses the unit
 * @example
 * ```ts
 * formatInstant(instant(1_704_067_200_000_000)) // '2024-01-01T00:00:00.000000Z'
 * ```
 */
export function instant(micros: number): Instant {
  if (Number.isInteger(micros) && micros >= INSTANT_MIN && micros <= INSTANT_MAX) return micros as Instant
  const guess = guessUnit(micros)
  // That it is in microseconds already is no advice.
  const advice = guess.endsWith(' microseconds') ? '' : guess
  throw invalid('invalid_instant', `not an instant between 1900 and 2200 in microseconds${advice}`, {
    value: micros,
  })
}

/** 1990-01-01: an earlier number is doubted where another unit makes it a recent time. */
const DOUBTED_BEFORE = 631_152_000_000_000

/**
 * Checks an instant that a program gave: as {@link instant}, and a number that is a recent time in another unit alone, such as
 * `Date.now()`, is refused with that guess.
 *
 * @throws {AsofError} `invalid_instant`
 */
export function givenInstant(given: unknown): Instant {
  if (typeof given !== 'number') {
    throw invalid('invalid_instant', 'not an instant: give microseconds since 1970 as a number', {
      got: typeof given,
    })
  }
  const guess = given < DOUBTED_BEFORE && Math.abs(given) < 6e14 ? guessUnit(given) : ''
  if (guess === '') return instant(given)
  throw invalid('invalid_instant', `not an instant in microseconds${guess}`, { value: given })
}

/** Whether a number is an instant. */
export function isInstant(micros: number): micros is Instant {
  return Number.isInteger(micros) && micros >= INSTANT_MIN && micros <= INSTANT_MAX
}

/**
 * Reads an RFC 3339 text with a zone (`Z` or `+hh:mm`), exactly.
 *
 * @throws {AsofError} `invalid_instant` for a text without a zone, an impossible date, a leap second, digits below a
 * microsecond, or a year outside 1900..2200
 * @example
 * ```ts
 * parseInstant('2024-03-10T02:30:00Z') // 1_710_037_800_000_000
 * parseInstant('2024-03-10T02:30:00.000001+05:45') // 1_710_017_100_000_001
 * parseInstant('2024-03-10T02:30:00') // throws: invalid_instant
 * ```
 */
export function parseInstant(text: string): Instant {
  const micros = parseTimestamp(text)
  if (micros < BigInt(INSTANT_MIN) || micros > BigInt(INSTANT_MAX)) {
    throw invalid('invalid_instant', 'the instant lies outside 1900..2200', { value: text })
  }
  return Number(micros) as Instant
}

/** Prints an instant as RFC 3339 UTC with six decimals: `2024-01-01T00:00:00.000000Z`. */
export function formatInstant(at: Instant): string {
  return formatTimestamp(BigInt(at))
}

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?$/

/**
 * Reads an RFC 3339 text as microseconds, years 0001 to 9999: the value of a *feature* of type timestamp.
 *
 * @param zone `'UTC'` accepts a text without a zone as UTC; without it such a text is refused
 * @throws {AsofError} `invalid_instant`
 */
export function parseTimestamp(text: string, zone?: 'UTC'): bigint {
  const match = RFC3339.exec(text)
  if (match === null) {
    throw invalid('invalid_instant', 'not an RFC 3339 time such as 2024-01-01T00:00:00Z', { value: text })
  }
  const [, year, month, day, hour, minute, second, fraction = '', offset] = match
  if (offset === undefined && zone === undefined) {
    throw invalid('invalid_instant', 'a time without a zone: add Z or an offset, or declare the zone', {
      value: text,
    })
  }
  if (fraction.length > 6 && /[1-9]/.test(fraction.slice(6))) {
    throw invalid('invalid_instant', 'digits below a microsecond would be lost', { value: text })
  }
  const days = daysFromCivil(Number(year), Number(month), Number(day))
  const clock = Number(hour) * 3600 + Number(minute) * 60 + Number(second)
  if (days === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) {
    throw invalid('invalid_instant', 'no such date or time of day', { value: text })
  }
  const shift = offset === undefined ? 0 : offsetSeconds(offset, text)
  const micros =
    BigInt(days * 86_400 + clock - shift) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  if (micros < TIMESTAMP_MIN || micros > TIMESTAMP_MAX) {
    throw invalid('invalid_instant', 'the time lies outside the years 0001..9999', { value: text })
  }
  return micros
}

/** Prints microseconds (years 0001 to 9999) as RFC 3339 UTC with six decimals. */
export function formatTimestamp(micros: bigint): string {
  const seconds = floorDiv(micros, 1_000_000n)
  const fraction = micros - seconds * 1_000_000n
  const days = floorDiv(seconds, 86_400n)
  const clock = Number(seconds - days * 86_400n)
  const [year, month, day] = civilFromDays(Number(days))
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  const time = `${two(Math.floor(clock / 3600))}:${two(Math.floor(clock / 60) % 60)}:${two(clock % 60)}`
  return `${date}T${time}.${String(fraction).padStart(6, '0')}Z`
}

function offsetSeconds(offset: string, text: string): number {
  if (offset === 'Z' || offset === 'z') return 0
  const hours = Number(offset.slice(1, 3))
  const minutes = Number(offset.slice(4, 6))
  if (hours > 23 || minutes > 59) throw invalid('invalid_instant', 'no such zone offset', { value: text })
  return (offset.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}

/** Days since 1970-01-01 of a proleptic Gregorian date; Howard Hinnant, "chrono-compatible low-level date algorithms". */
function daysFromCivil(year: number, month: number, day: number): number | undefined {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function civilFromDays(days: number): [year: number, month: number, day: number] {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthPart = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthPart + 2) / 5) + 1
  const month = monthPart < 10 ? monthPart + 3 : monthPart - 9
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day]
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

/** The unit in which a number would be a plausible recent time, as a clause for an error message. */
export function guessUnit(value: number): string {
  const size = Math.abs(value)
  if (size >= 6e8 && size < 6e9) return '; it looks like seconds'
  if (size >= 6e11 && size < 6e12) return '; it looks like milliseconds'
  if (size >= 6e14 && size < 6e15) return '; it looks like microseconds'
  if (size >= 6e17 && size < 6e18) return '; it looks like nanoseconds'
  return ''
}
