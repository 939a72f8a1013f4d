import { internal } from '../errors/asof-error.ts'
import type { ColumnBatch } from './column.ts'
import type {
  ArithmeticExpression,
  CompareExpression,
  CompareOp,
  Expression,
  InExpression,
} from './expression.ts'
import { literalValue } from './expression.ts'
import type { ExpressionSchema } from './expression-check.ts'
import { arithmeticType, checkWhere } from './expression-check.ts'
import type { FeatureType } from './feature-type.ts'
import type { Value } from './value.ts'
import { compareBytes, compareNumbers, compareText, isOrderedByUnit } from './value-order.ts'

/** A `where` made ready for many rows; see {@link compileWhere}. */
export interface CompiledWhere {
  /** Whether a row passes, its values in the order of the schema. */
  passes(row: readonly (Value | null)[]): boolean
  /** The same for the rows of a batch, by their index; made once for a batch. */
  passesIn(batch: ColumnBatch): (row: number) => boolean
}

/**
 * Makes a `where` ready: checked once and turned into closures over the columns that it names. A row passes where it is
 * true; false and null exclude it. What it means is said at {@link Expression}.
 *
 * @param path where it stands, for the messages
 * @throws {AsofError} as `checkExpression`; evaluation itself never throws
 * @example
 * ```ts
 * const flight = { delay: int32(), carrier: string() }
 * const { delay, carrier } = columns(flight)
 * const late = compileWhere(delay.gt(15).and(carrier.in(['AA', 'DL'])).expression, namedFields(flight))
 * late.passes([20, 'AA']) // true
 * late.passes([20, 'UA']) // false
 * late.passes([null, 'AA']) // false
 * ```
 */
export function compileWhere(where: Expression, schema: ExpressionSchema, path = 'where'): CompiledWhere {
  checkWhere(where, schema, path)
  const positions = new Map(schema.map(({ name }, index) => [name, index]))
  const types = new Map(schema.map(({ name, type }) => [name, type]))
  const test = compile<readonly (Value | null)[]>(where, types, (name) => {
    const index = positions.get(name)!
    return (row) => row[index] as Value | null
  }).read
  return {
    passes: (row) => test(row) === true,
    passesIn: (batch) => {
      const inBatch = compile<number>(where, types, (name) => columnReader(batch, name)).read
      return (row) => inBatch(row) === true
    },
  }
}

type Read<At, T = Value> = (at: At) => T | null

/** One part of an expression, ready: how its value is read, and what is known of all its values. */
interface Part<At> {
  readonly read: Read<At>
  readonly type: FeatureType
  /** Of a literal: its value. */
  readonly constant?: Value
  /** Of whole numbers that are JavaScript numbers, all below 2^53: the greatest magnitude. Others are bigint. */
  readonly magnitude?: number
}

type Columns<At> = (name: string) => Read<At>

function compile<At>(
  node: Expression,
  types: ReadonlyMap<string, FeatureType>,
  columns: Columns<At>,
): Part<At> {
  const part = (of: Expression): Part<At> => compile(of, types, columns)
  switch (node.kind) {
    case 'column': {
      const type = types.get(node.name)!
      return { read: columns(node.name), type, ...(type.kind === 'int32' && { magnitude: 2 ** 31 }) }
    }
    case 'literal':
      return constantPart({ kind: node.type }, literalValue(node))
    case 'compare':
      return condition(comparison(node, part(node.left), part(node.right)))
    case 'and':
    case 'or':
      return condition(node.of.map((each) => part(each).read as Read<At, boolean>).reduce(LOGIC[node.kind]))
    case 'not': {
      const of = part(node.of).read
      return condition((at) => {
        const value = of(at)
        return value === null ? null : value === false
      })
    }
    case 'is_null': {
      const of = part(node.of).read
      return condition((at) => of(at) === null)
    }
    case 'in':
      return condition(membership(node, part(node.of)))
    case 'arithmetic':
      return arithmetic(node, part(node.left), part(node.right))
    default:
      return node satisfies never
  }
}

function condition<At>(read: Read<At, boolean>): Part<At> {
  return { read, type: { kind: 'bool' } }
}

