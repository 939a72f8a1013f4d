import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FeatureType } from './feature-type.ts'
import { jsonForm, parseStrictJson } from './strict-json.ts'
import { valueFromJson } from './value-json.ts'

test('keeps every digit of an integer', () => {
  assert.deepEqual(
    parseStrictJson('{"a": 9007199254740993, "b": [-9223372036854775808], "c": 7, "d": 1.5}'),
    {
      a: 9007199254740993n,
      b: [-9223372036854775808n],
      c: 7,
      d: 1.5,
    },
  )
})

test('refuses what parsers answer differently', () => {
  const refused: Record<string, RegExp> = {
    '{"a":1,"a":2}': /twice/,
    '{"x":{"a":1},"y":[{"b":1,"\\u0062":2}]}': /twice/,
    '\uFEFF{}': /byte order mark/,
    '{"a":"\\ud800"}': /surrogate/,
    '{"\\udc00":1}': /surrogate/,
    '{"a":1} x': /not JSON/,
    '{"a":NaN}': /not JSON/,
    '': /not JSON/,
  }
  for (const [text, message] of Object.entries(refused)) {
    assert.throws(() => parseStrictJson(text), { code: 'invalid_json', message }, JSON.stringify(text))
  }
})

test('takes what looks alike but is not', () => {
  assert.deepEqual(parseStrictJson('{"a":"b\\":","b":[{"a":1},{"a":2}]}'), {
    a: 'b":',
    b: [{ a: 1 }, { a: 2 }],
  })
  assert.deepEqual(parseStrictJson('"\\ud83d\\ude00"'), '\u{1F600}')
  assert.deepEqual(Object.keys(parseStrictJson('{"__proto__":1}') as object), ['__proto__'])
})

test('an integer beyond 2^53 becomes what its type reads', () => {
  const big = '9007199254740993'
  const cases: [FeatureType, string, unknown][] = [
    [{ kind: 'int64' }, big, 9007199254740993n],
    [{ kind: 'float64' }, big, 9007199254740992],
    [{ kind: 'list', element: { kind: 'int64' } }, `[${big}, null, 1]`, [9007199254740993n, null, 1n]],
    [{ kind: 'map', value: { kind: 'int64' } }, `{"k": ${big}}`, new Map([['k', 9007199254740993n]])],
    [{ kind: 'vector', size: 1 }, '[36893488147419103232]', new Float32Array([36893488147419103232])],
  ]
  for (const [type, text, expected] of cases) {
    assert.deepEqual(valueFromJson(type, jsonForm(type, parseStrictJson(text)), 'value'), expected)
  }
  const struct: FeatureType = { kind: 'struct', fields: { n: { kind: 'int64' } } }
  const value = valueFromJson(struct, jsonForm(struct, parseStrictJson(`{"n": ${big}}`)), 'value')
  assert.equal((value as { n: bigint }).n, 9007199254740993n)
  assert.throws(
    () =>
      valueFromJson({ kind: 'int64' }, jsonForm({ kind: 'int64' }, parseStrictJson('1'.repeat(50))), 'value'),
    { code: 'invalid_value' },
  )
})

test('deep nesting is refused before it is parsed', () => {
  const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
  assert.deepEqual(parseStrictJson('["[[[[", {"a": "]"}]', 2), ['[[[[', { a: ']' }])
  assert.throws(() => parseStrictJson(nested(100_000)), { code: 'invalid_json', message: /deeply/ })
  assert.throws(() => parseStrictJson('{"a":[{}]}', 2), { code: 'invalid_json', message: /deeply/ })
  assert.deepEqual(parseStrictJson(nested(64)), JSON.parse(nested(64)))
})
