// Proves the Delta tables by a reader that shares no code with asof: makes a Python environment with the package
// `deltalake` (once, in .cache), lets the tests of the Delta adapter write their tables, and compares every one of them
// row by row, at the newest and at an older version. Then it lets that package append, and reads and appends after it.
//
//   npm run delta:readers                               tables that the tests write now
//   ASOF_DELTA_TABLES=folder npm run delta:readers      tables that are there
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { columnOf, columnValue } from '@asof/core'
import type {
  ColumnBatch,
  FeatureType,
  Instant,
  OfflineStore,
  ParquetFiles,
  TableColumn,
  Value,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'

const REQUIREMENTS = ['deltalake==1.6.6', 'pyarrow==26.0.1']

const root = dirname(import.meta.dirname)
const work = mkdtempSync(join(tmpdir(), 'asof-readers-'))
try {
  const python = environment()
  const given = process.env['ASOF_DELTA_TABLES']
  const folder = given === undefined ? join(work, 'tables') : resolve(given)
  if (given === undefined) writeTables(folder)
  if (!existsSync(folder)) throw new Error(`there is no such folder: ${folder}`)
  await compareAll(python, folder)
  await takeTurns(python, join(work, 'turns'))
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** The Python of an environment with the packages. */
function environment(): string {
  const folder = join(root, '.cache', 'venv-delta')
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const stamp = join(folder, `${REQUIREMENTS.join('-')}.installed`)
  if (existsSync(stamp)) return python
  console.log(`installing ${REQUIREMENTS.join(' and ')} in .cache/venv-delta (once)`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(dirname(folder), { recursive: true })
  execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...REQUIREMENTS]
  execFileSync(python, pip, { stdio: 'inherit' })
  writeFileSync(stamp, '')
  return python
}

/** The conformance suite writes them: every type, nulls, NaN, partitions, added columns, checkpoints, racing writers, faults. */
function writeTables(folder: string): void {
  console.log('writing tables: the tests of the Delta adapter')
  mkdirSync(folder, { recursive: true })
  const tests = join(root, 'adapters', 'delta', 'src', 'delta-tables.test.ts')
  execFileSync(
    process.execPath,
    ['--conditions=source', '--test', '--test-isolation=none', '--test-reporter=dot', tests],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ASOF_DELTA_TABLES: folder } },
  )
}

async function compareAll(python: string, folder: string): Promise<void> {
  const { store, parquet } = openTables(folder)
  const names = await store.tables()
  if (names.length === 0) throw new Error(`there are no tables in ${folder}`)
  console.log(`comparing ${names.length} tables`)
  const manifest: object[] = []
  for (const table of names) {
    const newest = (await store.snapshot(table))?.version ?? 0
    for (const version of new Set([newest, newest >> 1])) {
      const columns = (await store.snapshot(table, { version }))?.schema.columns ?? []
      const rows = join(work, `${manifest.length}.jsonl`)
      const lines = await rowsOf(store, parquet, table, version)
      writeFileSync(rows, lines.map((line) => `${line}\n`).join(''))
      const path = join(folder, ...table.split('/'))
      manifest.push({ table, path, version, rows, columns: columns.map(({ name }) => name) })
    }
  }
  const file = join(work, 'manifest.json')
  writeFileSync(file, JSON.stringify(manifest))
  runPython(python, 'compare', file)
}

