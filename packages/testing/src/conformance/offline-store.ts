import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { describe, it } from 'node:test'
import type { ColumnBatch, FeatureType, Instant, TableColumn } from '@asof/core'
import * as fc from 'fast-check'
import { sameValue } from '../arbitraries/same-value.ts'
import { nullableValueArb } from '../arbitraries/value-arb.ts'
import { propertyRuns } from '../property-runs.ts'
import { offlineStoreFaults } from './offline-faults.ts'
import {
  append,
  batchOf,
  byText,
  COLUMNS,
  HOUR,
  plain,
  rowsIn,
  rowsOf,
  SCHEMA,
  snapshotOf,
  staged,
  START,
} from './offline-rows.ts'
import type { OfflineStoreSetup, Row } from './offline-rows.ts'

export type { OfflineStoreSetup } from './offline-rows.ts'

/**
 * What every offline store must do, as tests of node:test.
 *
 * @param make gives a new, empty place for each test
 */
export function offlineStoreConformance(name: string, make: () => Promise<OfflineStoreSetup>): void {
  const on = async (body: (setup: OfflineStoreSetup) => Promise<void>): Promise<void> => {
    const setup = await make()
    try {
      setup.clock.now = START
      await body(setup)
    } finally {
      await setup.dispose()
    }
  }

  describe(`offline store: ${name}`, () => {
    it('makes a table once, adds columns, and never changes the type of one', () =>
      on(async (setup) => {
        const store = setup.open()
        assert.equal(await store.snapshot('p/t'), undefined)
        await assert.rejects(append(store, 'p/t', 1, rowsOf(1)), { code: 'table_not_found' })
        await store.ensure('p/t', SCHEMA)
        await setup.open().ensure('p/t', SCHEMA)
        const made = await snapshotOf(store, 'p/t')
        assert.equal(made.version, 0)
        assert.deepEqual(plain(made.schema), plain(SCHEMA))
        await append(store, 'p/t', 1, rowsOf(1))

        const vector: TableColumn = { name: 'x', type: { kind: 'vector', size: 2 }, nullable: true }
        const wider = { columns: [...COLUMNS, vector], partitionBy: [] }
        await store.ensure('p/t', wider)
        await store.ensure('p/t', SCHEMA)
        assert.deepEqual(plain((await snapshotOf(setup.open(), 'p/t')).schema), plain(wider))
        await append(store, 'p/t', 2, [{ k: 'b', at: BigInt(START), v: null, x: new Float32Array([1, 2]) }])
        await append(store, 'p/t', 3, rowsOf(1, 'c'))
        const read = await rowsIn(setup, await snapshotOf(store, 'p/t'))
        assert.deepEqual(
          read.map(({ x }) => x),
          [null, new Float32Array([1, 2]), null],
        )

        for (const type of [{ kind: 'int32' }, { kind: 'string' }] as const) {
          const changed = { columns: [{ name: 'v', type, nullable: true }], partitionBy: [] }
          await assert.rejects(store.ensure('p/t', changed), { code: 'column_type_changed' })
        }
        const other = {
          columns: [{ ...vector, type: { kind: 'vector', size: 3 } }],
          partitionBy: [],
        } as const
        await assert.rejects(store.ensure('p/t', other), { code: 'column_type_changed' })
        await assert.rejects(store.ensure('p/t', { ...SCHEMA, partitionBy: ['k'] }), {
          code: 'partitioning_changed',
        })
      }))

    it('gives back every type bit for bit, nulls included', () =>
      on(async (setup) => {
        const columns = TYPES.map((type, index): TableColumn => ({ name: `c${index}`, type, nullable: true }))
        const { seed } = propertyRuns()
        const rows = fc
          .sample(fc.tuple(...TYPES.map(nullableValueArb)), { numRuns: 60, seed })
          .map((values): Row => Object.fromEntries(values.map((value, index) => [`c${index}`, value])))
        const store = setup.open()
        await store.ensure('t', { columns, partitionBy: [] })
        await append(store, 't', 1, rows, { columns })
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.deepEqual(plain(snapshot.schema.columns), plain(columns))
        const read = await rowsIn(setup, snapshot)
        assert.equal(read.length, rows.length)
        for (const [index, row] of rows.entries()) {
          for (const { name, type } of columns) {
            const [wrote, got] = [row[name] ?? null, read[index]?.[name] ?? null]
            assert.ok(sameValue(type, wrote, got), `${name} ${type.kind} in row ${index}`)
          }
        }
      }))

    it('appends exactly once by writer and sequence', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        assert.deepEqual(await append(store, 't', 5, rowsOf(2)), { version: 1, duplicate: false })
        for (const sequence of [5, 4, -1]) {
          assert.equal((await append(setup.open(), 't', sequence, rowsOf(3))).duplicate, true)
        }
        assert.equal((await append(store, 't', 6, rowsOf(1))).duplicate, false)
        assert.equal((await append(store, 't', 1, rowsOf(1), { writer: 'other' })).duplicate, false)
        // Writers beside the first come along, and never go back.
        const writers = [
          { writer: 'w', sequence: 7 },
          { writer: 'other', sequence: 0 },
          { writer: 'third', sequence: -5 },
        ]
        await store.append('t', { writers, sortBy: [] })
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.deepEqual(Object.fromEntries(snapshot.writers), { w: 7, other: 1, third: -5 })
        assert.equal((await rowsIn(setup, snapshot)).length, 4)
        assert.equal(snapshot.version, 4)
        await assert.rejects(store.append('t', { writers: [], sortBy: [] }), { code: 'invalid_append' })
      }))

    it('keeps every append of eight racing writers, in versions without a gap', () =>
      on(async (setup) => {
        await setup.open().ensure('t', SCHEMA)
        const acknowledged = await Promise.all(
          Array.from({ length: 8 }, async (_, index) => {
            const store = setup.open()
            let rows = 0
            for (let sequence = 1; sequence <= 20; sequence++) {
              const given = rowsOf(1 + (sequence % 2), `w${index}s${sequence}r`)
              const { duplicate } = await append(store, 't', sequence, given, { writer: `w${index}` })
              if (!duplicate) rows += given.length
            }
            return rows
          }),
        )
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.equal(snapshot.version, 160)
        const read = await rowsIn(setup, snapshot)
        assert.equal(
          read.length,
          acknowledged.reduce((sum, rows) => sum + rows, 0),
        )
        assert.equal(new Set(read.map(({ k }) => k)).size, read.length)
        assert.ok([...snapshot.writers.values()].every((sequence) => sequence === 20))
        for (const version of [0, 1, 9, 10, 11, 77, 159]) {
          const then = await snapshotOf(setup.open(), 't', { version })
          assert.equal(then.version, version)
          assert.equal(then.files.length, version)
        }
      }))

    it('gives each version for ever, by number and by the time of its commit', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        const snapshots = [await snapshotOf(store, 't')]
        for (let version = 1; version <= 4; version++) {
          // A clock that stands still or steps back does not take versions back.
          setup.clock.now = (START + [0, HOUR, HOUR, 0, 2 * HOUR][version]!) as Instant
          await append(store, 't', version, rowsOf(version, `v${version}`))
          snapshots.push(await snapshotOf(store, 't'))
        }
        const times = snapshots.map(({ committed }) => committed)
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        )
        assert.equal(new Set(times).size, 5)
        assert.equal(times[0], START)
        assert.equal(times[4], START + 2 * HOUR)
        for (const [version, before] of snapshots.entries()) {
          const after = await snapshotOf(setup.open(), 't', { version })
          assert.deepEqual(plain(after), plain(before))
          assert.equal((await rowsIn(setup, before)).length, (version * (version + 1)) / 2)
          const seen = await snapshotOf(setup.open(), 't', { instant: before.committed })
          assert.deepEqual(plain(seen), plain(before))
          if (version === 0) continue
          const earlier = await snapshotOf(store, 't', { instant: (before.committed - 1) as Instant })
          assert.equal(earlier.version, version - 1)
        }
        assert.equal((await snapshotOf(store, 't', { instant: (START + 99 * HOUR) as Instant })).version, 4)
        const missing = { code: 'version_not_found' }
        await assert.rejects(store.snapshot('t', { version: 5 }), missing)
        await assert.rejects(store.snapshot('t', { instant: (START - 1) as Instant }), missing)
        assert.equal(await store.snapshot('none', { version: 0 }), undefined)
        assert.equal(await store.snapshot('none', { instant: START }), undefined)
      }))

    it('sorts, and says what is in each file', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        const rows = [3, 1, 2].map((hour): Row => ({
          k: `k${hour % 3}`,
          at: BigInt(START + hour * HOUR) + 1n,
          v: hour === 1 ? null : 2n ** 60n + BigInt(hour),
        }))
        await append(store, 't', 1, rows, { sortBy: ['k', 'at'] })
        const { files } = await snapshotOf(setup.open(), 't')
        const [file] = files
        assert.equal(files.length, 1)
        assert.equal(file?.rows, 3)
        assert.deepEqual([file.min['k'], file.max['k']], ['k0', 'k2'])
        assert.deepEqual(
          [file.min['v'], file.max['v']].map(String),
          [2n ** 60n + 2n, 2n ** 60n + 3n].map(String),
        )
        const [least, greatest] = [Number(file.min['at']), Number(file.max['at'])]
        assert.ok(least <= START + HOUR + 1 && least > START + HOUR - 1_000)
        assert.ok(greatest >= START + 3 * HOUR + 1 && greatest <= START + 3 * HOUR + 2_000)
        assert.deepEqual(
          (await rowsIn(setup, await snapshotOf(store, 't'))).map(({ k }) => k),
          ['k0', 'k1', 'k2'],
        )
        await append(store, 't', 2, [{ k: 'z', at: BigInt(START), v: null }])
        const second = (await snapshotOf(store, 't')).files[1]
        assert.equal(second?.min['v'], undefined)
      }))

    for (const unit of ['day', 'month'] as const) {
      it(`partitions by the ${unit} of an instant in UTC`, () =>
        on(async (setup) => {
          const partition: TableColumn = {
            name: unit,
            type: { kind: 'string' },
            nullable: false,
            partitionOf: { column: 'at', unit },
          }
          const schema = { columns: [...COLUMNS, partition], partitionBy: [unit] }
          const store = setup.open()
          await store.ensure('t', schema)
          const rows = Array.from({ length: 4 }, (_, index): Row => ({
            k: `k${index}`,
            at: BigInt(START + index * HOUR) - 1n,
            v: BigInt(index),
          }))
          await append(store, 't', 1, [...rows, { k: 'old', at: -1n, v: null }], { sortBy: ['k'] })
          const snapshot = await snapshotOf(setup.open(), 't')
          assert.deepEqual(plain(snapshot.schema), plain(schema))
          const length = unit === 'day' ? 10 : 7
          const expected = ['1969-12-31', '2024-01-31', '2024-02-01'].map((day) => day.slice(0, length))
          assert.deepEqual(snapshot.files.map(({ constants }) => constants[unit]).sort(byText), expected)
          const read = await rowsIn(setup, snapshot)
          assert.deepEqual(read.map(({ k, [unit]: value }) => [k, value]).sort(byText), [
            ['k0', expected[1]],
            ['k1', expected[1]],
            ['k2', expected[2]],
            ['k3', expected[2]],
            ['old', expected[0]],
          ])
        }))
    }

    it('partitions by values of any text, null included', () =>
      on(async (setup) => {
        const store = setup.open()
        const columns = COLUMNS.map((column) => ({ ...column, nullable: true }))
        await store.ensure('t', { columns, partitionBy: ['k'] })
        const values = [
          'a',
          'A',
          'a b',
          '/%20%f',
          '..',
          '%2F',
          '\u00e9',
          'e\u0301',
          '😈',
          'x\'y"z',
          'k=v:w',
          'l\nf',
          'x'.repeat(300),
        ]
        const rows = [...values, null].map((k): Row => ({ k, at: null, v: 1n }))
        await append(store, 't', 1, rows, { columns })
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.equal(snapshot.files.length, rows.length)
        const read = await rowsIn(setup, snapshot)
        assert.deepEqual(new Set(read.map(({ k }) => k)), new Set([...values, null]))
        await assert.rejects(append(store, 't', 2, [{ k: '', at: null, v: 1n }], { columns }), {
          code: 'empty_partition_value',
        })
        assert.equal((await snapshotOf(store, 't')).version, 1)
      }))

    it('takes finished files in as they are', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        const [localPath] = await staged(setup, rowsOf(3, 'f'))
        const request = { files: [{ localPath }], writers: [{ writer: 'w', sequence: 1 }], sortBy: [] }
        assert.equal((await store.append('t', request)).duplicate, false)
        await assert.rejects(access(localPath))
        assert.equal((await store.append('t', request)).duplicate, true)
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.equal(snapshot.files[0]?.rows, 3)
        assert.equal(snapshot.files[0].min['k'], 'f0')
        assert.deepEqual(
          (await rowsIn(setup, snapshot)).map(({ k }) => k),
          ['f0', 'f1', 'f2'],
        )
        const gone = { ...request, writers: [{ writer: 'w', sequence: 2 }] }
        await assert.rejects(store.append('t', gone), { code: 'file_not_found' })
      }))

    it('takes a finished file into the partition in which all its rows lie, and refuses others', () =>
      on(async (setup) => {
        const store = setup.open()
        const partitionOf = { column: 'at', unit: 'day' } as const
        const day: TableColumn = { name: 'day', type: { kind: 'string' }, nullable: false, partitionOf }
        await store.ensure('t', { columns: [...COLUMNS, day], partitionBy: ['day'] })
        const files = async (hours: number[], folder: string) =>
          (
            await staged(
              setup,
              hours.map((hour) => ({ k: 'a', at: BigInt(START + hour * HOUR), v: null })),
              folder,
            )
          ).map((localPath) => ({ localPath }))
        const writers = [{ writer: 'w', sequence: 1 }]
        const spanning = { files: await files([0, 1], 'spanning'), writers, sortBy: [] }
        await assert.rejects(store.append('t', spanning), { code: 'file_spans_partitions' })
        await store.append('t', { files: await files([1, 2], 'within'), writers, sortBy: [] })
        const snapshot = await snapshotOf(store, 't')
        assert.deepEqual(
          snapshot.files.map(({ constants }) => constants['day']),
          ['2024-02-01'],
        )
      }))

    it('refuses rows that the table cannot hold, and is as before', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        const bad = async (row: Row, code: string, columns = COLUMNS): Promise<void> => {
          await assert.rejects(append(store, 't', 1, [row], { columns }), { code })
        }
        await bad({ k: null, at: 1n, v: 1n }, 'null_in_required_column')
        await bad({ k: 'a', at: 1n, v: 1n }, 'null_in_required_column', COLUMNS.slice(0, 1))
        const extra: TableColumn = { name: 'more', type: { kind: 'bool' }, nullable: true }
        await bad({ k: 'a', at: 1n, v: 1n, more: true }, 'unknown_column', [...COLUMNS, extra])
        const narrow: TableColumn = { name: 'v', type: { kind: 'int32' }, nullable: true }
        await bad({ k: 'a', at: 1n, v: 1 }, 'column_type_changed', [...COLUMNS.slice(0, 2), narrow])
        async function* failing(): AsyncGenerator<ColumnBatch> {
          yield batchOf(rowsOf(5), COLUMNS)
          throw new Error('the source broke')
        }
        const writers = [{ writer: 'w', sequence: 1 }]
        await assert.rejects(store.append('t', { rows: failing(), writers, sortBy: [] }), /the source broke/)
        assert.equal((await snapshotOf(setup.open(), 't')).version, 0)
        assert.equal((await append(store, 't', 1, rowsOf(1))).duplicate, false)
      }))

    it('records an append without rows', () =>
      on(async (setup) => {
        const store = setup.open()
        await store.ensure('t', SCHEMA)
        await append(store, 't', 1, [])
        await store.append('t', { writers: [{ writer: 'w', sequence: 2 }], sortBy: [], info: { rows: 0 } })
        const snapshot = await snapshotOf(setup.open(), 't')
        assert.deepEqual([snapshot.version, snapshot.files.length, snapshot.writers.get('w')], [2, 0, 2])
      }))

    it('names its tables below a prefix, in order', () =>
      on(async (setup) => {
        const store = setup.open()
        assert.deepEqual(await store.tables(), [])
        for (const table of ['q/x/v1', 'p/b/v2', 'p/b/v10', 'p/a']) {
          await store.ensure(table, SCHEMA)
          await append(store, table, 1, rowsOf(1))
        }
        assert.deepEqual(await setup.open().tables(), ['p/a', 'p/b/v10', 'p/b/v2', 'q/x/v1'])
        assert.deepEqual(await store.tables('p/b'), ['p/b/v10', 'p/b/v2'])
        assert.deepEqual(await store.tables('none'), [])
        for (const bad of ['../t', '/t', 'a//b', '']) {
          await assert.rejects(store.ensure(bad, SCHEMA), { code: 'invalid_path' })
          await assert.rejects(store.snapshot(bad), { code: 'invalid_path' })
        }
      }))
  })

  offlineStoreFaults(name, on)
}

const SCALARS = ['bool', 'int32', 'int64', 'float32', 'float64', 'string', 'bytes', 'timestamp'] as const
const TYPES: readonly FeatureType[] = [
  ...SCALARS.map((kind): FeatureType => ({ kind })),
  { kind: 'vector', size: 3 },
  ...SCALARS.map((kind): FeatureType => ({ kind: 'list', element: { kind } })),
  ...SCALARS.map((kind): FeatureType => ({ kind: 'map', value: { kind } })),
  { kind: 'struct', fields: Object.fromEntries(SCALARS.map((kind) => [kind, { kind }])) },
]