/** A whole number that JavaScript holds exactly is one of its numbers here: those are quick. */
function constantPart<At>(type: FeatureType, value: Value): Part<At> {
  const isSmall = type.kind === 'int64' && Number.isSafeInteger(Number(value))
  const constant = isSmall ? Number(value) : value
  return { read: () => constant, type, constant, ...(isSmall && { magnitude: Math.abs(Number(value)) }) }
}

function columnReader(batch: ColumnBatch, name: string): Read<number> {
  const column = batch.columns[name]
  if (column === undefined) throw internal('a batch lacks a column', { column: name })
  const { type, values, valid } = column
  if (type.kind === 'bool') {
    return valid === undefined
      ? (row) => values[row] === 1
      : (row) => (valid[row] === 0 ? null : values[row] === 1)
  }
  return valid === undefined
    ? (row) => values[row] as Value | null
    : (row) => (valid[row] === 0 ? null : (values[row] as Value))
}

const LOGIC = {
  and<At>(left: Read<At, boolean>, right: Read<At, boolean>): Read<At, boolean> {
    return (at) => {
      const one = left(at)
      if (one === false) return false
      const other = right(at)
      return one === true || other === false ? other : null
    }
  },
  or<At>(left: Read<At, boolean>, right: Read<At, boolean>): Read<At, boolean> {
    return (at) => {
      const one = left(at)
      if (one === true) return true
      const other = right(at)
      return one === false || other === true ? other : null
    }
  },
} as const

