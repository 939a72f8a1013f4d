import { invalid, LIMITS, TIMESTAMP_MAX, TIMESTAMP_MIN, typeName } from '@asof/core'
import type { FeatureType, ScalarType } from '@asof/core'
import { DuckDBTypeId } from '@duckdb/node-api'
import type { DuckDBType } from '@duckdb/node-api'
import { NANOSECONDS_UTC } from './relation-sql.ts'
import type { PhysicalColumn, RelationSql } from './relation-sql.ts'
import { identifier, literal } from './sql-text.ts'
import { textMicros, zonedMicros } from './time-text.ts'
import { sqlType } from './vectors.ts'

/** A value of a column in a declared type, as SQL. */
export interface Converted {
  /** The value; null where the column is null or its value does not survive. */
  readonly value: string
  /** A condition, never null: the value survives exactly and keeps to the limits. Null does. */
  readonly fits: string
}

/** Where a column stands. */
export interface ConvertOptions {
  readonly form: RelationSql['form']
  /** Zone of times without one, where the source declares it; checked to exist. */
  readonly zone?: string | undefined
}

/**
 * SQL that gives a column's values in a declared type where they survive exactly, value by value (SEMANTICS section 7):
 * integers of any width where in range, a float that is whole into an integer, a double that a float holds. Text is read as
 * numbers of a CSV file only, and as times that name their zone.
 *
 * | declared | from |
 * |---|---|
 * | bool | BOOLEAN |
 * | int32, int64 | any integer; FLOAT, DOUBLE where whole |
 * | float32, float64 | any integer, FLOAT, DOUBLE where exact |
 * | string | VARCHAR, ENUM, UUID, JSON |
 * | bytes | BLOB |
 * | timestamp | TIMESTAMP WITH TIME ZONE; TIMESTAMP in a declared zone; RFC 3339 text |
 * | vector, list | LIST, ARRAY; map: MAP; struct: STRUCT of the same fields |
 *
 * CSV text and values of JSON lines are read in the forms of {@link valueToJson}; a number of a CSV file may be spelled freely.
 *
 * @throws {AsofError} `needs_cast` for a type that is not converted, with the cast to write; `nanosecond_times`
 */
export function convertSql(column: PhysicalColumn, type: FeatureType, options: ConvertOptions): Converted {
  const x = identifier(column.name)
  const refuse: Refuse = () => needsCast(column, type)
  const converted = convertAny(x, column, type, options, refuse)
  return withLimits(converted, type)
}

/** SQL for the bytes that a value takes as far as limits count them; undefined for a type of fixed size. */
export function sizeSql(value: string, type: FeatureType): string | undefined {
  switch (type.kind) {
    case 'string':
      return `strlen(${value})`
    case 'bytes':
      return `octet_length(${value})`
    case 'vector':
      return undefined
    case 'list':
      return listSize(value, type.element)
    case 'map':
      return `(${listSize(`map_keys(${value})`, { kind: 'string' })} + ${listSize(`map_values(${value})`, type.value)})`
    case 'struct': {
      const sizes = Object.entries(type.fields).map(([name, field]) =>
        sizeSql(`${value}.${identifier(name)}`, field),
      )
      const parts = sizes.filter((size) => size !== undefined).map((size) => `coalesce(${size}, 0)`)
      return parts.length === 0 ? undefined : `(${parts.join(' + ')})`
    }
    default:
      return undefined
  }
}

type Refuse = () => Error

function convertAny(
  x: string,
  column: PhysicalColumn,
  type: FeatureType,
  options: ConvertOptions,
  refuse: Refuse,
): Converted {
  refuseNanoseconds(column)
  if (column.type.typeId === DuckDBTypeId.SQLNULL)
    return { value: `CAST(NULL AS ${sqlType(type)})`, fits: 'true' }
  if (options.form === 'json') {
    if (column.physical === 'JSON') return fromJson(x, type, options)
    if (!isOfKind(column.type, type)) return fromJson(`to_json(${x})`, type, options)
  }
  if (options.form === 'csv') return fromText(x, type, options)
  return fromSql(x, column.type, type, options, refuse)
}

