import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionWithRowsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { isAsofError } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { Expression } from './expression.ts'
import { readExpression } from './expression.ts'
import { col } from './where.ts'

test('every expression comes back out of its JSON text', () => {
  fc.assert(
    fc.property(conditionWithRowsArb(), ({ where }) => {
      assert.deepEqual(readExpression(JSON.parse(JSON.stringify(where)), 'where'), where)
    }),
    propertyRuns(),
  )
})

const a: Expression = { kind: 'column', name: 'a' }
const one: Expression = { kind: 'literal', type: 'int64', value: '1' }
const equals: Expression = { kind: 'compare', op: '=', left: a, right: one }

test('what says the same in another form is read into one form', () => {
  const read = (json: unknown): unknown => readExpression(json, 'where')
  assert.deepEqual(read({ kind: 'literal', type: 'int64', value: 1 }), one)
  assert.deepEqual(read({ kind: 'literal', type: 'timestamp', value: '2024-01-01T01:00:00+01:00' }), {
    kind: 'literal',
    type: 'timestamp',
    value: '2024-01-01T00:00:00.000000Z',
  })
  assert.deepEqual(
    read({ kind: 'and', of: [equals, { kind: 'and', of: [equals, { kind: 'or', of: [equals, equals] }] }] }),
    { kind: 'and', of: [equals, equals, { kind: 'or', of: [equals, equals] }] },
  )
  const two = { kind: 'literal', type: 'int64', value: '2' }
  assert.deepEqual(read({ kind: 'in', of: a, values: [two, one, two] }), {
    kind: 'in',
    of: a,
    values: [one, two],
  })
  assert.ok(Object.isFrozen((read(equals) as { left: object }).left))
})

test('what is no expression is refused by its path', () => {
  const refused: readonly (readonly [unknown, string])[] = [
    ['a = 1', 'where'],
    [null, 'where'],
    [[], 'where'],
    [{}, 'where.kind'],
    [{ kind: 'sql', text: '1 = 1' }, 'where.kind'],
    [{ kind: '__proto__' }, 'where.kind'],
    [{ kind: 'column' }, 'where.name'],
    [{ kind: 'column', name: '' }, 'where.name'],
    [{ kind: 'column', name: 'a\0' }, 'where.name'],
    [{ kind: 'column', name: '\ud800' }, 'where.name'],
    [{ kind: 'column', name: 'a', table: 't' }, 'where.table'],
    [JSON.parse('{"kind": "column", "name": "a", "__proto__": 1}'), 'where.__proto__'],
    [{ kind: 'literal', type: 'int32', value: 1 }, 'where.type'],
    [{ kind: 'literal', type: 'int64', value: '1.5' }, 'where.value'],
    [{ kind: 'literal', type: 'int64', value: '9223372036854775808' }, 'where.value'],
    [{ kind: 'literal', type: 'string', value: null }, 'where.value'],
    [{ kind: 'literal', type: 'string' }, 'where.value'],
    [{ kind: 'literal', type: 'bool', value: 1 }, 'where.value'],
    [{ kind: 'compare', op: '==', left: a, right: one }, 'where.op'],
    [{ kind: 'compare', op: '=', left: a }, 'where.right'],
    [{ kind: 'arithmetic', op: '**', left: a, right: one }, 'where.op'],
    [{ kind: 'compare', op: '=', left: a, right: { kind: 'not' } }, 'where.right.of'],
    [{ kind: 'and', of: [equals] }, 'where.of'],
    [{ kind: 'or', of: equals }, 'where.of'],
    [{ kind: 'and', of: [equals, { ...equals, note: '' }] }, 'where.of[1].note'],
    [{ kind: 'in', of: a, values: [] }, 'where.values'],
    [{ kind: 'in', of: a, values: [one, a] }, 'where.values[1]'],
    [{ kind: 'in', of: a, values: ['1'] }, 'where.values[0]'],
  ]
  for (const [json, path] of refused) {
    assert.throws(
      () => readExpression(json, 'where'),
      (error) => isAsofError(error, 'invalid') && error.details['path'] === path,
      JSON.stringify(json),
    )
  }
})

test('an expression has a depth and a size', () => {
  const nested = (depth: number): unknown =>
    Array.from({ length: depth - 1 }).reduce<unknown>((of) => ({ kind: 'not', of }), a)
  readExpression(nested(LIMITS.expressionDepthMax), 'where')
  for (const depth of [LIMITS.expressionDepthMax + 1, 5_000]) {
    assert.throws(() => readExpression(nested(depth), 'where'), { code: 'expression_too_large' })
  }
  // Besides the values there are the column and the `in` itself.
  const wide = (values: number): unknown =>
    col('a').in(Array.from({ length: values }, (_, index) => index)).expression
  readExpression(wide(LIMITS.expressionNodesMax - 2), 'where')
  assert.throws(() => readExpression(wide(LIMITS.expressionNodesMax - 1), 'where'), {
    code: 'expression_too_large',
  })
})
