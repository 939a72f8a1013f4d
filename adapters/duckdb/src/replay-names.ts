import type { GroupColumns } from '@asof/core'
import type { PhysicalColumn } from './relation-sql.ts'

/** The schema of a replay's own tables; a query names no schema, so it reaches none of them. */
export const SCHEMA = 'replay'

/** Names of a group's columns in a replay's own tables, where a user's names cannot clash with ours. */
export interface RowNames {
  /** `k0`, `k1` … for the parts of the key. */
  readonly keys: readonly string[]
  /** `f0`, `f1` … for the features. */
  readonly features: readonly string[]
  /** Key and event time: what a row is about. */
  readonly identity: readonly string[]
  /** Key, event time (`e`, BIGINT microseconds), `deleted`, features. */
  readonly all: readonly string[]
}

/** See {@link RowNames}. */
export function rowNames(columns: GroupColumns): RowNames {
  const keys = columns.keys.map((_, at) => `k${at}`)
  const features = columns.features.map((_, at) => `f${at}`)
  return { keys, features, identity: [...keys, 'e'], all: [...keys, 'e', 'deleted', ...features] }
}

/** A beginning of names that no column has: what follows it stands beside a user's columns. */
export function freePrefix(columns: readonly PhysicalColumn[]): string {
  let prefix = 'asof_'
  while (columns.some(({ name }) => name.toLowerCase().startsWith(prefix))) prefix = `_${prefix}`
  return prefix
}
