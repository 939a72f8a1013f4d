import { formatTimestamp, parseTimestamp } from '../clock/instant.ts'
import type { SourceDefinition, TimeColumn } from '../model/definition.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { GroupPlan } from './group-plan.ts'
import { TABLE_COLUMNS } from './group-table.ts'
import type { PushRow } from './push.ts'

/** Microseconds of a unit, and for nanoseconds how many make one. */
const MICROS_OF = { s: 1_000_000n, ms: 1_000n, us: 1n } as const
/** No 32-bit column holds a larger number, and every pushed instant after January 1970 is one. */
const INT32_MAX = 2 ** 31 - 1
const DAY_MICROS = 86_400_000_000n

/**
 * A refused row of a source as a push of it: key columns under the names of the keys, the event time read as the source declares
 * it, columns that the group does not have left out. A row that was pushed stays as it is. A time that cannot be told stays, so
 * that the push refuses it: also one that the zone's clocks show twice, or never.
 */
export function retriedRow(plan: GroupPlan, source: SourceDefinition | undefined, row: PushRow): PushRow {
  const { definition, entity } = plan.group
  const time = source?.eventTime
  const given = row[TABLE_COLUMNS.eventTime]
  if (time === undefined || (typeof given === 'number' && given > INT32_MAX)) return row
  const retried: Record<string, unknown> = {}
  for (const { name, type } of entity.keys) retried[name] = narrowed(type, row[definition.key[name] ?? name])
  for (const { name, type } of definition.features) {
    if (Object.hasOwn(row, name)) retried[name] = narrowed(type, row[name])
  }
  if (Object.hasOwn(row, '_deleted')) retried['_deleted'] = row['_deleted']
  return { ...retried, [TABLE_COLUMNS.eventTime]: timeText(row[time.column], time) }
}

/** A whole number of a 64-bit column is kept as its digits; a narrower type takes it where it survives. */
function narrowed({ kind }: FeatureType, value: unknown): unknown {
  const narrows = kind === 'int32' || kind === 'float32' || kind === 'float64'
  return narrows && typeof value === 'string' && /^(?:0|-?[1-9]\d{0,14})$/.test(value) ? Number(value) : value
}

/** As RFC 3339 with a zone, where it can be told. */
function timeText(value: unknown, { unit, zone }: TimeColumn): unknown {
  const text = String(value)
  try {
    if (unit !== undefined) {
      const count = BigInt(text)
      if (unit !== 'ns') return formatTimestamp(count * MICROS_OF[unit])
      return count % 1_000n === 0n ? formatTimestamp(count / 1_000n) : value
    }
    if (zone === undefined || typeof value !== 'string' || /(?:[+-]\d{2}:\d{2}|[Zz])$/.test(text))
      return value
    const local = parseTimestamp(text.replace(' ', 'T'), 'UTC')
    // The clocks go by one of two offsets around any time; which of them the time itself has must be one alone.
    const offsets = new Set([offsetAt(local - DAY_MICROS, zone), offsetAt(local + DAY_MICROS, zone)])
    const [at, ...others] = [...offsets]
      .map((by) => local - by)
      .filter((each) => each + offsetAt(each, zone) === local)
    return at === undefined || others.length > 0 ? value : formatTimestamp(at)
  } catch {
    return value
  }
}

/** How far the clocks of a zone are ahead of UTC at an instant, in microseconds. */
function offsetAt(at: bigint, zone: string): bigint {
  const seconds = at / 1_000_000n - (at % 1_000_000n < 0n ? 1n : 0n)
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(Number(seconds) * 1_000)
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? ''
  const shown = `${part('year')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}:${part('second')}`
  return parseTimestamp(shown, 'UTC') - seconds * 1_000_000n
}
