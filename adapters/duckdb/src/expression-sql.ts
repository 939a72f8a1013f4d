import { arithmeticType, checkExpression, literalValue } from '@asof/core'
import type {
  ArithmeticExpression,
  ColumnExpression,
  CompareOp,
  Expression,
  ExpressionSchema,
  FeatureType,
  InExpression,
  LiteralExpression,
  ScalarValue,
} from '@asof/core'
import { identifier, literal } from './sql-text.ts'

/**
 * An expression as SQL that means exactly the same in DuckDB: over any relation whose columns have the schema's names and
 * the SQL types that `sqlType` gives them. A condition is `NULL` where it is not known; `WHERE` and `FILTER` exclude that.
 *
 * Nothing of it depends on a setting or on a column's collation, and names and texts stay what they are whatever is in
 * them.
 *
 * @throws {AsofError} as `checkExpression`
 * @example
 * ```ts
 * const schema = [{ name: 'delay', type: { kind: 'int32' } }] as const
 * expressionSql(col('delay').gt(15).expression, schema) // '("delay" > 15::BIGINT)'
 * ```
 */
export function expressionSql(expression: Expression, schema: ExpressionSchema): string {
  checkExpression(expression, schema, 'expression')
  return print(expression, new Map(schema.map(({ name, type }) => [name, type]))).sql
}

/** A part of an expression as SQL, in parentheses where it needs them. */
interface Printed {
  readonly sql: string
  readonly type: FeatureType
  readonly node: Expression
}

function print(node: Expression, types: ReadonlyMap<string, FeatureType>): Printed {
  const part = (of: Expression): Printed => print(of, types)
  switch (node.kind) {
    case 'column':
      return columnSql(node, types.get(node.name)!)
    case 'literal':
      return { sql: literalSql(node.type, literalValue(node)), type: { kind: node.type }, node }
    case 'compare':
      return condition(node, compared(node.op, part(node.left), part(node.right)))
    case 'and':
    case 'or':
      return condition(
        node,
        node.of.map((each) => part(each).sql).join(node.kind === 'and' ? ' AND ' : ' OR '),
      )
    case 'not':
      return condition(node, `NOT ${part(node.of).sql}`)
    case 'is_null':
      return condition(node, `${part(node.of).sql} IS NULL`)
    case 'in':
      return condition(node, among(node, part(node.of)))
    case 'arithmetic':
      return computed(node, part(node.left), part(node.right))
    default:
      return node satisfies never
  }
}

function columnSql(node: ColumnExpression, type: FeatureType): Printed {
  const name = identifier(node.name)
  switch (type.kind) {
    case 'string':
      // A query may have given its column a collation, under which other texts are equal.
      return { sql: `(${name} COLLATE C)`, type, node }
    case 'float32':
    case 'float64': {
      // Many writers of Parquet leave NaN out of a column's least and greatest value, and DuckDB skips by these, and answers by
      // them, as if they were all there is: so it is told that there may be a NaN.
      const sql = `CASE WHEN isnan(${name}) THEN 'NaN'::DOUBLE ELSE CAST(${name} AS DOUBLE) END`
      return { sql: `(${sql})`, type: { kind: 'float64' }, node }
    }
    default:
      return { sql: name, type, node }
  }
}

function condition(node: Expression, sql: string): Printed {
  return { sql: `(${sql})`, type: { kind: 'bool' }, node }
}

function literalSql(type: LiteralExpression['type'], value: ScalarValue): string {
  switch (type) {
    case 'bool':
      return value === true ? 'TRUE' : 'FALSE'
    case 'int64':
      return `${quotedIfNegative(value as bigint)}::BIGINT`
    case 'float64':
      return `'${String(value)}'::DOUBLE`
    case 'string':
      return literal(value as string)
    case 'bytes':
      return `unhex('${Array.from(value as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('')}')`
    case 'timestamp':
      return `make_timestamptz(${String(value)})`
    default:
      return type satisfies never
  }
}