/** We write, they append, we read that and append again, they read it all. */
async function takeTurns(python: string, folder: string): Promise<void> {
  const { store, parquet } = openTables(folder)
  const columns: TableColumn[] = [
    { name: 'k', type: { kind: 'string' }, nullable: true },
    { name: 'v', type: { kind: 'vector', size: 2 }, nullable: true },
  ]
  await store.ensure('t', { columns, partitionBy: [] })
  const append = async (sequence: number): Promise<void> => {
    async function* rows(): AsyncGenerator<ColumnBatch> {
      const values = { k: [`ours${sequence}`], v: [new Float32Array([sequence, 0.1])] }
      const batch = columns.map(({ name, type }) => [name, columnOf(type, values[name as 'k' | 'v'])])
      yield { rows: 1, columns: Object.fromEntries(batch) }
    }
    await store.append('t', { rows: rows(), writers: [{ writer: 'ours', sequence }], sortBy: ['k'] })
  }
  for (let sequence = 1; sequence <= 12; sequence++) await append(sequence)
  runPython(python, 'append', join(folder, 't'), '12')
  const read = await rowsOf(store, parquet, 't')
  if (read.length !== 24) throw new Error(`after their 12 appends to our 12 rows we read ${read.length}`)
  for (let sequence = 11; sequence <= 14; sequence++) await append(sequence)
  const again = await rowsOf(store, parquet, 't')
  if (again.length !== 26)
    throw new Error(`after two more appends and two repeated ones we read ${again.length}`)
  await compareAll(python, folder)
  console.log('they append to our tables, and we after them')
}

function openTables(folder: string): { readonly store: OfflineStore; readonly parquet: ParquetFiles } {
  const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: join(work, 'duckdb') })
  const now = (): Instant => (Date.now() * 1_000) as Instant
  return {
    store: deltaTables({ objects: diskObjectStore(folder), parquet, now, randomId: randomUUID }),
    parquet,
  }
}

function runPython(python: string, ...args: string[]): void {
  try {
    execFileSync(python, [join(root, 'scripts', 'delta-readers.py'), ...args], { stdio: 'inherit' })
  } catch {
    throw new Error(`delta-readers.py ${args[0]} failed, see above`)
  }
}

/** Rows in the form of delta-readers.py. */
async function rowsOf(
  store: OfflineStore,
  parquet: ParquetFiles,
  table: string,
  version?: number,
): Promise<string[]> {
  const snapshot = await store.snapshot(table, version === undefined ? undefined : { version })
  const lines: string[] = []
  if (snapshot === undefined || snapshot.files.length === 0) return lines
  const { columns } = snapshot.schema
  for await (const batch of parquet.read(snapshot.files, columns)) {
    for (let row = 0; row < batch.rows; row++) {
      const values = columns.map(({ name, type }) => {
        const column = batch.columns[name]
        return column === undefined ? null : canonical(type, columnValue(column, row))
      })
      lines.push(JSON.stringify(values))
    }
  }
  return lines
}

function canonical(type: FeatureType, value: Value | null): unknown {
  if (value === null) return null
  switch (type.kind) {
    case 'bool':
    case 'string':
      return value
    case 'int32':
    case 'int64':
    case 'timestamp':
      return (value as number | bigint).toString()
    case 'float32':
    case 'float64':
      return bits(type.kind, Number(value))
    case 'bytes':
      return Buffer.from(value as Uint8Array).toString('hex')
    case 'vector':
      return Array.from(value as Float32Array, (number) => bits('float32', number))
    case 'list':
      return (value as readonly Value[]).map((item) => canonical(type.element, item))
    case 'map':
      return [...(value as ReadonlyMap<string, Value | null>)]
        .map(([key, item]) => [key, canonical(type.value, item)] as const)
        .sort(([a], [b]) => (codePointsBefore(a, b) ? -1 : 1))
    case 'struct': {
      const fields = value as Readonly<Record<string, Value | null>>
      return Object.entries(type.fields).map(([name, field]) => canonical(field, fields[name] ?? null))
    }
    default:
      return type satisfies never
  }
}

/** Python orders text by code point, JavaScript by UTF-16 unit. */
function codePointsBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}

function bits(kind: 'float32' | 'float64', value: number): string {
  if (Number.isNaN(value)) return 'nan'
  const bytes = Buffer.alloc(kind === 'float32' ? 4 : 8)
  if (kind === 'float32') bytes.writeFloatBE(value)
  else bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}
