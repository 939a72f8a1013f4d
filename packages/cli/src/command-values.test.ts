import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instantArgument, namedValues, rangeArgument, wholeArgument } from './command-values.ts'

test('values are read by their declared type, not by their looks', () => {
  const declared = [
    { name: 'code', type: { kind: 'string' } },
    { name: 'id', type: { kind: 'int64' } },
    { name: 'n', type: { kind: 'int32' } },
    { name: 'ok', type: { kind: 'bool' } },
    { name: 'x', type: { kind: 'float64' } },
    { name: 'at', type: { kind: 'timestamp' } },
    { name: 'raw', type: { kind: 'bytes' } },
    { name: 'ids', type: { kind: 'list', element: { kind: 'int64' } } },
  ] as const
  const read = (...given: string[]): unknown => namedValues(given, declared, 'key')
  assert.deepEqual(read('code=42', 'id=9007199254740993', 'n=-7', 'ok=true', 'x=1.5'), {
    code: '42',
    id: 9007199254740993n,
    n: -7,
    ok: true,
    x: 1.5,
  })
  assert.deepEqual(read('code=a=b', 'at=1970-01-01T00:00:01Z', 'raw=AQI=', 'x=NaN'), {
    code: 'a=b',
    at: 1_000_000n,
    raw: Uint8Array.of(1, 2),
    x: Number.NaN,
  })
  assert.deepEqual(read('ids=[9007199254740993,null]', 'n=null', 'code=null', 'x=-0'), {
    ids: [9007199254740993n, null],
    n: null,
    code: 'null',
    x: -0,
  })
  for (const wrong of [
    'n=1.5',
    'n="7"',
    'n=',
    'ok=1',
    'id=abc',
    'id=9223372036854775808',
    'at=2024-01-01',
    'raw=?',
  ]) {
    assert.throws(() => read(wrong), { code: 'invalid_value' }, wrong)
  }
  assert.throws(() => read('nobody=1'), { code: 'unknown_name', message: /code, id/ })
  assert.throws(() => read('code'), { code: 'invalid_argument', message: /name=value/ })
  assert.throws(() => read('code=1', 'code=2'), { code: 'invalid_argument', message: /twice/ })
})

test('instants, ranges and whole numbers', () => {
  assert.equal(instantArgument('1970-01-01T00:00:01Z', '--at'), 1_000_000)
  assert.throws(() => instantArgument('2024-01-01', '--at'), { message: /RFC 3339.*option=`--at`/ })
  assert.deepEqual(rangeArgument('1970-01-01T00:00:00Z..1970-01-01T00:00:01Z'), { from: 0, to: 1_000_000 })
  for (const wrong of ['1970-01-01T00:00:00Z', '1970-01-01T00:00:01Z..1970-01-01T00:00:01Z', 'a..b..c']) {
    assert.throws(() => rangeArgument(wrong), { kind: 'invalid' }, wrong)
  }
  assert.equal(wholeArgument('12', '--limit', 0), 12)
  for (const wrong of ['-1', '1.5', '', 'x']) {
    assert.throws(() => wholeArgument(wrong, '--limit', 0), { code: 'invalid_argument' }, wrong)
  }
})
