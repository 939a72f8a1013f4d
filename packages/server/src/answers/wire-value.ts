import { formatTimestamp, type FeatureType, type ScalarType, type ScalarValue, type Value } from '@asof/core'
import type { PackWriter } from '../messagepack/pack-writer.ts'

/** Writes a value of one type as the text of JSON. */
export type JsonValueWriter = (value: Value) => string

/** Writes a value of one type as MessagePack, bit for bit. */
export type PackValueWriter = (writer: PackWriter, value: Value) => void

/** How the values of a type are written as JSON; an int64 declared `as: 'number'` is a number. */
export function jsonValueWriter(type: FeatureType): JsonValueWriter {
  switch (type.kind) {
    case 'bool':
    case 'int32':
      return String
    case 'int64':
      return type.as === 'number' ? String : (value) => `"${(value as bigint).toString()}"`
    case 'float32':
    case 'float64':
      return (value) => floatText(value as number)
    case 'string':
      return (value) => JSON.stringify(value)
    case 'timestamp':
      return (value) => `"${formatTimestamp(value as bigint)}"`
    case 'bytes':
      return (value) => `"${Buffer.from(value as Uint8Array).toString('base64')}"`
    case 'vector':
      return (value) => `[${Array.from(value as Float32Array, floatText).join(',')}]`
    case 'list': {
      const element = orNull(jsonValueWriter(type.element))
      return (value) => `[${(value as readonly (ScalarValue | null)[]).map(element).join(',')}]`
    }
    case 'map': {
      const element = orNull(jsonValueWriter(type.value))
      return (value) => {
        const entries = [...(value as ReadonlyMap<string, ScalarValue | null>)]
        return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${element(each)}`).join(',')}}`
      }
    }
    case 'struct': {
      const fields = fieldWriters(type.fields, (field) => orNull(jsonValueWriter(field)))
      return (value) => {
        const of = value as Readonly<Record<string, ScalarValue | null>>
        return `{${fields.map(([name, write]) => `${JSON.stringify(name)}:${write(of[name] ?? null)}`).join(',')}}`
      }
    }
    default:
      return type satisfies never
  }
}

/** How the values of a type are written as MessagePack. */
export function packValueWriter(type: FeatureType): PackValueWriter {
  switch (type.kind) {
    case 'bool':
      return (writer, value) => writer.bool(value as boolean)
    case 'int32':
      return (writer, value) => writer.int(value as number)
    case 'int64':
      if (type.as === 'number') return (writer, value) => writer.int(value as number)
      return (writer, value) => writer.int64(value as bigint)
    case 'timestamp':
      return (writer, value) => writer.int64(value as bigint)
    case 'float32':
      return (writer, value) => writer.float32(value as number)
    case 'float64':
      return (writer, value) => writer.float64(value as number)
    case 'string':
      return (writer, value) => writer.text(value as string)
    case 'bytes':
      return (writer, value) => writer.binary(value as Uint8Array)
    case 'vector':
      return (writer, value) => {
        const vector = value as Float32Array
        writer.arrayHead(vector.length)
        writer.float32s(vector)
      }
    case 'list': {
      const element = packOrNil(packValueWriter(type.element))
      return (writer, value) => {
        const list = value as readonly (ScalarValue | null)[]
        writer.arrayHead(list.length)
        for (const each of list) element(writer, each)
      }
    }
    case 'map': {
      const element = packOrNil(packValueWriter(type.value))
      return (writer, value) => {
        const map = value as ReadonlyMap<string, ScalarValue | null>
        writer.mapHead(map.size)
        for (const [key, each] of map) {
          writer.text(key)
          element(writer, each)
        }
      }
    }
    case 'struct': {
      const fields = fieldWriters(type.fields, (field) => packOrNil(packValueWriter(field)))
      return (writer, value) => {
        const of = value as Readonly<Record<string, ScalarValue | null>>
        writer.mapHead(fields.length)
        for (const [name, write] of fields) {
          writer.text(name)
          write(writer, of[name] ?? null)
        }
      }
    }
    default:
      return type satisfies never
  }
}

/** A number in JSON; those that JSON has none for are strings. */
function floatText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '"-0"' : '0'
  return Number.isFinite(value) ? String(value) : `"${String(value)}"`
}

function orNull(write: JsonValueWriter): (value: ScalarValue | null) => string {
  return (value) => (value === null ? 'null' : write(value))
}

function packOrNil(write: PackValueWriter): (writer: PackWriter, value: ScalarValue | null) => void {
  return (writer, value) => (value === null ? writer.nil() : write(writer, value))
}

function fieldWriters<Writer>(
  fields: Readonly<Record<string, ScalarType>>,
  writerOf: (type: ScalarType) => Writer,
): readonly (readonly [string, Writer])[] {
  return Object.entries(fields).map(([name, type]) => [name, writerOf(type)])
}
