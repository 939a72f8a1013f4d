import { checkObjectPath } from '@asof/core'
import type {
  DataFile,
  Instant,
  ObjectStore,
  OfflineStore,
  ParquetFiles,
  TableColumn,
  TableSnapshot,
} from '@asof/core'
import { appendTo } from './delta-append.ts'
import { commitNext } from './delta-commit.ts'
import { createDraft, evolveDraft } from './delta-ensure.ts'
import { instantOfMs, versionAt } from './delta-history.ts'
import { localPathOf } from './delta-local.ts'
import { readDeltaLog } from './delta-log.ts'
import { dataFilePath } from './delta-path.ts'
import { schemaOf } from './delta-schema.ts'
import { decodeStats } from './delta-stats.ts'
import type { DeltaLog } from './log-state.ts'
import { NewestLogs } from './newest-logs.ts'

/** What Delta tables are made of. */
export interface DeltaParts {
  /** Where the tables lie; it must give local paths. */
  readonly objects: ObjectStore
  readonly parquet: ParquetFiles
  readonly now: () => Instant
  /** A fresh text that nobody else has, such as a UUID. */
  readonly randomId: () => string
}

/**
 * Delta Lake tables as an offline store: reader version 1, writer version 2, which every Delta engine has.
 *
 * `snapshot` reads the tables of other writers too. Time travel goes by the time in the commits, which only rises.
 *
 * @throws {AsofError} `unsupported_table_feature` for a table that needs what asof does not have; `version_not_found`,
 * `table_not_found`; `corrupt_commit`, `corrupt_checkpoint`, `versions_not_contiguous` naming the file; `invalid_path` for a table
 * that names files outside of it
 * @example
 * ```ts
 * import { randomUUID } from 'node:crypto'
 * import { Readable } from 'node:stream'
 *
 * const parts = { objects: diskObjectStore('tables'), parquet: parquetFiles, now: () => now, randomId: randomUUID }
 * const tables = deltaTables(parts)
 * const delay = { name: 'delay', type: { kind: 'int32' }, nullable: true } as const
 * await tables.ensure('flights/departures/v1', { columns: [delay], partitionBy: [] })
 * const rows = Readable.from([{ rows: 2, columns: { delay: columnOf(delay.type, [7, null]) } }])
 * await tables.append('flights/departures/v1', { rows, writers: [{ writer: 'log', sequence: 1 }], sortBy: [] })
 * ```
 */
export function deltaTables(parts: DeltaParts): OfflineStore {
  const { objects } = parts
  const newest = new NewestLogs(parts)
  const snapshots = new WeakMap<DeltaLog, TableSnapshot>()
  const snapshotOf = (table: string, log: DeltaLog): TableSnapshot => {
    const snapshot = snapshots.get(log) ?? makeSnapshot(objects, table, log)
    snapshots.set(log, snapshot)
    return snapshot
  }
  return {
    async ensure(table, schema) {
      await commitNext(parts, newest, checkObjectPath(table), (log) =>
        log === undefined ? createDraft(table, schema, parts.randomId()) : evolveDraft(table, schema, log),
      )
    },

    append: (table, request) => appendTo({ ...parts, newest }, checkObjectPath(table), request),

    async snapshot(table, at) {
      checkObjectPath(table)
      const log = at === undefined ? await newest.read(table) : undefined
      if (at === undefined) return log === undefined ? undefined : snapshotOf(table, log)
      if ((await newest.read(table)) === undefined) return undefined
      const found = 'instant' in at ? await versionAt(objects, table, at.instant) : { version: at.version }
      const then = await readDeltaLog(parts, table, found)
      if (then === undefined) return undefined
      const snapshot = snapshotOf(table, then)
      return 'committed' in found ? { ...snapshot, committed: found.committed } : snapshot
    },

    async tables(prefix = '') {
      const names: string[] = []
      for await (const name of tableNames(objects, prefix)) names.push(name)
      return names
    },
  }
}

function makeSnapshot(objects: ObjectStore, table: string, log: DeltaLog): TableSnapshot {
  const schema = schemaOf(log.metadata, table)
  const partitioned = schema.columns.filter(({ name }) => schema.partitionBy.includes(name))
  const files = [...log.files.values()].map((add): DataFile => {
    const constants: Record<string, string | undefined> = {}
    for (const column of partitioned)
      constants[column.name] = constantOf(column, add.partitionValues[column.name])
    return {
      localPath: localPathOf(objects, dataFilePath(table, add.path)),
      bytes: add.size,
      constants,
      ...decodeStats(add.stats, schema.columns),
    }
  })
  return {
    table,
    version: log.version,
    committed: instantOfMs(log.timestamp),
    schema,
    files,
    writers: new Map([...log.txns.values()].map(({ appId, version }) => [appId, Number(version)])),
  }
}

/** A partition value as text, the empty one being null as the protocol has it; bytes as `\xf0\x9f`. */
function constantOf({ type }: TableColumn, value: string | null | undefined): string | undefined {
  if (value === null || value === undefined || value === '') return undefined
  if (type.kind !== 'bytes') return value
  return Array.from(Buffer.from(value), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

/** Names of tables in order. Once a table is seen, what else lies in its folder is passed over. */
async function* tableNames(objects: ObjectStore, prefix: string): AsyncGenerator<string> {
  let after: string | undefined
  for (;;) {
    const table = await firstTable(objects, prefix, after)
    if (table === undefined) return
    yield table
    after = `${table}/\u{10FFFF}`
  }
}

async function firstTable(
  objects: ObjectStore,
  prefix: string,
  after: string | undefined,
): Promise<string | undefined> {
  for await (const { path } of objects.list(prefix, after === undefined ? {} : { after })) {
    const end = path.indexOf('/_delta_log/')
    if (end > 0) return path.slice(0, end)
  }
  return undefined
}
