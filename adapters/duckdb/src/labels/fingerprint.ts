import { createHash } from 'node:crypto'
import type { Column, FeatureType } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { run } from '../database.ts'
import { FLAT_PHYSICAL } from './label-columns.ts'
import type { OpenLabels } from './open-labels.ts'
import { identifier } from '../sql-text.ts'
import { readColumn } from '../vectors.ts'

/**
 * SHA-256 over the names, types, nulls and values of the label columns, rows in order. How DuckDB cuts its result into
 * chunks does not matter: each column has its own hashes, which are put together at the end.
 */
export async function fingerprintOf(open: OpenLabels): Promise<string> {
  // Others read and write at the same time.
  const connection = await open.database.connect()
  try {
    return await hashRows(open, connection)
  } finally {
    connection.closeSync()
  }
}

async function hashRows(
  { columns, call, rows, read }: OpenLabels,
  connection: DuckDBConnection,
): Promise<string> {
  const hashes = columns.map(() => ({ nulls: createHash('sha256'), values: createHash('sha256') }))
  const add = (index: number, column: Column, rows: number): void => {
    hashes[index]!.nulls.update(column.valid ?? new Uint8Array(rows).fill(1))
    hashes[index]!.values.update(bytesOf(column))
  }
  const rest: { readonly index: number; readonly type: FeatureType; readonly sql: string }[] = []
  for (const [index, { name, physical }] of columns.entries()) {
    const known = read.get(name)
    const type = FLAT_PHYSICAL[physical]
    const sql = type === undefined ? `CAST(${identifier(name)} AS VARCHAR)` : identifier(name)
    // All others are hashed as text.
    if (known === undefined) rest.push({ index, type: type ?? { kind: 'string' }, sql })
    else add(index, known, rows)
  }
  if (rest.length > 0) {
    // A scan of one table keeps the order of its rows.
    const result = await run(connection, `SELECT ${rest.map(({ sql }) => sql).join(', ')} FROM labels`, call)
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      for (const [place, { index, type }] of rest.entries())
        add(index, readColumn(chunk.getColumnVector(place), type), chunk.rowCount)
    }
  }
  const whole = createHash('sha256')
  for (const [index, { name, physical }] of columns.entries()) {
    const { nulls, values } = hashes[index]!
    whole.update(JSON.stringify([name, physical, nulls.digest('hex'), values.digest('hex')]))
  }
  return whole.digest('hex')
}

function bytesOf({ values, valid }: Column): Uint8Array | string {
  // The length in front keeps texts apart, whatever is in them.
  if (Array.isArray(values)) {
    return values
      .map((value) => (value === null ? '' : `${(value as string).length}:${value as string}`))
      .join('')
  }
  const all = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  if (valid === undefined) return all
  const bytes = all.slice()
  // What stands where there is no value means nothing.
  const width = values.BYTES_PER_ELEMENT
  for (let row = 0; row < valid.length; row++)
    if (valid[row] === 0) bytes.fill(0, row * width, (row + 1) * width)
  return bytes
}
