import { ByteWriter } from '../codec/byte-writer.ts'
import { type AsofError, invalid, isAsofError } from '../errors/asof-error.ts'
import { valueCodec } from '../codec/value-codec.ts'
import { type FeatureType, type ScalarType, typeName } from '../model/feature-type.ts'
import type { ScalarValue, Value } from '../model/value.ts'
import { corruptState, type StateReader, type StateWriter } from './state-bytes.ts'
import { LIMITS } from '../limits/limits.ts'

/** How values of one type lie in a state: as in a row, with their length before them where that varies. */
export interface ValueState {
  /** The longest encoding of one value. */
  readonly bytesMax: number
  write(value: Value, into: StateWriter): void
  /** The same without a length. */
  writeBare(value: Value, into: StateWriter): void
  read(from: StateReader): Value
}

/** The {@link ValueState} of a type. */
export function valueState(type: FeatureType): ValueState {
  const codec = valueCodec(type)
  if (!codec.variable) {
    const write = (value: Value, into: StateWriter): void => {
      const at = into.reserve(codec.slotBytes)
      codec.write(into.view, at, value)
    }
    return {
      bytesMax: codec.slotBytes,
      write,
      writeBare: write,
      read: (from) => undamaged(() => codec.read(from.view, from.skip(codec.slotBytes))),
    }
  }
  return {
    bytesMax: variableBytesMax(type),
    write(value, into) {
      SCRATCH.reset()
      codec.append(SCRATCH, value)
      into.whole(SCRATCH.length)
      into.append(SCRATCH.bytes.subarray(0, SCRATCH.length))
    },
    writeBare(value, into) {
      SCRATCH.reset()
      codec.append(SCRATCH, value)
      into.append(SCRATCH.bytes.subarray(0, SCRATCH.length))
    },
    read(from) {
      const bytes = from.whole()
      const start = from.skip(bytes)
      return undamaged(() => codec.read(from.bytes, from.view, start, start + bytes))
    },
  }
}

/** The order of the values of a type: less than 0, 0 or more than 0. */
export type ValueOrder = (a: Value, b: Value) => number

/**
 * The order of the values of a scalar type: numbers by size, with -0 before 0 and NaN after all; false before
 * true; strings by code point; bytes as unsigned.
 */
export function valueOrder(type: ScalarType): ValueOrder {
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return (a, b) => compareFloats(a as number, b as number)
    case 'string':
      return (a, b) => compareCodePoints(a as string, b as string)
    case 'bytes':
      return (a, b) => compareBytes(a as Uint8Array, b as Uint8Array)
    default:
      return (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  }
}

/** What tells the values of a type apart in a Map or a Set. */
export type ValueIdentity = (value: Value) => Value

/**
 * What tells values apart where they are counted by value. NaN is one value; -0 and 0 are one; all else
 * differs where a bit differs.
 */
export function valueIdentity(type: FeatureType): ValueIdentity {
  switch (type.kind) {
    case 'bool':
    case 'int32':
    case 'int64':
    case 'timestamp':
    case 'string':
      return (value) => value
    case 'float32':
    case 'float64':
      return (value) => (value as number) + 0
    case 'bytes':
      return (value) => latin1(value as Uint8Array)
    default:
      return encodedIdentity(type)
  }
}

/** Compares by code point, which JavaScript's own order of code units is not beyond the basic plane. */
export function compareCodePoints(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let index = 0; index < shared; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left === right) continue
    // A surrogate stands for a code point above all that one unit holds.
    const leftHigh = left >= 0xd800 && left <= 0xdfff
    const rightHigh = right >= 0xd800 && right <= 0xdfff
    return leftHigh === rightHigh ? left - right : leftHigh ? 1 : -1
  }
  return a.length - b.length
}

/** Refuses a type that a function does not take. */
export function wrongInput(name: string, type: FeatureType, takes: string): AsofError {
  return invalid('invalid_aggregation', `${name} takes ${takes}`, { type: typeName(type) })
}

/** Checks a whole number that a declaration gives. */
export function checkWhole(value: number, least: number, most: number, what: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid('invalid_aggregation', `${what} is a whole number from ${least} to ${most}`, { value })
}

/** Whether a type is a scalar. */
export function isScalar(type: FeatureType): type is ScalarType {
  return type.kind !== 'vector' && type.kind !== 'list' && type.kind !== 'map' && type.kind !== 'struct'
}

/** One value is written at a time, so one buffer serves all. */
const SCRATCH = new ByteWriter()

function compareFloats(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return a !== 0 || Object.is(a, b) ? 0 : Object.is(a, -0) ? -1 : 1
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0)
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let index = 0; index < shared; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** The encoding, after the same has been done to the fields of a struct. */
function encodedIdentity(type: FeatureType): ValueIdentity {
  const codec = valueCodec(type)
  const floats =
    type.kind === 'struct'
      ? Object.keys(type.fields).filter((name) => type.fields[name]!.kind.startsWith('float'))
      : []
  return (value) => {
    const plain = { ...(value as Record<string, ScalarValue | null>) }
    for (const name of floats) if (plain[name] === 0) plain[name] = 0
    SCRATCH.reset()
    if (codec.variable) codec.append(SCRATCH, type.kind === 'struct' ? plain : value)
    return latin1(SCRATCH.bytes.subarray(0, SCRATCH.length))
  }
}

/** One character for each byte. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/**
 * Text and bytes are bounded by the limit of a value; a container's elements are, together, and have their
 * slots besides.
 */
function variableBytesMax(type: FeatureType): number {
  switch (type.kind) {
    case 'vector':
      return 5 + type.size * 4
    case 'string':
    case 'bytes':
      return 5 + LIMITS.valueBytesMax
    default:
      return LIMITS.rowBytesMax
  }
}

/** Reads by a codec of rows or stamps; what is damaged to it is a damaged state here. */
export function undamaged<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isAsofError(error, 'corrupt')) throw error
    throw corruptState('a value or a stamp that is none')
  }
}
