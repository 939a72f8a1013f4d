import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { columnOf } from '@asof/core'
import type { Instant, ObjectStore, ParquetFiles } from '@asof/core'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { encodeCommit } from './delta-action.ts'
import { CHECKPOINT_TYPES, checkpointActions } from './delta-checkpoint.ts'
import { readDeltaLog } from './delta-log.ts'
import { commitPath, hintPath } from './delta-path.ts'
import { deltaTables } from './delta-tables.ts'
import type { DeltaLog } from './log-state.ts'

const COLUMN = { name: 'a', type: { kind: 'int64' }, nullable: true } as const

interface Place {
  readonly log: string
  readonly objects: ObjectStore
  readonly parquet: ParquetFiles
}

/** A table of 24 versions, with checkpoints at 10 and 20. */
async function withTable(body: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-checkpoint-'))
  try {
    const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: join(folder, 'duckdb') })
    const objects = diskObjectStore(join(folder, 'store'))
    let now = 1_700_000_000_000_000
    const tables = deltaTables({
      objects,
      parquet,
      now: () => (now += 1_000_000) as Instant,
      randomId: randomUUID,
    })
    await tables.ensure('t', { columns: [COLUMN], partitionBy: [] })
    for (let sequence = 1; sequence <= 24; sequence++) {
      async function* rows() {
        yield { rows: 1, columns: { a: columnOf(COLUMN.type, [BigInt(sequence)]) } }
      }
      await tables.append('t', { rows: rows(), writers: [{ writer: 'w', sequence }], sortBy: [] })
    }
    await body({ log: join(folder, 'store', 't', '_delta_log'), objects, parquet })
  } finally {
    await rm(folder, { recursive: true })
  }
}

const name = (version: number): string => `${String(version).padStart(20, '0')}.checkpoint.parquet`

async function withoutCheckpoints({ objects, parquet }: Place): Promise<DeltaLog> {
  const bare: ObjectStore = {
    ...objects,
    get: async (path, range) => (path === hintPath('t') ? undefined : objects.get(path, range)),
    async *list(prefix, options) {
      for await (const entry of objects.list(prefix, options))
        if (!entry.path.includes('checkpoint')) yield entry
    },
  }
  const log = await readDeltaLog({ objects: bare, parquet }, 't')
  assert.ok(log)
  return log
}

function same(log: DeltaLog | undefined, expected: DeltaLog): void {
  assert.ok(log)
  assert.deepEqual(
    { ...log, checkpoint: 0, files: keys(log) },
    { ...expected, checkpoint: 0, files: keys(expected) },
  )
  for (const [key, { dataChange: _, ...add }] of expected.files) {
    const { dataChange: __, ...read } = log.files.get(key) ?? { dataChange: false }
    assert.deepEqual({ ...read }, { ...add })
  }
}

const keys = (log: DeltaLog): string[] => [...log.files.keys()]

