import { schemaIdOf } from '../codec/row-layout.ts'
import { corrupt } from '../errors/asof-error.ts'

/**
 * What a record of the event log says: rows that were pushed, or a batch whose rows lie in staged files.
 *
 * Bytes: `kind u8 | header length u32 LE | header (JSON, UTF-8) | payload`. A rows record's payload is, per row,
 * `key length u16 LE | entity key (UTF-8) | row length u32 LE | encoded row`, whose stamp holds only the event time:
 * created time and sequence are the record's own, `at` and `position + n`.
 */
export type LogBody = RowsBody | BatchBody

/** Names the group version that a record is about. */
export interface GroupName {
  readonly project: string
  readonly group: string
  readonly version: number
}

/** Rows by value. */
export interface RowsBody extends GroupName {
  readonly kind: 'rows'
  readonly rows: readonly { readonly entityKey: string; readonly row: Uint8Array }[]
}

/** Rows by reference. */
export interface BatchBody extends GroupName {
  readonly kind: 'batch'
  /** Staged file, absent when the batch has no rows and only records its runs. */
  readonly file?: string
  readonly rows: number
  /** Columns of the file, as schema index of the group. */
  readonly schema: number
  /** `file`: the file's own; `position`: that of the record plus the file's, which counts from 0. */
  readonly sequence: 'file' | 'position'
  /** `file`: the file's own; `append`: the instant of append; `later`: the greater of the two. */
  readonly created: 'file' | 'append' | 'later'
  /** The last run instant that this batch records, for a scheduled group. */
  readonly runsThrough?: number
}

/** The newest schema of the group that a record needs, as index. */
export function schemaOf(body: LogBody): number {
  if (body.kind === 'batch') return body.schema
  // The rows of a push are encoded together, in one schema.
  const [first] = body.rows
  return first === undefined ? 0 : schemaIdOf(first.row)
}

const KINDS = { rows: 1, batch: 2 } as const

/** The bytes of a body. */
export function encodeLogBody(body: LogBody): Uint8Array {
  if (body.kind === 'batch') {
    const { kind, ...header } = body
    return frame(KINDS[kind], header, [])
  }
  const { project, group, version, rows } = body
  const parts: Uint8Array[] = []
  for (const { entityKey, row } of rows) {
    const key = Buffer.from(entityKey, 'utf8')
    const lengths = Buffer.alloc(2)
    lengths.writeUInt16LE(key.length)
    const rowLength = Buffer.alloc(4)
    rowLength.writeUInt32LE(row.length)
    parts.push(lengths, key, rowLength, row)
  }
  return frame(KINDS.rows, { project, group, version }, parts)
}

/**
 * Reads the bytes of a body.
 *
 * @throws {AsofError} `corrupt_log_record`
 */
export function decodeLogBody(bytes: Uint8Array): LogBody {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    const kind = buffer.readUInt8(0)
    const start = 5 + buffer.readUInt32LE(1)
    const header = JSON.parse(buffer.toString('utf8', 5, start)) as Record<string, never>
    if (kind === KINDS.batch) return { kind: 'batch', ...(header as unknown as Omit<BatchBody, 'kind'>) }
    if (kind !== KINDS.rows) throw new RangeError(`kind ${kind}`)
    return { kind: 'rows', ...(header as unknown as GroupName), rows: [...rowsIn(buffer, start)] }
  } catch (cause) {
    throw corrupt('corrupt_log_record', 'a record of the event log cannot be read', { reason: String(cause) })
  }
}

function* rowsIn(buffer: Buffer, from: number): Generator<{ entityKey: string; row: Uint8Array }> {
  for (let at = from; at < buffer.length;) {
    const keyEnd = at + 2 + buffer.readUInt16LE(at)
    const rowEnd = keyEnd + 4 + buffer.readUInt32LE(keyEnd)
    if (rowEnd > buffer.length) throw new RangeError('truncated row')
    yield { entityKey: buffer.toString('utf8', at + 2, keyEnd), row: buffer.subarray(keyEnd + 4, rowEnd) }
    at = rowEnd
  }
}

function frame(kind: number, header: object, parts: readonly Uint8Array[]): Uint8Array {
  const text = Buffer.from(JSON.stringify(header), 'utf8')
  const head = Buffer.alloc(5)
  head.writeUInt8(kind, 0)
  head.writeUInt32LE(text.length, 1)
  return Buffer.concat([head, text, ...parts])
}
