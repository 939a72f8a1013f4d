import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { propertyRuns } from '@asof/testing'
import { decodeCommit, encodeCommit, parseLossless, stringify } from './delta-action.ts'
import type { Action } from './delta-action.ts'

const ADD = {
  path: 'part-1.parquet',
  partitionValues: { day: null },
  size: 7,
  modificationTime: 1,
  dataChange: true,
}
const ACTIONS: readonly Action[] = [
  { commitInfo: { timestamp: 1, txnId: 'a' } },
  { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
  {
    metaData: {
      id: 'x',
      format: { provider: 'parquet', options: {} },
      schemaString: '{}',
      partitionColumns: ['day'],
      configuration: { a: 'b' },
    },
  },
  { txn: { appId: 'log', version: 2n ** 60n, lastUpdated: 3 } },
  { add: ADD },
  { remove: { path: 'part-0.parquet', dataChange: true } },
]

describe('commit files', () => {
  it('come back as they went in, integers beyond 2^53 included', () => {
    const commit = decodeCommit(encodeCommit(ACTIONS), 'f')
    assert.equal(commit.info?.txnId, 'a')
    assert.deepEqual(commit.txns, [{ appId: 'log', version: 2n ** 60n, lastUpdated: 3 }])
    assert.equal(commit.metadata?.configuration['a'], 'b')
    assert.equal(commit.adds[0]?.partitionValues['day'], null)
    assert.equal(commit.removes[0]?.path, 'part-0.parquet')
  })

  it('are corrupt when cut off anywhere inside a line, empty, or garbled', () => {
    const body = encodeCommit(ACTIONS)
    for (let end = 0; end < body.length; end++) {
      if (end > 0 && (body[end - 1] === 0x0a || body[end] === 0x0a)) continue
      assert.throws(() => decodeCommit(body.subarray(0, end), '0.json'), {
        code: 'corrupt_commit',
        message: /0\.json/,
      })
    }
    for (const text of [
      '',
      '\n',
      'null',
      '[]',
      '1',
      '{"add":{}}',
      '{"add":"x"}',
      '{"txn":{"appId":"a"}}',
      '\0\0',
    ]) {
      assert.throws(() => decodeCommit(new TextEncoder().encode(text), 'f'), { code: 'corrupt_commit' }, text)
    }
    assert.throws(() => decodeCommit(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'f'), {
      code: 'corrupt_commit',
    })
  })

  it('may hold kinds of actions and fields that are unknown, which are passed over', () => {
    const body =
      '{"future":{"x":1}}\n{"add":{"path":"p","partitionValues":{},"size":1,"modificationTime":1,"new":2}}\r\n'
    const commit = decodeCommit(new TextEncoder().encode(body), 'f')
    assert.deepEqual(
      commit.adds.map(({ path }) => path),
      ['p'],
    )
  })

  it('say one thing about one subject', () => {
    const twice: Action[][] = [
      [{ add: ADD }, { add: ADD }],
      [{ add: ADD }, { remove: { path: ADD.path, dataChange: true } }],
      [{ txn: { appId: 'a', version: 1 } }, { txn: { appId: 'a', version: 2 } }],
      [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      ],
    ]
    for (const actions of twice)
      assert.throws(() => decodeCommit(encodeCommit(actions), 'f'), { code: 'corrupt_commit' })
  })

  it('keep every digit of an integer', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const back = parseLossless(stringify({ value })) as { value: number | bigint }
        assert.equal(BigInt(back.value), value)
      }),
      propertyRuns(),
    )
  })
})
