import type { TextColumn, Texts } from './texts.ts'

/** Dictionaries beyond this are not written: hardly a text repeats then. */
const DICTIONARY_TEXTS_MAX = 2 ** 16
const DICTIONARY_BYTES_MAX = 2 ** 20
/** Texts of a page end soon after so many bytes. */
const PAGE_BYTES = 2 ** 20

/** Whether few and short enough texts are in a column for a page that holds each of them once. */
export function fitsDictionary({ bytes, ends }: Texts): boolean {
  return ends.length > 0 && ends.length <= DICTIONARY_TEXTS_MAX && bytes.length <= DICTIONARY_BYTES_MAX
}

/** All texts, as a dictionary has them. */
export function dictionaryBytes(texts: Texts): Uint8Array {
  return plainTexts(
    Int32Array.from(texts.ends, (_, id) => id),
    texts,
  )
}

/** Texts as a PLAIN page has them: their length in front of each. */
export function plainTexts(ids: Int32Array, { bytes, ends }: Texts): Uint8Array {
  let size = 0
  for (let row = 0; row < ids.length; row++) size += 4 + lengthOf(ends, ids[row]!)
  const plain = Buffer.allocUnsafe(size)
  let at = 0
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row]!
    const end = ends[id]!
    const length = lengthOf(ends, id)
    plain.writeInt32LE(length, at)
    at += 4
    if (length > 24) plain.set(bytes.subarray(end - length, end), at)
    else for (let i = 0; i < length; i++) plain[at + i] = bytes[end - length + i]!
    at += length
  }
  return plain
}

/** Rows `[from, to)` of each page: at most so many, and no page of very many bytes. */
export function* textPages({ ids, texts }: TextColumn, rowsMax: number): Generator<[number, number]> {
  let from = 0
  let bytes = 0
  for (let row = 0; row < ids.length; row++) {
    bytes += lengthOf(texts.ends, ids[row]!)
    if (row + 1 - from < rowsMax && bytes < PAGE_BYTES) continue
    yield [from, row + 1]
    from = row + 1
    bytes = 0
  }
  if (from < ids.length) yield [from, ids.length]
}

/** A row without a value may have any id, also where there is no text at all. */
function lengthOf(ends: Float64Array, id: number): number {
  const end = ends[id] ?? 0
  return end - (id === 0 ? 0 : (ends[id - 1] ?? 0))
}
