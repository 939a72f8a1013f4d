import { formatTimestamp, parseTimestamp } from '@asof/core'
import type { DataFile, TableColumn, WrittenFile } from '@asof/core'
import { parseLossless, stringify } from './delta-action.ts'

type Bounds = Readonly<Record<string, number | string | bigint>>

/** Statistics of so many columns, from the first on, as Delta does by default: a commit stays small in wide tables. */
export const STATS_COLUMNS_MAX = 32
/** Of a longer text so many characters are kept. */
const STATS_CHARS_MAX = 32
/** Microseconds of the milliseconds in which Delta keeps bounds of timestamps. */
const MILLISECOND = 1_000n
/** No text's character lies above it. */
const LAST_CHARACTER = '\u{10FFFF}'

/**
 * The statistics of a file as the log writes them. Bounds hold for every value in the file: minima of timestamps are
 * floored and maxima ceiled to the millisecond; a text is cut, and a cut maximum raised; what has no exact bound in
 * JSON (NaN in the column, the infinities) has none.
 */
export function encodeStats(
  file: Pick<WrittenFile, 'rows' | 'min' | 'max' | 'nulls'>,
  columns: readonly TableColumn[],
): string {
  const minValues: Record<string, unknown> = {}
  const maxValues: Record<string, unknown> = {}
  const nullCount: Record<string, number> = {}
  for (const { name, type } of columns.slice(0, STATS_COLUMNS_MAX)) {
    const nulls = file.nulls[name]
    // Of a struct Delta wants a count for each field.
    if (nulls !== undefined && type.kind !== 'struct') nullCount[name] = nulls
    const min = bound(type.kind, file.min[name], false)
    const max = bound(type.kind, file.max[name], true)
    if (min !== undefined) minValues[name] = min
    if (max !== undefined) maxValues[name] = max
  }
  return stringify({ numRecords: file.rows, minValues, maxValues, nullCount })
}

function bound(kind: string, value: WrittenFile['min'][string] | undefined, upper: boolean): unknown {
  if (value === undefined) return undefined
  switch (kind) {
    case 'int32':
    case 'int64':
      return BigInt(value)
    case 'float32':
    case 'float64':
      return Number.isFinite(value) ? value : undefined
    case 'timestamp':
      return millisecondText(BigInt(value), upper)
    case 'string':
      return cutText(String(value), upper)
    default:
      return undefined
  }
}

function millisecondText(micros: bigint, upper: boolean): string | undefined {
  const past = ((micros % MILLISECOND) + MILLISECOND) % MILLISECOND
  const floored = micros - past
  const rounded = upper && past !== 0n ? floored + MILLISECOND : floored
  const text = formatTimestamp(rounded)
  // The year 9999 could be left by ceiling; such a text would not be read back.
  return text.length === '2024-01-01T00:00:00.000000Z'.length ? `${text.slice(0, -4)}Z` : undefined
}

function cutText(text: string, upper: boolean): string | undefined {
  const characters = Array.from(text)
  if (characters.length <= STATS_CHARS_MAX) return text
  const kept = characters.slice(0, STATS_CHARS_MAX).join('')
  if (!upper) return kept
  // Above every text that begins so, unless the next character is itself the last one that there is.
  return characters[STATS_CHARS_MAX] === LAST_CHARACTER ? undefined : kept + LAST_CHARACTER
}

/**
 * Reads statistics. Bounds that cannot be read, of other columns or of types without an order are left out: a bound
 * is a promise, its absence is none.
 */
export function decodeStats(
  stats: string | undefined,
  columns: readonly TableColumn[],
): Pick<DataFile, 'rows' | 'min' | 'max'> {
  const parsed = stats === undefined ? {} : parseObject(stats)
  const rows = parsed['numRecords']
  return {
    rows: typeof rows === 'number' ? rows : undefined,
    min: decodeBounds(parsed['minValues'], columns, false),
    max: decodeBounds(parsed['maxValues'], columns, true),
  }
}

function parseObject(stats: string): Record<string, unknown> {
  try {
    const parsed = parseLossless(stats)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function decodeBounds(values: unknown, columns: readonly TableColumn[], upper: boolean): Bounds {
  const bounds: Record<string, number | string | bigint> = Object.create(null)
  if (typeof values !== 'object' || values === null) return bounds
  const given = values as Readonly<Record<string, unknown>>
  for (const { name, type } of columns) {
    const value = Object.hasOwn(given, name) ? decodeBound(type.kind, given[name], upper) : undefined
    if (value !== undefined) bounds[name] = value
  }
  return bounds
}

function decodeBound(kind: string, value: unknown, upper: boolean): number | string | bigint | undefined {
  if (kind === 'string') return typeof value === 'string' ? value : undefined
  if (kind === 'timestamp') return typeof value === 'string' ? decodeInstant(value, upper) : undefined
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  if (kind === 'int64')
    return Number.isInteger(value) || typeof value === 'bigint' ? BigInt(value) : undefined
  return kind === 'int32' || kind === 'float32' || kind === 'float64' ? Number(value) : undefined
}

function decodeInstant(text: string, upper: boolean): number | bigint | undefined {
  try {
    // Other writers floor maxima too, so a bound in milliseconds may stand for any microsecond of its millisecond.
    const micros = parseTimestamp(text, 'UTC') + (upper ? MILLISECOND - 1n : 0n)
    return Number.isSafeInteger(Number(micros)) ? Number(micros) : micros
  } catch {
    return undefined
  }
}
