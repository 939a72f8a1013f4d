import { compareStampBytes, STAMP_BYTES } from '../codec/stamp.ts'
import { invalid } from '../errors/asof-error.ts'
import type { OnlineRow } from './online-store.ts'

/**
 * The rows of one write, checked, in byte order of their keys, and of equal keys the one with the greatest stamp; of
 * equal stamps the first.
 *
 * @throws {AsofError} `invalid_online_row`, for a payload that does not begin with its 24 bytes of stamp
 */
export function latestOfEachKey(rows: readonly OnlineRow[]): OnlineRow[] {
  for (const { stamp, payload } of rows) {
    if (
      stamp.length === STAMP_BYTES &&
      payload.length >= STAMP_BYTES &&
      compareStampBytes(stamp, payload) === 0
    )
      continue
    throw invalid('invalid_online_row', 'a stored row begins with its stamp of 24 bytes', {
      stampBytes: stamp.length,
      payloadBytes: payload.length,
    })
  }
  // The sort is stable, so of equal stamps the first given comes first.
  const sorted = [...rows].sort((a, b) => compareBytes(a.key, b.key) || compareStampBytes(b.stamp, a.stamp))
  return sorted.filter((row, index) => index === 0 || compareBytes(sorted[index - 1]!.key, row.key) !== 0)
}

/** Less than 0, 0 or more than 0: the order of byte strings, a prefix before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
