import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { columnValue } from '@asof/core'
import type { ParquetFiles, TableColumn, TableSnapshot } from '@asof/core'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { readDeltaLog } from './delta-log.ts'
import { deltaTables } from './delta-tables.ts'

/** The Delta acceptance tables, in a folder beside the repository. */
function findCases(): string | undefined {
  for (let at = import.meta.dirname; at !== dirname(at); at = dirname(at)) {
    const folder = join(at, 'shared', 'delta-dat')
    if (existsSync(folder)) return folder
  }
  return undefined
}

const cases = findCases()

describe(
  'delta acceptance tables',
  { skip: cases === undefined ? 'shared/delta-dat is not beside the repository' : false },
  () => {
    if (cases === undefined) return
    const names = readdirSync(cases).filter((name) => existsSync(join(cases, name, 'expected')))

    it('are eleven', () => assert.equal(names.length, 11))

    for (const name of names) {
      for (const version of readdirSync(join(cases, name, 'expected'))) {
        it(`${name} at ${version}`, async () => {
          const temporary = await mkdtemp(join(tmpdir(), 'asof-dat-'))
          try {
            const parquet = duckdbParquetFiles({ folders: [cases], tempFolder: temporary })
            const objects = diskObjectStore(cases)
            const tables = deltaTables({ objects, parquet, now: () => 0 as never, randomId: randomUUID })
            const expected = join(cases, name, 'expected', version)
            const metadata = JSON.parse(
              readFileSync(join(expected, 'table_version_metadata.json'), 'utf8'),
            ) as {
              version: number
              min_reader_version: number
              min_writer_version: number
            }
            const at = version === 'latest' ? undefined : { version: Number(version.slice(1)) }
            const log = await readDeltaLog({ objects, parquet }, `${name}/delta`, at)
            assert.deepEqual(
              [log?.version, log?.protocol.minReaderVersion, log?.protocol.minWriterVersion],
              [metadata.version, metadata.min_reader_version, metadata.min_writer_version],
            )
            const snapshot = await tables.snapshot(`${name}/delta`, at)
            assert.ok(snapshot)
            const { columns } = snapshot.schema
            const content = join(expected, 'table_content')
            const files = readdirSync(content)
              .filter((file) => file.endsWith('.parquet'))
              .map((file) => ({ localPath: join(content, file), constants: {} }))
            const wanted = await rowsOf(parquet, files, columns)
            assert.ok(wanted.length > 0 || version === 'v0')
            assert.deepEqual(await rowsOf(parquet, snapshot.files, columns), wanted)
          } finally {
            await rm(temporary, { recursive: true, force: true })
          }
        })
      }
    }
  },
)

async function rowsOf(
  parquet: ParquetFiles,
  files: Pick<TableSnapshot['files'][number], 'localPath' | 'constants'>[] | TableSnapshot['files'],
  columns: readonly TableColumn[],
): Promise<string[]> {
  const rows: string[] = []
  if (files.length === 0) return rows
  for await (const batch of parquet.read(files, columns)) {
    for (let row = 0; row < batch.rows; row++) {
      const values = columns.map(({ name }) => {
        const column = batch.columns[name]
        assert.ok(column, name)
        return columnValue(column, row)
      })
      rows.push(
        JSON.stringify(values, (_key, value: unknown) =>
          typeof value === 'bigint' ? `${value}n` : value instanceof Map ? [...value] : value,
        ),
      )
    }
  }
  return rows.sort()
}