/** Whether a column whose values were all of one kind in JSON has the kind of a type. */
function isOfKind(from: DuckDBType, { kind }: FeatureType): boolean {
  switch (from.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return kind === 'bool'
    case DuckDBTypeId.VARCHAR:
      return kind === 'string'
    default:
      // A whole number in JSON is text too: for a float it is the nearest one, as `JSON.parse` has it.
      return isInteger(from)
        ? kind === 'int32' || kind === 'int64'
        : ['int32', 'int64', 'float32', 'float64'].includes(kind)
  }
}

function fromSql(
  x: string,
  from: DuckDBType,
  type: FeatureType,
  options: ConvertOptions,
  refuse: Refuse,
): Converted {
  switch (type.kind) {
    case 'vector': {
      const converted = listFromSql(x, from, { kind: 'float32' }, options, refuse)
      return both(converted, `len(${x}) = ${type.size} AND list_count(${x}) = ${type.size}`, x)
    }
    case 'list':
      return listFromSql(x, from, type.element, options, refuse)
    case 'map': {
      if (from.typeId !== DuckDBTypeId.MAP) throw refuse()
      const { keyType, valueType } = from
      if (keyType.typeId !== DuckDBTypeId.VARCHAR) throw refuse()
      const item = scalarFromSql('each', valueType, type.value, options, refuse)
      if (isIdentity(item)) return { value: x, fits: 'true' }
      return {
        value: `map(map_keys(${x}), list_transform(map_values(${x}), lambda each: ${item.value}))`,
        fits: all(`map_values(${x})`, item.fits),
      }
    }
    case 'struct': {
      if (from.typeId !== DuckDBTypeId.STRUCT) throw refuse()
      const { entryNames, entryTypes } = from
      const names = Object.keys(type.fields)
      if (entryNames.length !== names.length) throw refuse()
      const fields = Object.entries(type.fields).map(([name, field]) => {
        const entry = entryTypes[entryNames.findIndex((entryName) => entryName.toLowerCase() === name)]
        if (entry === undefined) throw refuse()
        return { name, ...scalarFromSql(`${x}.${identifier(name)}`, entry, field, options, refuse) }
      })
      const packed = fields.map(({ name, value }) => `${identifier(name)} := ${value}`)
      return {
        value: `CASE WHEN ${x} IS NOT NULL THEN struct_pack(${packed.join(', ')}) END`,
        fits: `(${fields.map(({ fits }) => fits).join(' AND ')})`,
      }
    }
    default:
      return scalarFromSql(x, from, type, options, refuse)
  }
}

function listFromSql(
  x: string,
  from: DuckDBType,
  element: ScalarType,
  options: ConvertOptions,
  refuse: Refuse,
): Converted {
  if (from.typeId !== DuckDBTypeId.LIST && from.typeId !== DuckDBTypeId.ARRAY) throw refuse()
  const item = scalarFromSql('each', from.valueType, element, options, refuse)
  const list = from.typeId === DuckDBTypeId.ARRAY ? `CAST(${x} AS ${from.valueType.toString()}[])` : x
  if (isIdentity(item)) return { value: list, fits: 'true' }
  return { value: `list_transform(${list}, lambda each: ${item.value})`, fits: all(list, item.fits) }
}

const INTEGERS: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.UHUGEINT,
])

/** Whether a DuckDB type is an integer. */
export function isInteger(type: DuckDBType): boolean {
  return INTEGERS.has(type.typeId)
}

/** Whether a DuckDB type is FLOAT or DOUBLE. */
export function isFloating(type: DuckDBType): boolean {
  return type.typeId === DuckDBTypeId.FLOAT || type.typeId === DuckDBTypeId.DOUBLE
}

