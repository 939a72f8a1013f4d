import type { Column, FeatureType, LongCall } from '@asof/core'
import { INSTANT_MAX, INSTANT_MIN } from '@asof/core'
import { run } from '../database.ts'
import type { Database } from '../database.ts'
import type { PhysicalColumn } from '../relation-sql.ts'
import { identifier } from '../sql-text.ts'
import { flatTypeOf, flatWidth } from './column-pool.ts'
import { fetchColumns } from './fetch.ts'
import type { KeyWords } from './key-table.ts'

/** DuckDB's names of the types that are the same bytes here. */
export const FLAT_PHYSICAL: Readonly<Record<string, FeatureType>> = {
  BOOLEAN: { kind: 'bool' },
  INTEGER: { kind: 'int32' },
  BIGINT: { kind: 'int64' },
  FLOAT: { kind: 'float32' },
  DOUBLE: { kind: 'float64' },
  'TIMESTAMP WITH TIME ZONE': { kind: 'timestamp' },
}

/** Bytes beyond which label columns are not kept in memory. */
const BYTES_MAX = 2 ** 28

/**
 * Label columns of flat types by name: read once, for their times, their keys, their fingerprint and the output. None where they
 * are too many; other types are read when they are needed.
 */
export async function readLabelColumns(
  { connection }: Pick<Database, 'connection'>,
  columns: readonly PhysicalColumn[],
  rows: number,
  call: LongCall,
): Promise<ReadonlyMap<string, Column>> {
  const flat = columns.filter(({ physical }) => Object.hasOwn(FLAT_PHYSICAL, physical))
  const types = flat.map(({ physical }) => FLAT_PHYSICAL[physical]!)
  const bytes = types.reduce((sum, type) => sum + flatWidth(flatTypeOf(type)!) + 1, 0) * rows
  if (flat.length === 0 || bytes > BYTES_MAX) return new Map()
  // A scan of one table keeps the order of its rows.
  const selected = flat.map(({ name }) => identifier(name)).join(', ')
  const read = await fetchColumns(await run(connection, `SELECT ${selected} FROM labels`, call), types)
  return new Map(read.columns.map((column, index) => [flat[index]!.name, column]))
}

/** A column's instants as numbers; undefined where a row has none, which is to be told with its row. */
export function instantsOf({ type, values, valid }: Column): Float64Array | undefined {
  if (type.kind !== 'timestamp' || valid !== undefined || !(values instanceof BigInt64Array)) return undefined
  const words = wordsOf(values)
  const at = new Float64Array(values.length)
  for (let row = 0; row < at.length; row++) {
    const micros = longAt(words, row)
    if (!(micros >= INSTANT_MIN && micros <= INSTANT_MAX)) return undefined
    at[row] = micros
  }
  return at
}

/** How many numbers there may be between the least and the greatest key, for each label. */
const SPREAD_MAX = 8
/** Numbers beyond this are not told apart as they are added to. */
const EXACT_MAX = 2 ** 52

/** The distinct keys of one column of integers that lie close together, numbered in their order; undefined for others. */
export function closeKeys(
  name: string,
  { type, values, valid }: Column,
): { readonly ids: Int32Array; readonly keys: KeyWords } | undefined {
  const wide = values instanceof BigInt64Array
  if (!wide && !(values instanceof Int32Array)) return undefined
  if (type.kind !== 'int64' && type.kind !== 'int32') return undefined
  const rows = values.length
  const words = wordsOf(values)
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  for (let row = 0; row < rows; row++) {
    if (valid !== undefined && valid[row] === 0) continue
    const key = wide ? longAt(words, row) : words[row]!
    if (key < least) least = key
    if (key > greatest) greatest = key
  }
  const spread = greatest - least + 1
  if (!(spread >= 1 && spread <= rows * SPREAD_MAX && Math.max(-least, greatest) < EXACT_MAX))
    return undefined
  const idOf = new Int32Array(spread)
  for (let row = 0; row < rows; row++)
    if (valid === undefined || valid[row] === 1) idOf[(wide ? longAt(words, row) : words[row]!) - least] = 1
  let count = 0
  for (let place = 0; place < spread; place++) idOf[place] = idOf[place] === 1 ? count++ : -1
  const width = wide ? 2 : 1
  const found = new Int32Array(new SharedArrayBuffer(count * width * 4))
  for (let place = 0; place < spread; place++) {
    const id = idOf[place]!
    if (id < 0) continue
    const key = least + place
    found[id * width] = key
    if (wide) found[id * width + 1] = Math.floor(key / 4294967296)
  }
  const ids = new Int32Array(rows).fill(-1)
  for (let row = 0; row < rows; row++)
    if (valid === undefined || valid[row] === 1)
      ids[row] = idOf[(wide ? longAt(words, row) : words[row]!) - least]!
  return { ids, keys: { name, count, width, words: found, texts: [undefined] } }
}

function wordsOf(values: BigInt64Array | Int32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4)
}

function longAt(words: Int32Array, row: number): number {
  return words[2 * row + 1]! * 4294967296 + (words[2 * row]! >>> 0)
}
