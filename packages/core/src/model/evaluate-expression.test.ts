import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionWithRowsArb, expressionRules, naiveExpression, propertyRuns, textArb } from '@asof/testing'
import * as fc from 'fast-check'
import { columnOf } from './column.ts'
import type { ColumnBatch } from './column.ts'
import { compileWhere } from './evaluate-expression.ts'
import type { Expression } from './expression.ts'
import type { ExpressionSchema } from './expression-check.ts'
import type { Value } from './value.ts'
import { compareText } from './value-order.ts'

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

test('the rules, one by one', () => {
  for (const { where, schema, row, expected } of expressionRules()) {
    const passes = (condition: Expression): boolean => compileWhere(condition, schema).passes(row)
    const answer = passes(where) ? true : passes({ kind: 'not', of: where }) ? false : null
    assert.equal(answer, expected, JSON.stringify(where))
    assert.equal(naiveExpression(where, schema, row), expected, JSON.stringify(where))
  }
})
