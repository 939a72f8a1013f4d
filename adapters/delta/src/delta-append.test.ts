import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { columnOf } from '@asof/core'
import type { ColumnBatch, Instant, ObjectStore, OfflineStore, TableColumn } from '@asof/core'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { encodeCommit } from './delta-action.ts'
import type { Action, Metadata } from './delta-action.ts'
import { readDeltaLog } from './delta-log.ts'
import { commitPath } from './delta-path.ts'
import { schemaString, toField } from './delta-schema.ts'
import type { DeltaField } from './delta-schema.ts'
import { deltaTables } from './delta-tables.ts'

const COLUMN: TableColumn = { name: 'a', type: { kind: 'int64' }, nullable: true }

interface Place {
  readonly objects: ObjectStore
  readonly tables: OfflineStore
  readonly metadata: Metadata
  /** Appends one row, and lets `meanwhile` happen once its file is written. */
  readonly append: (
    sequence: number,
    meanwhile?: () => Promise<unknown>,
  ) => ReturnType<OfflineStore['append']>
  /** Puts a commit of another writer. */
  readonly foreign: (version: number, ...actions: Action[]) => Promise<unknown>
  readonly dataFiles: () => Promise<string[]>
}

async function withTable(body: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-append-'))
  try {
    const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: join(folder, 'duckdb') })
    const objects = diskObjectStore(join(folder, 'store'))
    const parts = { parquet, now: () => 1_700_000_000_000_000 as Instant, randomId: randomUUID }
    const tables = deltaTables({ ...parts, objects })
    await tables.ensure('t', { columns: [COLUMN], partitionBy: [] })
    const metadata = (await readDeltaLog({ objects, parquet }, 't'))?.metadata
    assert.ok(metadata)
    async function* rows(sequence: number): AsyncGenerator<ColumnBatch> {
      yield { rows: 1, columns: { a: columnOf(COLUMN.type, [BigInt(sequence)]) } }
    }
    await body({
      objects,
      tables,
      metadata,
      foreign: (version, ...actions) =>
        objects.put(commitPath('t', version), encodeCommit(actions), { ifAbsent: true }),
      append: (sequence, meanwhile) => {
        const watched: ObjectStore = {
          ...objects,
          async adopt(file, path) {
            await objects.adopt(file, path)
            await meanwhile?.()
          },
        }
        const request = { rows: rows(sequence), writers: [{ writer: 'w', sequence }], sortBy: [] }
        return deltaTables({ ...parts, objects: watched }).append('t', request)
      },
      dataFiles: async () => {
        const paths: string[] = []
        for await (const { path } of objects.list('t')) if (!path.includes('_delta_log')) paths.push(path)
        return paths
      },
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

function withFields({ metadata }: Place, ...fields: DeltaField[]): Action {
  return { metaData: { ...metadata, schemaString: schemaString(fields) } }
}

const field = toField(COLUMN)

describe('an append that another writer overtakes', () => {
  it('goes on after appends, added columns and removed files', () =>
    withTable(async (place) => {
      await place.append(1)
      const [path] = await place.dataFiles()
      assert.ok(path)
      const remove = { remove: { path: path.slice(2), dataChange: true } }
      const wider = withFields(place, field, toField({ ...COLUMN, name: 'b' }))
      const outcome = await place.append(2, () => place.foreign(2, remove, wider))
      assert.deepEqual(outcome, { version: 3, duplicate: false })
      const snapshot = await place.tables.snapshot('t')
      assert.equal(snapshot?.files.length, 1)
      assert.equal(snapshot.schema.columns.length, 2)
    }))

  it('is a duplicate when the other one was its own retry, and leaves no file behind', () =>
    withTable(async (place) => {
      const outcome = await place.append(1, () => place.append(1))
      assert.deepEqual(outcome, { version: 1, duplicate: true })
      assert.equal((await place.dataFiles()).length, 1)
    }))

  it('is refused when its rows no longer fit, and may be tried again', () =>
    withTable(async (place) => {
      const { metadata } = place
      const changes: Action[] = [
        withFields(place, { ...field, type: 'string' }),
        withFields(place, { ...field, nullable: false }),
        withFields(place, field, { ...toField({ ...COLUMN, name: 'b' }), nullable: false }),
        withFields(place, { ...field, name: 'other' }),
        { metaData: { ...metadata, id: 'another table' } },
        {
          metaData: {
            ...metadata,
            schemaString: schemaString([field, { ...field, name: 'p' }]),
            partitionColumns: ['p'],
          },
        },
      ]
      let version = 0
      for (const change of changes) {
        const overtaken = place.append(99, () => place.foreign(++version, change))
        await assert.rejects(overtaken, { code: 'table_changed', kind: 'conflict', retryable: true })
        await place.foreign(++version, { metaData: metadata })
      }
      assert.equal((await place.append(1)).version, version + 1)
    }))

  it('is refused when the table now needs what asof does not have', () =>
    withTable(async (place) => {
      const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking'] }
      const overtaken = place.append(1, () => place.foreign(1, { protocol }))
      await assert.rejects(overtaken, { code: 'unsupported_table_feature', message: /rowTracking/ })
      assert.equal((await place.tables.snapshot('t'))?.version, 1)
    }))
})

describe('a table of another writer', () => {
  it('is not appended to where that asks for more than asof does', () =>
    withTable(async (place) => {
      const { metadata } = place
      const marked = (key: string): Action => withFields(place, { ...field, metadata: { [key]: '1' } })
      const needs: [Action, RegExp][] = [
        [marked('delta.invariants'), /invariants/],
        [marked('delta.generationExpression'), /generatedColumns/],
        [marked('delta.identity.start'), /identityColumns/],
        [
          { metaData: { ...metadata, configuration: { 'delta.constraints.positive': 'a > 0' } } },
          /checkConstraints/,
        ],
        [withFields(place, { ...field, type: 'decimal(5,3)' }), /decimal\(5,3\)/],
        [{ protocol: { minReaderVersion: 1, minWriterVersion: 8 } }, /writer version 8/],
      ]
      let version = 0
      for (const [action, named] of needs) {
        await place.foreign(++version, action)
        await assert.rejects(place.append(1), { code: 'unsupported_table_feature', message: named })
        assert.equal((await place.tables.snapshot('t'))?.version, version)
        await place.foreign(
          ++version,
          { metaData: metadata },
          { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        )
      }
      const allowed = ['appendOnly', 'invariants', 'checkConstraints', 'changeDataFeed', 'generatedColumns']
      await place.foreign(++version, {
        protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: allowed },
      })
      assert.equal((await place.append(1)).version, version + 1)
    }))

  it('that names files outside of it is not read', () =>
    withTable(async (place) => {
      const add = { partitionValues: {}, size: 1, modificationTime: 0, dataChange: true }
      let version = 0
      for (const path of [
        '/etc/passwd',
        'file:///etc/passwd',
        '../u/x.parquet',
        '%2e%2e/u/x.parquet',
        's3://b/x',
      ]) {
        await place.foreign(++version, { add: { ...add, path } })
        await assert.rejects(place.tables.snapshot('t'), { code: 'invalid_path' }, path)
        await place.foreign(++version, { remove: { path, dataChange: true } })
        assert.equal((await place.tables.snapshot('t'))?.version, version)
      }
    }))
})
