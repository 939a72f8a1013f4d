import { snappyMachine, STEP_BYTES } from './snappy-machine.ts'
import type { SnappyMachine } from './snappy-machine.ts'

/** Blocks and pages up to this are decoded by the machine. */
const ROOM_BYTES = 2 ** 22
/** Where blocks and pages lie in its memory; no page may lie at 0. */
const BLOCK_AT = 16
const PAGE_AT = BLOCK_AT + ROOM_BYTES + STEP_BYTES
let machine: SnappyMachine | undefined

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
  machine ??= snappyMachine(PAGE_AT + ROOM_BYTES + STEP_BYTES)
  machine.bytes.set(block, BLOCK_AT)
  const blockEnd = Math.max(0, BLOCK_AT + end - STEP_BYTES)
  const out = machine.decode(BLOCK_AT + from, blockEnd, PAGE_AT, PAGE_AT + size - STEP_BYTES)
  if (out === 0) return undefined
  const page = machine.bytes.subarray(PAGE_AT, PAGE_AT + size)
  return decode(block, machine.at() - BLOCK_AT, page, out - PAGE_AT) ? page : undefined
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
