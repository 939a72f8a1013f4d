import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionWithRowsArb, naiveExpression, propertyRuns, textArb } from '@asof/testing'
import * as fc from 'fast-check'
import { columnOf } from './column.ts'
import type { ColumnBatch } from './column.ts'
import { compileWhere } from './evaluate-expression.ts'
import type { Expression } from './expression.ts'
import type { ExpressionSchema } from './expression-check.ts'
import type { Value } from './value.ts'
import { compareText } from './value-order.ts'
import { col, columns } from './where.ts'
import type { Condition } from './where.ts'
import { bool, bytes, float64, int32, int64, namedFields, string, timestamp } from './typed-field.ts'

test('rows and batches pass a condition as the naive evaluation says, also with not before it', () => {
  fc.assert(
    fc.property(conditionWithRowsArb(), ({ schema, rows, where }) => {
      const batch = batchOf(schema, rows)
      // What is null passes neither the condition nor its opposite.
      for (const condition of [where, { kind: 'not', of: where }] as const) {
        const compiled = compileWhere(condition, schema)
        const inBatch = compiled.passesIn(batch)
        for (const [index, row] of rows.entries()) {
          const expected = naiveExpression(condition, schema, row) === true
          assert.equal(compiled.passes(row), expected)
          assert.equal(inBatch(index), expected)
        }
      }
    }),
    propertyRuns(5),
  )
})

function batchOf(schema: ExpressionSchema, rows: readonly (readonly (Value | null)[])[]): ColumnBatch {
  const named = schema.map(({ name, type }, at) => {
    const column = columnOf(
      type,
      rows.map((row) => row[at] ?? null),
    )
    const isFull = rows.every((row) => row[at] !== null)
    return [name, isFull ? { ...column, valid: undefined } : column] as const
  })
  return { rows: rows.length, columns: Object.fromEntries(named) }
}

test('text is ordered as its UTF-8 bytes are', () => {
  const sign = (text: string, other: string): void =>
    assert.equal(
      Math.sign(compareText(text, other)),
      Buffer.compare(Buffer.from(text), Buffer.from(other)),
      `${text} ${other}`,
    )
  sign('\uffff', '\u{10000}')
  sign('a\ue000', 'a\u{10ffff}')
  sign('\ud7ff', '\u{10000}')
  sign('\u{10000}', '\u{10001}')
  const texts = fc.oneof(
    textArb(),
    fc.string({ unit: fc.constantFrom('\ue000', '\uffff', '\u{10000}', 'a') }),
  )
  fc.assert(fc.property(texts, texts, sign), propertyRuns())
})

const fields = {
  flag: bool(),
  small: int32(),
  large: int64(),
  double: float64(),
  text: string(),
  raw: bytes(),
  at: timestamp(),
}
const row = columns(fields)
const schema = namedFields(fields)
const values = {
  flag: true,
  small: 5,
  large: 2n ** 53n + 1n,
  double: 0.5,
  text: 'b',
  raw: Uint8Array.of(1),
  at: 7n,
}

function holds(
  condition: Condition,
  given: Partial<Record<keyof typeof fields, Value | null>> = {},
): boolean | null {
  const whole = { ...values, ...given }
  const answer = (where: Expression): boolean =>
    compileWhere(where, schema).passes(schema.map(({ name }) => whole[name as keyof typeof whole]))
  return answer(condition.expression) ? true : answer(condition.not().expression) ? false : null
}

test('the rules, one by one', () => {
  const cases: readonly (readonly [Condition, boolean | null, Parameters<typeof holds>[1]?])[] = [
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
    [row.large.eq(2 ** 53 + 2 - 2), false],
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
  for (const [condition, expected, given] of cases) {
    assert.equal(holds(condition, given), expected, JSON.stringify(condition.expression))
  }
})
