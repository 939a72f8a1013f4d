import { pushVarint } from './thrift-compact.ts'

/** The definition levels of rows that all have a value. */
export function levelRun(rows: number): Uint8Array {
  const run: number[] = []
  pushVarint(run, rows * 2)
  run.push(1)
  return Uint8Array.from([run.length, 0, 0, 0, ...run])
}

/** The definition levels as bits. */
export function levelBits(valid: Uint8Array): Uint8Array {
  const bits = packBits(valid)
  const head: number[] = []
  pushVarint(head, bits.length * 2 + 1)
  const levels = Buffer.alloc(4 + head.length + bits.length)
  levels.writeUInt32LE(head.length + bits.length)
  levels.set(head, 4)
  levels.set(bits, 4 + head.length)
  return levels
}

/** Bytes of 0 and 1 as bits, the first one lowest; four bytes are packed by one multiplication. */
export function packBits(values: Uint8Array): Uint8Array {
  const count = values.length
  const padded = new Uint8Array(Math.ceil(count / 8) * 8)
  padded.set(values)
  const words = new Int32Array(padded.buffer)
  const bits = new Uint8Array(padded.length / 8)
  for (let byte = 0; byte < bits.length; byte++) {
    const low = (Math.imul(words[2 * byte]!, 0x01020408) >>> 24) & 15
    const high = (Math.imul(words[2 * byte + 1]!, 0x01020408) >>> 24) & 15
    bits[byte] = low | (high << 4)
  }
  return bits
}

/**
 * Indices into a dictionary as a data page has them: their width in bits, then one run of all of them.
 *
 * @param size of the dictionary, at most 2^24
 */
export function packIndices(ids: Int32Array, size: number): Uint8Array {
  const width = Math.max(1, 32 - Math.clz32(Math.max(0, size - 1)))
  const count = ids.length
  const head = [width]
  if (count > 0 && isConstant(ids)) {
    pushVarint(head, count * 2)
    for (let shift = 0; shift < width; shift += 8) head.push((ids[0]! >>> shift) & 0xff)
    return Uint8Array.from(head)
  }
  const groups = Math.ceil(count / 8)
  pushVarint(head, groups * 2 + 1)
  const packed = new Uint8Array(head.length + groups * width)
  packed.set(head)
  let at = head.length
  let held = 0
  let bits = 0
  for (let row = 0; row < count; row++) {
    // Never more than 31 bits: seven are left over at most.
    held |= ids[row]! << bits
    for (bits += width; bits >= 8; bits -= 8) {
      packed[at++] = held
      held >>>= 8
    }
  }
  if (bits > 0) packed[at] = held
  return packed
}

function isConstant(ids: Int32Array): boolean {
  for (let row = 1; row < ids.length; row++) if (ids[row] !== ids[0]) return false
  return true
}
