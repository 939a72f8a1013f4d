/** Bytes that a fast copy may write beyond the end of what it copies. */
export const SNAPPY_SLACK_BYTES = 64

/** No byte of Snappy stands for more than this: a copy of three bytes gives 64. */
const EXPANSION_MAX = 22

/**
 * Decodes a block of Snappy into memory of the caller. Buffers that a native decoder allocates for each page are fresh
 * memory, and touching that costs more than decoding.
 *
 * @param into at least `size + SNAPPY_SLACK_BYTES` long; what stands behind `size` is overwritten
 * @returns whether the block is whole and holds exactly `size` bytes
 */
export function uncompressSnappy(block: Uint8Array, into: Uint8Array, size: number): boolean {
  const end = block.length
  let at = 0
  let declared = 0
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) return false
    const byte = block[at++]!
    declared += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (declared !== size || size > end * EXPANSION_MAX || into.length < size + SNAPPY_SLACK_BYTES) return false
  const source = new DataView(block.buffer, block.byteOffset, end)
  const target = new DataView(into.buffer, into.byteOffset, into.byteLength)
  // Near the end of the block a copy by four bytes would read behind it.
  const fastEnd = end - SNAPPY_SLACK_BYTES
  let out = 0
  while (at < end) {
    const tag = block[at++]!
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >>> 2) + 1
      if (length > 60) {
        const bytes = length - 60
        if (at + bytes > end) return false
        length = 1
        for (let i = 0; i < bytes; i++) length += block[at++]! * 2 ** (8 * i)
      }
      if (at + length > end || out + length > size) return false
      if (length <= 4 && at < fastEnd) {
        target.setInt32(out, source.getInt32(at))
      } else if (length <= 60 && at < fastEnd) {
        for (let i = 0; i < length; i += 4) target.setInt32(out + i, source.getInt32(at + i))
      } else {
        into.set(block.subarray(at, at + length), out)
      }
      at += length
      out += length
      continue
    }
    let length: number
    let offset: number
    if (kind === 1) {
      if (at >= end) return false
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | block[at++]!
    } else {
      const bytes = kind === 2 ? 2 : 4
      if (at + bytes > end) return false
      length = (tag >>> 2) + 1
      offset = kind === 2 ? source.getUint16(at, true) : source.getUint32(at, true)
      at += bytes
    }
    if (offset === 0 || offset > out || out + length > size) return false
    const from = out - offset
    if (offset >= 4) {
      // Four bytes at a time never read what this very step writes.
      target.setInt32(out, target.getInt32(from))
      for (let i = 4; i < length; i += 4) target.setInt32(out + i, target.getInt32(from + i))
    } else {
      for (let i = 0; i < length; i++) into[out + i] = into[from + i]!
    }
    out += length
  }
  return out === size
}
