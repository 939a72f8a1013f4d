/** Blocks and pages up to this are decoded in memory that the compiler knows the place of: twice as fast as in any other. */
const ROOM_BYTES = 2 ** 22
/** Bytes before an end from which on every step is checked: no step of the fast loop goes further. */
const SLACK_BYTES = 72

const INPUT = new Uint8Array(ROOM_BYTES + SLACK_BYTES)
const OUTPUT = new Uint8Array(ROOM_BYTES + SLACK_BYTES)
const INPUT_VIEW = new DataView(INPUT.buffer)
const OUTPUT_VIEW = new DataView(OUTPUT.buffer)

/** No byte of Snappy stands for more than this: a copy of three bytes gives 64. */
const EXPANSION_MAX = 22

/** Of each tag of a copy: its length, the upper bits of its offset from bit 8 on, the bytes that follow it from bit 11 on. */
const COPIES = new Uint16Array(256)
for (let tag = 0; tag < 256; tag++) {
  const kind = tag & 3
  if (kind === 1) COPIES[tag] = (((tag >>> 2) & 7) + 4) | ((tag >>> 5) << 8) | (1 << 11)
  else if (kind > 1) COPIES[tag] = ((tag >>> 2) + 1) | ((kind === 2 ? 2 : 4) << 11)
}

/**
 * Decodes a block of Snappy, into memory that the next call uses again. Buffers that a native decoder allocates for each page
 * are fresh memory, and touching that costs more than decoding.
 *
 * @returns exactly `size` bytes; undefined where the block is not whole, or holds more or less
 */
export function uncompressSnappy(block: Uint8Array, size: number): Uint8Array | undefined {
  const end = block.length
  let from = 0
  let declared = 0
  for (let shift = 0; ; shift += 7) {
    if (from >= end || shift > 28) return undefined
    const byte = block[from++]!
    declared += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (declared !== size || size > end * EXPANSION_MAX) return undefined
  if (end > ROOM_BYTES || size > ROOM_BYTES) {
    const page = new Uint8Array(size)
    return decode(block, from, page, 0) ? page : undefined
  }
  INPUT.set(block)
  return decodeFast(from, end, size) ? OUTPUT.subarray(0, size) : undefined
}

/** Decodes `INPUT[from..end)` into `OUTPUT`, eight bytes at a time as long as both are far from their ends. */
function decodeFast(from: number, end: number, size: number): boolean {
  const fastEnd = end - SLACK_BYTES
  const fastSize = size - SLACK_BYTES
  let at = from
  let out = 0
  while (at < fastEnd && out < fastSize) {
    const tag = INPUT[at]!
    if ((tag & 3) === 0) {
      let length = (tag >>> 2) + 1
      at++
      if (length <= 4) {
        OUTPUT_VIEW.setInt32(out, INPUT_VIEW.getInt32(at, true), true)
      } else if (length <= 60) {
        for (let i = 0; i < length; i += 4)
          OUTPUT_VIEW.setInt32(out + i, INPUT_VIEW.getInt32(at + i, true), true)
      } else {
        // A long literal says its length in bytes of its own; most often it is the whole page.
        const bytes = length - 60
        length = 0
        // Shifts keep all numbers of this loop whole, which makes it twice as fast.
        for (let i = 0; i < bytes; i++) length |= INPUT[at++]! << (8 * i)
        length = (length + 1) | 0
        if (length <= 0 || at + length > end || out + length > size) return false
        OUTPUT.set(INPUT.subarray(at, at + length), out)
      }
      at += length
      out += length
      continue
    }
    // A guess of the processor about the kind is faster than a table of what each tag means.
    let length: number
    let offset: number
    if ((tag & 3) === 1) {
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | INPUT[at + 1]!
      at += 2
    } else {
      length = (tag >>> 2) + 1
      offset = INPUT[at + 1]! | (INPUT[at + 2]! << 8)
      at += 3
      if ((tag & 3) === 3) {
        offset |= (INPUT[at]! << 16) | (INPUT[at + 1]! << 24)
        at += 2
      }
    }
    const source = out - offset
    if (offset <= 0 || source < 0) return false
    if (offset >= 4) {
      // Four bytes at a time never read what this very step writes.
      OUTPUT_VIEW.setInt32(out, OUTPUT_VIEW.getInt32(source, true), true)
      OUTPUT_VIEW.setInt32(out + 4, OUTPUT_VIEW.getInt32(source + 4, true), true)
      for (let i = 8; i < length; i += 4)
        OUTPUT_VIEW.setInt32(out + i, OUTPUT_VIEW.getInt32(source + i, true), true)
    } else {
      for (let i = 0; i < length; i++) OUTPUT[out + i] = OUTPUT[source + i]!
    }
    out += length
  }
  return decode(INPUT.subarray(0, end), at, OUTPUT.subarray(0, size), out)
}

/** Decodes what is left of a block, byte by byte; whether it fills the page exactly. */
function decode(block: Uint8Array, from: number, page: Uint8Array, filled: number): boolean {
  const end = block.length
  const size = page.length
  let at = from
  let out = filled
  while (at < end) {
    const tag = block[at++]!
    if ((tag & 3) === 0) {
      let length = (tag >>> 2) + 1
      if (length > 60) {
        const bytes = length - 60
        if (at + bytes > end) return false
        length = 1
        for (let i = 0; i < bytes; i++) length += block[at++]! * 2 ** (8 * i)
      }
      if (at + length > end || out + length > size) return false
      page.set(block.subarray(at, at + length), out)
      at += length
      out += length
      continue
    }
    const length = COPIES[tag]! & 0xff
    const bytes = COPIES[tag]! >>> 11
    if (at + bytes > end) return false
    let offset = COPIES[tag]! & 0x700
    for (let i = 0; i < bytes; i++) offset += block[at++]! * 2 ** (8 * i)
    if (offset === 0 || offset > out || out + length > size) return false
    for (let i = 0; i < length; i++, out++) page[out] = page[out - offset]!
  }
  return out === size
}
