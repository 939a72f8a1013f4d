import { PackWriter } from './pack-writer.ts'

/**
 * A plain document as MessagePack: objects as maps without their undefined properties, whole numbers as integers, other numbers
 * as float64, a bigint as int64.
 *
 * @throws {TypeError} for what is no plain document
 */
export function encodeMessagePack(document: unknown): Uint8Array {
  const writer = new PackWriter()
  write(writer, document)
  return writer.copy()
}

function write(writer: PackWriter, value: unknown): void {
  if (value === null) writer.nil()
  else if (typeof value === 'string') writer.text(value)
  else if (typeof value === 'boolean') writer.bool(value)
  else if (typeof value === 'bigint') writer.int64(value)
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.int(value)
    else writer.float64(value)
  } else if (value instanceof Uint8Array) writer.binary(value)
  else if (Array.isArray(value)) {
    writer.arrayHead(value.length)
    for (const element of value) write(writer, element)
  } else if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, each]) => each !== undefined)
    writer.mapHead(entries.length)
    for (const [name, each] of entries) {
      writer.text(name)
      write(writer, each)
    }
  } else throw new TypeError(`MessagePack has no ${typeof value}`)
}