function scalarFromSql(
  x: string,
  from: DuckDBType,
  type: ScalarType,
  options: ConvertOptions,
  refuse: Refuse,
): Converted {
  const same: Converted = { value: x, fits: 'true' }
  const id = from.typeId
  switch (type.kind) {
    case 'bool':
      if (id === DuckDBTypeId.BOOLEAN) return same
      break
    case 'int32':
    case 'int64': {
      const to = sqlType(type)
      if (id === (type.kind === 'int32' ? DuckDBTypeId.INTEGER : DuckDBTypeId.BIGINT)) return same
      if (isInteger(from)) return ifNotNull(x, `TRY_CAST(${x} AS ${to})`)
      if (isFloating(from)) return wholeNumber(x, to)
      break
    }
    case 'float32':
      if (id === DuckDBTypeId.FLOAT) return same
      if (id === DuckDBTypeId.DOUBLE) {
        return ifNotNull(
          x,
          `CASE WHEN CAST(TRY_CAST(${x} AS FLOAT) AS DOUBLE) = ${x} THEN TRY_CAST(${x} AS FLOAT) END`,
        )
      }
      if (isInteger(from)) return exactFloat(x, 'FLOAT')
      break
    case 'float64':
      if (id === DuckDBTypeId.DOUBLE) return same
      if (id === DuckDBTypeId.FLOAT) return { value: `CAST(${x} AS DOUBLE)`, fits: 'true' }
      if (isInteger(from)) return exactFloat(x, 'DOUBLE')
      break
    case 'string':
      if (id === DuckDBTypeId.VARCHAR && from.alias === undefined) return same
      if ([DuckDBTypeId.VARCHAR, DuckDBTypeId.ENUM, DuckDBTypeId.UUID].includes(id)) {
        return { value: `CAST(${x} AS VARCHAR)`, fits: 'true' }
      }
      break
    case 'bytes':
      if (id === DuckDBTypeId.BLOB) return same
      break
    case 'timestamp': {
      const micros = timestampMicros(x, from, options.zone)
      if (micros !== undefined) return timestampOf(x, micros)
    }
  }
  throw refuse()
}

/** @throws {AsofError} `nanosecond_times`, see {@link NANOSECONDS_UTC} */
export function refuseNanoseconds(column: PhysicalColumn): void {
  if (column.physical !== NANOSECONDS_UTC) return
  throw invalid(
    'nanosecond_times',
    'times in nanoseconds are not read exactly: write the file in microseconds',
    {
      column: column.name,
    },
  )
}

/** Microseconds of a column of times, null where there is no such time; undefined where its type is none, or lacks a zone. */
export function timestampMicros(x: string, from: DuckDBType, zone: string | undefined): string | undefined {
  switch (from.typeId) {
    case DuckDBTypeId.TIMESTAMP_TZ:
      return `epoch_us(${x})`
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
      return zone === undefined ? undefined : zonedMicros(`CAST(${x} AS TIMESTAMP)`, zone)
    case DuckDBTypeId.TIMESTAMP_NS:
      return zone === undefined
        ? undefined
        : `CASE WHEN epoch_ns(${x}) % 1000 = 0 THEN ${zonedMicros(`CAST(${x} AS TIMESTAMP)`, zone)} END`
    case DuckDBTypeId.VARCHAR:
      return textMicros(x, zone)
    default:
      return undefined
  }
}

function timestampOf(x: string, micros: string): Converted {
  const inRange = `(${micros}) BETWEEN ${TIMESTAMP_MIN} AND ${TIMESTAMP_MAX}`
  return ifNotNull(x, `CASE WHEN ${inRange} THEN make_timestamptz(${micros}) END`)
}

/** Text of a CSV file. */
function fromText(x: string, type: FeatureType, options: ConvertOptions): Converted {
  switch (type.kind) {
    case 'bool':
      return ifNotNull(x, `CASE lower(${x}) WHEN 'true' THEN true WHEN 'false' THEN false END`)
    case 'int32':
    case 'int64':
      return ifNotNull(
        x,
        `CASE WHEN regexp_full_match(${x}, '[+-]?[0-9]{1,40}') THEN TRY_CAST(${x} AS ${sqlType(type)}) END`,
      )
    case 'float32':
    case 'float64':
      return floatText(x, sqlType(type))
    case 'string':
      return { value: x, fits: 'true' }
    case 'bytes':
      return base64(x)
    case 'timestamp':
      return timestampOf(x, textMicros(x, options.zone))
    default: {
      const json = `CASE WHEN json_valid(${x}) THEN CAST(${x} AS JSON) END`
      const converted = fromJson(`(${json})`, type, options)
      return ifNotNull(x, converted.value)
    }
  }
}

const FLOAT_TEXT = `[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?`

