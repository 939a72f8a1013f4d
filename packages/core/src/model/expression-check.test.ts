import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAsofError } from '../errors/asof-error.ts'
import type { AnyTerm, Condition, Term, TermKind } from './where.ts'
import { checkExpression, checkWhere } from './expression-check.ts'
import { col } from './where.ts'
import {
  bool,
  bytes,
  float32,
  float64,
  int32,
  int64,
  list,
  namedFields,
  string,
  timestamp,
  vector,
} from './typed-field.ts'

const schema = namedFields({
  flag: bool(),
  small: int32(),
  large: int64(),
  counted: int64({ as: 'number' }),
  single: float32(),
  double: float64(),
  text: string(),
  raw: bytes(),
  at: timestamp(),
  words: list(string()),
  embedding: vector(2),
})
const NUMBERS = ['small', 'large', 'counted', 'single', 'double']
const OTHERS = ['flag', 'text', 'raw', 'at']

test('the types of what is computed', () => {
  const kind = (term: Term<TermKind>): string => checkExpression(term.expression, schema, 'x').kind
  for (const left of NUMBERS) {
    for (const right of NUMBERS) {
      const whole = ![left, right].some((name) => name === 'single' || name === 'double')
      for (const op of ['plus', 'minus', 'times', 'modulo'] as const) {
        assert.equal(kind(col(left)[op](col(right))), whole ? 'int64' : 'float64')
      }
      assert.equal(kind(col(left).dividedBy(col(right))), 'float64')
      assert.equal(kind(col(left).eq(col(right))), 'bool')
    }
  }
  assert.equal(kind(col('counted').plus(1)), 'int64')
  assert.equal(kind(col('small').plus(0.5)), 'float64')
  for (const { name, type } of schema) {
    assert.equal(kind(col(name)), type.kind)
    assert.equal(kind(col(name).isNull()), 'bool')
  }
})

test('only like is compared with like', () => {
  for (const left of [...NUMBERS, ...OTHERS]) {
    for (const right of [...NUMBERS, ...OTHERS]) {
      const condition = col(left).lt(col(right)).expression
      if (left === right || (NUMBERS.includes(left) && NUMBERS.includes(right))) {
        checkWhere(condition, schema, 'where')
      } else {
        assert.throws(() => checkWhere(condition, schema, 'where'), { code: 'invalid_expression' })
      }
    }
  }
})

test('what is wrong is refused by its path', () => {
  const small = col('small')
  const refused: readonly (readonly [AnyTerm | Condition | Term<TermKind>, string, string])[] = [
    [col('nope'), 'unknown_column', 'where'],
    [col('__proto__').isNull(), 'unknown_column', 'where.of'],
    [col('toString').eq(1), 'unknown_column', 'where.left'],
    [small, 'invalid_expression', 'where'],
    [small.plus(1), 'invalid_expression', 'where'],
    [small.eq('1'), 'invalid_expression', 'where'],
    [small.eq(true), 'invalid_expression', 'where'],
    [col('at').gt(7n), 'invalid_expression', 'where'],
    [col('words').eq('a'), 'invalid_expression', 'where'],
    [col('words').eq(col('words')), 'invalid_expression', 'where'],
    [col('embedding').in([1]), 'invalid_expression', 'where.values[0]'],
    [small.in([1, 'x']), 'invalid_expression', 'where.values[1]'],
    [small.and(col('flag')), 'invalid_expression', 'where.of[0]'],
    [col('flag').or(col('flag').and(col('text'))), 'invalid_expression', 'where.of[1].of[1]'],
    [col('text').not(), 'invalid_expression', 'where.of'],
    [small.plus(col('text')).gt(1), 'invalid_expression', 'where.left.right'],
    [col('at').minus(1).gt(1), 'invalid_expression', 'where.left.left'],
    [col('flag').not().eq(small), 'invalid_expression', 'where'],
  ]
  for (const [term, code, path] of refused) {
    assert.throws(
      () => checkWhere(term.expression, schema, 'where'),
      (error) => isAsofError(error) && error.code === code && error.details['path'] === path,
      JSON.stringify(term.expression),
    )
  }
})
