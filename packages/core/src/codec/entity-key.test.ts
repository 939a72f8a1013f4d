import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyArb, keyTypeArb, propertyRuns, sameValues } from '@asof/testing'
import * as fc from 'fast-check'
import { isAsofError } from '../errors/asof-error.ts'
import type { KeyType } from '../model/feature-type.ts'
import type { KeyValues } from '../model/value.ts'
import { decodeEntityKey, encodeEntityKey, onlineKey, onlineKeys, parseOnlineKey } from './entity-key.ts'

const string: KeyType = { kind: 'string' }
const typesArb = fc.array(keyTypeArb(), { maxLength: 4 })

/** The text, or undefined where the key is longer than a key may be. */
function encodeShort(types: readonly KeyType[], key: KeyValues): string | undefined {
  try {
    return encodeEntityKey(types, key)
  } catch (error) {
    assert.ok(isAsofError(error, 'invalid') && error.code === 'key_too_long')
    return undefined
  }
}

test('a key comes out of its text as it went in, and the text is plain ASCII without braces', () => {
  fc.assert(
    fc.property(
      typesArb.chain((types) => fc.tuple(fc.constant(types), keyArb(types))),
      ([types, key]) => {
        const text = encodeShort(types, key)
        if (text === undefined) return
        assert.match(text, /^[A-Za-z0-9\-_.~%:]*$/)
        assert.ok(text.length <= 512)
        assert.ok(sameValues(types, decodeEntityKey(types, text), key))
      },
    ),
    propertyRuns(2),
  )
})

test('two keys have one text only if they are equal', () => {
  const pairArb = fc
    .array(keyTypeArb(), { minLength: 1, maxLength: 3 })
    .chain((types) => fc.tuple(fc.constant(types), keyArb(types), keyArb(types)))
  fc.assert(
    fc.property(pairArb, ([types, a, b]) => {
      const [one, other] = [encodeShort(types, a), encodeShort(types, b)]
      if (one !== undefined && one === other) assert.ok(sameValues(types, a, b))
    }),
    propertyRuns(2),
  )
})

test('all pairs of short texts made of separators have texts of their own', () => {
  const alphabet = ['', ':', '%', '{', '}', 'a', '\0', '\n', '%3A', '/']
  const words = alphabet.flatMap((first) => alphabet.map((second) => first + second))
  const distinct = [...new Set(words)]
  const texts = new Set<string>()
  for (const a of distinct) for (const b of distinct) texts.add(encodeEntityKey([string, string], [a, b]))
  assert.equal(texts.size, distinct.length ** 2)
})

test('parts are told apart, kept empty, and never normalised', () => {
  assert.equal(encodeEntityKey([string, string], ['a:b', 'c']), 'a%3Ab:c')
  assert.equal(encodeEntityKey([string, string], ['a', 'b:c']), 'a:b%3Ac')
  assert.equal(encodeEntityKey([string, string], ['', 'a']), ':a')
  assert.equal(encodeEntityKey([string], ['\u00e9']), '%C3%A9')
  assert.equal(encodeEntityKey([string], ['e\u0301']), 'e%CC%81')
  assert.equal(encodeEntityKey([string], ["!'()*"]), '%21%27%28%29%2A')
  assert.equal(encodeEntityKey([string], ['007']), '007')
  assert.equal(encodeEntityKey([], []), '')
  assert.equal(
    encodeEntityKey(
      [{ kind: 'bool' }, { kind: 'int32' }, { kind: 'int64' }, { kind: 'timestamp' }, { kind: 'bytes' }],
      [true, -7, 2n ** 63n - 1n, -1n, Uint8Array.of(0, 97, 58, 255)],
    ),
    'true:-7:9223372036854775807:-1:%00a%3A%FF',
  )
})

test('a null part and a key that is too long are refused', () => {
  assert.throws(() => encodeEntityKey([string, string], ['a', null]), { code: 'null_key' })
  assert.equal(encodeEntityKey([string], ['a'.repeat(512)]).length, 512)
  assert.throws(() => encodeEntityKey([string], ['a'.repeat(513)]), { code: 'key_too_long' })
  assert.throws(() => encodeEntityKey([string], ['😀'.repeat(43)]), { code: 'key_too_long' })
  assert.throws(() => encodeEntityKey([{ kind: 'bytes' }], [new Uint8Array(171)]), { code: 'key_too_long' })
  assert.throws(() => encodeEntityKey([string], ['\ud800']), { code: 'invalid_value' })
})

test('a text that the encoder would not have written is corrupt', () => {
  const cases: readonly (readonly [KeyType[], string])[] = [
    [[string], 'a:b'],
    [[string], 'a b'],
    [[string], '%3a'],
    [[string], '%61'],
    [[string], '%ff'],
    [[string], '%'],
    [[], 'a'],
    [[{ kind: 'bool' }], '1'],
    [[{ kind: 'int32' }], '0.5'],
    [[{ kind: 'int32' }], '01'],
    [[{ kind: 'int32' }], '2147483648'],
    [[{ kind: 'int64' }], '-0'],
    [[{ kind: 'int64' }], '9223372036854775808'],
    [[{ kind: 'timestamp' }], '253402300800000000'],
    [[{ kind: 'bytes' }], '%61'],
    [[{ kind: 'bytes' }], 'é'],
  ]
  for (const [types, text] of cases) {
    assert.throws(() => decodeEntityKey(types, text), { code: 'corrupt_key' }, text)
  }
})

test('the key of an online row names its parts and nothing else', () => {
  const table = { namespace: 'feature_store', version: 1, entity: 'airport', group: 'delays' }
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
  assert.equal(text(onlineKey({ ...table, entityKey: 'LAX' })), 'feature_store:{airport:LAX}:delays')
  assert.equal(
    text(onlineKey({ ...table, version: 12, entityKey: '' })),
    'feature_store:v12:{airport:}:delays',
  )
  for (const version of [1, 2, 12]) {
    for (const entityKey of ['', 'LAX', 'a%3Ab:c', 'v2:x']) {
      const key = { ...table, version, entityKey }
      assert.deepEqual(parseOnlineKey(onlineKeys(table.version === version ? table : key)(entityKey)), key)
    }
  }
})

test('a key that asof did not write is corrupt', () => {
  const texts = [
    '',
    'a',
    'ns:v1:{e:x}:g',
    'ns:v02:{e:x}:g',
    'ns:{e:x}:g:h',
    'ns:{e:x}}:g',
    'ns:{ex}:g',
    'Ns:{e:x}:g',
  ]
  for (const text of [...texts, `ns:{e:${'x'.repeat(900)}}:g`]) {
    assert.throws(() => parseOnlineKey(Buffer.from(text)), { code: 'corrupt_key' }, text)
  }
})
