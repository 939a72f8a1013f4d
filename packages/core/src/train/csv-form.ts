import type { Column } from '../model/column.ts'
import { columnValue } from '../model/column.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { valueFromJson, valueToJson } from '../model/value-json.ts'

/** A text that a spreadsheet would take for a formula, or that begins like one that was escaped. */
const FORMULA = /^'*[=+\-@\t\r]/

/**
 * A value as a CSV field: its JSON form, without the quotes of a text. A text that begins like a formula gets a `'` in
 * front (FAULTS S16), which {@link fromCsv} takes away again; null is undefined, an empty field.
 */
export function toCsv(type: FeatureType, value: Value | null): string | undefined {
  if (value === null) return undefined
  const json = valueToJson(type, value)
  if (typeof json !== 'string') return JSON.stringify(json)
  return (type.kind === 'string' || type.kind === 'bytes') && FORMULA.test(json) ? `'${json}` : json
}

/** The value of a CSV field that {@link toCsv} wrote. */
export function fromCsv(type: FeatureType, field: string | undefined, path: string): Value | null {
  if (field === undefined) return null
  switch (type.kind) {
    case 'string':
    case 'bytes':
      return valueFromJson(type, field.startsWith("'") && FORMULA.test(field) ? field.slice(1) : field, path)
    case 'int64':
    case 'timestamp':
      return valueFromJson(type, field, path)
    case 'float32':
    case 'float64':
      return valueFromJson(type, /^(NaN|-?Infinity|-0)$/.test(field) ? field : JSON.parse(field), path)
    default:
      return valueFromJson(type, JSON.parse(field), path)
  }
}

/** A column as text. */
export function csvColumn(column: Column, rows: number): Column {
  const values = Array.from(
    { length: rows },
    (_, row) => toCsv(column.type, columnValue(column, row)) ?? null,
  )
  const valid = Uint8Array.from(values, (value) => (value === null ? 0 : 1))
  return { type: { kind: 'string' }, values, valid }
}