function floatText(x: string, to: string): Converted {
  const number = `CASE WHEN regexp_full_match(${x}, ${literal(FLOAT_TEXT)}) THEN TRY_CAST(${x} AS ${to}) END`
  return ifNotNull(
    x,
    `CASE WHEN ${x} IN ('NaN', 'nan', 'Infinity', 'inf', '-Infinity', '-inf') THEN TRY_CAST(${x} AS ${to})
          WHEN isfinite(${number}) THEN ${number} END`,
  )
}

/** A value of JSON lines, of type JSON. */
function fromJson(x: string, type: FeatureType, options: ConvertOptions): Converted {
  const kind = `json_type(${x})`
  switch (type.kind) {
    case 'vector': {
      const list = fromJson(x, { kind: 'list', element: { kind: 'float32' } }, options)
      return both(list, `len(${list.value}) = ${type.size} AND list_count(${list.value}) = ${type.size}`, x)
    }
    case 'list': {
      const item = scalarFromJson('each', type.element, options)
      const items = `json_extract(${x}, '$[*]')`
      return ifJson(x, {
        value: `CASE WHEN ${kind} = 'ARRAY' THEN list_transform(${items}, lambda each: ${item.value}) END`,
        fits: `${kind} = 'ARRAY' AND ${all(items, item.fits)}`,
      })
    }
    case 'map': {
      const item = scalarFromJson('each', type.value, options)
      const items = `json_extract(${x}, '$.*')`
      const sound = `${kind} = 'OBJECT' AND len(list_distinct(json_keys(${x}))) = len(json_keys(${x}))`
      return ifJson(x, {
        value: `CASE WHEN ${sound} THEN map(json_keys(${x}), list_transform(${items}, lambda each: ${item.value})) END`,
        fits: `${sound} AND ${all(items, item.fits)}`,
      })
    }
    case 'struct': {
      const fields = Object.entries(type.fields).map(([name, field]) => ({
        name,
        ...scalarFromJson(`json_extract(${x}, ${literal(`$."${name}"`)})`, field, options),
      }))
      const names = fields.map(({ name }) => literal(name)).join(', ')
      const known = `len(list_filter(json_keys(${x}), lambda each: each NOT IN (${names}))) = 0`
      const packed = fields.map(({ name, value }) => `${identifier(name)} := ${value}`).join(', ')
      return ifJson(x, {
        value: `CASE WHEN ${kind} = 'OBJECT' THEN struct_pack(${packed}) END`,
        fits: `${kind} = 'OBJECT' AND ${known} AND ${fields.map(({ fits }) => fits).join(' AND ')}`,
      })
    }
    default:
      return scalarFromJson(x, type, options)
  }
}

function scalarFromJson(x: string, type: ScalarType, options: ConvertOptions): Converted {
  const kind = `json_type(${x})`
  const text = `(${x}->>'$')`
  const number = `TRY_CAST(${text} AS DOUBLE)`
  const value = ((): string => {
    switch (type.kind) {
      case 'bool':
        return `CASE WHEN ${kind} = 'BOOLEAN' THEN ${text} = 'true' END`
      case 'int32':
      case 'int64': {
        const to = sqlType(type)
        const written = type.kind === 'int64' ? `WHEN 'VARCHAR' THEN ${digits(text).value}` : ''
        return `CASE ${kind} WHEN 'BIGINT' THEN TRY_CAST(${text} AS ${to}) WHEN 'UBIGINT' THEN TRY_CAST(${text} AS ${to})
                WHEN 'DOUBLE' THEN ${wholeNumber(number, to).value} ${written} END`
      }
      case 'float32':
      case 'float64': {
        const to = sqlType(type)
        const exact =
          type.kind === 'float32' ? ` AND CAST(TRY_CAST(${number} AS FLOAT) AS DOUBLE) = ${number}` : ''
        const words = `${text} IN ('NaN', 'Infinity', '-Infinity', '-0')`
        return `CASE WHEN ${kind} IN ('BIGINT', 'UBIGINT', 'DOUBLE') AND isfinite(${number})${exact} THEN TRY_CAST(${number} AS ${to})
                WHEN ${kind} = 'VARCHAR' AND ${words} THEN TRY_CAST(replace(${text}, '-0', '-0.0') AS ${to}) END`
      }
      case 'string':
        return `CASE WHEN ${kind} = 'VARCHAR' THEN ${text} END`
      case 'bytes':
        return `CASE WHEN ${kind} = 'VARCHAR' THEN ${base64(text).value} END`
      case 'timestamp':
        return `CASE WHEN ${kind} = 'VARCHAR' THEN ${timestampOf(text, textMicros(text, options.zone)).value} END`
    }
  })()
  return ifJson(x, { value, fits: `(${value}) IS NOT NULL` })
}

