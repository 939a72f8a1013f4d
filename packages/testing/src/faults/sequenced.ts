import assert from 'node:assert/strict'
import { encodeStamp, type Instant, type LogEntry, type OnlineRow } from '@asof/core'

/** Bytes that follow from a number alone, up to 3 kB long, so that a torn or foreign body is found out. */
export function sequencedBody(sequence: number): Uint8Array {
  const body = new Uint8Array((sequence * 379) % 3_001)
  let state = sequence + 1
  for (let index = 0; index < body.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    body[index] = state >>> 24
  }
  return body
}

/** Entry number `sequence` of a producer, its body as `sequencedBody` makes it. */
export function sequencedEntry(producer: string, sequence: number): LogEntry {
  return { producer, sequence, span: 1 + (sequence % 3), body: sequencedBody(sequence) }
}

/** A row whose stamp and body follow from a number. */
export function sequencedRow(key: string, sequence: number): OnlineRow {
  const stamp = encodeStamp({ e: sequence as Instant, c: sequence as Instant, s: sequence })
  return { key: Buffer.from(key, 'utf8'), stamp, payload: Buffer.concat([stamp, sequencedBody(sequence)]) }
}

/** The number from which a stored row was made, after checking that the row is whole. */
export function sequenceOfRow(payload: Uint8Array): number {
  const sequence = Number(Buffer.from(payload).readBigInt64BE(16) ^ (-1n << 63n))
  assert.ok(Buffer.from(payload).equals(sequencedRow('', sequence).payload), 'the row is torn')
  return sequence
}
