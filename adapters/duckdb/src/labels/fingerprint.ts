import { createHash } from 'node:crypto'
import type { Column, FeatureType } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { run } from '../database.ts'
import type { OpenLabels } from './open-labels.ts'
import { identifier } from '../sql-text.ts'
import { readColumn } from '../vectors.ts'

/** Types that are hashed as the bytes of their values; all others as text. */
const AS_BYTES: Readonly<Record<string, FeatureType>> = {
  BOOLEAN: { kind: 'bool' },
  INTEGER: { kind: 'int32' },
  BIGINT: { kind: 'int64' },
  FLOAT: { kind: 'float32' },
  DOUBLE: { kind: 'float64' },
  'TIMESTAMP WITH TIME ZONE': { kind: 'timestamp' },
}

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

async function hashRows({ columns, call }: OpenLabels, connection: DuckDBConnection): Promise<string> {
  const types = columns.map(({ physical }): FeatureType => AS_BYTES[physical] ?? { kind: 'string' })
  const selected = columns.map(({ name, physical }) =>
    Object.hasOwn(AS_BYTES, physical) ? identifier(name) : `CAST(${identifier(name)} AS VARCHAR)`,
  )
  const hashes = columns.map(() => ({ nulls: createHash('sha256'), values: createHash('sha256') }))
  // A scan of one table keeps the order of its rows.
  const result = await run(connection, `SELECT ${selected.join(', ')} FROM labels`, call)
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    const all = new Uint8Array(chunk.rowCount).fill(1)
    for (const [index, type] of types.entries()) {
      const column = readColumn(chunk.getColumnVector(index), type)
      hashes[index]!.nulls.update(column.valid ?? all)
      hashes[index]!.values.update(bytesOf(column))
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
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  if (valid === undefined) return bytes
  // What stands where there is no value means nothing.
  const width = values.BYTES_PER_ELEMENT
  for (let row = 0; row < valid.length; row++)
    if (valid[row] === 0) bytes.fill(0, row * width, (row + 1) * width)
  return bytes
}
