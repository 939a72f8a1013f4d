import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkValue } from './check-value.ts'
import type { JsonValue } from './feature-type.ts'
import { JsonObject, arrayOf, deepFreeze, oneOf } from './json-object.ts'
import type { ScalarValue } from './value.ts'
import { valueFromJson, valueToJson } from './value-json.ts'

/**
 * A computation over one row's columns, as canonical JSON: what a `where` is. It is data, so one and the same expression
 * is evaluated row by row, printed as SQL, compared and stored. The builders of `where.ts` make it.
 *
 * What it means, everywhere:
 *
 * - **Null** is "not known": a comparison, arithmetic or `in` with a null is null; `and`, `or` and `not` have three values
 *   (`false and null` is false, `true or null` is true). Only `is_null` answers for a null. A row passes a `where` that
 *   is true; false and null exclude it.
 * - **Numbers** compare by their exact value, whatever their types: the int64 9007199254740993 is not the float64
 *   9007199254740992. -0 is 0. NaN is equal to itself and greater than every other number, infinity included.
 * - **Text** compares by code point (which is the order of its UTF-8 bytes), bytes as unsigned numbers, timestamps as
 *   instants, and false is less than true. Nothing is equal to or less than a value of another kind: that is refused.
 * - **Arithmetic** on two integers is in int64, on a float64 or float32 and any number in float64, to which an int64 is
 *   rounded (to nearest, ties to even); `/` is always in float64. `%` has the sign of the dividend. An integer result beyond
 *   int64 is null; a float result beyond float64 is an infinity. Dividing by zero, `%` too, is null.
 */
export type Expression =
  | ColumnExpression
  | LiteralExpression
  | CompareExpression
  | LogicExpression
  | { readonly kind: 'not'; readonly of: Expression }
  | InExpression
  | { readonly kind: 'is_null'; readonly of: Expression }
  | ArithmeticExpression

/** A column's value in the row. */
export interface ColumnExpression {
  readonly kind: 'column'
  readonly name: string
}

/** A value, never null, in the JSON form of its type (see `value-json.ts`); an int32 is an int64, a float32 a float64. */
export interface LiteralExpression {
  readonly kind: 'literal'
  readonly type: LiteralKind
  readonly value: JsonValue
}

/** Two values of one kind compared, or two numbers. */
export interface CompareExpression {
  readonly kind: 'compare'
  readonly op: CompareOp
  readonly left: Expression
  readonly right: Expression
}

/** Two conditions or more; none of them is of the same kind, as those are one flat list. */
export interface LogicExpression {
  readonly kind: 'and' | 'or'
  readonly of: readonly Expression[]
}

/** Whether a value is among literals: a set, so each once, and in an order of its own. */
export interface InExpression {
  readonly kind: 'in'
  readonly of: Expression
  readonly values: readonly LiteralExpression[]
}

/** Two numbers computed. */
export interface ArithmeticExpression {
  readonly kind: 'arithmetic'
  readonly op: ArithmeticOp
  readonly left: Expression
  readonly right: Expression
}

const COMPARE_OPS = ['=', '<>', '<', '<=', '>', '>='] as const
const ARITHMETIC_OPS = ['+', '-', '*', '/', '%'] as const
const LITERAL_KINDS = ['bool', 'int64', 'float64', 'string', 'bytes', 'timestamp'] as const
const KINDS = ['column', 'literal', 'compare', 'and', 'or', 'not', 'in', 'is_null', 'arithmetic'] as const

/** How two values are compared. */
export type CompareOp = (typeof COMPARE_OPS)[number]
/** How two numbers are computed. */
export type ArithmeticOp = (typeof ARITHMETIC_OPS)[number]
/** The types of literals. */
export type LiteralKind = (typeof LITERAL_KINDS)[number]

/**
 * Reads the JSON of an expression into its canonical form; whether it fits the columns is for `checkExpression` to say.
 *
 * @throws {AsofError} `invalid_definition`, `invalid_value` or `expression_too_large`, with the path
 * @example
 * ```ts
 * const json = { kind: 'compare', op: '>', left: { kind: 'column', name: 'delay' }, right: { kind: 'column', name: 'limit' } }
 * readExpression(json, 'where') // as it is
 * readExpression({ ...json, note: 'late' }, 'where') // throws: invalid_definition
 * ```
 */
