import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainText, shortened, shownValue } from './shown-value.ts'

test('what is stored cannot move the cursor', () => {
  assert.equal(plainText('a\u001b[2Jb\r\nc\u009b\u202e'), 'a\\u001b[2Jb\\u000d\\u000ac\\u009b\\u202e')
  assert.equal(shownValue({ kind: 'string' }, 'x\u0007'), 'x\\u0007')
  assert.equal(shownValue({ kind: 'list', element: { kind: 'string' } }, ['\u009b']), '["\\u009b"]')
})

test('values in one line', () => {
  assert.equal(shownValue({ kind: 'int64' }, 2n ** 60n), '1152921504606846976')
  assert.equal(shownValue({ kind: 'float64' }, Number.NaN), 'NaN')
  assert.equal(shownValue({ kind: 'timestamp' }, 0n), '1970-01-01T00:00:00.000000Z')
  assert.equal(shownValue({ kind: 'vector', size: 2 }, Float32Array.of(1, 0.5)), '[1,0.5]')
  assert.equal(shownValue({ kind: 'bool' }, null), 'null')
})

test('long texts are cut between characters', () => {
  assert.equal(shortened('abcdef', 6), 'abcdef')
  assert.equal(shortened('abcdefg', 6), 'abcde…')
  assert.equal(shortened('\u{1F600}'.repeat(9), 4), `${'\u{1F600}'.repeat(3)}…`)
})
