import { DuckDBTypeId } from '@duckdb/node-api'
import type { DuckDBType } from '@duckdb/node-api'
import type { PhysicalColumn } from './relation-sql.ts'
import { identifier } from './sql-text.ts'

/**
 * SQL for a row as JSON text, every column in order, in the forms of `valueToJson`: 64-bit integers and what has no JSON form
 * as text, NaN, the infinities and -0 as words, bytes in base64, times in RFC 3339. So a line of it can be read as a source again.
 *
 * @param value the SQL of a column, its own name by default
 */
export function rowJson(
  columns: readonly PhysicalColumn[],
  value: (column: PhysicalColumn, at: number) => string = ({ name }) => identifier(name),
): string {
  const fields = columns.map((column, at) => {
    const x = value(column, at)
    return `${identifier(column.name)} := ${column.physical === 'JSON' ? x : jsonOf(x, column.type)}`
  })
  return `CAST(to_json(struct_pack(${fields.join(', ')})) AS VARCHAR)`
}

function jsonOf(x: string, type: DuckDBType): string {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
      return `to_json(${x})`
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return `CASE WHEN isnan(${x}) THEN '"NaN"'::JSON WHEN isinf(${x}) AND ${x} > 0 THEN '"Infinity"'::JSON
        WHEN isinf(${x}) THEN '"-Infinity"'::JSON WHEN ${x} = 0 AND signbit(${x}) THEN '"-0"'::JSON ELSE to_json(${x}) END`
    case DuckDBTypeId.BLOB:
      return `to_json(base64(${x}))`
    case DuckDBTypeId.TIMESTAMP_TZ:
      return time(x, `${x} AT TIME ZONE 'UTC'`, 'Z')
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
      return time(x, `CAST(${x} AS TIMESTAMP)`, '')
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const list = `CAST(${x} AS ${type.valueType.toString()}[])`
      return `to_json(list_transform(${list}, lambda each: ${jsonOf('each', type.valueType)}))`
    }
    case DuckDBTypeId.MAP: {
      const values = `list_transform(map_values(${x}), lambda each: ${jsonOf('each', type.valueType)})`
      return `to_json(CASE WHEN ${x} IS NOT NULL THEN map(map_keys(${x}), ${values}) END)`
    }
    case DuckDBTypeId.STRUCT: {
      const fields = type.entryNames.map((name, at) => {
        const field = identifier(name)
        return `${field} := ${jsonOf(`${x}.${field}`, type.entryTypes[at]!)}`
      })
      return `to_json(CASE WHEN ${x} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END)`
    }
    default:
      return `to_json(CAST(${x} AS VARCHAR))`
  }
}

function time(x: string, local: string, zone: string): string {
  const text = `strftime(${local}, '%Y-%m-%dT%H:%M:%S.%f${zone}')`
  return `to_json(CASE WHEN isfinite(${x}) THEN ${text} ELSE CAST(${x} AS VARCHAR) END)`
}
