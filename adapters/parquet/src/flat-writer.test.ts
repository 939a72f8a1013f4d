import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import { DuckDBInstance } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readColumn } from './column-reader.ts'
import type { FlatArray } from './column-reader.ts'
import { FlatFile } from './flat-file.ts'
import type { FlatType } from './flat-schema.ts'
import { FlatWriter } from './flat-writer.ts'
import { PageMemory } from './page-memory.ts'

/** Bits of values, as a reader has to give them back. */
const BITS: Readonly<Record<FlatType, fc.Arbitrary<bigint>>> = {
  bool: fc.constantFrom(0n, 1n),
  int32: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
  float32: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
    fc.constantFrom(0n, 2n ** 31n, 0x7fc00000n, 0x7f800000n),
  ),
  int64: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.constantFrom(0n, 2n ** 63n, 2n ** 63n - 1n),
  ),
  float64: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.constantFrom(0n, 2n ** 63n, 0x7ff8000000000000n, 0x7ff0000000000000n, 0xfff0000000000000n),
  ),
  timestamp: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }),
}
const TYPES = Object.keys(BITS) as FlatType[]

function arrayOf(type: FlatType, bits: readonly bigint[], shared: boolean): FlatArray {
  const width = type === 'bool' ? 1 : type === 'int32' || type === 'float32' ? 4 : 8
  const size = bits.length * width
  const buffer = shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
  if (width === 1) return Uint8Array.from(new Uint8Array(buffer).fill(0), (_, row) => Number(bits[row]))
  if (width === 4) new Uint32Array(buffer).set(bits.map(Number))
  else new BigUint64Array(buffer).set(bits)
  return type === 'int32'
    ? new Int32Array(buffer)
    : type === 'float32'
      ? new Float32Array(buffer)
      : type === 'float64'
        ? new Float64Array(buffer)
        : new BigInt64Array(buffer)
}

const columnArb = fc.record({
  type: fc.constantFrom(...TYPES),
  nulls: fc.constantFrom('none', 'some', 'all', 'said to be none'),
  shared: fc.boolean(),
})
const fileArb = fc
  .record({
    rows: fc.oneof(fc.nat(30), fc.integer({ min: 200, max: 600 })),
    columns: fc.array(columnArb, { minLength: 1, maxLength: 5 }),
    pageRows: fc.constantFrom(1, 7, 8, 250, 122_880),
  })
  .chain(({ rows, columns, ...rest }) =>
    fc.record({
      rows: fc.constant(rows),
      rest: fc.constant(rest),
      columns: fc.tuple(
        ...columns.map((column) =>
          fc.record({
            ...Object.fromEntries(Object.entries(column).map(([name, value]) => [name, fc.constant(value)])),
            bits: fc.array(BITS[column.type], { minLength: rows, maxLength: rows }),
            valid: fc.array(fc.constantFrom(0, 1), { minLength: rows, maxLength: rows }),
          }),
        ),
      ) as unknown as fc.Arbitrary<
        { type: FlatType; nulls: string; shared: boolean; bits: bigint[]; valid: number[] }[]
      >,
    }),
  )

/** NaN may come back with other bits from who computes with it; ours gives the bits. */
function shown(type: FlatType, bits: bigint): string {
  if (type === 'float64') return String(new Float64Array(BigUint64Array.of(bits).buffer)[0])
  if (type === 'float32') return String(new Float32Array(Uint32Array.of(Number(bits)).buffer)[0])
  if (type === 'bool') return String(bits === 1n)
  return String(type === 'int32' ? BigInt.asIntN(32, bits) : BigInt.asIntN(64, bits))
}

function shownValue(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return String(BigInt(value.getTime()) * 1000n)
  return Object.is(value, -0) ? '-0' : `${value as bigint}`
}

