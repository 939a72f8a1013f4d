import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { entity } from './entity.ts'
import { canonicalJson, fingerprint, sha256Hex } from './fingerprint.ts'
import { string } from './typed-field.ts'

suite('canonical JSON', () => {
  test('says the same as JSON, whatever the order of names', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
        assert.equal(canonicalJson(JSON.parse(text)), text)
      }),
      propertyRuns(),
    )
    assert.equal(
      canonicalJson({ b: [1, { d: null, c: 'x' }], a: true, é: 1, Z: undefined }),
      '{"a":true,"b":[1,{"c":"x","d":null}],"é":1}',
    )
  })

  test('refuses what JSON would turn into something else', () => {
    for (const value of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1n,
      () => 1,
      undefined,
      [undefined],
      Symbol('a'),
    ]) {
      assert.throws(() => canonicalJson(value), { code: 'not_json' })
    }
  })

  test('hashes are as others compute them', () => {
    assert.equal(sha256Hex('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    assert.equal(sha256Hex(new TextEncoder().encode('é')), sha256Hex('é'))
  })

  test('a definition has one fingerprint, and another as soon as a word differs', () => {
    const one = entity('airport', { keys: { airport: string() }, tags: ['b', 'a', 'a'] }).definition
    const same = entity('airport', { tags: ['a', 'b'], keys: { airport: string() } }).definition
    const other = entity('airport', { keys: { airport: string() }, description: 'x' }).definition
    assert.equal(fingerprint(one), fingerprint(same))
    assert.notEqual(fingerprint(one), fingerprint(other))
  })
})