/** A minus binds looser than `::`, and the least int64 without it is none. */
function quotedIfNegative(value: bigint): string {
  return value < 0n ? `'${value}'` : String(value)
}

function compared(op: CompareOp, left: Printed, right: Printed): string {
  const [leftFloat, rightFloat] = [isFloat(left.type), isFloat(right.type)]
  if (!leftFloat && !rightFloat) return `${left.sql} ${op} ${right.sql}`
  const inDouble = `${double(left)} ${op} ${double(right)}`
  const whole = leftFloat ? right : left
  if ((leftFloat && rightFloat) || isExactInDouble(whole)) return inDouble
  // Rounding keeps the order, so only an int64 that becomes the very float may have been rounded onto it. That float is then
  // a whole number, which a HUGEINT holds.
  return `CASE WHEN ${double(left)} = ${double(right)} THEN ${huge(left)} ${op} ${huge(right)} ELSE ${inDouble} END`
}

function isFloat(type: FeatureType): boolean {
  return type.kind === 'float64'
}

function isExactInDouble({ type, node }: Printed): boolean {
  if (node.kind !== 'literal') return type.kind === 'int32'
  const value = literalValue(node)
  return typeof value === 'bigint' && BigInt(Number(value)) === value
}

function double({ sql, type }: Printed): string {
  return isFloat(type) ? sql : `CAST(${sql} AS DOUBLE)`
}

function huge({ sql, type }: Printed): string {
  return isFloat(type) ? `TRY_CAST(${sql} AS HUGEINT)` : `CAST(${sql} AS HUGEINT)`
}

/** The literals that a value of the type can be equal to, in that type: DuckDB would round a number to make it fit. */
function among(node: InExpression, of: Printed): string {
  const values = node.values.flatMap((each) => {
    const value = literalValue(each)
    if (isFloat(of.type)) return doubleSql(value as number | bigint)
    return typeof value === 'number' ? wholeSql(value) : [literalSql(each.type, value)]
  })
  if (values.length === 0) return `CASE WHEN ${of.sql} IS NULL THEN NULL ELSE FALSE END`
  return `${of.sql} IN (${values.join(', ')})`
}

function doubleSql(value: number | bigint): string[] {
  const rounded = Number(value)
  return typeof value === 'bigint' && BigInt(rounded) !== value ? [] : [literalSql('float64', rounded)]
}

function wholeSql(value: number): string[] {
  if (!Number.isInteger(value) || value < -(2 ** 63) || value >= 2 ** 63) return []
  return [literalSql('int64', BigInt(value))]
}

function computed(node: ArithmeticExpression, left: Printed, right: Printed): Printed {
  const kind = arithmeticType(node.op, left.type, right.type)
  if (kind === 'float64') {
    const divisor = node.op === '/' || node.op === '%' ? notZero(right) : double(right)
    return { sql: `(${double(left)} ${node.op} ${divisor})`, type: { kind }, node }
  }
  // No two int64 leave a HUGEINT, and a remainder by zero is NULL in it. In a list of one, the cast is out of sight of the
  // optimizer, which takes a comparison of a TRY_CAST for one of what is cast: that answers where the cast is NULL.
  return { sql: `[TRY_CAST(${huge(left)} ${node.op} ${huge(right)} AS BIGINT)][1]`, type: { kind }, node }
}

/**
 * A divisor in double, `NULL` where it is zero. `nullif` would write it twice, and a divisor of divisors twice as often each
 * time, so what is more than a column is named by a lambda.
 */
function notZero(divisor: Printed): string {
  const sql = double(divisor)
  switch (divisor.node.kind) {
    case 'literal':
      return Number(literalValue(divisor.node)) === 0 ? 'NULL::DOUBLE' : sql
    case 'column':
      return `CASE WHEN ${sql} = 0 THEN NULL ELSE ${sql} END`
    default:
      return `list_transform([${sql}], lambda d: CASE WHEN d = 0 THEN NULL ELSE d END)[1]`
  }
}
