import type { Instant } from '../clock/instant.ts'
import { corrupt, invalid } from '../errors/asof-error.ts'
import type { Stamp } from '../model/feature-row.ts'

/** Bytes of an encoded stamp: `e`, `c` and `s`, 8 bytes each. */
export const STAMP_BYTES = 24

const TWO_32 = 4_294_967_296

/**
 * Encodes a stamp in 24 bytes whose byte order is the order of stamps: `e`, `c`, `s` as big-endian int64 with the
 * sign bit flipped.
 *
 * @param into where to write; 24 new bytes by default
 * @throws {AsofError} `invalid_stamp` for a part that is no safe integer
 */
export function encodeStamp(
  stamp: Stamp,
  into: Uint8Array = new Uint8Array(STAMP_BYTES),
  offset = 0,
): Uint8Array {
  writeBiased(into, offset, stamp.e)
  writeBiased(into, offset + 8, stamp.c)
  writeBiased(into, offset + 16, stamp.s)
  return into
}

/**
 * Reads a stamp back.
 *
 * @throws {AsofError} `corrupt_stamp` for fewer than 24 bytes, or a part beyond ±2^53
 */
export function decodeStamp(bytes: Uint8Array, offset = 0): Stamp {
  return {
    e: decodeStampPart(bytes, offset) as Instant,
    c: decodeStampPart(bytes, offset + 8) as Instant,
    s: decodeStampPart(bytes, offset + 16),
  }
}

/**
 * One part of a stamp: `e` is at its bytes 0 to 7, `c` from 8 and `s` from 16. For readers that need only the event time.
 *
 * @throws {AsofError} `corrupt_stamp`
 */
export function decodeStampPart(bytes: Uint8Array, offset: number): number {
  if (offset + 8 > bytes.length) {
    throw corrupt('corrupt_stamp', 'too few bytes for a stamp; the stored row is damaged', {
      bytes: bytes.length,
    })
  }
  const high =
    ((bytes[offset]! ^ 0x80) << 24) |
    (bytes[offset + 1]! << 16) |
    (bytes[offset + 2]! << 8) |
    bytes[offset + 3]!
  const low =
    ((bytes[offset + 4]! << 24) |
      (bytes[offset + 5]! << 16) |
      (bytes[offset + 6]! << 8) |
      bytes[offset + 7]!) >>>
    0
  const value = high * TWO_32 + low
  if (!Number.isSafeInteger(value)) {
    throw corrupt('corrupt_stamp', 'a stamp beyond 2^53; the stored row is damaged', { value })
  }
  return value
}

/** Less than 0, 0 or more than 0: the order of two encoded stamps, which is that of the stamps. */
export function compareStampBytes(a: Uint8Array, b: Uint8Array, aOffset = 0, bOffset = 0): number {
  for (let index = 0; index < STAMP_BYTES; index++) {
    const difference = a[aOffset + index]! - b[bOffset + index]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Two halves of 32 bits instead of a BigInt, which would allocate. */
function writeBiased(into: Uint8Array, offset: number, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw invalid('invalid_stamp', 'a stamp is made of whole numbers below 2^53', { value })
  }
  const high = Math.floor(value / TWO_32) ^ 0x80000000
  const low = value - Math.floor(value / TWO_32) * TWO_32
  into[offset] = high >>> 24
  into[offset + 1] = high >>> 16
  into[offset + 2] = high >>> 8
  into[offset + 3] = high
  into[offset + 4] = low >>> 24
  into[offset + 5] = low >>> 16
  into[offset + 6] = low >>> 8
  into[offset + 7] = low
}
