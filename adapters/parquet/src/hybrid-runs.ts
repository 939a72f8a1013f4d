/**
 * Decodes Parquet's hybrid of run lengths and bit-packed groups: definition levels, dictionary indices, booleans.
 *
 * @param into receives `count` values
 * @returns whether the bytes held so many
 */
export function readHybridRuns(
  bytes: Uint8Array,
  from: number,
  to: number,
  bitWidth: number,
  count: number,
  into: Uint8Array | Int32Array,
): boolean {
  if (bitWidth < 0 || bitWidth > 32 || to > bytes.length) return false
  const valueBytes = (bitWidth + 7) >>> 3
  let at = from
  let out = 0
  while (out < count) {
    let header = 0
    for (let shift = 0; ; shift += 7) {
      if (at >= to || shift > 28) return false
      const byte = bytes[at++]!
      header += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    if (header % 2 === 0) {
      const run = header / 2
      if (run === 0 || at + valueBytes > to) return false
      let value = 0
      for (let i = 0; i < valueBytes; i++) value |= bytes[at++]! << (8 * i)
      const end = Math.min(count, out + run)
      into.fill(value, out, end)
      out = end
      continue
    }
    const groups = (header - 1) / 2
    if (groups === 0) return false
    const values = Math.min(groups * 8, count - out)
    // The last group may be cut off behind its last value.
    if (at + Math.ceil((values * bitWidth) / 8) > to) return false
    unpack(bytes, at, bitWidth, values, into, out)
    at += groups * bitWidth
    out += values
  }
  return true
}

function unpack(
  bytes: Uint8Array,
  from: number,
  bitWidth: number,
  count: number,
  into: Uint8Array | Int32Array,
  out: number,
): void {
  if (bitWidth === 1) {
    for (let i = 0; i < count; i++) into[out + i] = (bytes[from + (i >>> 3)]! >>> (i & 7)) & 1
    return
  }
  if (bitWidth <= 24) {
    unpackNarrow(bytes, from, bitWidth, count, into, out)
    return
  }
  const mask = 2 ** bitWidth - 1
  let at = from
  let held = 0
  let bits = 0
  for (let i = 0; i < count; i++) {
    // Up to 39 bits are held, more than the operators of 32 bits take.
    for (; bits < bitWidth; bits += 8) held += bytes[at++]! * 2 ** bits
    const value = held % (mask + 1)
    into[out + i] = value
    held = (held - value) / (mask + 1)
    bits -= bitWidth
  }
}

/** All in numbers of 32 bits: at most seven bits are left over from a value, and 24 are added to them. */
function unpackNarrow(
  bytes: Uint8Array,
  from: number,
  bitWidth: number,
  count: number,
  into: Uint8Array | Int32Array,
  out: number,
): void {
  const mask = (1 << bitWidth) - 1
  let at = from
  let held = 0
  let bits = 0
  for (let i = 0; i < count; i++) {
    for (; bits < bitWidth; bits += 8) held |= bytes[at++]! << bits
    into[out + i] = held & mask
    held >>>= bitWidth
    bits -= bitWidth
  }
}
