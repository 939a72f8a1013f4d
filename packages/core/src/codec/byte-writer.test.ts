import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from './byte-writer.ts'

test('what was written stays as the writer grows, and reserved bytes are zero when it is used again', () => {
  const writer = new ByteWriter()
  writer.appendUint32(7)
  writer.appendText('abc')
  writer.append(new Uint8Array(100_000).fill(9))
  writer.appendText(`${'é'.repeat(3)}x`)
  const bytes = Buffer.from(writer.copy())
  assert.equal(bytes.subarray(0, 8).toString('hex'), '0700000061626309')
  assert.equal(bytes.subarray(7 + 100_000).toString(), 'éééx')
  writer.reset()
  writer.zeros(4)
  assert.deepEqual(writer.copy(), new Uint8Array(4))
})
