import type { Instant } from '../clock/instant.ts'
import { conflict, invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { Appended, EventLog, LogEntry, LogRecord } from './event-log.ts'

/** Where a producer stands: its last record. */
export interface ProducerState {
  readonly sequence: number
  readonly position: number
  readonly at: Instant
}

/** What a log knows when it is asked to append. */
export interface AppendState {
  /** The position that the next record takes. */
  readonly end: number
  /** Where a producer stands; undefined when it has never appended. */
  last(producer: string): ProducerState | undefined
  /** The clock's next instant. */
  next(): Instant
}

/** What one append changes: all of it or nothing. */
export interface AppendPlan {
  /** One for each entry, in order. */
  readonly answers: readonly Appended[]
  readonly records: readonly LogRecord[]
  readonly producers: ReadonlyMap<string, ProducerState>
  readonly end: number
}

/**
 * Decides what an append does, for every log in the same way: which entries are duplicates, and which positions and
 * instants the others take.
 *
 * @throws {AsofError} conflict `sequence_moved`, when a conditional append names another sequence than the producer's last
 */
export function planAppend(
  entries: readonly LogEntry[],
  options: Parameters<EventLog['append']>[1] = {},
  state: AppendState,
): AppendPlan {
  const producers = new Map<string, ProducerState>()
  const lastOf = (producer: string): ProducerState | undefined =>
    producers.get(producer) ?? state.last(producer)
  if (options.conditional ?? options.after !== undefined) {
    for (const producer of new Set(entries.map((entry) => entry.producer))) {
      const last = lastOf(producer)?.sequence
      if (last !== options.after) {
        throw conflict(
          'sequence_moved',
          'the producer has appended since; read its last sequence, then retry',
          {
            producer,
            after: options.after,
            last,
          },
        )
      }
    }
  }
  const records: LogRecord[] = []
  let { end } = state
  const answers = entries.map((entry): Appended => {
    const last = lastOf(entry.producer)
    if (last !== undefined && entry.sequence <= last.sequence) {
      return { duplicate: true, position: last.position, at: last.at }
    }
    const at = state.next()
    const position = end
    end += entry.span
    if (!Number.isSafeInteger(end)) throw positionsExhausted(end)
    records.push({ ...entry, position, at })
    producers.set(entry.producer, { sequence: entry.sequence, position, at })
    return { duplicate: false, position, at }
  })
  return { answers, records, producers, end }
}

/**
 * Checks entries before anything is done with them.
 *
 * @throws {AsofError} `invalid_log_name`, `invalid_sequence`, `invalid_span`, `log_record_too_large`
 */
export function checkLogEntries(entries: readonly LogEntry[]): void {
  for (const { producer, sequence, span, body } of entries) {
    checkLogName(producer)
    if (!Number.isSafeInteger(sequence)) {
      throw invalid('invalid_sequence', 'a sequence is a whole number below 2^53', { producer, sequence })
    }
    checkSpan(span)
    if (body.length > LIMITS.logRecordBytesMax) {
      throw invalid('log_record_too_large', 'too many bytes in one log record; split it', {
        bytes: body.length,
        logRecordBytesMax: LIMITS.logRecordBytesMax,
      })
    }
  }
}

/**
 * Checks how many positions are asked for.
 *
 * @throws {AsofError} `invalid_span`
 */
export function checkSpan(span: number): void {
  if (Number.isSafeInteger(span) && span >= 1) return
  throw invalid('invalid_span', 'a record takes a whole number of positions, at least 1', { span })
}

/**
 * Checks a position, or a number of records.
 *
 * @throws {AsofError} `invalid_position`
 */
export function checkPosition(position: number): void {
  if (Number.isSafeInteger(position) && position >= 0) return
  throw invalid('invalid_position', 'a position is a whole number, at least 0', { position })
}

/**
 * Checks the name of a producer, a follower, a lease or its owner: 1 to 512 characters.
 *
 * @throws {AsofError} `invalid_log_name`
 */
export function checkLogName(name: string): void {
  if (name.length >= 1 && name.length <= LOG_NAME_CHARS_MAX && name.isWellFormed()) return
  throw invalid('invalid_log_name', 'a name in the log is well-formed text of 1 to 512 characters', {
    characters: name.length,
    logNameCharsMax: LOG_NAME_CHARS_MAX,
  })
}

const LOG_NAME_CHARS_MAX = 512

/** The refusal of a log that has no positions left. */
export function positionsExhausted(end: number): Error {
  return invalid('positions_exhausted', 'positions end at 2^53', { end })
}
