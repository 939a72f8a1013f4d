import { type AsofError, invalid } from '../errors/asof-error.ts'
import type { Expression } from './expression.ts'
import { type FeatureType, type Field, typeName } from './feature-type.ts'

/** The columns that an expression may name. */
export type ExpressionSchema = readonly Pick<Field, 'name' | 'type'>[]

/** What can be compared with what: all numbers with each other, else values of one type. */
type Family = 'bool' | 'number' | 'string' | 'bytes' | 'timestamp' | 'container'

/**
 * Checks an expression against the columns that it is about, and answers the type of its value. Containers can only be
 * asked whether they are null.
 *
 * @param path where the expression stands, for the message: `features.late.where`
 * @throws {AsofError} `unknown_column` or `invalid_expression`, with the path of the part that is wrong
 * @example
 * ```ts
 * const schema = [{ name: 'delay', type: { kind: 'int32' } }] as const
 * checkExpression(col('delay').plus(1).expression, schema, 'where') // { kind: 'int64' }
 * checkExpression(col('delay').gt('15').expression, schema, 'where') // throws: invalid_expression
 * ```
 */
export function checkExpression(expression: Expression, schema: ExpressionSchema, path: string): FeatureType {
  return checkPart(expression, new Map(schema.map(({ name, type }) => [name, type])), path)
}

/**
 * Checks an expression that decides about rows: one that is true, false or null.
 *
 * @throws {AsofError} as {@link checkExpression}
 */
export function checkWhere(where: Expression, schema: ExpressionSchema, path: string): void {
  const type = checkExpression(where, schema, path)
  if (type.kind !== 'bool') throw wrong('a where is a condition: compare the value with one', path, type)
}

/** The type that a computation on two numbers is in. */
export function arithmeticType(op: string, left: FeatureType, right: FeatureType): 'int64' | 'float64' {
  return op !== '/' && isWhole(left) && isWhole(right) ? 'int64' : 'float64'
}

function checkPart(
  expression: Expression,
  columns: ReadonlyMap<string, FeatureType>,
  path: string,
): FeatureType {
  const part = (name: string, of: Expression): FeatureType => checkPart(of, columns, `${path}.${name}`)
  switch (expression.kind) {
    case 'column': {
      const type = columns.get(expression.name)
      if (type !== undefined) return type
      const names = [...columns.keys()].slice(0, NAMES_SHOWN).join(', ')
      const details = { path, column: expression.name.slice(0, NAME_SHOWN), columns: names }
      throw invalid('unknown_column', 'no such column is declared', details)
    }
    case 'literal':
      return { kind: expression.type }
    case 'compare': {
      const left = part('left', expression.left)
      const right = part('right', expression.right)
      alike(left, right, path)
      return BOOL
    }
    case 'and':
    case 'or':
      for (const [index, of] of expression.of.entries()) {
        condition(part(`of[${index}]`, of), `${path}.of[${index}]`)
      }
      return BOOL
    case 'not':
      condition(part('of', expression.of), `${path}.of`)
      return BOOL
    case 'is_null':
      part('of', expression.of)
      return BOOL
    case 'in': {
      const type = part('of', expression.of)
      for (const [index, value] of expression.values.entries()) {
        alike(type, { kind: value.type }, `${path}.values[${index}]`)
      }
      return BOOL
    }
    case 'arithmetic': {
      const left = number(part('left', expression.left), `${path}.left`)
      const right = number(part('right', expression.right), `${path}.right`)
      return { kind: arithmeticType(expression.op, left, right) }
    }
    default:
      return expression satisfies never
  }
}

const BOOL: FeatureType = { kind: 'bool' }
/** How much of the declared columns, and of a wrong name, a message shows. */
const NAMES_SHOWN = 20
const NAME_SHOWN = 100

function alike(left: FeatureType, right: FeatureType, path: string): void {
  if (family(left) === 'container') throw wrong('a container is only null or not null', path, left)
  if (family(left) !== family(right)) {
    const details = { path, left: typeName(left), right: typeName(right) }
    const text =
      'these types are not compared: declare the column as what it holds, or give a value of its type'
    throw invalid('invalid_expression', text, details)
  }
}

function condition(type: FeatureType, path: string): void {
  if (type.kind !== 'bool') throw wrong('a condition is wanted here: compare the value with one', path, type)
}

function number(type: FeatureType, path: string): FeatureType {
  if (family(type) !== 'number') throw wrong('only numbers are computed with', path, type)
  return type
}

function isWhole(type: FeatureType): boolean {
  return type.kind === 'int32' || type.kind === 'int64'
}

function family(type: FeatureType): Family {
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
      return 'number'
    case 'vector':
    case 'list':
    case 'map':
    case 'struct':
      return 'container'
    default:
      return type.kind
  }
}

function wrong(text: string, path: string, type: FeatureType): AsofError {
  return invalid('invalid_expression', text, { path, type: typeName(type) })
}
