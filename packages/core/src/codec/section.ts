import { type AsofError, corrupt } from '../errors/asof-error.ts'
import type { Value } from '../model/value.ts'
import type { ByteWriter } from './byte-writer.ts'

/*
 * A section holds a known number of values: of a row, a struct, a list, or the keys or values of a map.
 *
 *   null bitmap (bit i: value i is null) | slots | variable bytes
 *
 * The slot of a null is zero if fixed, else the end of the value before, so equal values make equal bytes.
 */

/**
 * How a value of one type lies in bytes, little-endian: a **fixed** one in its slot; a **variable** one behind the
 * slots, where its slot (a uint32) holds the end of its bytes, counted from the end of all slots. It begins where the
 * variable value before it ends.
 */
export type ValueCodec = FixedCodec | VariableCodec

/** See {@link ValueCodec}. */
export interface FixedCodec {
  readonly variable: false
  readonly slotBytes: 1 | 4 | 8
  read(view: DataView, at: number): Value
  write(view: DataView, at: number, value: Value): void
}

/** See {@link ValueCodec}. */
export interface VariableCodec {
  readonly variable: true
  readonly slotBytes: 4
  /** Reads bytes `start` to `end`, which lie inside both `bytes` and `view`. */
  read(bytes: Uint8Array, view: DataView, start: number, end: number): Value
  append(writer: ByteWriter, value: Value): void
}

/** The error for stored bytes that no row has. */
export function corruptRow(what: string): AsofError {
  return corrupt('corrupt_row', `${what}; the stored row is damaged, rebuild it from the offline store`)
}

/** Bytes of the null bitmap of so many values. */
export function bitmapBytes(count: number): number {
  return (count + 7) >> 3
}

/** Where the slots of values end, counted from the section's start. */
export function slotsEnd(codecs: readonly ValueCodec[]): number {
  let bytes = bitmapBytes(codecs.length)
  for (const codec of codecs) bytes += codec.slotBytes
  return bytes
}

/** Appends a section; there are as many values as codecs. */
export function writeSection(
  writer: ByteWriter,
  codecs: readonly ValueCodec[],
  values: readonly (Value | null)[],
): void {
  const start = writer.zeros(slotsEnd(codecs))
  const variableStart = writer.length
  let slot = start + bitmapBytes(codecs.length)
  for (let index = 0; index < codecs.length; index++) {
    const codec = codecs[index]!
    const value = values[index]!
    if (value === null) writer.bytes[start + (index >> 3)]! |= 1 << (index & 7)
    else if (codec.variable) codec.append(writer, value)
    else codec.write(writer.view, slot, value)
    if (codec.variable) writer.view.setUint32(slot, writer.length - variableStart, true)
    slot += codec.slotBytes
  }
}

/**
 * Reads a section that fills bytes `start` to `end` exactly.
 *
 * @param view over the same bytes as `bytes`
 * @throws {AsofError} `corrupt_row`
 */
export function readSection(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  codecs: readonly ValueCodec[],
): (Value | null)[] {
  const variableStart = start + slotsEnd(codecs)
  if (variableStart > end) throw corruptRow('a section that ends before its values')
  const values: (Value | null)[] = []
  let slot = start + bitmapBytes(codecs.length)
  let from = variableStart
  for (let index = 0; index < codecs.length; index++) {
    const codec = codecs[index]!
    const isNull = (bytes[start + (index >> 3)]! & (1 << (index & 7))) !== 0
    if (codec.variable) {
      const to = variableStart + view.getUint32(slot, true)
      if (to < from || to > end) throw corruptRow('a value that ends outside its section')
      values.push(isNull ? null : codec.read(bytes, view, from, to))
      from = to
    } else {
      values.push(isNull ? null : codec.read(view, slot))
    }
    slot += codec.slotBytes
  }
  if (from !== end) throw corruptRow('a section with bytes left over')
  return values
}
