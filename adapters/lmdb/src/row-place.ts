import { invalid } from '@asof/core'

/**
 * How the rows of a table lie in the environment.
 *
 * - `apart`: under `table number | key` in the database `rows`, so that the table is one contiguous range, quick to scan.
 * - `together`: under `key | table number` in the database `together`, so that rows of several tables whose keys begin alike, as
 *   those of one entity do, are neighbours: reading ten of them touches a page or two instead of ten.
 *
 * Either way rows of one table are in the order of their keys. Numbers are u32, big-endian. Before a number a key ends in two
 * zeros, and a zero within it is followed by 255, so that no key is the beginning of another.
 */
export type Layout = 'apart' | 'together'

/** A table as its rows are found. */
export interface TablePlace {
  readonly number: number
  readonly layout: Layout
}

const NUMBER_BYTES = 4
const END_BYTES = 2
/** The longest key that LMDB takes. */
const placeBytesMax = 1_978
/** The longest key of a row, with room for what is around it. */
const keyBytesMax = placeBytesMax - NUMBER_BYTES - END_BYTES

/**
 * Writes where a row lies into `into`, which has room for every place; answers its length.
 *
 * @throws {AsofError} `online_key_too_long`
 */
export function writePlace(into: Uint8Array, { number, layout }: TablePlace, key: Uint8Array): number {
  if (key.length > keyBytesMax) throw tooLong(key)
  if (layout === 'apart') {
    writeNumber(into, 0, number)
    into.set(key, NUMBER_BYTES)
    return NUMBER_BYTES + key.length
  }
  let length = key.length
  if (!key.includes(0)) into.set(key)
  else length = writeEscaped(into, key)
  into[length] = 0
  into[length + 1] = 0
  writeNumber(into, length + END_BYTES, number)
  return length + END_BYTES + NUMBER_BYTES
}

/** Where a row lies, in memory of its own. */
export function placeOf(table: TablePlace, key: Uint8Array): Uint8Array {
  const into = new Uint8Array(placeBytesMax)
  return into.slice(0, writePlace(into, table, key))
}

/** Room for every place. */
export function placeBuffer(): Uint8Array {
  return new Uint8Array(placeBytesMax)
}

/** The first place of a table, and the first one behind it; of one that lies together with others, of them all. */
export function tableRange({ number, layout }: TablePlace): {
  readonly start: Uint8Array
  readonly end: Uint8Array
} {
  if (layout === 'together') return { start: new Uint8Array(1), end: new Uint8Array(placeBytesMax).fill(255) }
  const [start, end] = [new Uint8Array(NUMBER_BYTES), new Uint8Array(NUMBER_BYTES)]
  writeNumber(start, 0, number)
  writeNumber(end, 0, number + 1)
  return { start, end }
}

/** The key of the row at a place, or undefined where the row is one of another table. */
export function keyAt({ number, layout }: TablePlace, place: Uint8Array): Uint8Array | undefined {
  if (layout === 'apart') return place.subarray(NUMBER_BYTES)
  const end = place.length - NUMBER_BYTES
  if (readNumber(place, end) !== number) return undefined
  const escaped = place.subarray(0, end - END_BYTES)
  return escaped.includes(0) ? unescaped(escaped) : escaped
}

function writeEscaped(into: Uint8Array, key: Uint8Array): number {
  let length = 0
  for (const byte of key) {
    if (length + END_BYTES + NUMBER_BYTES + 2 > placeBytesMax) throw tooLong(key)
    into[length++] = byte
    if (byte === 0) into[length++] = 255
  }
  return length
}

function unescaped(escaped: Uint8Array): Uint8Array {
  return escaped.filter((_, at) => at === 0 || escaped[at - 1] !== 0)
}

function writeNumber(into: Uint8Array, at: number, number: number): void {
  into[at] = number >>> 24
  into[at + 1] = number >>> 16
  into[at + 2] = number >>> 8
  into[at + 3] = number
}

function readNumber(from: Uint8Array, at: number): number {
  return ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0
}

function tooLong(key: Uint8Array): Error {
  return invalid('online_key_too_long', 'the key is too long', { bytes: key.length, keyBytesMax })
}
