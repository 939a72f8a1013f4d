import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { propertyRuns } from '@asof/testing'
import { commitPath, dataFilePath, loggedPath, parseLogFile, partitionFolder } from './delta-path.ts'

describe('paths of the log', () => {
  it('are named by 20 digits, and read back', () => {
    assert.equal(commitPath('a/b', 42), 'a/b/_delta_log/00000000000000000042.json')
    assert.deepEqual(parseLogFile('a/_delta_log/00000000000000000042.json'), { kind: 'commit', version: 42 })
    assert.deepEqual(
      parseLogFile('a/_delta_log/00000000000000000010.checkpoint.0000000002.0000000003.parquet'),
      {
        kind: 'checkpoint',
        version: 10,
        part: 2,
        parts: 3,
      },
    )
    for (const other of [
      '_last_checkpoint',
      '.00000000000000000042.json.crc',
      '42.json',
      '00000000000000000042.crc',
    ]) {
      assert.equal(parseLogFile(`a/_delta_log/${other}`), undefined)
    }
  })

  it('stay below the table: absolute ones, URIs and .. are refused, decoded or not', () => {
    const outside = [
      '/etc/passwd',
      '%2Fetc/passwd',
      '../x',
      'a/../../x',
      '%2e%2e/x',
      'a/%2E%2E/%2E%2E/x',
      'file:/etc/passwd',
      'file:///etc/passwd',
      's3://bucket/x',
      'a%00b',
      'a//b',
      './a',
      '',
    ]
    for (const path of outside) assert.throws(() => dataFilePath('t', path), { code: 'invalid_path' }, path)
    assert.throws(() => dataFilePath('t', 'a%zz'), { code: 'corrupt_path' })
  })

  it('are decoded once', () => {
    assert.equal(dataFilePath('t', 'letter=%252F%252520%2525f/x.parquet'), 't/letter=%2F%2520%25f/x.parquet')
    assert.equal(dataFilePath('t', '%252e%252e/x'), 't/%2e%2e/x')
  })

  it('of any partition value come back, one folder each, different for different values', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom('..', '.', 'a/b', '%2F', 'é', '😈'),
    )
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [one, other] = [a, b].map((text) => partitionFolder([['k', text]]))
        assert.ok(one !== undefined && other !== undefined)
        assert.equal(dataFilePath('t', loggedPath(`${one}x`)), `t/${one}x`)
        assert.equal(one.split('/').length, 2)
        assert.ok(Buffer.byteLength(one) <= 201)
        assert.equal(a === b, one === other)
      }),
      propertyRuns(),
    )
    assert.equal(
      partitionFolder([
        ['a', null],
        ['b', '2024-01-31'],
      ]),
      'a=__HIVE_DEFAULT_PARTITION__/b=2024-01-31/',
    )
    assert.equal(partitionFolder([]), '')
  })
})
