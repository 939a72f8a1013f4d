import assert from 'node:assert/strict'
import type { EventLog, Instant, LogEntry, LogRecord } from '@asof/core'

/** A wall clock that the suite moves, back too. */
export interface Wall {
  now: number
}

/** What a body gets: a handle, more of them, and the wall clock. */
export interface LogStage {
  readonly log: EventLog
  readonly open: () => Promise<EventLog>
  readonly wall: Wall
}

/** Where the wall clock begins: 2024-01-01. */
export const START = 1_704_067_200_000_000

/** Runs a body with an empty log. */
export type OnLog = (body: (stage: LogStage) => Promise<void>) => Promise<void>

/** An entry whose body is a text. */
export function entry(producer: string, sequence: number, body: string, span = 1): LogEntry {
  return { producer, sequence, span, body: Buffer.from(body, 'utf8') }
}

/** A body as text. */
export function text(body: Uint8Array): string {
  return Buffer.from(body).toString('utf8')
}

/** Where and when. */
export function placed({ position, at }: { position: number; at: Instant }): readonly [number, number] {
  return [position, at]
}

/** A record whose body compares by its text. */
export function comparable({ body, ...rest }: LogRecord): object {
  return { ...rest, body: text(body) }
}

/** Asserts that positions and instants rise together. */
export function rising(records: readonly { readonly position: number; readonly at: Instant }[]): void {
  for (const [index, { position, at }] of records.entries()) {
    if (index === 0) continue
    assert.ok(position > records[index - 1]!.position, 'positions rise')
    assert.ok(at > records[index - 1]!.at, 'instants rise')
  }
}
