import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { instant, type LogRecord } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '@asof/testing'
import { decodePosition, decodeRecord, encodePosition, encodeRecord } from './log-record-bytes.ts'

const record: LogRecord = {
  position: 258,
  at: instant(1_704_067_200_000_001),
  producer: 'né',
  sequence: -3,
  span: 7,
  body: Uint8Array.from([1, 2, 3]),
}

describe('a log record in bytes', () => {
  it('is written as it always was', () => {
    assert.equal(
      Buffer.from(encodeRecord(record)).toString('hex'),
      '4318375c40848004c008000000000000401c00000000000000036ec3a9010203',
    )
    assert.equal(Buffer.from(encodePosition(258)).toString('hex'), '0000000000000102')
  })

  it('comes out as it went in', () => {
    const bytes = encodeRecord(record)
    assert.deepEqual({ ...decodeRecord(258, bytes), body: [1, 2, 3] }, { ...record, body: [1, 2, 3] })
    assert.deepEqual([...decodeRecord(258, bytes).body], [1, 2, 3])
  })

  it('refuses bytes that are cut off', () => {
    for (const length of [0, 25, 28]) {
      assert.throws(() => decodeRecord(1, encodeRecord(record).slice(0, length)), {
        code: 'corrupt_log_record',
      })
    }
  })

  it('keeps positions in order, to 2^53', () => {
    const position = fc.oneof(fc.nat(1_000), fc.maxSafeNat())
    fc.assert(
      fc.property(position, position, (a, b) => {
        assert.equal(decodePosition(encodePosition(a)), a)
        assert.equal(Math.sign(Buffer.compare(encodePosition(a), encodePosition(b))), Math.sign(a - b))
      }),
      propertyRuns(),
    )
  })
})
