import { invalid } from '../errors/asof-error.ts'
import { givenInstant, parseInstant, type Instant } from '../clock/instant.ts'
import { LIMITS } from '../limits/limits.ts'
import { encodeRow } from '../codec/row-codec.ts'
import { decodeStamp } from '../codec/stamp.ts'
import { checkKey, checkValue } from '../model/check-value.ts'
import { compareStamps } from '../model/feature-row.ts'
import { groupId } from '../model/definition.ts'
import { valueFromJson, valueToJson } from '../model/value-json.ts'
import type { KeyType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import type { RejectedRow } from '../ports/compute-engine.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OnlineStore } from '../ports/online-store.ts'
import type { GroupPlan } from './group-plan.ts'
import { TABLE_COLUMNS } from './group-table.ts'
import { encodeLogBody } from './log-record.ts'
import type { Quarantine } from './quarantine.ts'

/**
 * A row to push: the entity's keys, `event_timestamp` (an instant, or RFC 3339 text), every feature (null is a value),
 * or `_deleted: true` and no feature for a tombstone.
 */
export type PushRow = Readonly<Record<string, unknown>>

/** Names a push, so that a repeat is answered as a duplicate. Made by the client. */
export interface PushName {
  readonly producer: string
  /**
   * Whole, rising per producer. A producer sends one push after the answer to the one before: of two on their way at once the
   * one that is overtaken would be answered as a duplicate.
   */
  readonly sequence: number
}

/** How rows are pushed. */
export interface PushOptions {
  /** Answers once lookups see the rows. */
  readonly wait?: 'applied'
  /** The rows are in the JSON form of their types. */
  readonly json?: boolean
  /** Ends the waiting, with its reason; what was appended stays. */
  readonly signal?: AbortSignal
}

/** What became of a push. */
export interface PushResult {
  /** The same `(producer, sequence)`, or a later one, was appended before; nothing was done. */
  readonly duplicate: boolean
  readonly accepted: number
  /** Rows refused because they are dated too far ahead. */
  readonly quarantined: number
  readonly position: number
  /** Instant of append: the created time of the rows. */
  readonly at: Instant
}

/** A push, with the rows that are in the log now, in its order; none for a duplicate. */
export interface AppendedPush extends PushResult {
  readonly rows: readonly { readonly e: Instant; readonly entityKey: string }[]
}

/** Rows checked against their group and encoded. */
interface CheckedRow {
  readonly e: Instant
  readonly entityKey: string
  readonly row: Uint8Array
  readonly json: () => string
}

/**
 * Appends whole rows of one group version to the log: all of them, or none. A push whose rows are all quarantined appends
 * nothing and leaves its name free, so that its rows may be pushed under it when their time has come.
 *
 * @param name or what makes one, which is this program's own: it is called right before the append, so that names rise in
 * the order of the log
 * @throws {AsofError} `invalid` with the path of the row and column; nothing was appended
 */
export async function pushRows(
  parts: { readonly log: EventLog; readonly quarantine: Quarantine },
  plan: GroupPlan,
  rows: readonly PushRow[],
  name: PushName | (() => PushName),
  options: { readonly hold: boolean; readonly json?: boolean },
): Promise<AppendedPush> {
  if (!Array.isArray(rows)) throw invalid('invalid_push', 'a push is an array of rows')
  if (rows.length === 0) throw invalid('empty_push', 'a push needs a row')
  if (rows.length > LIMITS.rowsPerPushMax) {
    throw invalid('push_too_large', 'too many rows in one push; split it', {
      rowsPerPushMax: LIMITS.rowsPerPushMax,
    })
  }
  if (typeof name === 'object') checkPushName(name)
  const known = columnsOf(plan)
  const checked = rows.map((row, index) =>
    checkRow(plan, known, row, `rows[${index}]`, options.json === true),
  )
  const latest = parts.log.now() + LIMITS.futureMaxMicros
  const [ahead, accepted] = [checked.filter((row) => row.e > latest && !options.hold), [] as CheckedRow[]]
  for (const row of checked) if (row.e <= latest || options.hold) accepted.push(row)
  const { definition } = plan.group
  const rejected = ahead.map((row): RejectedRow => ({
    reason: 'future',
    column: TABLE_COLUMNS.eventTime,
    row: row.json(),
  }))
  const body = encodeLogBody({
    kind: 'rows',
    project: plan.project,
    group: definition.name,
    version: definition.version,
    rows: accepted,
  })
  if (body.length > LIMITS.logRecordBytesMax) {
    throw invalid('push_too_large', 'too many bytes in one push; split it', {
      logRecordBytesMax: LIMITS.logRecordBytesMax,
    })
  }
  // Before the append: if this process dies in between, the repeat of the push finds them there.
  await parts.quarantine.add(groupId(definition), rejected, parts.log.now())
  if (accepted.length === 0) {
    const position = await parts.log.end()
    return {
      duplicate: false,
      accepted: 0,
      quarantined: ahead.length,
      position,
      at: parts.log.now(),
      rows: [],
    }
  }
  // A name made here is made at once with the append, as another push may have overtaken this one since it began.
  const named = typeof name === 'function' ? name() : name
  const [appended] = await parts.log.append([{ ...named, span: accepted.length, body }])
  const { duplicate, position, at } = appended!
  return {
    duplicate,
    accepted: duplicate ? 0 : accepted.length,
    quarantined: duplicate ? 0 : ahead.length,
    position,
    at,
    rows: duplicate ? [] : accepted,
  }
}

/** How many rows of a push are older than what is stored under their keys: kept for history, not served. */
export async function countSuperseded(
  online: OnlineStore,
  plan: GroupPlan,
  { rows, at, position }: AppendedPush,
): Promise<number> {
  const stored = await online.read(
    rows.map((row) => ({ table: plan.onlineTable, key: plan.onlineKey(row.entityKey) })),
  )
  return stored.filter((bytes, index) => {
    const own = { e: rows[index]!.e, c: at, s: position + index }
    return bytes !== undefined && compareStamps(decodeStamp(bytes), own) > 0
  }).length
}

/** How the names begin under which this program appends: its runs and imports, and retries of quarantined rows. */
const OWN_PRODUCERS = ['asof:', 'quarantine:'] as const

/**
 * Checks the name of a push.
 *
 * @throws {AsofError} `invalid_producer`, `invalid_sequence`
 */
export function checkPushName({ producer, sequence }: PushName): void {
  const own = OWN_PRODUCERS.find((prefix) => producer.startsWith(prefix))
  if (own !== undefined) {
    throw invalid(
      'invalid_producer',
      `producers that begin with ${own} are asof's own; choose another name`,
      {
        producer,
      },
    )
  }
  if (!Number.isSafeInteger(sequence)) {
    throw invalid('invalid_sequence', 'a sequence is a whole number that rises with each push', { sequence })
  }
}

/** The columns that a row of a group may have. */
function columnsOf({ group: { definition, entity } }: GroupPlan): ReadonlySet<string> {
  return new Set([
    ...entity.keys.map((key) => key.name),
    ...definition.features.map((feature) => feature.name),
    TABLE_COLUMNS.eventTime,
    '_deleted',
  ])
}

function checkRow(
  plan: GroupPlan,
  known: ReadonlySet<string>,
  row: PushRow,
  path: string,
  json: boolean,
): CheckedRow {
  const { definition, entity } = plan.group
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalid('invalid_row', 'a row is an object of its columns', { path })
  }
  const unknown = Object.keys(row).filter((column) => !known.has(column))
  const leavesOut = definition.compute.from === 'push' && definition.unknownColumns === 'additive'
  if (unknown.length > 0 && !leavesOut) {
    throw invalid('unknown_column', 'the group does not declare this column', { path, column: unknown[0]! })
  }
  const deleted = Object.hasOwn(row, '_deleted') && row['_deleted']
  if (typeof deleted !== 'boolean') {
    throw invalid('invalid_value', '_deleted is true or false', { path: `${path}._deleted` })
  }
  // A property that is undefined is one that somebody forgot, not a null.
  const absent = definition.features.filter(
    ({ name }) => !Object.hasOwn(row, name) || row[name] === undefined,
  )
  if (!deleted && absent.length > 0) {
    throw invalid('partial_row', 'a row needs every feature; write null where there is no value', {
      path,
      absent: absent.map((feature) => feature.name).join(', '),
    })
  }
  if (deleted && absent.length < definition.features.length) {
    throw invalid('invalid_tombstone', 'a tombstone has no features', { path })
  }
  const read = (type: Parameters<typeof checkValue>[0], value: unknown, at: string): Value | null =>
    json ? valueFromJson(type, value, at) : checkValue(type, value, at)
  const key = checkKey(
    entity.keys,
    keyOf(plan, row, (type, value, at) => (json ? read(type, value, at) : value), path),
    path,
  )
  const missing = entity.keys.find((_, part) => key[part] === null)
  if (missing !== undefined) {
    throw invalid('null_key', 'a row needs every part of its key', { path, column: missing.name })
  }
  const e = checkEventTime(row[TABLE_COLUMNS.eventTime], path)
  const values = definition.features.map(({ name, type }) =>
    deleted ? null : read(type, row[name], `${path}.${name}`),
  )
  const stamp = { e, c: e, s: 0 }
  return {
    e,
    entityKey: plan.entityKey(key),
    row: encodeRow(plan.layout, stamp, deleted ? 'deleted' : values),
    json: () =>
      JSON.stringify({
        ...Object.fromEntries(
          entity.keys.map(({ name, type }, part) => [name, valueToJson(type, key[part]!)]),
        ),
        [TABLE_COLUMNS.eventTime]: e,
        ...(deleted
          ? { _deleted: true }
          : Object.fromEntries(
              definition.features.map(({ name, type }, part) => [
                name,
                valueToJson(type, values[part] ?? null),
              ]),
            )),
      }),
  }
}

/** The row's key columns alone; one that is not there stays away, so that the check can name it. */
function keyOf(
  plan: GroupPlan,
  row: PushRow,
  read: (type: KeyType, value: unknown, path: string) => unknown,
  path: string,
): Record<string, unknown> {
  const named = plan.group.entity.keys.filter(({ name }) => Object.hasOwn(row, name))
  return Object.fromEntries(named.map(({ name, type }) => [name, read(type, row[name], `${path}.${name}`)]))
}

function checkEventTime(value: unknown, path: string): Instant {
  const at = `${path}.${TABLE_COLUMNS.eventTime}`
  try {
    if (typeof value === 'string') return parseInstant(value)
    if (typeof value === 'number') return givenInstant(value)
  } catch (error) {
    // What was given stays with the giver: messages of pushes are logged.
    const [text] = (error as Error).message.split('. value=`', 1)
    throw invalid('invalid_event_time', text!, { path: at })
  }
  throw invalid('invalid_event_time', 'an event time is an instant in microseconds or RFC 3339 text', {
    path: at,
  })
}
