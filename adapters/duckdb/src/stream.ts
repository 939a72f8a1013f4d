import { AsofError } from '@asof/core'
import type { ColumnBatch } from '@asof/core'
import { interruptible } from './database.ts'
import type { Database } from './database.ts'
import { readBatch, readColumn } from './vectors.ts'
import type { TypedColumn } from './vectors.ts'

/**
 * Rows of a query in order, in batches of up to 2,048, while it runs. Its columns are the given ones in this order, each
 * of `sqlType(type)`.
 *
 * DuckDB ends a stream without a word when the query fails or is interrupted in its middle. So each stream has a
 * connection of its own and a last row of ours, and one that ends without that row is an error, never a short answer.
 *
 * @throws {AsofError} `stream_cut_off`, `query_failed`; or the signal's reason
 */
export async function* streamQuery(
  database: Database,
  sql: string,
  columns: readonly TypedColumn[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<ColumnBatch> {
  const { signal } = options
  const call = signal === undefined ? {} : { signal }
  const connection = await database.connect()
  try {
    const ending = `SELECT *, false AS "__end" FROM (\n${sql}\n) UNION ALL BY NAME SELECT true AS "__end"`
    const result = await interruptible(connection, () => connection.stream(ending), call)
    let ended = false
    for (;;) {
      const chunk = await interruptible(connection, () => result.fetchChunk(), call)
      if (chunk === null || chunk.rowCount === 0) break
      if (ended) throw cutOff('rows came after the end')
      const end = readColumn(chunk.getColumnVector(columns.length), { kind: 'bool' }).values as Uint8Array
      const last = end.indexOf(1)
      ended = last >= 0
      if (ended && last !== chunk.rowCount - 1) throw cutOff('rows came after the end')
      const batch = readBatch(chunk, columns)
      if (!ended) yield batch
      else if (last > 0) yield firstRows(batch, last)
    }
    signal?.throwIfAborted()
    if (!ended) throw cutOff('it ended before its last row')
  } finally {
    connection.closeSync()
  }
}

function firstRows(batch: ColumnBatch, rows: number): ColumnBatch {
  const columns = Object.entries(batch.columns).map(([name, { type, values, valid }]) => {
    const kept = valid?.slice(0, rows)
    return [
      name,
      { type, values: values.slice(0, rows), valid: kept?.includes(0) === true ? kept : undefined },
    ] as const
  })
  return { rows, columns: Object.fromEntries(columns) }
}

function cutOff(how: string): AsofError {
  return new AsofError(
    'unavailable',
    'stream_cut_off',
    'the result stream of a query was cut off: try again',
    { how },
  )
}
