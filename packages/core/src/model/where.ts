import { invalid } from '../errors/asof-error.ts'
import type { ArithmeticOp, CompareOp, Expression, LiteralExpression, LiteralKind } from './expression.ts'
import { inOf, literalOf, logicOf } from './expression.ts'
import type { FeatureType } from './feature-type.ts'
import { deepFreeze } from './json-object.ts'
import type { TypedField, TypedFields } from './typed-field.ts'
import type { ScalarValue } from './value.ts'

declare const termKind: unique symbol

/** What a term's values are, as far as comparing goes; a container can only be asked whether it is null. */
export type TermKind = 'bool' | 'number' | 'string' | 'bytes' | 'timestamp' | 'container'

/** The literals that a kind of term is compared with; a timestamp's are microseconds since 1970 UTC. */
export interface TermLiterals {
  readonly bool: boolean
  readonly number: number | bigint
  readonly string: string
  readonly bytes: Uint8Array
  readonly timestamp: bigint
  readonly container: never
}

/** Part of an expression with the kind of its value. */
export interface Term<Kind extends TermKind> {
  readonly expression: Expression
  readonly [termKind]?: Kind
  isNull(): Condition
  isNotNull(): Condition
}

/** What a term of a kind is compared with: a literal, or a term of that kind. */
export type Operand<Kind extends TermKind> = TermLiterals[Kind] | Term<Kind>

/** A term that is compared: `=`, `<>`, `<`, `<=`, `>`, `>=`, `in`. With a null each of them is null. */
export interface ComparableTerm<Kind extends TermKind> extends Term<Kind> {
  eq(other: Operand<Kind>): Condition
  ne(other: Operand<Kind>): Condition
  lt(other: Operand<Kind>): Condition
  le(other: Operand<Kind>): Condition
  gt(other: Operand<Kind>): Condition
  ge(other: Operand<Kind>): Condition
  in(values: readonly TermLiterals[Kind][]): Condition
}

/** A number: `+`, `-`, `*`, `/` (always a float64) and `%`; see {@link Expression} for overflow and zero. */
export interface NumberTerm extends ComparableTerm<'number'> {
  plus(other: Operand<'number'>): NumberTerm
  minus(other: Operand<'number'>): NumberTerm
  times(other: Operand<'number'>): NumberTerm
  dividedBy(other: Operand<'number'>): NumberTerm
  modulo(other: Operand<'number'>): NumberTerm
}

/** A condition: true, false, or null where it is not known. This is what a `where` takes. */
export interface Condition extends ComparableTerm<'bool'> {
  and(...others: readonly Term<'bool'>[]): Condition
  or(...others: readonly Term<'bool'>[]): Condition
  not(): Condition
}

/** A column of unknown type: anything may be said of it, and is checked against the source when that is declared. */
export interface AnyTerm extends Term<never> {
  eq(other: AnyOperand): Condition
  ne(other: AnyOperand): Condition
  lt(other: AnyOperand): Condition
  le(other: AnyOperand): Condition
  gt(other: AnyOperand): Condition
  ge(other: AnyOperand): Condition
  in(values: readonly ScalarValue[]): Condition
  plus(other: Operand<'number'>): NumberTerm
  minus(other: Operand<'number'>): NumberTerm
  times(other: Operand<'number'>): NumberTerm
  dividedBy(other: Operand<'number'>): NumberTerm
  modulo(other: Operand<'number'>): NumberTerm
  and(...others: readonly Term<'bool'>[]): Condition
  or(...others: readonly Term<'bool'>[]): Condition
  not(): Condition
}

/** What a column of unknown type is compared with. */
export type AnyOperand = ScalarValue | Term<TermKind>

/** The term of a column of a declared type. */
export type TermOf<Type extends FeatureType> = Type['kind'] extends 'bool'
  ? Condition
  : Type['kind'] extends 'int32' | 'int64' | 'float32' | 'float64'
    ? NumberTerm
    : Type['kind'] extends 'string' | 'bytes' | 'timestamp'
      ? ComparableTerm<Type['kind']>
      : Term<'container'>

/** A term for each column of a schema, by name. */
export type ColumnTerms<Fields extends TypedFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends TypedField<unknown, infer Type> ? TermOf<Type> : never
}

/**
 * A column in a `where`. With its type, what cannot be said of it does not compile; without, it is refused when the `where`
 * meets its source.
 *
 * A whole JavaScript number is an int64 literal, any other a float64, a bigint an int64 (a timestamp, beside a column of that
 * type).
 *
 * @example
 * ```ts
 * const late = col('delay', int32()).gt(15).and(col('carrier', string()).in(['AA', 'DL']))
 * late.expression.kind // 'and'
 * col('delay').ge(15).expression
 * // { kind: 'compare', op: '>=', left: { kind: 'column', name: 'delay' }, right: { kind: 'literal', type: 'int64', value: '15' } }
 * ```
 */
