import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readColumn } from './column-reader.ts'
import { DamagedFile } from './damage.ts'
import { FILE_HEAD, fileFoot } from './flat-footer.ts'
import { FlatFile } from './flat-file.ts'
import { PageMemory } from './page-memory.ts'
import { ThriftWriter } from './thrift-compact.ts'

const DATA_PAGE_V2 = 3

/** A page of version 2: levels without a length before them, then PLAIN values. */
function secondPage(rows: number, nulls: number, levels: Uint8Array, values: Uint8Array): Uint8Array {
  const thrift = new ThriftWriter()
  thrift.i32(1, DATA_PAGE_V2)
  thrift.i32(2, levels.length + values.length)
  thrift.i32(3, levels.length + values.length)
  thrift.struct(8, () => {
    thrift.i32(1, rows)
    thrift.i32(2, nulls)
    thrift.i32(3, rows)
    thrift.i32(4, 0)
    thrift.i32(5, levels.length)
    thrift.i32(6, 0)
    thrift.bool(7, false)
  })
  return Buffer.concat([thrift.finish(), levels, values])
}

async function inFile(
  rows: number,
  nulls: number,
  pages: readonly Uint8Array[],
  work: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-pages-'))
  try {
    const path = join(folder, 'pages.parquet')
    const bytes = pages.reduce((sum, page) => sum + page.length, 0)
    const foot = fileFoot(
      [{ name: 'x', type: 'int32' }],
      [{ data: undefined, offset: 4, bytes, nulls }],
      rows,
      'asof test',
    )
    await writeFile(path, Buffer.concat([FILE_HEAD, ...pages, foot]))
    await work(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function read(path: string, rows: number): (number | null)[] {
  using file = FlatFile.open(path)
  const values = new Int32Array(rows)
  const valid = new Uint8Array(rows)
  readColumn(file, 0, file.columns[0]!, { values, valid }, 0, new PageMemory())
  return [...values].map((value, row) => (valid[row] === 1 ? value : null))
}

test('pages of the second version are read, several of them and with nulls', async () => {
  // Bit-packed, one group of eight, of which five count: 1 0 1 1 0.
  const some = secondPage(5, 2, Uint8Array.of(3, 0b01101), new Uint8Array(Int32Array.of(7, -8, 9).buffer))
  const all = secondPage(2, 0, Uint8Array.of(4, 1), new Uint8Array(Int32Array.of(10, 11).buffer))
  const none = secondPage(3, 3, Uint8Array.of(6, 0), new Uint8Array(0))
  await inFile(10, 5, [some, all, none], async (path) => {
    const expected = [7, null, -8, 9, null, 10, 11, null, null, null]
    assert.deepEqual(read(path, 10), expected)
    const objects = await parquetReadObjects({ file: await asyncBufferFromFile(path) })
    assert.deepEqual(
      objects.map(({ x }) => x as number | null),
      expected,
    )
  })
})

test('pages that do not hold what they say are damaged', async () => {
  const values = new Uint8Array(Int32Array.of(7, 8).buffer)
  const cases: readonly [rows: number, page: Uint8Array][] = [
    [3, secondPage(2, 0, Uint8Array.of(4, 1), values)],
    [1, secondPage(2, 0, Uint8Array.of(4, 1), values)],
    [3, secondPage(3, 0, Uint8Array.of(6, 1), values)],
    [2, secondPage(2, 0, Uint8Array.of(0, 1), values)],
    [2, secondPage(2, 0, Uint8Array.of(), values)],
    [2, secondPage(2, 0, Uint8Array.of(4, 1), values).subarray(0, -1)],
  ]
  for (const [rows, page] of cases) {
    await inFile(rows, 0, [page], async (path) => {
      assert.throws(
        () => read(path, rows),
        (error: Error) => error instanceof DamagedFile && error.path === path,
      )
    })
  }
})
