import assert from 'node:assert/strict'
import { mkdtemp, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { columnOf, columnValue, parseTimestamp } from '@asof/core'
import type { ColumnBatch, ParquetFiles, TableColumn, Value, WriteRequest } from '@asof/core'
import { fieldsArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { duckdbParquetFiles } from './parquet-files.ts'

let folder: string
let parquet: ParquetFiles
let made = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-parquet-'))
  parquet = duckdbParquetFiles({ folders: [folder], tempFolder: folder })
})
after(async () => {
  await rm(folder, { recursive: true })
})

type Rows = readonly (readonly (Value | null)[])[]

const column = (name: string, type: TableColumn['type']): TableColumn => ({ name, type, nullable: true })

async function fresh(): Promise<string> {
  const path = join(folder, String(made++))
  await mkdir(path)
  return path
}

async function* batchesOf(columns: readonly TableColumn[], rows: Rows): AsyncGenerator<ColumnBatch> {
  const values = columns.map(({ name, type }, at) => [
    name,
    columnOf(
      type,
      rows.map((row) => row[at] ?? null),
    ),
  ])
  yield { rows: rows.length, columns: Object.fromEntries(values) }
}

function request(
  columns: readonly TableColumn[],
  rows: Rows,
  more: Partial<WriteRequest> = {},
): WriteRequest {
  return { columns, rows: batchesOf(columns, rows), sortBy: [], partitionBy: [], ...more }
}

async function readAll(
  files: Parameters<ParquetFiles['read']>[0],
  columns: readonly TableColumn[],
): Promise<(Value | null)[][]> {
  const rows: (Value | null)[][] = []
  for await (const batch of parquet.read(files, columns)) {
    for (let row = 0; row < batch.rows; row++) {
      rows.push(columns.map(({ name }) => columnValue(batch.columns[name]!, row)))
    }
  }
  return rows
}

const anyTable = fieldsArb({ minLength: 1, maxLength: 4 })
  .map((fields) => fields.map(({ name, type }) => column(name, type)))
  .chain((columns) =>
    fc.tuple(
      fc.constant(columns),
      // Repeated rows make dictionaries.
      fc
        .array(fc.tuple(...columns.map(({ type }) => nullableValueArb(type))), { minLength: 1, maxLength: 8 })
        .map((rows) => [...rows, ...rows, ...rows]),
    ),
  )

test('values of every type come back bit for bit from a file, counted exactly', async () => {
  await fc.assert(
    fc.asyncProperty(anyTable, async ([columns, rows]) => {
      const [file] = await parquet.write(await fresh(), request(columns, rows))
      assert.ok(file !== undefined)
      const read = await readAll([{ localPath: file.localPath, constants: {} }], columns)
      assert.equal(read.length, rows.length)
      for (const [at, row] of rows.entries()) {
        for (const [index, { type, name }] of columns.entries()) {
          assert.ok(sameValue(type, row[index] ?? null, read[at]?.[index] ?? null), `row ${at}, ${name}`)
        }
      }
      for (const [index, { name }] of columns.entries()) {
        assert.equal(file.nulls[name], rows.filter((row) => row[index] === null).length)
      }
      assert.equal(file.rows, rows.length)
      assert.deepEqual(await parquet.describe(file.localPath, columns), file)
    }),
    propertyRuns(),
  )
})

test('a negative zero survives beside a positive one', async () => {
  const columns = [
    column('x', { kind: 'float64' }),
    column('l', { kind: 'list', element: { kind: 'float32' } }),
  ]
  for (const rows of [
    [0, -0],
    [-0, 0],
  ].map((pair) => [...pair, ...pair, ...pair].map((x) => [x, [x, null]]))) {
    const [file] = await parquet.write(await fresh(), request(columns, rows))
    assert.deepEqual(await readAll([{ localPath: file!.localPath, constants: {} }], columns), rows)
  }
})

test('a file is sorted, and says what it holds', async () => {
  const columns = [
    column('k', { kind: 'string' }),
    column('n', { kind: 'int64' }),
    column('t', { kind: 'timestamp' }),
    column('x', { kind: 'float64' }),
    column('y', { kind: 'float32' }),
    column('b', { kind: 'bytes' }),
  ]
  const at = parseTimestamp('0001-01-01T00:00:00.000001Z')
  const rows = [
    ['b', 2n ** 63n - 1n, at, Number.NaN, -1.5, Uint8Array.of(1)],
    ['a', 2n ** 53n + 1n, null, 1, Number.POSITIVE_INFINITY, null],
    ['a', -5n, null, 2, null, null],
  ]
  const path = await fresh()
  const [file] = await parquet.write(path, request(columns, rows, { sortBy: ['k', 'n'] }))
  assert.deepEqual(
    (await readAll([{ localPath: file!.localPath, constants: {} }], columns)).map(([k, n]) => [k, n]),
    [
      ['a', -5n],
      ['a', 2n ** 53n + 1n],
      ['b', 2n ** 63n - 1n],
    ],
  )
  assert.deepEqual(file!.min, { k: 'a', n: -5n, t: at, y: -1.5 })
  assert.deepEqual(file!.max, { k: 'b', n: 2n ** 63n - 1n, t: at, y: Number.POSITIVE_INFINITY })
  assert.deepEqual(file!.nulls, { k: 0, n: 0, t: 2, x: 0, y: 1, b: 2 })
  assert.equal((await readFile(file!.localPath)).length, file!.bytes)
  assert.deepEqual(await readdir(path), ['part-00000.parquet'])
})

