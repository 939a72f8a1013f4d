import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { columnOf, columnValue } from '@asof/core'
import type { ColumnBatch, Instant, OfflineStore, ParquetFiles } from '@asof/core'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { playedRole, startRole, tell } from '@asof/testing'
import { deltaTables } from './delta-tables.ts'

const COLUMN = { name: 'a', type: { kind: 'string' }, nullable: false } as const

function open(folder: string): { readonly tables: OfflineStore; readonly parquet: ParquetFiles } {
  const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: join(folder, 'duckdb'), threads: 1 })
  const objects = diskObjectStore(join(folder, 'store'))
  const now = (): Instant => (Date.now() * 1_000) as Instant
  return { tables: deltaTables({ objects, parquet, now, randomId: randomUUID }), parquet }
}

async function* rowOf(text: string): AsyncGenerator<ColumnBatch> {
  yield { rows: 1, columns: { a: columnOf(COLUMN.type, [text]) } }
}

/** Appends one row for each sequence, and tells each that is acknowledged. */
async function append(folder: string, writer: string, from: string, to: string, bytes = '0'): Promise<void> {
  const { tables } = open(folder)
  tell('ready')
  for (let sequence = Number(from); sequence <= Number(to); sequence++) {
    const rows = rowOf(`${writer} ${sequence} ${randomBytes(Number(bytes)).toString('hex')}`)
    await tables.append('t', { rows, writers: [{ writer, sequence }], sortBy: [] }).then(
      () => tell(String(sequence)),
      (error: { code?: string }) => tell(`failed ${error.code}`),
    )
  }
}

async function withTable(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-processes-'))
  try {
    await open(folder).tables.ensure('t', { columns: [COLUMN], partitionBy: [] })
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function contentOf(folder: string): Promise<{ readonly version: number; readonly rows: string[] }> {
  const { tables, parquet } = open(folder)
  const snapshot = await tables.snapshot('t')
  assert.ok(snapshot)
  const rows: string[] = []
  for await (const { rows: count, columns } of parquet.read(snapshot.files, [COLUMN])) {
    for (let row = 0; row < count; row++) rows.push(columnValue(columns['a']!, row) as string)
  }
  return { version: snapshot.version, rows: rows.sort() }
}

const file = import.meta.filename

if (!(await playedRole({ append }))) {
  describe('processes that write one table', () => {
    it('lose none of their appends, in versions without a gap', () =>
      withTable(async (folder) => {
        const players = ['w0', 'w1', 'w2'].map((writer) =>
          startRole(file, 'append', [folder, writer, '1', '20']),
        )
        for (const player of players) {
          assert.equal(await player.ended(), 0)
          assert.equal(player.told.length, 21)
        }
        const { version, rows } = await contentOf(folder)
        assert.equal(version, 60)
        assert.equal(new Set(rows).size, 60)
        assert.equal(rows.length, 60)
      }))

    it('and are killed keep what was acknowledged, and a retry doubles nothing', () =>
      withTable(async (folder) => {
        let acknowledged = 0
        for (let round = 0; round < 5; round++) {
          const player = startRole(file, 'append', [folder, 'w', String(acknowledged + 1), '999'])
          for (let line = 0; line < 2 + round; line++) await player.next()
          await player.kill()
          acknowledged = Math.max(acknowledged, ...player.told.slice(1).map(Number))
          const { rows } = await contentOf(folder)
          // One more may be there, whose acknowledgement did not get out.
          assert.ok(
            rows.length === acknowledged || rows.length === acknowledged + 1,
            `${rows.length} of ${acknowledged}`,
          )
          const sequences = rows.map((row) => Number(row.split(' ')[1])).sort((a, b) => a - b)
          assert.deepEqual(
            sequences,
            sequences.map((_, index) => index + 1),
          )
        }
      }))

    it('and find the disk full fail without a trace, and go on when there is space', () =>
      withTable(async (folder) => {
        const args = [folder, 'w', '1', '2', '100000']
        const full = startRole(file, 'append', args, { fileBytesMax: 65_536 })
        assert.equal(await full.ended(), 0)
        assert.deepEqual(
          full.told.map((line) => line.split(' ')[0]),
          ['ready', 'failed', 'failed'],
        )
        assert.deepEqual(await readdir(join(folder, 'store', 't')), ['_delta_log'])
        assert.deepEqual((await contentOf(folder)).rows, [])
        const roomy = startRole(file, 'append', args)
        assert.equal(await roomy.ended(), 0)
        assert.equal((await contentOf(folder)).rows.length, 2)
      }))
  })
}
