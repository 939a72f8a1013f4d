import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { readColumn } from './column-reader.ts'
import type { FlatArray } from './column-reader.ts'
import { BeyondReader, DamagedFile } from './damage.ts'
import { FlatFile } from './flat-file.ts'
import type { FlatType } from './flat-schema.ts'
import { PageMemory } from './page-memory.ts'

const SQL_TYPES: Readonly<Record<FlatType, string>> = {
  bool: 'BOOLEAN',
  int32: 'INTEGER',
  int64: 'BIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  timestamp: 'TIMESTAMPTZ',
}
const ARRAYS = {
  bool: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
  timestamp: BigInt64Array,
} as const

async function withDuckDb(
  work: (connection: DuckDBConnection, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-parquet-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await work(connection, folder)
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true })
  }
}

/** All values of a column, as texts of their bits. */
function readTexts(file: FlatFile, name: string, memory: PageMemory): (string | null)[] {
  const column = file.columns.find((each) => each.name === name)!
  const type = column.type as FlatType
  const texts: (string | null)[] = []
  for (const [group, rows] of file.groups.entries()) {
    // Values begin anywhere in an array.
    const values: FlatArray = new ARRAYS[type](rows + 3)
    const valid = new Uint8Array(rows)
    const nulls = readColumn(file, group, column, { values, valid }, 3, memory)
    assert.equal(nulls, valid.filter((each) => each === 0).length)
    const bits =
      type === 'float64'
        ? new BigInt64Array(values.buffer)
        : type === 'float32'
          ? new Int32Array(values.buffer)
          : values
    for (let row = 0; row < rows; row++) texts.push(valid[row] === 0 ? null : String(bits[row + 3]))
  }
  return texts
}

async function expectedTexts(
  connection: DuckDBConnection,
  table: string,
): Promise<Record<FlatType, (string | null)[]>> {
  const result =
    await connection.runAndReadAll(`SELECT bool::INTEGER AS bool, int32, int64, epoch_us(timestamp) AS timestamp,
    float32, float64 FROM ${table}`)
  const read = result.getColumnsObject() as Record<FlatType, readonly (number | bigint | null)[]>
  const bits = (value: number | bigint | null, type: FlatType): string | null => {
    if (value === null) return null
    if (type === 'float64') return String(new BigInt64Array(Float64Array.of(Number(value)).buffer)[0])
    if (type === 'float32') return String(new Int32Array(Float32Array.of(Number(value)).buffer)[0])
    return String(value)
  }
  return Object.fromEntries(
    Object.entries(read).map(([type, values]) => [type, values.map((each) => bits(each, type as FlatType))]),
  ) as Record<FlatType, (string | null)[]>
}

const EXTREMES: Readonly<Record<FlatType, string>> = {
  bool: 'true, false',
  int32: '-2147483648, 2147483647, 0',
  int64: '-9223372036854775808, 9223372036854775807, 0, 9007199254740993',
  float32: `'nan'::FLOAT, 'inf'::FLOAT, '-inf'::FLOAT, '-0'::FLOAT, 0::FLOAT`,
  float64: `'nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, '-0'::DOUBLE, 0::DOUBLE, 5e-324`,
  timestamp: `'1900-01-01 00:00:00.000001+00'::TIMESTAMPTZ, '2199-12-31 23:59:59.999999+00'::TIMESTAMPTZ`,
}

/** A column of random values: few of them where a dictionary is to be made, extremes among them, nulls at random. */
function columnSql(type: FlatType, seed: number, distinct: number, nullShare: number): string {
  const random = `(hash(i, ${seed}, '${type}') % ${distinct})::BIGINT`
  const extremes = `list_extract([${EXTREMES[type]}], (hash(i, ${seed}, 'which') % 6)::BIGINT + 1)`
  const value =
    type === 'timestamp'
      ? `make_timestamptz(1700000000000000 + ${random})`
      : type === 'bool'
        ? `${random} % 2 = 0`
        : type === 'float32' || type === 'float64'
          ? `${random}::DOUBLE / 7`
          : random
  return `CASE WHEN hash(i, ${seed}, '${type}', 'null') % 100 < ${nullShare} THEN NULL
    WHEN hash(i, ${seed}, 'extreme') % 50 = 0 THEN coalesce(${extremes}, NULL) ELSE ${value} END::${SQL_TYPES[type]} AS ${type}`
}

const tableArb = fc.record({
  rows: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 2040, max: 9000 })),
  seed: fc.integer(),
  distinct: fc.constantFrom(1, 3, 300, 2_000_000_000),
  nullShare: fc.constantFrom(0, 0, 1, 50, 100),
  codec: fc.constantFrom('snappy', 'zstd', 'uncompressed', 'gzip'),
  dictionary: fc.boolean(),
  version: fc.constantFrom('V1', 'V1', 'V2'),
  groupRows: fc.constantFrom(2048, 4096, 122_880),
})