test('partitions become a file each, and their columns constants', async () => {
  const day: TableColumn = {
    ...column('day', { kind: 'string' }),
    partitionOf: { column: 't', unit: 'day' },
  }
  const columns = [column('k', { kind: 'int32' }), column('t', { kind: 'timestamp' }), day]
  const one = parseTimestamp('2024-02-29T23:59:59.999999Z')
  const rows = [
    [2, one],
    [3, one + 1n],
    [1, one],
    [4, null],
  ]
  const given = columns.slice(0, 2)
  const files = await parquet.write(await fresh(), {
    ...request(columns, rows, { sortBy: ['k'], partitionBy: ['day'] }),
    rows: batchesOf(given, rows),
  })
  assert.deepEqual(
    files.map(({ constants, rows: count, min }) => [constants['day'], count, min['k']]),
    [
      ['2024-02-29', 2, 1],
      ['2024-03-01', 1, 3],
      [undefined, 1, 4],
    ],
  )
  assert.deepEqual(await readAll(files, [...columns, column('absent', { kind: 'bool' })]), [
    [1, one, '2024-02-29', null],
    [2, one, '2024-02-29', null],
    [3, one + 1n, '2024-03-01', null],
    [4, null, null, null],
  ])
})

test('no rows make one file with none', async () => {
  const columns = [column('k', { kind: 'int32' })]
  const files = await parquet.write(await fresh(), request(columns, []))
  assert.deepEqual(
    files.map(({ rows }) => rows),
    [0],
  )
  assert.deepEqual(await readAll(files, columns), [])
  assert.deepEqual(await readAll([], columns), [])
})

test('a failed write leaves nothing, and nothing is overwritten', async () => {
  const columns = [column('k', { kind: 'int32' })]
  const path = await fresh()
  async function* failing(): AsyncGenerator<ColumnBatch> {
    yield* batchesOf(columns, [[1]])
    throw new Error('the source failed')
  }
  await assert.rejects(parquet.write(path, { ...request(columns, []), rows: failing() }), /the source failed/)
  assert.deepEqual(await readdir(path), [])
  await writeFile(join(path, 'part-00000.parquet'), 'mine')
  await assert.rejects(parquet.write(path, request(columns, [[1]])), { code: 'file_exists' })
  assert.equal(await readFile(join(path, 'part-00000.parquet'), 'utf8'), 'mine')
})

test('a damaged file is named, wherever the damage lies', async () => {
  const columns = [column('k', { kind: 'int64' }), column('s', { kind: 'string' })]
  const rows = Array.from({ length: 20_000 }, (_, row) => [BigInt(row * 7919), `text number ${row}`])
  const files = [
    ...(await parquet.write(await fresh(), request(columns, rows))),
    ...(await parquet.write(await fresh(), request(columns, rows))),
  ]
  const broken = files[1]!
  const whole = await readFile(broken.localPath)
  for (const damage of ['cut', 'footer', 'page'] as const) {
    await writeFile(broken.localPath, damage === 'cut' ? whole.subarray(0, whole.length / 2) : whole)
    if (damage !== 'cut') {
      const file = await open(broken.localPath, 'r+')
      await file.write(Buffer.alloc(60, 0xff), 0, 60, damage === 'footer' ? whole.length - 100 : 30)
      await file.close()
    }
    await assert.rejects(readAll(files, columns), (error: { code: string; details: { path: string } }) => {
      assert.equal(error.code, 'damaged_file', damage)
      assert.equal(error.details.path, broken.localPath)
      return true
    })
  }
})

test('records of a checkpoint come back, nested, with every digit', async () => {
  const path = join(await fresh(), 'records.parquet')
  await parquet.writeRecords(
    path,
    [
      { txn: { appId: 'q', version: 9007199254740993n } },
      { add: { path: 'it\'s \0 "quoted"', tags: { a: null, b: 'x' }, list: ['y'] } },
    ],
    {
      txn: 'STRUCT(appId VARCHAR, "version" BIGINT)',
      add: 'STRUCT(path VARCHAR, tags MAP(VARCHAR, VARCHAR), list VARCHAR[])',
    },
  )
  assert.deepEqual(await parquet.readRecords(path), [
    { txn: { appId: 'q', version: 9007199254740993n }, add: null },
    {
      txn: null,
      add: {
        path: 'it\'s \0 "quoted"',
        tags: [
          { key: 'a', value: null },
          { key: 'b', value: 'x' },
        ],
        list: ['y'],
      },
    },
  ])
})
