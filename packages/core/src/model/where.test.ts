import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkWhere } from './expression-check.ts'
import { readExpression } from './expression.ts'
import { bool, bytes, float64, int32, int64, list, namedFields, string, timestamp } from './typed-field.ts'
import { col, columns } from './where.ts'

const fields = {
  flag: bool(),
  delay: int32(),
  id: int64(),
  price: float64(),
  carrier: string(),
  raw: bytes(),
  at: timestamp(),
  words: list(string()),
}
const flight = columns(fields)

test('builders make canonical JSON that fits the schema', () => {
  const conditions = [
    flight.flag,
    flight.flag.not(),
    flight.delay.gt(15).and(flight.carrier.in(['DL', 'AA', 'DL'])),
    flight.delay
      .gt(15)
      .and(flight.flag)
      .and(flight.flag.or(flight.id.eq(1n)), flight.words.isNotNull()),
    flight.delay.plus(1).minus(2).times(3).dividedBy(4).modulo(5).ge(flight.price),
    flight.price.ne(Number.NaN).or(flight.price.lt(-0), flight.price.le(Infinity), flight.price.gt(0.1)),
    flight.raw.lt(Uint8Array.of(255)),
    flight.at.ge(1_704_067_200_000_000n).and(flight.at.in([0n])),
    flight.flag.eq(flight.delay.isNull()),
  ]
  for (const { expression } of conditions) {
    checkWhere(expression, namedFields(fields), 'where')
    assert.deepEqual(readExpression(JSON.parse(JSON.stringify(expression)), 'where'), expression)
    assert.ok(Object.isFrozen(expression))
  }
})

test('the JSON of each is this', () => {
  assert.deepEqual(flight.delay.gt(15).and(flight.carrier.in(['DL', 'AA'])).expression, {
    kind: 'and',
    of: [
      {
        kind: 'compare',
        op: '>',
        left: { kind: 'column', name: 'delay' },
        right: { kind: 'literal', type: 'int64', value: '15' },
      },
      {
        kind: 'in',
        of: { kind: 'column', name: 'carrier' },
        values: [
          { kind: 'literal', type: 'string', value: 'AA' },
          { kind: 'literal', type: 'string', value: 'DL' },
        ],
      },
    ],
  })
  const literals = [
    [flight.flag.eq(true), { type: 'bool', value: true }],
    [flight.price.eq(1), { type: 'int64', value: '1' }],
    [flight.price.eq(1.5), { type: 'float64', value: 1.5 }],
    [flight.price.eq(2 ** 60), { type: 'float64', value: 2 ** 60 }],
    [flight.price.eq(Number.NaN), { type: 'float64', value: 'NaN' }],
    [flight.id.eq(2n ** 60n), { type: 'int64', value: String(2n ** 60n) }],
    [flight.at.eq(0n), { type: 'timestamp', value: '1970-01-01T00:00:00.000000Z' }],
    [flight.raw.eq(Uint8Array.of(0, 255)), { type: 'bytes', value: 'AP8=' }],
    [col('at').eq(0n), { type: 'int64', value: '0' }],
  ] as const
  for (const [{ expression }, expected] of literals) {
    assert.ok(expression.kind === 'compare')
    assert.deepEqual(expression.right, { kind: 'literal', ...expected })
  }
  assert.equal(flight.flag.and(), flight.flag)
})

test('what a program without types gives is refused', () => {
  const untyped = col('x') as unknown as Record<string, (value?: unknown) => unknown>
  for (const value of [null, undefined, {}, [], new Date(0), Symbol('x'), 2n ** 63n, '\ud800']) {
    assert.throws(() => untyped['eq']!(value), { kind: 'invalid' })
    assert.throws(() => untyped['in']!([value]), { kind: 'invalid' })
    assert.throws(() => untyped['plus']!(value), { kind: 'invalid' })
  }
  // What has the shape of a term is none.
  assert.throws(() => untyped['eq']!({ expression: { kind: 'sql' } }), { kind: 'invalid' })
  assert.throws(() => col('x').in([]), { kind: 'invalid' })
})
