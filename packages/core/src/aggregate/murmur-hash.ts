/**
 * MurmurHash3 x86_32 of the first bytes of an array: deterministic everywhere, made of multiplications,
 * rotations and xors of 32 bits.
 *
 * Source: A. Appleby, smhasher, `MurmurHash3_x86_32`, in the public domain.
 *
 * @returns an unsigned number of 32 bits
 */
export function murmurHash(bytes: Uint8Array, length: number, seed: number): number {
  let hash = seed | 0
  const blocksEnd = length & ~3
  for (let at = 0; at < blocksEnd; at += 4) {
    const block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash ^= mixed(block)
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64
  }
  let tail = 0
  for (let at = length - 1; at >= blocksEnd; at--) tail = (tail << 8) | bytes[at]!
  if (length > blocksEnd) hash ^= mixed(tail)
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mixed(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
