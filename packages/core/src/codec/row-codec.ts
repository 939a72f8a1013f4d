import { invalid } from '../errors/asof-error.ts'
import { type Field, sameStoredType } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { Value } from '../model/value.ts'
import { ByteWriter } from './byte-writer.ts'
import {
  checkRow,
  DELETED_FLAG,
  type FieldReader,
  FLAGS_AT,
  isDeleted,
  ROW_HEADER_BYTES,
  type RowLayout,
  rowView,
  SCHEMA_ID_AT,
  schemaIdOf,
  unknownSchema,
} from './row-layout.ts'
import { readSection, writeSection } from './section.ts'
import { decodeStamp, encodeStamp } from './stamp.ts'

/** A row out of its bytes; a tombstone has no values. */
export interface DecodedRow {
  readonly stamp: Stamp
  readonly deleted: boolean
  readonly values: readonly (Value | null)[]
}

const writer = new ByteWriter()

/**
 * Encodes a whole row, or a tombstone. Equal rows make equal bytes, but for the payload of a NaN inside a vector, which is kept.
 *
 * @param values one checked value, or null, for each field of the layout
 * @throws {AsofError} `partial_row` for fewer or more values than fields, naming what is absent; `row_too_large`;
 * `invalid_value` for a value that is not of its type
 * @example
 * ```ts
 * const layout = rowLayout(0, [{ name: 'visits', type: { kind: 'int32' } }])
 * const at = parseInstant('2024-01-01T00:00:00Z')
 * const row = encodeRow(layout, { e: at, c: at, s: 7 }, [42])
 * decodeRow(layout, row).values // [42]
 * const tombstone = encodeRow(layout, { e: at, c: at, s: 8 }, 'deleted')
 * decodeRow(layout, tombstone).deleted // true
 * ```
 */
export function encodeRow(
  layout: RowLayout,
  stamp: Stamp,
  values: readonly (Value | null)[] | 'deleted',
): Uint8Array {
  if (values !== 'deleted') checkWhole(layout.fields, values)
  writer.reset()
  writer.zeros(ROW_HEADER_BYTES)
  encodeStamp(stamp, writer.bytes)
  writer.view.setUint32(SCHEMA_ID_AT, layout.schemaId, true)
  if (values === 'deleted') writer.bytes[FLAGS_AT] = DELETED_FLAG
  else writeSection(writer, layout.codecs, values)
  return writer.copy()
}

/**
 * Reads a row of the layout's own schema; {@link rowReader} reads those of older ones too.
 *
 * @throws {AsofError} of kind `corrupt` for bytes that are not a whole row; `unknown_schema`
 */
export function decodeRow(layout: RowLayout, row: Uint8Array): DecodedRow {
  const deleted = checkRow(layout, row)
  const values = deleted ? [] : readSection(row, rowView(row), ROW_HEADER_BYTES, row.length, layout.codecs)
  return { stamp: decodeStamp(row), deleted, values }
}

/** A copy of a row under another stamp, as when the log has given it its created time and sequence. */
export function patchStamp(row: Uint8Array, stamp: Stamp): Uint8Array {
  isDeleted(row)
  return encodeStamp(stamp, new Uint8Array(row))
}

/** Reads rows of every schema that a group version ever had, as rows of the newest. */
export interface RowReader {
  /** The newest schema. */
  readonly newest: RowLayout
  /**
   * Reads a whole row, in the newest schema's fields; a feature that the row's own schema lacked is null.
   *
   * @throws {AsofError} of kind `corrupt`; `unknown_schema`
   */
  decode(row: Uint8Array): DecodedRow
  /**
   * The readers of the newest schema's fields for rows like this one, after the row is found whole; undefined for a
   * tombstone. They are made once per schema: for reading a few fields of many rows.
   *
   * @throws {AsofError} of kind `corrupt`; `unknown_schema`
   */
  readersOf(row: Uint8Array): readonly FieldReader[] | undefined
}

/**
 * Compiles the schemas of a group version, the last of which is today's.
 *
 * @param layouts by schema id
 * @throws {AsofError} `schema_changed` where a field has another type than it had
 */
export function rowReader(layouts: readonly RowLayout[]): RowReader {
  const newest = newestLayout(layouts)
  const mappings = layouts.map((layout) => fieldMapping(layout, newest))
  const readers = layouts.map((layout, id) =>
    mappings[id]!.map((index): FieldReader => (index === undefined ? readNull : layout.readers[index]!)),
  )
  return {
    newest,
    decode(row) {
      const layout = layoutOf(layouts, row)
      const decoded = decodeRow(layout, row)
      if (layout === newest || decoded.deleted) return decoded
      const values = mappings[layout.schemaId]!.map((index) =>
        index === undefined ? null : decoded.values[index]!,
      )
      return { ...decoded, values }
    },
    readersOf(row) {
      const layout = layoutOf(layouts, row)
      return checkRow(layout, row) ? undefined : readers[layout.schemaId]
    },
  }
}

/** The last of a group version's layouts, checked to stand at their own schema ids. */
export function newestLayout(layouts: readonly RowLayout[]): RowLayout {
  const newest = layouts.at(-1)
  if (newest === undefined || layouts.some((layout, id) => layout.schemaId !== id)) {
    throw invalid('invalid_schemas', 'layouts are given by their schema ids, from 0 on without a gap')
  }
  return newest
}

/**
 * The layout in which a row was written.
 *
 * @throws {AsofError} `corrupt_row`, `unknown_schema`
 */
export function layoutOf(layouts: readonly RowLayout[], row: Uint8Array): RowLayout {
  const id = schemaIdOf(row)
  const layout = layouts[id]
  if (layout === undefined) throw unknownSchema(id)
  return layout
}

/**
 * For each field of the newest layout, its index in a row of an older one, or undefined where that had none.
 *
 * @throws {AsofError} `schema_changed`
 */
export function fieldMapping(written: RowLayout, newest: RowLayout): readonly (number | undefined)[] {
  const byName = new Map(written.fields.map((field, index) => [field.name, index]))
  return newest.fields.map((field) => {
    const index = byName.get(field.name)
    if (index !== undefined && !sameStoredType(written.fields[index]!.type, field.type)) {
      throw invalid('schema_changed', 'a feature keeps its type within a version; make a new version', {
        feature: field.name,
      })
    }
    return index
  })
}

function readNull(): null {
  return null
}

function checkWhole(fields: readonly Field[], values: readonly (Value | null | undefined)[]): void {
  if (values.length === fields.length && !values.includes(undefined)) return
  const absent = fields.filter((_, index) => values[index] === undefined).map((field) => field.name)
  throw invalid('partial_row', 'a row has every feature of its group; give null for no value', {
    absent: absent.slice(0, 20).join(', '),
    values: values.length,
    features: fields.length,
  })
}
