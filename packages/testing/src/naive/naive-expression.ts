import { checkExpression, literalValue } from '@asof/core'
import type { Expression, ExpressionSchema, Value } from '@asof/core'

/**
 * The value of an expression for one row, in the fewest lines: every number is an exact count of 2^-1074, of which all are
 * multiples, and every text its UTF-8 bytes.
 */
export function naiveExpression(
  node: Expression,
  schema: ExpressionSchema,
  row: readonly (Value | null)[],
): Value | null {
  const value = (of: Expression): Value | null => naiveExpression(of, schema, row)
  const isWhole = (of: Expression): boolean => checkExpression(of, schema, '').kind.startsWith('int')
  switch (node.kind) {
    case 'column':
      return row[schema.findIndex(({ name }) => name === node.name)] ?? null
    case 'literal':
      return literalValue(node)
    case 'is_null':
      return value(node.of) === null
    case 'not':
      return value(node.of) === null ? null : value(node.of) === false
    case 'and':
      return threeValued(node.of.map(value), false)
    case 'or':
      return threeValued(node.of.map(value), true)
    case 'in':
      return threeValued(
        node.values.map((right) => value({ kind: 'compare', op: '=', left: node.of, right })),
        true,
      )
    case 'compare': {
      const [left, right] = [value(node.left), value(node.right)]
      if (left === null || right === null) return null
      const order = naiveOrder(left, right)
      const sign = order < 0 ? '<' : order > 0 ? '>' : '='
      return node.op.includes(sign)
    }
    case 'arithmetic': {
      const [left, right] = [value(node.left), value(node.right)]
      if (left === null || right === null) return null
      if (node.op === '/' || !isWhole(node.left) || !isWhole(node.right))
        return inFloat64(node.op, Number(left), Number(right))
      return inInt64(node.op, BigInt(left as number | bigint), BigInt(right as number | bigint))
    }
  }
}

function threeValued(values: readonly (Value | null)[], decisive: boolean): boolean | null {
  return values.includes(decisive) ? decisive : values.includes(null) ? null : !decisive
}

function inFloat64(op: string, left: number, right: number): number | null {
  if (right === 0 && (op === '/' || op === '%')) return null
  return { '+': left + right, '-': left - right, '*': left * right, '/': left / right, '%': left % right }[
    op
  ]!
}

function inInt64(op: string, left: bigint, right: bigint): bigint | null {
  if (op === '%' && right === 0n) return null
  const result =
    op === '+' ? left + right : op === '-' ? left - right : op === '*' ? left * right : left % right
  return result >= -(2n ** 63n) && result < 2n ** 63n ? result : null
}

/** Less than 0, 0 or more than 0. */
function naiveOrder(left: Value, right: Value): number {
  if (typeof left === 'boolean') return Number(left) - Number(right)
  if (typeof left === 'number' || typeof left === 'bigint') {
    const [one, other] = [exact(left), exact(right as number | bigint)]
    return one < other ? -1 : one > other ? 1 : 0
  }
  return Buffer.compare(Buffer.from(left as string), Buffer.from(right as string))
}

/** A number as a count of 2^-1074; the infinities and, above them, NaN lie beyond all of those. */
function exact(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value << 1074n
  if (Number.isNaN(value)) return 2n ** 3000n
  if (!Number.isFinite(value)) return value > 0 ? 2n ** 2999n : -(2n ** 2999n)
  let [rest, scale] = [value, 0n]
  // Halving and doubling by powers of two are exact, until what is left is a whole number.
  for (; !Number.isInteger(rest); scale++) rest *= 2
  return BigInt(rest) << (1074n - scale)
}