describe('checkpoints', () => {
  it('hold what the commits hold, and are read instead of them', () =>
    withTable(async (place) => {
      const { objects, parquet, log: folder } = place
      assert.deepEqual(
        (await readdir(folder)).filter((file) => !file.endsWith('.json')),
        [name(10), name(20), '_last_checkpoint'],
      )
      const calls: string[] = []
      const counted: ObjectStore = {
        ...objects,
        get: (path, range) => (calls.push(`get ${path.slice(-15)}`), objects.get(path, range)),
        list: (prefix, options) => (calls.push('list'), objects.list(prefix, options)),
      }
      same(await readDeltaLog({ objects: counted, parquet }, 't'), await withoutCheckpoints(place))
      // The hint, one listing, the checkpoint's commit for its time, the four commits after it, and the one not there yet.
      assert.deepEqual(
        calls.map((call) => call.split(' ')[0]),
        ['get', 'list', 'get', 'get', 'get', 'get', 'get', 'get'],
      )
      for (const version of [0, 9, 10, 11, 19, 20, 21]) {
        const then = await readDeltaLog(place, 't', { version })
        assert.deepEqual(
          [then?.version, then?.files.size, then?.txns.get('w')?.version ?? 0],
          [version, version, version],
        )
      }
    }))

  it('that are torn, empty, garbled or partial give way to older ones and to the commits', () =>
    withTable(async (place) => {
      const { log: folder, parquet } = place
      const expected = await withoutCheckpoints(place)
      const newest = join(folder, name(20))
      const whole = await readFile(newest)
      const damages: (() => Promise<void>)[] = [
        () => truncate(newest, 0),
        () => truncate(newest, whole.length - 10),
        () => writeFile(newest, 'not Parquet at all'),
        // Valid, but without the last files; and without what the table is.
        () => parquet.writeRecords(newest, checkpointActions(expected).slice(0, -5), CHECKPOINT_TYPES),
        () => parquet.writeRecords(newest, checkpointActions(expected).slice(2, 22), CHECKPOINT_TYPES),
        () => rm(newest),
      ]
      for (const damage of damages) {
        await damage()
        const log = await readDeltaLog(place, 't')
        same(log, expected)
        assert.equal(log?.checkpoint, 10)
        await rm(newest, { force: true })
        await writeFile(newest, whole)
      }
      await writeFile(newest, 'x')
      await writeFile(join(folder, name(10)), 'x')
      same(await readDeltaLog(place, 't'), expected)
      for (const hint of ['', '{', '{"version":10}', '{"version":99}']) {
        await writeFile(newest, whole)
        await writeFile(join(folder, '_last_checkpoint'), hint)
        same(await readDeltaLog(place, 't'), expected)
      }
    }))

  it('carry the table when the commits before them are gone', () =>
    withTable(async (place) => {
      const { log: folder, objects } = place
      const expected = await withoutCheckpoints(place)
      for (let version = 0; version < 20; version++) await objects.delete(commitPath('t', version))
      await rm(join(folder, name(10)))
      same(await readDeltaLog(place, 't'), expected)
      assert.equal((await readDeltaLog(place, 't', { version: 20 }))?.files.size, 20)
      await assert.rejects(readDeltaLog(place, 't', { version: 12 }), { code: 'version_not_found' })
      await writeFile(join(folder, name(20)), 'x')
      await assert.rejects(readDeltaLog(place, 't'), {
        code: 'corrupt_checkpoint',
        message: /20\.checkpoint/,
      })
    }))

  it('in several parts are read whole or not at all', () =>
    withTable(async (place) => {
      const { log: folder, parquet, objects } = place
      const expected = await withoutCheckpoints(place)
      const actions = checkpointActions(expected)
      for (const version of [10, 20]) await rm(join(folder, name(version)))
      for (let version = 0; version < 24; version++) await objects.delete(commitPath('t', version))
      const part = (number: number): string =>
        join(folder, `${'24'.padStart(20, '0')}.checkpoint.000000000${number}.0000000003.parquet`)
      for (const number of [1, 2, 3]) {
        await parquet.writeRecords(
          part(number),
          actions.slice((number - 1) * 10, number * 10),
          CHECKPOINT_TYPES,
        )
      }
      same(await readDeltaLog(place, 't'), expected)
      await rm(part(2))
      await assert.rejects(readDeltaLog(place, 't'), { kind: 'corrupt' })
    }))

  it('keep what other writers recorded: tombstones, settings, sequences beyond 2^53', () =>
    withTable(async (place) => {
      const { objects, parquet } = place
      const before = await withoutCheckpoints(place)
      const [first] = [...before.files.values()]
      assert.ok(first)
      const remove = { path: first.path, deletionTimestamp: before.timestamp, dataChange: true }
      const old = { path: 'long-gone.parquet', deletionTimestamp: 1, dataChange: true }
      const { metadata } = before
      const actions = [
        { commitInfo: { timestamp: before.timestamp + 1 } },
        { remove },
        { remove: old },
        { txn: { appId: 'foreign', version: 2n ** 60n + 1n } },
        {
          metaData: {
            ...metadata,
            name: 'n',
            description: 'd',
            configuration: { 'delta.checkpointInterval': '2' },
          },
        },
      ]
      await objects.put(commitPath('t', 25), encodeCommit(actions))
      const tables = deltaTables({
        objects,
        parquet,
        now: () => 1_700_000_100_000_000 as Instant,
        randomId: randomUUID,
      })
      await tables.append('t', { writers: [{ writer: 'w', sequence: 99 }], sortBy: [] })
      const log = await readDeltaLog(place, 't')
      assert.deepEqual([log?.version, log?.checkpoint, log?.files.size], [26, 26, 23])
      assert.equal(log?.txns.get('foreign')?.version, 2n ** 60n + 1n)
      assert.deepEqual([log?.metadata.name, log?.metadata.description], ['n', 'd'])
      assert.deepEqual([...(log?.tombstones.keys() ?? [])], [first.path])
    }))
})