export function col<T, Type extends FeatureType>(name: string, field: TypedField<T, Type>): TermOf<Type>
export function col(name: string): AnyTerm
export function col(name: string, field?: TypedField<unknown>): unknown {
  return new BuiltTerm({ kind: 'column', name }, field?.type.kind)
}

/**
 * The columns of a schema, typed, for a `where`.
 *
 * @example
 * ```ts
 * const flight = columns({ delay: int32(), distance: int32(), carrier: string() })
 * const slow = flight.delay.dividedBy(flight.distance).gt(0.5).or(flight.carrier.isNull())
 * slow.expression.kind // 'or'
 * ```
 */
export function columns<const Fields extends TypedFields>(schema: Fields): ColumnTerms<Fields> {
  const terms = Object.entries(schema).map(([name, field]) => [name, col(name, field)] as const)
  return Object.freeze(Object.fromEntries(terms)) as ColumnTerms<Fields>
}

class BuiltTerm implements AnyTerm {
  declare readonly [termKind]?: never
  readonly expression: Expression
  /** Of a column: what it was declared as. */
  readonly #type: FeatureType['kind'] | undefined

  constructor(expression: Expression, type?: FeatureType['kind']) {
    this.expression = deepFreeze(expression)
    this.#type = type
    Object.freeze(this)
  }

  eq(other: AnyOperand): Condition {
    return this.#compare('=', other)
  }
  ne(other: AnyOperand): Condition {
    return this.#compare('<>', other)
  }
  lt(other: AnyOperand): Condition {
    return this.#compare('<', other)
  }
  le(other: AnyOperand): Condition {
    return this.#compare('<=', other)
  }
  gt(other: AnyOperand): Condition {
    return this.#compare('>', other)
  }
  ge(other: AnyOperand): Condition {
    return this.#compare('>=', other)
  }
  in(values: readonly ScalarValue[]): Condition {
    if (values.length === 0) throw invalid('invalid_expression', 'list at least one value')
    return new BuiltTerm(
      inOf(
        this.expression,
        values.map((value) => this.#literal(value)),
      ),
    )
  }
  plus(other: AnyOperand): NumberTerm {
    return this.#compute('+', other)
  }
  minus(other: AnyOperand): NumberTerm {
    return this.#compute('-', other)
  }
  times(other: AnyOperand): NumberTerm {
    return this.#compute('*', other)
  }
  dividedBy(other: AnyOperand): NumberTerm {
    return this.#compute('/', other)
  }
  modulo(other: AnyOperand): NumberTerm {
    return this.#compute('%', other)
  }
  and(...others: readonly Term<'bool'>[]): Condition {
    return this.#logic('and', others)
  }
  or(...others: readonly Term<'bool'>[]): Condition {
    return this.#logic('or', others)
  }
  not(): Condition {
    return new BuiltTerm({ kind: 'not', of: this.expression })
  }
  isNull(): Condition {
    return new BuiltTerm({ kind: 'is_null', of: this.expression })
  }
  isNotNull(): Condition {
    return this.isNull().not()
  }

  #compare(op: CompareOp, other: AnyOperand): Condition {
    return new BuiltTerm({ kind: 'compare', op, left: this.expression, right: this.#operand(other) })
  }
  #compute(op: ArithmeticOp, other: AnyOperand): NumberTerm {
    return new BuiltTerm({ kind: 'arithmetic', op, left: this.expression, right: this.#operand(other) })
  }
  #logic(kind: 'and' | 'or', others: readonly Term<'bool'>[]): Condition {
    if (others.length === 0) return this
    return new BuiltTerm(logicOf(kind, [this.expression, ...others.map((each) => each.expression)]))
  }
  #operand(other: AnyOperand): Expression {
    return isTerm(other) ? other.expression : this.#literal(other)
  }
  #literal(value: ScalarValue): LiteralExpression {
    if (typeof value === 'bigint' && this.#type === 'timestamp') return literalOf('timestamp', value)
    const kind = literalKind(value)
    return literalOf(kind, kind === 'int64' ? BigInt(value as number | bigint) : value)
  }
}

function isTerm(operand: AnyOperand): operand is Term<TermKind> {
  return operand instanceof BuiltTerm
}

function literalKind(value: unknown): LiteralKind {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'string':
      return 'string'
    case 'bigint':
      return 'int64'
    case 'number':
      return Number.isSafeInteger(value) ? 'int64' : 'float64'
    default:
      if (value instanceof Uint8Array) return 'bytes'
      if (value === null) throw invalid('invalid_expression', 'nothing equals null: ask with isNull()')
      throw invalid('invalid_expression', 'compare with a value or with another column', {
        got: typeof value,
      })
  }
}
