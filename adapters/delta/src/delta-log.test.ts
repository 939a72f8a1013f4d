import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryObjectStore } from '@asof/core'
import type { ObjectStore } from '@asof/core'
import { encodeCommit } from './delta-action.ts'
import type { Action, Metadata, Protocol } from './delta-action.ts'
import { deltaHistory, versionAt } from './delta-history.ts'
import { readDeltaLog } from './delta-log.ts'
import { commitPath, hintPath, logFolder } from './delta-path.ts'
import { NewestLogs } from './newest-logs.ts'

const PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }
const METADATA: Metadata = {
  id: 'x',
  format: { provider: 'parquet', options: {} },
  schemaString: '{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}',
  partitionColumns: [],
  configuration: {},
}
const CREATE: Action[] = [
  { commitInfo: { timestamp: 1_000 } },
  { protocol: PROTOCOL },
  { metaData: METADATA },
]

function add(path: string): Action {
  return { add: { path, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true } }
}

async function logOf(...commits: (readonly Action[] | string | undefined)[]): Promise<ObjectStore> {
  const objects = memoryObjectStore(() => 5_000)
  for (const [version, commit] of commits.entries()) {
    if (commit === undefined) continue
    const body = typeof commit === 'string' ? new TextEncoder().encode(commit) : encodeCommit(commit)
    await objects.put(commitPath('t', version), body)
  }
  return objects
}

function parts(objects: ObjectStore) {
  // These logs have no checkpoints to read.
  return { objects, parquet: { readRecords: () => Promise.reject(new Error('there is no checkpoint')) } }
}

const read = (objects: ObjectStore, version?: number) =>
  readDeltaLog(parts(objects), 't', version === undefined ? undefined : { version })

describe('a log of commits', () => {
  it('replays to the files of each version', async () => {
    const objects = await logOf(
      [...CREATE, add('p0')],
      [add('p1'), add('p2'), { txn: { appId: 'w', version: 1 } }],
      [
        { remove: { path: 'p0', deletionTimestamp: 9, dataChange: true } },
        { txn: { appId: 'w', version: 2 } },
      ],
      [add('p0')],
    )
    const files = async (version?: number) => [...((await read(objects, version))?.files.keys() ?? [])]
    assert.deepEqual(await files(0), ['p0'])
    assert.deepEqual(await files(1), ['p0', 'p1', 'p2'])
    assert.deepEqual(await files(2), ['p1', 'p2'])
    assert.deepEqual(await files(), ['p1', 'p2', 'p0'])
    const log = await read(objects, 2)
    assert.deepEqual(
      [log?.version, log?.txns.get('w')?.version, [...(log?.tombstones.keys() ?? [])]],
      [2, 2, ['p0']],
    )
    assert.equal((await read(objects))?.tombstones.size, 0)
  })

  it('is no table when there is nothing, and lacks versions that are not there', async () => {
    assert.equal(await read(memoryObjectStore()), undefined)
    const objects = await logOf(CREATE)
    await assert.rejects(read(objects, 1), { code: 'version_not_found', kind: 'not_found' })
    await assert.rejects(read(objects, 7), {
      code: 'version_not_found',
      message: /asked=`7` missing=`1` newest=`0`/,
    })
  })

  it('with a gap is corrupt, wherever the gap is', async () => {
    const gap = { code: 'versions_not_contiguous', kind: 'corrupt' }
    await assert.rejects(read(await logOf(CREATE, undefined, [add('a')])), { ...gap, message: /0001\.json/ })
    const twice = await logOf(CREATE, undefined, [add('a')], [add('b')])
    await assert.rejects(read(twice, 3), { ...gap, message: /asked=`3` missing=`1`/ })
    await assert.rejects(read(await logOf(undefined, [add('a')])), { ...gap, message: /0000\.json/ })
    const objects = await logOf(CREATE, undefined, [add('a')])
    assert.equal((await read(objects, 0))?.version, 0)
  })

  it('with an empty, cut or garbled commit is corrupt, and says which', async () => {
    for (const commit of ['', '{"add":', '{"add":{"path":"x"}}', 'x']) {
      const objects = await logOf(CREATE, commit)
      await assert.rejects(read(objects), { code: 'corrupt_commit', message: /0001\.json/ })
      assert.equal((await read(objects, 0))?.version, 0)
    }
    await assert.rejects(read(await logOf([add('a')])), { code: 'corrupt_commit', message: /0000\.json/ })
  })

  it('takes the hint as a hint: empty, torn, stale or ahead, it changes nothing', async () => {
    for (const hint of ['', '{"ver', '{}', '{"version":99}', '{"version":"1"}', '{"version":0,"size":4}']) {
      const objects = await logOf(CREATE, [add('a')])
      await objects.put(hintPath('t'), new TextEncoder().encode(hint))
      assert.equal((await read(objects))?.version, 1, hint)
      assert.equal((await read(objects, 0))?.version, 0, hint)
    }
  })

  it('ignores files of a checkpoint with a part missing, checksums and compactions', async () => {
    const objects = await logOf(CREATE, [add('a')])
    const others = [
      '00000000000000000001.checkpoint.0000000001.0000000002.parquet',
      '00000000000000000001.crc',
      '00000000000000000000.00000000000000000001.compacted.json',
      '.00000000000000000001.json.crc',
      '_commits/x',
    ]
    for (const name of others) await objects.put(`${logFolder('t')}/${name}`, new Uint8Array([1]))
    assert.deepEqual([...((await read(objects))?.files.keys() ?? [])], ['a'])
  })

  it('finds a commit that the listing does not show yet', async () => {
    const objects = await logOf(CREATE, [add('a')], [add('b')])
    const lagging: ObjectStore = {
      ...objects,
      async *list(prefix, options) {
        for await (const entry of objects.list(prefix, options))
          if (!entry.path.includes('2.json')) yield entry
      },
    }
    assert.equal((await read(lagging))?.version, 2)
  })

  it('of a table that needs what asof does not have is refused by its name', async () => {
    const refused = async (protocol: Protocol, feature: RegExp, more: Action[] = []): Promise<void> => {
      const objects = await logOf([{ protocol }, { metaData: METADATA }], more.length > 0 ? more : [add('a')])
      await assert.rejects(read(objects), { code: 'unsupported_table_feature', message: feature })
    }
    const features = (name: string): Protocol => ({
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: [name],
      writerFeatures: [name],
    })
    for (const name of [
      'deletionVectors',
      'v2Checkpoint',
      'timestampNtz',
      'typeWidening',
      'variantType',
      'new-one',
    ]) {
      await refused(features(name), new RegExp(name))
    }
    await refused({ minReaderVersion: 4, minWriterVersion: 7 }, /reader version 4/)
    const mapped = { ...METADATA, configuration: { 'delta.columnMapping.mode': 'name' } }
    await refused({ minReaderVersion: 2, minWriterVersion: 5 }, /columnMapping/, [{ metaData: mapped }])
    const file = add('x').add
    assert.ok(file)
    await refused(PROTOCOL, /deletionVectors/, [{ add: { ...file, deletionVector: { storageType: 'u' } } }])
    const allowed = await logOf([{ protocol: features('columnMapping') }, { metaData: METADATA }])
    assert.equal((await read(allowed))?.version, 0)
  })
})