test('what is written is read back, by DuckDB, by hyparquet and by this reader', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-flat-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  let cases = 0
  try {
    await fc.assert(
      fc.asyncProperty(fileArb, async ({ rows, rest, columns }) => {
        // A name of its own: DuckDB remembers what a file held, by its name and the second in which it was written.
        const path = join(folder, `written-${cases++}.parquet`)
        const fields = columns.map(({ type }, index) => ({ name: `c${index}`, type }))
        const writer = new FlatWriter({
          path,
          fields,
          rows,
          pageRows: rest.pageRows,
          createdBy: 'asof test',
        })
        const isValid = columns.map(({ nulls, valid }) =>
          valid.map((one) => (nulls === 'all' ? 0 : nulls === 'some' ? one : 1)),
        )
        for (const [index, { type, bits, nulls, shared }] of columns.entries()) {
          const valid = nulls === 'none' ? undefined : Uint8Array.from(isValid[index]!)
          writer.column(arrayOf(type, bits, shared), valid)
        }
        const { bytes, sha256 } = await writer.finish()
        const written = await readFile(path)
        assert.deepEqual(
          { bytes, sha256 },
          { bytes: written.length, sha256: createHash('sha256').update(written).digest('hex') },
        )
        const expected = columns.map(({ type, bits }, index) =>
          bits.map((each, row) =>
            isValid[index]![row] === 0 ? null : shown(type, each).replace(/^0$/, each === 0n ? '0' : '-0'),
          ),
        )
        for (const [index, { type }] of columns.entries())
          if (type !== 'float32' && type !== 'float64')
            expected[index] = expected[index]!.map((text) => (text === '-0' ? '0' : text))

        const selected = fields.map(({ name, type }) =>
          type === 'timestamp' ? `epoch_us(${name}) AS ${name}` : name,
        )
        const read = await connection.runAndReadAll(
          `SELECT ${selected.join(', ')} FROM read_parquet('${path}')`,
        )
        assert.deepEqual(
          rows === 0
            ? fields.map(() => [])
            : read.getColumns().map((column) => column.map((value) => shownValue(value))),
          expected,
        )
        const types = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${path}')`)
        const sql = {
          bool: 'BOOLEAN',
          int32: 'INTEGER',
          int64: 'BIGINT',
          float32: 'FLOAT',
          float64: 'DOUBLE',
          timestamp: 'TIMESTAMP WITH TIME ZONE',
        }
        assert.deepEqual(
          types.getRows().map((row) => row[1]),
          fields.map(({ type }) => sql[type]),
        )

        const objects = await parquetReadObjects({ file: await asyncBufferFromFile(path) })
        if (!fields.some(({ type }) => type === 'timestamp'))
          assert.deepEqual(
            fields.map(({ name }) => objects.map((row) => shownValue(row[name]))),
            expected,
          )
        assert.equal(objects.length, rows)

        using file = FlatFile.open(path)
        const memory = new PageMemory()
        for (const [index, { type, bits }] of columns.entries()) {
          let at = 0
          for (const [group, count] of file.groups.entries()) {
            const values = arrayOf(
              type,
              Array.from({ length: count }, () => 0n),
              false,
            )
            const valid = new Uint8Array(count)
            readColumn(file, group, file.columns[index]!, { values, valid }, 0, memory)
            assert.deepEqual([...valid], isValid[index]!.slice(at, at + count))
            const same = arrayOf(
              type,
              bits.slice(at, at + count).map((each, row) => (valid[row] === 0 ? 0n : each)),
              false,
            )
            const width = values.BYTES_PER_ELEMENT
            const raw = new Uint8Array(values.buffer)
            for (let row = 0; row < count; row++)
              if (valid[row] === 0) raw.fill(0, row * width, (row + 1) * width)
            assert.deepEqual(Buffer.from(raw), Buffer.from(same.buffer))
            at += count
          }
          assert.equal(at, rows)
        }
      }),
      propertyRuns(),
    )
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true })
  }
})

test('a column that is missing, doubled or too short is not written over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-flat-'))
  try {
    const fields = [{ name: 'x', type: 'int32' }] as const
    const plan = { path: join(folder, 'x.parquet'), fields, rows: 2, createdBy: 'asof test' }
    const writer = new FlatWriter(plan)
    await assert.rejects(writer.finish(), /a column was not written/)
    assert.throws(() => writer.column(Int32Array.of(1), undefined), /so many rows/)
    writer.column(Int32Array.of(1, 2), undefined)
    assert.throws(() => writer.column(Int32Array.of(1, 2), undefined), /so many rows/)
    await writer.finish()
    assert.throws(() => new FlatWriter(plan), { code: 'EEXIST' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