type Order = (a: never, b: never) => number
/** The operator that says the same with its sides changed. */
const FLIPPED = { '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const

function comparison<At>(node: CompareExpression, left: Part<At>, right: Part<At>): Read<At, boolean> {
  if (isPlain(right)) return plainComparison(node.op, left, right)
  if (isPlain(left)) return plainComparison(FLIPPED[node.op], right, left)
  const [one, other] = [left.read, right.read]
  const order = orderOf(left.type)
  const test = ORDERED[node.op]
  return (at) => {
    const a = one(at)
    if (a === null) return null
    const b = other(at)
    return b === null ? null : test(order(a as never, b as never))
  }
}

/**
 * Whether JavaScript's own operators compare any value with these: numbers that are never NaN, as they compare number and
 * bigint exactly, and literal text below the surrogates.
 */
function isPlain({ type, constant }: Part<never>): boolean {
  switch (type.kind) {
    case 'bool':
    case 'int32':
    case 'int64':
    case 'timestamp':
      return true
    case 'float32':
    case 'float64':
      return constant !== undefined && !Number.isNaN(constant)
    case 'string':
      return constant !== undefined && isOrderedByUnit(constant as string)
    default:
      return false
  }
}

function orderOf(type: FeatureType): Order {
  if (type.kind === 'string') return compareText
  return type.kind === 'bytes' ? compareBytes : compareNumbers
}

const ORDERED: Readonly<Record<CompareOp, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

/**
 * Compares by JavaScript's operators with a right side that is plain. On the left may be a NaN, for which they answer false:
 * as it is greater than the right side, only `<` and `<=` are asked, and `>` is that neither holds.
 */
function plainComparison<At>(op: CompareOp, left: Part<At>, right: Part<At>): Read<At, boolean> {
  const one = left.read as Read<At, number>
  const other = right.read as Read<At, number>
  if (right.constant !== undefined) return compareWith(op, one, right.constant as number)
  const test = PLAIN[op]
  return (at) => {
    const a = one(at)
    if (a === null) return null
    const b = other(at)
    return b === null ? null : test(a, b)
  }
}

const PLAIN: Readonly<Record<CompareOp, (a: number, b: number) => boolean>> = {
  '=': isEqual,
  '<>': (a, b) => !isEqual(a, b),
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => !(a <= b),
  '>=': (a, b) => !(a < b),
}

/** A number and a bigint of one value are not identical, but neither is less. */
function isEqual(a: number, b: number): boolean {
  return a === b || (typeof a !== typeof b && a <= b && !(a < b))
}

/** The most frequent comparison, written out: a call less a row. */
function compareWith<At>(op: CompareOp, read: Read<At, number>, b: number): Read<At, boolean> {
  switch (op) {
    case '=':
    case '<>': {
      const equal = op === '='
      return (at) => {
        const a = read(at)
        return a === null ? null : isEqual(a, b) === equal
      }
    }
    case '<':
    case '>=': {
      const less = op === '<'
      return (at) => {
        const a = read(at)
        return a === null ? null : a < b === less
      }
    }
    case '<=':
    case '>': {
      const notMore = op === '<='
      return (at) => {
        const a = read(at)
        return a === null ? null : a <= b === notMore
      }
    }
    default:
      return op satisfies never
  }
}

/** A set of what JavaScript finds equal only where we do: -0 is 0 in it, NaN is NaN, and bytes are put into text. */
function membership<At>(node: InExpression, { read, type, magnitude }: Part<At>): Read<At, boolean> {
  const values = node.values.map((each) => literalValue(each))
  if (type.kind === 'bytes') {
    const texts = new Set(values.map((each) => bytesText(each as Uint8Array)))
    return (at) => {
      const value = read(at)
      return value === null ? null : texts.has(bytesText(value as Uint8Array))
    }
  }
  const isBigint = type.kind === 'int64' && magnitude === undefined
  const isNumber = magnitude !== undefined || type.kind.startsWith('float')
  const set = new Set<Value>(
    isBigint || isNumber ? values.flatMap((each) => sameNumber(each, isBigint)) : values,
  )
  return (at) => {
    const value = read(at)
    return value === null ? null : set.has(value)
  }
}

/** A number as bigint or as number, if it has one there of exactly its value. */
function sameNumber(value: Value, asBigint: boolean): (bigint | number)[] {
  if (asBigint)
    return typeof value === 'bigint' ? [value] : Number.isInteger(value) ? [BigInt(value as number)] : []
  if (typeof value === 'number') return [value]
  return BigInt(Number(value)) === value ? [Number(value)] : []
}

function bytesText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

function arithmetic<At>(node: ArithmeticExpression, left: Part<At>, right: Part<At>): Part<At> {
  const kind = arithmeticType(node.op, left.type, right.type)
  const magnitude = kind === 'int64' ? magnitudeOf(node, left.magnitude, right.magnitude) : undefined
  const isNumber = kind === 'float64' || magnitude !== undefined
  const read = isNumber
    ? computed(left.read, right.read, asNumber, OF_NUMBERS[node.op])
    : computed(left.read, right.read, asBigint, OF_BIGINTS[node.op])
  return { read, type: { kind }, ...(magnitude !== undefined && { magnitude }) }
}

function computed<At, T extends Value>(
  left: Read<At>,
  right: Read<At>,
  as: (value: Value) => T,
  compute: (a: T, b: T) => T | null,
): Read<At> {
  return (at) => {
    const a = left(at)
    if (a === null) return null
    const b = right(at)
    return b === null ? null : compute(as(a), as(b))
  }
}

/** How great the result of whole numbers can be, if that is surely below 2^53. */
function magnitudeOf(
  { op }: ArithmeticExpression,
  left: number | undefined,
  right: number | undefined,
): number | undefined {
  if (left === undefined || right === undefined) return undefined
  const most = op === '%' ? left : op === '*' ? left * right : left + right
  return most < 2 ** 53 ? most : undefined
}

function asNumber(value: Value): number {
  return Number(value)
}

function asBigint(value: Value): bigint {
  return BigInt(value as number | bigint)
}

const OF_NUMBERS: Readonly<Record<ArithmeticExpression['op'], (a: number, b: number) => number | null>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0 ? null : a / b),
  '%': (a, b) => (b === 0 ? null : a % b),
}

const OF_BIGINTS: Readonly<Record<ArithmeticExpression['op'], (a: bigint, b: bigint) => bigint | null>> = {
  '+': (a, b) => inInt64(a + b),
  '-': (a, b) => inInt64(a - b),
  '*': (a, b) => inInt64(a * b),
  // A quotient is in float64, so it is never asked for here.
  '/': () => null,
  '%': (a, b) => (b === 0n ? null : a % b),
}

function inInt64(value: bigint): bigint | null {
  return BigInt.asIntN(64, value) === value ? value : null
}
