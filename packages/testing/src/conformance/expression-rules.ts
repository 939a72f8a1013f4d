import { col, columns } from '@asof/core'
import { bool, bytes, float32, float64, int32, int64, namedFields, string, timestamp } from '@asof/core'
import type { Condition, Expression, ExpressionSchema, Value } from '@asof/core'

const fields = {
  flag: bool(),
  small: int32(),
  large: int64(),
  single: float32(),
  double: float64(),
  text: string(),
  raw: bytes(),
  at: timestamp(),
}
const row = columns(fields)
const SCHEMA: ExpressionSchema = namedFields(fields)
const USUAL: Readonly<Record<keyof typeof fields, Value>> = {
  flag: true,
  small: 5,
  large: 2n ** 53n + 1n,
  single: 0.5,
  double: 0.5,
  text: 'b',
  raw: Uint8Array.of(1),
  at: 7n,
}

/** A condition, a row, and what the condition is for it. */
export interface ExpressionRule {
  readonly where: Expression
  readonly schema: ExpressionSchema
  readonly row: readonly (Value | null)[]
  readonly expected: boolean | null
}

/** What expressions mean, rule by rule: every evaluation and every printer of SQL answers as expected. */
export function expressionRules(): ExpressionRule[] {
  const cases: readonly (readonly [
    Condition,
    boolean | null,
    Partial<Record<keyof typeof fields, Value | null>>?,
  ])[] = [
    // Null.
    [row.small.gt(1), null, { small: null }],
    [row.small.gt(1).and(row.flag), false, { small: null, flag: false }],
    [row.small.gt(1).and(row.flag), null, { small: null }],
    [row.flag.and(row.small.gt(1)), null, { small: null }],
    [row.small.gt(1).or(row.flag), true, { small: null }],
    [row.small.gt(1).or(row.flag), null, { small: null, flag: false }],
    [row.small.gt(1).not(), null, { small: null }],
    [row.small.in([1, 2]), null, { small: null }],
    [row.small.plus(1).isNull(), true, { small: null }],
    [row.small.gt(1).isNull(), true, { small: null }],
    [row.flag.isNotNull(), true],
    // Numbers compare exactly.
    [row.large.eq(2 ** 53), false],
    [row.large.eq(2n ** 53n + 1n), true],
    [row.large.gt(2 ** 60), true, { large: 2n ** 60n + 1n }],
    [row.single.eq(0.1), false, { single: Math.fround(0.1) }],
    [row.single.in([0.1]), false, { single: Math.fround(0.1) }],
    [row.single.in([0.5, 1]), true],
    [row.single.lt(row.large), true],
    [row.large.gt(row.double), true, { double: 2 ** 53 }],
    [row.large.eq(row.double), false, { double: 2 ** 53 }],
    [row.large.eq(row.double), true, { large: 2n ** 53n, double: 2 ** 53 }],
    [row.large.lt(row.double), true, { large: 2n ** 63n - 1n, double: 2 ** 63 }],
    [row.double.in([2n ** 53n + 1n]), false, { double: 2 ** 53 }],
    [row.large.in([2 ** 53, 1.5]), false],
    [row.small.eq(row.large), true, { large: 5n }],
    // -0, NaN and the infinities.
    [row.double.eq(0), true, { double: -0 }],
    [row.double.lt(0), false, { double: -0 }],
    [row.double.in([0, 1]), true, { double: -0 }],
    [row.double.eq(Number.NaN), true, { double: Number.NaN }],
    [row.double.in([Number.NaN]), true, { double: Number.NaN }],
    [row.double.gt(Infinity), true, { double: Number.NaN }],
    [row.double.gt(row.large), true, { double: Number.NaN }],
    [row.large.lt(row.double), true, { double: Number.NaN }],
    [row.double.le(5), false, { double: Number.NaN }],
    [row.double.eq(row.double.times(1)), true, { double: Number.NaN }],
    // Arithmetic.
    [row.large.plus(1).isNull(), true, { large: 2n ** 63n - 1n }],
    [row.large.minus(1).isNull(), true, { large: -(2n ** 63n) }],
    [row.large.times(-1).isNull(), true, { large: -(2n ** 63n) }],
    [row.large.modulo(-1).eq(0), true, { large: -(2n ** 63n) }],
    [row.small.times(row.small).eq(2n ** 62n), true, { small: -(2 ** 31) }],
    [row.small.times(row.small).times(row.small).isNull(), true, { small: -(2 ** 31) }],
    [row.small.dividedBy(2).eq(2.5), true],
    [row.small.modulo(3).eq(2), true],
    [row.small.modulo(3).eq(-2), true, { small: -5 }],
    [row.double.modulo(1).eq(0.5), true, { double: 2.5 }],
    [row.small.dividedBy(row.small).isNull(), true, { small: 0 }],
    [row.double.dividedBy(row.double).isNull(), true, { double: -0 }],
    [row.small.modulo(row.small).isNull(), true, { small: 0 }],
    [row.large.modulo(row.large).isNull(), true, { large: 0n }],
    [row.double.times(10).eq(Infinity), true, { double: 1e308 }],
    // An int64 beside a float is rounded to even.
    [row.large.plus(0.5).eq(2 ** 53), true],
    [row.small.times(row.small).eq(4_611_686_014_132_420_609n), true, { small: 2 ** 31 - 1 }],
    [row.small.plus(-(2n ** 63n)).eq(0), null, { small: -1 }],
    [row.small.plus(-(2n ** 63n)).lt(0), null, { small: -1 }],
    [row.large.times(2).gt(0), null, { large: 2n ** 62n }],
    [row.small.dividedBy(0).isNull(), true],
    [row.small.dividedBy(row.small.minus(5)).isNull(), true],
    // Text, bytes, bool, time.
    [row.text.lt('\u{10000}'), true, { text: '\uffff' }],
    [row.text.gt('\ue000'), true, { text: '\u{10000}' }],
    [row.text.gt(''), true],
    [row.raw.gt(Uint8Array.of(0, 255)), true],
    [row.raw.in([Uint8Array.of(1)]), true],
    [row.flag.gt(false), true],
    [row.at.ge(7n), true],
    [row.at.in([7n, 8n]), true],
    [col('small').gt(row.double), true],
  ]
  return cases.map(([condition, expected, given]) => {
    const values: Readonly<Record<string, Value | null>> = { ...USUAL, ...given }
    const whole = SCHEMA.map(({ name }) => values[name] ?? null)
    return { where: condition.expression, schema: SCHEMA, row: whole, expected }
  })
}