test('columns are read as DuckDB reads them, bit for bit, or are said to be beyond this reader', async () => {
  const seen = { read: 0, beyond: 0 }
  const memory = new PageMemory()
  await withDuckDb(async (connection, folder) => {
    const path = join(folder, 'table.parquet')
    await fc.assert(
      fc.asyncProperty(
        tableArb,
        async ({ rows, seed, distinct, nullShare, codec, dictionary, version, groupRows }) => {
          const types = Object.keys(SQL_TYPES) as FlatType[]
          const columns = types.map((type) => columnSql(type, seed, distinct, nullShare))
          await connection.run(
            `CREATE OR REPLACE TABLE t AS SELECT ${columns.join(', ')} FROM range(${rows}) numbers(i)`,
          )
          const limit = dictionary ? '' : ', DICTIONARY_SIZE_LIMIT 0'
          await connection.run(`COPY t TO '${path}' (FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version},
          ROW_GROUP_SIZE ${groupRows}${limit})`)
          const expected = await expectedTexts(connection, `read_parquet('${path}')`)
          using file = FlatFile.open(path)
          for (const type of types) {
            try {
              assert.deepEqual(readTexts(file, type, memory), expected[type] ?? [])
              seen.read++
            } catch (error) {
              if (!(error instanceof BeyondReader)) throw error
              assert.ok(codec === 'gzip' || version === 'V2', error.message)
              seen.beyond++
            }
          }
        },
      ),
      propertyRuns(),
    )
  })
  assert.ok(seen.read > seen.beyond && seen.beyond > 0, JSON.stringify(seen))
})

test('64-bit integers are read as numbers too', async () => {
  await withDuckDb(async (connection, folder) => {
    const path = join(folder, 'table.parquet')
    await connection.run(`COPY (SELECT unnest([-1, 0, NULL, 4294967296, -4294967297, 9007199254740991, -9007199254740991]) AS x)
      TO '${path}' (FORMAT parquet)`)
    using file = FlatFile.open(path)
    const values = new Float64Array(7)
    const valid = new Uint8Array(7)
    assert.equal(readColumn(file, 0, file.columns[0]!, { values, valid }, 0, new PageMemory()), 1)
    assert.deepEqual(
      [...values].map((value, row) => (valid[row] === 1 ? value : null)),
      [-1, 0, null, 4294967296, -4294967297, 9007199254740991, -9007199254740991],
    )
  })
})

test('what is not flat has no type, and its neighbours are read all the same', async () => {
  await withDuckDb(async (connection, folder) => {
    const path = join(folder, 'table.parquet')
    await connection.run(`COPY (SELECT [1, 2] AS list, {'a': 1, 'b': [2]} AS struct, 1::DECIMAL(9, 2) AS decimal,
      '2024-01-01'::DATE AS date, 7::TINYINT AS tiny, 7::UINTEGER AS uint, '2024-01-01'::TIMESTAMP AS local, 'text' AS text, 42::BIGINT AS last)
      TO '${path}' (FORMAT parquet)`)
    using file = FlatFile.open(path)
    assert.deepEqual(
      file.columns.map(({ name, type }) => [name, type]),
      [
        ...['list', 'struct', 'decimal', 'date', 'tiny', 'uint', 'local'].map((name) => [name, undefined]),
        ['text', 'text'],
        ['last', 'int64'],
      ],
    )
    assert.deepEqual(readTexts(file, 'last', new PageMemory()), ['42'])
  })
})

test('a file that was cut or damaged is refused by name, or read; it never crashes nor hangs', async () => {
  const memory = new PageMemory()
  await withDuckDb(async (connection, folder) => {
    const whole = join(folder, 'whole.parquet')
    const path = join(folder, 'damaged.parquet')
    const types = Object.keys(SQL_TYPES) as FlatType[]
    const columns = types.map((type, seed) => columnSql(type, seed, seed % 2 === 0 ? 5 : 1_000_000, 20))
    await connection.run(
      `COPY (SELECT ${columns.join(', ')} FROM range(500) numbers(i)) TO '${whole}' (FORMAT parquet)`,
    )
    const bytes = await readFile(whole)
    const damageArb = fc.oneof(
      fc.record({ cutAt: fc.integer({ min: 0, max: bytes.length - 1 }) }),
      fc.record({
        at: fc.array(fc.integer({ min: 0, max: bytes.length - 1 }), { minLength: 1, maxLength: 4 }),
        to: fc.integer({ min: 0, max: 255 }),
      }),
    )
    let refused = 0
    await fc.assert(
      fc.asyncProperty(damageArb, async (damage) => {
        const changed = Buffer.from(bytes)
        if ('at' in damage) for (const at of damage.at) changed[at] = damage.to
        await writeFile(path, 'at' in damage ? changed : bytes.subarray(0, damage.cutAt))
        try {
          using file = FlatFile.open(path)
          for (const { name, type } of file.columns) if (type !== undefined) readTexts(file, name, memory)
          assert.ok('at' in damage, 'a file that was cut is not whole')
        } catch (error) {
          assert.ok(
            error instanceof DamagedFile || error instanceof BeyondReader,
            String((error as Error).stack),
          )
          assert.equal(error.path, path)
          refused++
        }
      }),
      propertyRuns(),
    )
    assert.ok(refused > 0)
    await copyFile(whole, path)
    using file = FlatFile.open(path)
    assert.equal(file.groups[0], 500)
  })
})