describe('times of versions', () => {
  it('only rise, whatever the clocks said, and decide which version an instant sees', async () => {
    const at = (timestamp?: number): Action[] => [
      { commitInfo: timestamp === undefined ? {} : { timestamp } },
    ]
    const objects = await logOf(CREATE, at(3_000), at(2_000), at(), at(9_000))
    const history = await deltaHistory(objects, 't')
    const micros = history.map(({ committed }) => committed / 1_000)
    // A commit that does not say when it was made has the time of its file, which is 5,000 here.
    assert.deepEqual(micros, [1_000, 3_000, 3_001, 5_000, 9_000])
    assert.equal((await read(objects))?.timestamp, 9_000)
    const version = async (ms: number) => (await versionAt(objects, 't', (ms * 1_000) as never)).version
    assert.deepEqual(
      await Promise.all([1_000, 2_999, 3_000, 3_001, 4_999.999, 5_000, 9_999_999].map(version)),
      [0, 0, 1, 2, 2, 3, 4],
    )
    await assert.rejects(version(999.999), { code: 'version_not_found' })
  })
})

describe('the newest version, looked at again', () => {
  it('costs two reads and no listing', async () => {
    const objects = await logOf(CREATE, ...Array.from({ length: 20 }, (_, index) => [add(`p${index}`)]))
    const calls: string[] = []
    const counted: ObjectStore = {
      ...objects,
      get: (path, range) => (calls.push('get'), objects.get(path, range)),
      list: (prefix, options) => (calls.push('list'), objects.list(prefix, options)),
    }
    const newest = new NewestLogs(parts(counted))
    const first = await newest.read('t')
    calls.length = 0
    assert.equal(await newest.read('t'), first)
    assert.deepEqual(calls, ['get', 'get'])
    await objects.put(commitPath('t', 21), encodeCommit([add('new')]))
    assert.equal((await newest.read('t'))?.files.size, 21)
  })

  it('sees a table that was deleted, and one made anew in its place', async () => {
    const objects = await logOf(CREATE, [add('a')])
    const newest = new NewestLogs(parts(objects))
    assert.equal((await newest.read('t'))?.version, 1)
    await objects.delete(commitPath('t', 0))
    await objects.delete(commitPath('t', 1))
    assert.equal(await newest.read('t'), undefined)
    await objects.put(commitPath('t', 0), encodeCommit(CREATE))
    assert.equal((await newest.read('t'))?.version, 0)
    await objects.put(commitPath('t', 0), encodeCommit([...CREATE, add('z')]))
    assert.equal((await newest.read('t'))?.files.size, 1)
  })
})
