import { literal } from './sql-text.ts'

/** RFC 3339 with or without a zone; digits below a microsecond are zeros. */
const RFC3339 =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6}0{0,3})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?'

/**
 * SQL for the microseconds since 1970 UTC of a text, as `parseTimestamp` reads it; null where it is no such time. A text without
 * a zone is one only where `zone` is given.
 */
export function textMicros(x: string, zone: string | undefined): string {
  const naive = `TRY_CAST(left(${x}, 10) || ' ' || substr(${x}, 12, 8) AS TIMESTAMP)`
  const fraction = `TRY_CAST(rpad(left(regexp_extract(${x}, '\\.([0-9]+)', 1), 6), 6, '0') AS BIGINT)`
  const offset = `regexp_extract(${x}, '(?:[+-][0-9]{2}:[0-9]{2}|[Zz])$')`
  const local = `make_timestamp(epoch_us(${naive}) + ${fraction})`
  const seconds = `(TRY_CAST(substr(${offset}, 2, 2) AS BIGINT) * 3600 + TRY_CAST(substr(${offset}, 5, 2) AS BIGINT) * 60)`
  const signed = `CASE WHEN left(${offset}, 1) = '-' THEN -${seconds} ELSE ${seconds} END`
  return `CASE WHEN NOT regexp_full_match(${x}, ${literal(RFC3339)}) OR left(${x}, 4) = '0000' THEN NULL
               WHEN ${offset} = '' THEN ${zone === undefined ? 'NULL' : zonedMicros(local, zone)}
               WHEN ${offset} IN ('Z', 'z') THEN epoch_us(${local})
               ELSE epoch_us(${local}) - 1000000 * ${signed} END`
}

/**
 * SQL for the microseconds since 1970 UTC of a TIMESTAMP (a local time) in a zone; null for a local time that the zone's clocks
 * jump over. Of a local time that comes twice it is the later one, so that nothing is known before it was.
 */
export function zonedMicros(local: string, zone: string): string {
  if (zone === 'UTC') return `epoch_us(${local})`
  const there = `(${local} AT TIME ZONE ${literal(zone)})`
  return `CASE WHEN ${there} AT TIME ZONE ${literal(zone)} = ${local} THEN epoch_us(${there}) END`
}