export function readExpression(json: unknown, path: string): Expression {
  const budget = { nodes: LIMITS.expressionNodesMax }
  return deepFreeze(readNode(json, path, budget, LIMITS.expressionDepthMax))
}

/** Conditions that must all, or of which one must, be true; those of the same kind are taken apart. */
export function logicOf(kind: 'and' | 'or', conditions: readonly Expression[]): LogicExpression {
  return { kind, of: conditions.flatMap((each) => (each.kind === kind ? each.of : [each])) }
}

/** Whether a value is among literals, without the doubles and in one order, so that equal sets are equal JSON. */
export function inOf(of: Expression, values: readonly LiteralExpression[]): InExpression {
  const byText = new Map(values.map((each) => [JSON.stringify(each), each]))
  const sorted = [...byText].sort(([a], [b]) => (a < b ? -1 : 1))
  return { kind: 'in', of, values: sorted.map(([, each]) => each) }
}

/** A literal of a value. @throws {AsofError} `invalid_value` for one that is not of the type */
export function literalOf(type: LiteralKind, value: ScalarValue): LiteralExpression {
  return {
    kind: 'literal',
    type,
    value: valueToJson({ kind: type }, checkValue({ kind: type }, value, 'value')),
  }
}

/** The value of a literal. */
export function literalValue(literal: LiteralExpression, path = 'value'): ScalarValue {
  const value = valueFromJson({ kind: literal.type }, literal.value, path)
  if (value === null) throw invalid('invalid_value', 'null is no literal: ask with is_null', { path })
  return value as ScalarValue
}

interface Budget {
  nodes: number
}

function readNode(json: unknown, path: string, budget: Budget, depth: number): Expression {
  if (depth === 0 || budget.nodes-- === 0) {
    const { expressionDepthMax, expressionNodesMax } = LIMITS
    const text =
      'an expression nested deeper than expressionDepthMax, or of more parts than expressionNodesMax'
    throw invalid('expression_too_large', text, { path, expressionDepthMax, expressionNodesMax })
  }
  const object = new JsonObject(json, path)
  const node = readParts(object, (part, at) => readNode(part, at, budget, depth - 1))
  object.end()
  return node
}

function readParts(object: JsonObject, read: (json: unknown, path: string) => Expression): Expression {
  const kind = object.need('kind', oneOf(...KINDS))
  switch (kind) {
    case 'column':
      return { kind, name: object.need('name', readColumn) }
    case 'literal': {
      const type = object.need('type', oneOf(...LITERAL_KINDS))
      return object.need('value', (value, at) =>
        literalOf(type, literalValue({ kind, type, value: value as JsonValue }, at)),
      )
    }
    case 'compare': {
      const op = object.need('op', oneOf(...COMPARE_OPS))
      return { kind, op, left: object.need('left', read), right: object.need('right', read) }
    }
    case 'arithmetic': {
      const op = object.need('op', oneOf(...ARITHMETIC_OPS))
      return { kind, op, left: object.need('left', read), right: object.need('right', read) }
    }
    case 'and':
    case 'or':
      return logicOf(kind, object.need('of', several(2, read)))
    case 'not':
    case 'is_null':
      return { kind, of: object.need('of', read) }
    case 'in': {
      const of = object.need('of', read)
      const values = object.need('values', several(1, read))
      const other = values.findIndex((each) => each.kind !== 'literal')
      if (other >= 0) {
        const path = `${object.path}.values[${other}]`
        throw invalid('invalid_definition', 'only literals are listed: compare with = instead', { path })
      }
      return inOf(of, values as LiteralExpression[])
    }
    default:
      return kind satisfies never
  }
}

function several(
  least: number,
  read: (json: unknown, path: string) => Expression,
): (json: unknown, path: string) => Expression[] {
  return (json, path) => {
    if (Array.isArray(json) && json.length < least) {
      throw invalid('invalid_definition', `at least ${least} are wanted here`, { path })
    }
    return arrayOf(read)(json, path)
  }
}

/** Columns are named by those who made the data, so by any text; NUL ends one in too many places. */
function readColumn(json: unknown, path: string): string {
  if (typeof json === 'string' && json !== '' && json.isWellFormed() && !json.includes('\0')) return json
  throw invalid('invalid_definition', 'a column name is wanted here: a text, not empty, without NUL', {
    path,
  })
}