/** Null in JSON is a value of its own. */
function ifJson(x: string, converted: Converted): Converted {
  return {
    value: converted.value,
    fits: `(${x} IS NULL OR json_type(${x}) = 'NULL' OR coalesce(${converted.fits}, false))`,
  }
}

function wholeNumber(x: string, to: string): Converted {
  const whole = `isfinite(${x}) AND ${x} = trunc(${x})`
  return ifNotNull(x, `CASE WHEN ${whole} THEN TRY_CAST(${x} AS ${to}) END`)
}

function exactFloat(x: string, to: string): Converted {
  const there = `TRY_CAST(${x} AS ${to})`
  return ifNotNull(x, `CASE WHEN TRY_CAST(${there} AS HUGEINT) = TRY_CAST(${x} AS HUGEINT) THEN ${there} END`)
}

function digits(x: string): Converted {
  return ifNotNull(
    x,
    `CASE WHEN regexp_full_match(${x}, '0|-?[1-9][0-9]{0,18}') THEN TRY_CAST(${x} AS BIGINT) END`,
  )
}

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'

function base64(x: string): Converted {
  return ifNotNull(x, `CASE WHEN regexp_full_match(${x}, ${literal(BASE64)}) THEN from_base64(${x}) END`)
}

/** A value that is null where it does not survive. */
function ifNotNull(x: string, value: string): Converted {
  return { value, fits: `(${x} IS NULL OR (${value}) IS NOT NULL)` }
}

function both(converted: Converted, condition: string, x: string): Converted {
  return {
    value: converted.value,
    fits: `(${x} IS NULL OR (${converted.fits} AND coalesce(${condition}, false)))`,
  }
}

function all(list: string, fits: string): string {
  return fits === 'true'
    ? 'true'
    : `coalesce(list_bool_and(list_transform(${list}, lambda each: ${fits})), true)`
}

function isIdentity({ value, fits }: Converted): boolean {
  return value === 'each' && fits === 'true'
}

/** A value beyond the limits would be refused by every store. */
function withLimits({ value, fits }: Converted, type: FeatureType): Converted {
  const size = sizeSql(value, type)
  const limits = size === undefined ? [] : [`coalesce(${size}, 0) <= ${LIMITS.valueBytesMax}`]
  if (type.kind === 'list') limits.push(`coalesce(len(${value}), 0) <= ${LIMITS.elementsMax}`)
  if (type.kind === 'map') limits.push(`coalesce(cardinality(${value}), 0) <= ${LIMITS.elementsMax}`)
  const conditions = [fits, ...limits].filter((condition) => condition !== 'true')
  return { value, fits: conditions.length === 0 ? 'true' : `(${conditions.join(' AND ')})` }
}

const FIXED_BYTES = { bool: 1, int32: 4, int64: 8, float32: 4, float64: 8, timestamp: 8 } as const

function listSize(list: string, element: ScalarType): string {
  if (element.kind === 'string') return `list_sum(list_transform(${list}, lambda each: strlen(each)))`
  if (element.kind === 'bytes') return `list_sum(list_transform(${list}, lambda each: octet_length(each)))`
  return `coalesce(len(${list}), 0) * ${FIXED_BYTES[element.kind]}`
}

function needsCast(column: PhysicalColumn, type: FeatureType): Error {
  const name = identifier(column.name)
  const cast =
    type.kind === 'timestamp' && (column.physical === 'DATE' || column.physical.startsWith('TIMESTAMP'))
      ? `CAST(${name} AS TIMESTAMP) AT TIME ZONE 'UTC'`
      : `CAST(${name} AS ${sqlType(type)})`
  return invalid(
    'needs_cast',
    'a column has another type than declared: cast it in the query of the source',
    {
      column: column.name,
      is: column.physical,
      declared: typeName(type),
      cast: `${cast} AS ${name}`,
    },
  )
}
