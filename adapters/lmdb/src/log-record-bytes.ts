import { corrupt, type Instant, type LogRecord } from '@asof/core'

/** `at | sequence | span` as big-endian float64, which hold whole numbers up to 2^53 exactly, then the producer's length. */
const HEADER_BYTES = 26

/**
 * A record as LMDB keeps it under its position: `at f64 | sequence f64 | span f64 | producer length u16 | producer | body`,
 * all big-endian.
 */
export function encodeRecord(record: LogRecord): Uint8Array {
  const producer = Buffer.from(record.producer, 'utf8')
  const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + producer.length + record.body.length)
  bytes.writeDoubleBE(record.at, 0)
  bytes.writeDoubleBE(record.sequence, 8)
  bytes.writeDoubleBE(record.span, 16)
  bytes.writeUInt16BE(producer.length, 24)
  bytes.set(producer, HEADER_BYTES)
  bytes.set(record.body, HEADER_BYTES + producer.length)
  return bytes
}

/**
 * Reads a record back; its body is a part of `stored`.
 *
 * @throws {AsofError} `corrupt_log_record`
 */
export function decodeRecord(position: number, stored: Uint8Array): LogRecord {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const body = bytes.length < HEADER_BYTES ? Number.POSITIVE_INFINITY : HEADER_BYTES + bytes.readUInt16BE(24)
  if (body > bytes.length) {
    throw corrupt('corrupt_log_record', 'too few bytes for a log record', { position, bytes: bytes.length })
  }
  return {
    position,
    at: bytes.readDoubleBE(0) as Instant,
    sequence: bytes.readDoubleBE(8),
    span: bytes.readDoubleBE(16),
    producer: bytes.toString('utf8', HEADER_BYTES, body),
    body: stored.subarray(body),
  }
}

/** The key of a position: 8 bytes, big-endian, so that keys are in order of position. */
export function encodePosition(position: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(8)
  bytes.writeUInt32BE(Math.floor(position / 2 ** 32), 0)
  bytes.writeUInt32BE(position % 2 ** 32, 4)
  return bytes
}

/** Reads a position back. */
export function decodePosition(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4)
}
