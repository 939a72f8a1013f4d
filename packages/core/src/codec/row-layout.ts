import { conflict, corrupt, invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { Field } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { bitmapBytes, corruptRow, slotsEnd, type ValueCodec } from './section.ts'
import { STAMP_BYTES } from './stamp.ts'
import { valueCodec } from './value-codec.ts'

/*
 * A stored row, version 0 of its format:
 *
 *   stamp, 24 bytes | schema id, uint32 | flags, uint8 | null bitmap | fixed-offset section | variable section
 *
 * Numbers are little-endian but for the stamp, which compares as bytes. Bit 0 of the flags marks a tombstone, which
 * ends after them; the other bits are zero, and are the room for a later format. `value-codec.ts` says how each type
 * lies in its slot and behind the slots.
 */

/** Where the schema id lies in a row. */
export const SCHEMA_ID_AT: number = STAMP_BYTES
/** Where the flags lie in a row. */
export const FLAGS_AT: number = STAMP_BYTES + 4
/** Where the values of a row begin; a tombstone is so long. */
export const ROW_HEADER_BYTES: number = STAMP_BYTES + 5
/** The flag of a tombstone. */
export const DELETED_FLAG = 1

/** Reads one field of a row that {@link RowLayout.check} has passed; `view` is over the same bytes. */
export type FieldReader = (bytes: Uint8Array, view: DataView) => Value | null

/** Where one field lies. */
export interface FieldPlace {
  /** The byte of the row that holds the field's null bit, and the bit in it. */
  readonly nullAt: number
  readonly nullMask: number
  /** The field's slot, in bytes from the start of the row. */
  readonly slotAt: number
}

/** A schema compiled for reading and writing its rows; made once per schema and shared. */
export interface RowLayout {
  readonly schemaId: number
  readonly fields: readonly Field[]
  readonly codecs: readonly ValueCodec[]
  readonly places: readonly FieldPlace[]
  /** One per field: reads it alone, without the others. */
  readonly readers: readonly FieldReader[]
  /** Bytes of a row up to its variable section. */
  readonly fixedEnd: number
  /** Slot of the last variable field, which holds where the row ends; undefined where there is none. */
  readonly lastEndAt: number | undefined
}

/**
 * Compiles the features of a group in their declared order.
 *
 * @param schemaId index of this list among all that the group version ever had
 * @throws {AsofError} `too_many_features`
 */
export function rowLayout(schemaId: number, fields: readonly Field[]): RowLayout {
  if (fields.length > LIMITS.groupFeaturesMax) {
    throw invalid('too_many_features', 'more features than the limit groupFeaturesMax; split the group', {
      features: fields.length,
      groupFeaturesMax: LIMITS.groupFeaturesMax,
    })
  }
  const codecs = fields.map((field) => valueCodec(field.type))
  const fixedEnd = ROW_HEADER_BYTES + slotsEnd(codecs)
  const places: FieldPlace[] = []
  const readers: FieldReader[] = []
  let slotAt = ROW_HEADER_BYTES + bitmapBytes(fields.length)
  let lastEndAt: number | undefined
  for (const [index, codec] of codecs.entries()) {
    const place = { nullAt: ROW_HEADER_BYTES + (index >> 3), nullMask: 1 << (index & 7), slotAt }
    places.push(place)
    readers.push(fieldReader(codec, place, lastEndAt, fixedEnd))
    if (codec.variable) lastEndAt = slotAt
    slotAt += codec.slotBytes
  }
  return { schemaId, fields, codecs, places, readers, fixedEnd, lastEndAt }
}

/** A view over a row's bytes, as its readers take it. */
export function rowView(row: Uint8Array): DataView {
  return new DataView(row.buffer, row.byteOffset, row.byteLength)
}

/**
 * The schema in which a row was written.
 *
 * @throws {AsofError} `corrupt_row` for bytes too few for a row
 */
export function schemaIdOf(row: Uint8Array): number {
  if (row.length < ROW_HEADER_BYTES) throw corruptRow('too few bytes for a row')
  return (
    (row[SCHEMA_ID_AT]! |
      (row[SCHEMA_ID_AT + 1]! << 8) |
      (row[SCHEMA_ID_AT + 2]! << 16) |
      (row[SCHEMA_ID_AT + 3]! << 24)) >>>
    0
  )
}

/**
 * Whether a row is a tombstone.
 *
 * @throws {AsofError} `corrupt_row`; `unknown_row_format` for a format that is newer than this program
 */
export function isDeleted(row: Uint8Array): boolean {
  if (row.length < ROW_HEADER_BYTES) throw corruptRow('too few bytes for a row')
  const flags = row[FLAGS_AT]!
  if (flags > DELETED_FLAG) {
    throw corrupt(
      'unknown_row_format',
      'a row in a format that this version of asof does not know; upgrade it',
      {
        flags,
      },
    )
  }
  return flags === DELETED_FLAG
}

/**
 * Checks that a row is whole, which a layout's readers rely on, and answers whether it is a tombstone.
 *
 * @throws {AsofError} `corrupt_row`, `unknown_row_format`; `unknown_schema` for a row of another schema
 */
export function checkRow(layout: RowLayout, row: Uint8Array): boolean {
  const deleted = isDeleted(row)
  if (schemaIdOf(row) !== layout.schemaId) throw unknownSchema(schemaIdOf(row))
  if (row.length !== (deleted ? ROW_HEADER_BYTES : wholeLength(layout, row))) {
    throw corruptRow('a row of another length than it says')
  }
  return deleted
}

/** The error for a row of a schema that the caller has not heard of: its registry's snapshot is too old. */
export function unknownSchema(schemaId: number): Error {
  return conflict('unknown_schema', 'a row of a schema that is not known here yet; reload the registry', {
    schemaId,
  })
}

function wholeLength(layout: RowLayout, row: Uint8Array): number {
  const { fixedEnd, lastEndAt } = layout
  if (lastEndAt === undefined || row.length < fixedEnd) return fixedEnd
  return fixedEnd + readUint32(row, lastEndAt)
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function fieldReader(
  codec: ValueCodec,
  { nullAt, nullMask, slotAt }: FieldPlace,
  previousEndAt: number | undefined,
  fixedEnd: number,
): FieldReader {
  if (!codec.variable) {
    return (row, view) => ((row[nullAt]! & nullMask) === 0 ? codec.read(view, slotAt) : null)
  }
  return (row, view) => {
    if ((row[nullAt]! & nullMask) !== 0) return null
    const start = previousEndAt === undefined ? fixedEnd : fixedEnd + view.getUint32(previousEndAt, true)
    const end = fixedEnd + view.getUint32(slotAt, true)
    if (start > end || end > row.length) throw corruptRow('a value that ends outside its row')
    return codec.read(row, view, start, end)
  }
}
