import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { columnOf, columnValue, parseInstant, setColumnValue } from '@asof/core'
import type {
  FeatureType,
  LabelSession,
  LabelsRequest,
  OutputChunk,
  Relation,
  Value,
  WrittenOutput,
} from '@asof/core'
import { openDatabase, run } from '../database.ts'
import { openLabels } from './session.ts'

type Columns = Readonly<Record<string, readonly [FeatureType, readonly (Value | null)[]]>>

function rows(columns: Columns): Relation {
  const read = Object.entries(columns).map(
    ([name, [type, values]]) => [name, columnOf(type, values)] as const,
  )
  return { kind: 'rows', batch: { rows: read[0]?.[1].values.length ?? 0, columns: Object.fromEntries(read) } }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-labels-'))
  try {
    await mkdir(join(folder, 'out'))
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function open(folder: string, request: LabelsRequest): Promise<LabelSession> {
  return await openLabels({ folders: [folder], tempFolder: join(folder, 'temp') }, request)
}

const US = { column: 'at', unit: 'us' } as const
const INT64 = { kind: 'int64' } as const
const STRING = { kind: 'string' } as const
const BYTES = { kind: 'bytes' } as const

test('equal keys have one id, by value and type; ids are dense and rise with the key', async () => {
  await inFolder(async (folder) => {
    await using labels = await open(folder, {
      labels: rows({
        at: [INT64, [1n, 2n, 3n, 4n, 5n, 6n]],
        name: [STRING, ['b', 'a', '', 'b', null, 'e\u0301']],
        number: [INT64, [1n, 1n, -5n, 1n, 1n, 2n ** 62n]],
      }),
      at: US,
    })
    const names = await labels.keySet([{ column: 'name', type: STRING }])
    assert.deepEqual([names.size, [...names.ids]], [4, [2, 1, 0, 2, -1, 3]])
    const both = await labels.keySet([
      { column: 'number', type: INT64 },
      { column: 'name', type: STRING },
    ])
    assert.deepEqual([both.size, [...both.ids]], [4, [2, 1, 0, 2, -1, 3]])
    const global = await labels.keySet([])
    assert.deepEqual([global.size, [...global.ids]], [1, [0, 0, 0, 0, 0, 0]])
    await assert.rejects(labels.keySet([{ column: 'number', type: STRING }]), { code: 'needs_cast' })
    await assert.rejects(labels.keySet([{ column: 'nobody', type: STRING }]), {
      code: 'label_column_missing',
    })
  })
})

test('label times follow the rules of sources: zones, units, text', async () => {
  await inFolder(async (folder) => {
    const csv = join(folder, 'labels.csv')
    await writeFile(csv, 'at,id,ok\n2024-03-10T02:30:00+05:45,007,true\n2024-03-10T02:30:00Z,8,false\n')
    const files = { kind: 'files', format: 'csv', paths: [csv] } as const
    await using labels = await open(folder, { labels: files, at: { column: 'at' } })
    assert.deepEqual(
      [...labels.at],
      [parseInstant('2024-03-09T20:45:00Z'), parseInstant('2024-03-10T02:30:00Z')],
    )
    const ids = await labels.column('id', INT64)
    assert.deepEqual([columnValue(ids, 0), columnValue(ids, 1)], [7n, 8n])
    assert.equal(columnValue(await labels.column('id', STRING), 0), '007')
    assert.equal(labels.form, 'csv')

    const naive = join(folder, 'naive.parquet')
    const database = await openDatabase({ folders: [folder], tempFolder: join(folder, 'temp') })
    await run(
      database.connection,
      `COPY (SELECT TIMESTAMP '2024-03-10 01:30:00' AS at, 1.5 AS decimal UNION ALL SELECT TIMESTAMP '2024-07-01 00:00:00', 2) TO '${naive}'`,
    )
    database.close()
    const parquet = { kind: 'files', format: 'parquet', paths: [naive] } as const
    await assert.rejects(open(folder, { labels: parquet, at: { column: 'at' } }), {
      code: 'time_without_zone',
    })
    await using zoned = await open(folder, {
      labels: parquet,
      at: { column: 'at', zone: 'America/New_York' },
    })
    assert.deepEqual(
      [...zoned.at],
      [parseInstant('2024-03-10T06:30:00Z'), parseInstant('2024-07-01T04:00:00Z')],
    )
    assert.deepEqual(zoned.columns, [
      { name: 'at', physical: 'TIMESTAMP' },
      { name: 'decimal', physical: 'DECIMAL(11,1)' },
    ])
    await assert.rejects(open(folder, { labels: rows({ at: [INT64, [5n]] }), at: { column: 'at' } }), {
      code: 'number_without_unit',
    })
    const seconds = rows({ at: [INT64, [1_700_000_000_000_000n, 1_700_000_000n]] })
    await assert.rejects(open(folder, { labels: seconds, at: US }), (error: Error) => {
      assert.match(error.message, /looks like seconds; rows are counted from 0.*row=`1`/)
      return true
    })
  })
})

test('a query over labels sees its inputs, keeps its order, and is checked', async () => {
  await inFolder(async (folder) => {
    const inputs = { events: rows({ at: [INT64, [3n, 1n, 2n]], x: [INT64, [30n, 10n, 20n]] }) }
    const query = (sql: string): Relation => ({ kind: 'query', sql, inputs })
    await using labels = await open(folder, {
      labels: query('SELECT "at", x > 15 AS ok FROM events WHERE x < 25'),
      at: US,
    })
    assert.deepEqual([...labels.at], [1, 2])
    await assert.rejects(
      open(folder, { labels: query(`SELECT 1 AS "at" FROM read_csv('/etc/passwd')`), at: US }),
      {
        kind: 'denied',
      },
    )
  })
})

test('the fingerprint is that of the rows in their order', async () => {
  await inFolder(async (folder) => {
    const print = async (columns: Columns): Promise<string> => {
      await using labels = await open(folder, { labels: rows(columns), at: US })
      return await labels.fingerprint()
    }
    const at = [INT64, [1n, 2n]] as const
    const first = await print({ at, name: [STRING, ['a', null]], x: [{ kind: 'float64' }, [1, null]] })
    assert.match(first, /^[0-9a-f]{64}$/)
    assert.equal(await print({ at, name: [STRING, ['a', null]], x: [{ kind: 'float64' }, [1, null]] }), first)
    const others = await Promise.all([
      print({ at: [INT64, [2n, 1n]], name: [STRING, ['a', null]], x: [{ kind: 'float64' }, [1, null]] }),
      print({ at, name: [STRING, ['a', '']], x: [{ kind: 'float64' }, [1, null]] }),
      print({ at, name: [STRING, [null, 'a']], x: [{ kind: 'float64' }, [1, null]] }),
      print({ at, name: [STRING, ['a', null]], x: [{ kind: 'float64' }, [1, 0]] }),
      print({ at, other: [STRING, ['a', null]], x: [{ kind: 'float64' }, [1, null]] }),
    ])
    assert.equal(new Set([first, ...others]).size, 6)
  })
})

test('label and result columns meet row by row, over many vectors and files', async () => {
  await inFolder(async (folder) => {
    const count = 10_000
    const numbers = Array.from({ length: count }, (_, index) => BigInt(index))
    await using labels = await open(folder, {
      // A column of the labels may be named like anything of ours.
      labels: rows({ at: [INT64, numbers], '#row': [INT64, numbers], k0: [INT64, numbers] }),
      at: US,
      writesTo: join(folder, 'out'),
    })
    const type = { kind: 'float64' } as const
    const chunk = (from: number, to: number): OutputChunk => ({
      rows: to - from,
      columns: [
        {
          name: 'double',
          column: columnOf(
            type,
            numbers.slice(from, to).map((n) => (n % 7n === 0n ? null : Number(n) * 2)),
          ),
        },
      ],
    })
    const chunks = async function* (to: number): AsyncGenerator<OutputChunk> {
      yield chunk(0, 7_000)
      yield chunk(7_000, to)
    }
    const columns = [{ name: 'double', type }]
    const output = { format: 'parquet', folder: join(folder, 'out'), columns } as const
    const { files } = await labels.write({ ...output, chunks: chunks(count) })
    assert.deepEqual(
      files.map((file) => [file.localPath, file.rows]),
      [
        [join(folder, 'out', 'part-00000.parquet'), 7_000],
        [join(folder, 'out', 'part-00001.parquet'), 3_000],
      ],
    )
    const written = await open(folder, {
      labels: { kind: 'files', format: 'parquet', paths: files.map((file) => file.localPath) },
      at: US,
    })
    const [at, double] = [await written.column('at', INT64), await written.column('double', type)]
    await written[Symbol.asyncDispose]()
    for (let row = 0; row < count; row++) {
      assert.equal(columnValue(at, row), BigInt(row))
      assert.equal(columnValue(double, row), row % 7 === 0 ? null : row * 2)
    }
    await assert.rejects(labels.write({ ...output, chunks: chunks(count - 1) }), { code: 'internal' })
  })
})

test('a chunk of many rows becomes files whose bytes are the same each time, whoever writes them', async () => {
  await inFolder(async (folder) => {
    const count = 122_881
    const numbers = Array.from({ length: count + 1 }, (_, index) => BigInt(index))
    const write = async (name: string, copied: boolean, threads: number): Promise<WrittenOutput['files']> => {
      const labels = {
        at: [INT64, numbers] as const,
        // Bytes are written by DuckDB.
        ...(copied && { bytes: [BYTES, numbers.map(() => Uint8Array.of(1))] as const }),
        text: [STRING, numbers.map((number) => (number % 3n === 0n ? null : `${number % 100n}`))] as const,
      }
      const settings = { folders: [folder], tempFolder: join(folder, 'temp'), threads }
      await using session = await openLabels(settings, { labels: rows(labels), at: US, writesTo: folder })
      await mkdir(join(folder, name))
      const chunks = async function* (): AsyncGenerator<OutputChunk> {
        for (const part of [numbers.slice(0, count), numbers.slice(count)]) {
          const column = session.allocate(INT64, part.length)
          for (const [row, number] of part.entries()) setColumnValue(column, row, number)
          const other = columnOf(INT64, part)
          // The second one comes before its turn.
          const columns = [
            { name: 'other', column: other },
            { name: 'same', column, given: true },
            {
              name: 'status',
              column: columnOf(
                STRING,
                part.map((number) => (number === 7n ? null : 'present')),
              ),
            },
          ]
          yield { rows: part.length, columns }
        }
      }
      const columns = [
        { name: 'same', type: INT64 },
        { name: 'other', type: INT64 },
        { name: 'status', type: STRING },
      ]
      const output = { format: 'parquet', folder: join(folder, name), columns, chunks: chunks() } as const
      return (await session.write(output)).files
    }
    for (const [name, copied, sizes] of [
      ['flat', false, [122_881, 1]],
      ['copied', true, [61_441, 61_440, 1]],
    ] as const) {
      const files = await write(`${name}-once`, copied, 2)
      const again = await write(`${name}-twice`, copied, 1)
      assert.deepEqual(
        files.map((file) => [basename(file.localPath), file.rows]),
        sizes.map((size, index) => [`part-0000${index}.parquet`, size]),
      )
      for (const [index, { localPath, bytes, sha256 }] of files.entries()) {
        const read = await readFile(localPath)
        assert.ok(read.equals(await readFile(again[index]!.localPath)))
        assert.equal(bytes, read.length)
        assert.equal(sha256, copied ? undefined : createHash('sha256').update(read).digest('hex'))
      }
      const paths = files.map(({ localPath }) => localPath)
      await using written = await open(folder, {
        labels: { kind: 'files', format: 'parquet', paths },
        at: US,
      })
      const same = await written.column('same', INT64)
      const other = await written.column('other', INT64)
      const text = await written.column('text', STRING)
      const status = await written.column('status', STRING)
      assert.equal(written.rows, count + 1)
      for (let row = 0; row <= count; row++) {
        const [one, two] = [columnValue(same, row), columnValue(other, row)]
        const texts = [columnValue(text, row), columnValue(status, row)]
        const expected = [row % 3 === 0 ? null : `${row % 100}`, row === 7 ? null : 'present']
        const isSame = texts.every((each, index) => each === expected[index])
        if (written.at[row] === row && one === numbers[row] && two === one && isSame) continue
        assert.fail(`row ${row} has another place or value`)
      }
    }
  })
})

test('results that lack a column are refused, in a thread and without one', async () => {
  await inFolder(async (folder) => {
    for (const count of [3, 200_000]) {
      const numbers = Array.from({ length: count }, (_, index) => BigInt(index))
      const labels = rows({ at: [INT64, numbers] })
      await using session = await open(folder, { labels, at: US, writesTo: folder })
      await mkdir(join(folder, String(count)))
      const chunks = async function* (): AsyncGenerator<OutputChunk> {
        yield { rows: count, columns: [{ name: 'b', column: columnOf(INT64, numbers) }] }
      }
      const columns = [
        { name: 'a', type: INT64 },
        { name: 'b', type: INT64 },
      ]
      const output = {
        format: 'parquet',
        folder: join(folder, String(count)),
        columns,
        chunks: chunks(),
      } as const
      await assert.rejects(session.write(output), { code: 'internal', message: /lacks a column. column=`a`/ })
      const elsewhere = { ...output, folder: join(folder, 'nowhere'), chunks: chunks() }
      await assert.rejects(session.write(elsewhere), { code: 'internal', message: /ENOENT/ })
    }
  })
})
