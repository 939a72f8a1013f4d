import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import { DuckDBInstance } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readTextIds } from './column-reader.ts'
import { FlatFile } from './flat-file.ts'
import { FlatWriter } from './flat-writer.ts'
import { PageMemory } from './page-memory.ts'
import { textColumn, TextIndex } from './texts.ts'

const textArb = fc.oneof(
  fc.constantFrom('', 'a', 'A', 'LAX', 'LAX ', 'é', 'e\u0301', '\u{1F600}', 'a\u0000b', 'x'.repeat(70)),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
)
const caseArb = fc.record({
  values: fc.array(fc.option(textArb, { freq: 5 }), { maxLength: 400 }),
  /** Few different texts repeat. */
  times: fc.constantFrom(1, 1, 30),
  /** More of them, and longer ones, than a dictionary takes. */
  many: fc.boolean(),
  pageRows: fc.constantFrom(1, 7, 250, 122_880),
  sought: fc.array(textArb, { maxLength: 30 }),
  codec: fc.constantFrom('snappy', 'zstd', 'uncompressed'),
  dictionary: fc.boolean(),
  version: fc.constantFrom('V1', 'V2'),
})

test('texts are read back by DuckDB, by hyparquet and by their numbers, in pages of any kind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-texts-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  let plain = 0
  try {
    await fc.assert(
      fc.asyncProperty(caseArb, async ({ values, times, many, pageRows, sought, ...written }) => {
        const texts = Array.from({ length: times }, () => values).flat()
        if (many && texts.length > 0) for (let i = 0; i < 1100; i++) texts.push(`${i} `.padEnd(1000, '.'))
        const path = join(folder, 'texts.parquet')
        await rm(path, { force: true })
        const fields = [{ name: 'x', type: 'text' }] as const
        const writer = new FlatWriter({ path, fields, rows: texts.length, pageRows, createdBy: 'asof test' })
        writer.column(
          textColumn(texts, texts.length),
          texts.includes(null) ? Uint8Array.from(texts, (text) => (text === null ? 0 : 1)) : undefined,
        )
        await writer.finish()
        const read = async (): Promise<unknown> => {
          const result = await connection.runAndReadAll(`SELECT x FROM read_parquet('${path}')`)
          return result.getColumns()[0] ?? []
        }
        assert.deepEqual(await read(), texts)
        const objects = await parquetReadObjects({ file: await asyncBufferFromFile(path) })
        assert.deepEqual(
          objects.map((row): unknown => row['x'] ?? null),
          texts,
        )
        if (many && texts.length > 0) plain++
        const known = [...new Set([...sought, ...texts.slice(0, 3).filter((text) => text !== null)])]
        const index = new TextIndex(textColumn(known, known.length).texts)
        const expected = texts.map((text) => (text === null ? null : known.indexOf(text)))
        assert.deepEqual(idsOf(path, index), expected)
        const copy = join(folder, 'copy.parquet')
        const limit = written.dictionary ? '' : ', DICTIONARY_SIZE_LIMIT 0'
        await connection.run(
          `COPY (FROM read_parquet('${path}')) TO '${copy}'
           (FORMAT parquet, COMPRESSION ${written.codec}, PARQUET_VERSION ${written.version}${limit})`,
        )
        let copied: (number | null)[] | undefined
        try {
          copied = idsOf(copy, index)
        } catch (error) {
          assert.match((error as Error).message, /values as DELTA/)
        }
        if (copied !== undefined) assert.deepEqual(copied, expected)
      }),
      propertyRuns(0.5),
    )
    assert.ok(plain > 0)
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true })
  }
})

function idsOf(path: string, index: TextIndex): (number | null)[] {
  using file = FlatFile.open(path)
  const column = file.columns[0]!
  assert.equal(column.type, 'text')
  return file.groups.flatMap((rows, group) => {
    const values = new Int32Array(rows)
    const valid = new Uint8Array(rows)
    readTextIds(file, group, column, index, { values, valid }, 0, new PageMemory())
    return Array.from(values, (id, row) => (valid[row] === 0 ? null : id))
  })
}

test('days and small integers are what DuckDB takes them for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-texts-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const path = join(folder, 'small.parquet')
    const fields = [
      { name: 'day', type: 'date' },
      { name: 'small', type: 'int16' },
    ] as const
    const writer = new FlatWriter({ path, fields, rows: 3, createdBy: 'asof test' })
    writer.column(Int32Array.of(-1, 19_723, 0), undefined)
    writer.column(Int32Array.of(-32_768, 32_767, 0), Uint8Array.of(1, 1, 0))
    await writer.finish()
    const read = await connection.runAndReadAll(
      `SELECT day::VARCHAR, small, typeof(day), typeof(small) FROM read_parquet('${path}')`,
    )
    assert.deepEqual(read.getRows(), [
      ['1969-12-31', -32_768, 'DATE', 'SMALLINT'],
      ['2024-01-01', 32_767, 'DATE', 'SMALLINT'],
      ['1970-01-01', null, 'DATE', 'SMALLINT'],
    ])
    using file = FlatFile.open(path)
    assert.deepEqual(
      file.columns.map(({ type }) => type),
      [undefined, undefined],
    )
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true })
  }
})
