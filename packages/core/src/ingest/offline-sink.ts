import { decodeStamp } from '../codec/stamp.ts'
import { decodeEntityKey } from '../codec/entity-key.ts'
import { allocateColumn, setColumnValue, type Column, type ColumnBatch } from '../model/column.ts'
import { groupId } from '../model/definition.ts'
import type { LogRecord } from '../ports/event-log.ts'
import type { AppendRequest, OfflineStore } from '../ports/offline-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Staging } from '../ports/staging.ts'
import type { GroupPlan } from './group-plan.ts'
import { groupSortOrder, groupTableSchema, TABLE_COLUMNS } from './group-table.ts'
import { decodeLogBody, schemaOf, type BatchBody, type GroupName, type RowsBody } from './log-record.ts'
import { timesOf } from './online-sink.ts'

/** The writer under which this log's only partition stands in every table. */
export const LOG_WRITER = 'log-0'
/** The writer whose sequence is the last run instant recorded in a scheduled group's table. */
export const RUNS_WRITER = 'runs'

/** The parts that the sink works on. */
export interface OfflineSinkParts {
  readonly offline: OfflineStore
  readonly parquet: ParquetFiles
  readonly staging: Staging
  /** As of the online sink. */
  groupPlan(name: GroupName, schema?: number): Promise<GroupPlan | undefined>
}

/**
 * Follows the log into the tables: every row ever, each exactly once.
 *
 * Invariants: 1. rows of pushes that lie side by side become one commit per table; a batch is a commit of its own, with
 * its runs recorded in it; 2. each commit carries the log position that it brings its table to, so a record that is
 * applied again is skipped by the table itself.
 */
export class OfflineSink {
  readonly #parts: OfflineSinkParts

  constructor(parts: OfflineSinkParts) {
    this.#parts = parts
  }

  /** Applies records in order. */
  async apply(given: readonly LogRecord[]): Promise<void> {
    const pushed = new Map<string, { plan: GroupPlan; records: { record: LogRecord; body: RowsBody }[] }>()
    const flush = async (table: string): Promise<void> => {
      const waiting = pushed.get(table)
      pushed.delete(table)
      if (waiting !== undefined) await this.#appendRows(waiting.plan, waiting.records)
    }
    for (const record of given) {
      const body = decodeLogBody(record.body)
      const plan = await this.#parts.groupPlan(body, schemaOf(body))
      if (plan === undefined) continue
      if (body.kind === 'rows') {
        const records = pushed.get(plan.offlineTable)?.records ?? []
        records.push({ record, body })
        // The plan of the last record: it knows the schemas of all before it.
        pushed.set(plan.offlineTable, { plan, records })
      } else {
        await flush(plan.offlineTable)
        await this.#appendBatch(plan, record, body)
      }
    }
    for (const table of Array.from(pushed.keys())) await flush(table)
  }

  async #appendRows(
    plan: GroupPlan,
    records: readonly { record: LogRecord; body: RowsBody }[],
  ): Promise<void> {
    const last = records.at(-1)!.record
    await this.#append(plan, last.position, {
      rows: single(pushedBatch(plan, records)),
      info: { rows: records.reduce((sum, { body }) => sum + body.rows.length, 0) },
    })
  }

  async #appendBatch(plan: GroupPlan, record: LogRecord, body: BatchBody): Promise<void> {
    const { staging, parquet } = this.#parts
    const writers =
      body.runsThrough === undefined ? [] : [{ writer: RUNS_WRITER, sequence: body.runsThrough }]
    const info = { rows: body.rows }
    if (body.file === undefined) return this.#append(plan, record.position, { info }, writers)
    const { columns, partitionBy } = groupTableSchema(plan.group)
    if (body.created === 'file' && body.sequence === 'file' && partitionBy.length === 0) {
      if (!(await staging.exists(body.file))) return // Applied and cleared by an earlier owner of the lease.
      const files = [{ localPath: staging.localPath(await staging.share(body.file)) }]
      return this.#append(plan, record.position, { files, info }, writers)
    }
    const stored = columns.filter((column) => column.partitionOf === undefined)
    const read = parquet.read([{ localPath: staging.localPath(body.file), constants: {} }], stored)
    return this.#append(plan, record.position, { rows: stamped(read, record, body), info }, writers)
  }

  async #append(
    plan: GroupPlan,
    position: number,
    what: Pick<AppendRequest, 'rows' | 'files' | 'info'>,
    writers: AppendRequest['writers'] = [],
  ): Promise<void> {
    const { offline } = this.#parts
    await offline.ensure(plan.offlineTable, groupTableSchema(plan.group))
    await offline.append(plan.offlineTable, {
      ...what,
      info: { ...what.info, group: groupId(plan.group.definition) },
      writers: [{ writer: LOG_WRITER, sequence: position }, ...writers],
      sortBy: groupSortOrder(plan.group),
    })
  }
}

/** Pushed rows as columns of the group's table. */
export function pushedBatch(
  plan: GroupPlan,
  records: readonly { readonly record: LogRecord; readonly body: RowsBody }[],
): ColumnBatch {
  const rows = records.reduce((sum, { body }) => sum + body.rows.length, 0)
  const keys = plan.keyTypes.map((type) => allocateColumn(type, rows))
  const features = plan.group.definition.features.map((feature) => allocateColumn(feature.type, rows))
  const times = [0, 1, 2].map(() => new BigInt64Array(rows)) as [BigInt64Array, BigInt64Array, BigInt64Array]
  const deleted = new Uint8Array(rows)
  let at = 0
  for (const { record, body } of records) {
    body.rows.forEach(({ entityKey, row }, index) => {
      const key = decodeEntityKey(plan.keyTypes, entityKey)
      keys.forEach((column, part) => setColumnValue(column, at, key[part] ?? null))
      const decoded = plan.reader.decode(row)
      features.forEach((column, feature) => setColumnValue(column, at, decoded.values[feature] ?? null))
      times[0][at] = BigInt(decodeStamp(row).e)
      times[1][at] = BigInt(record.at)
      times[2][at] = BigInt(record.position + index)
      deleted[at] = decoded.deleted ? 1 : 0
      at++
    })
  }
  const columns: Record<string, Column> = {}
  plan.group.entity.keys.forEach((key, part) => (columns[key.name] = keys[part]!))
  Object.assign(columns, timeColumns(...times))
  columns[TABLE_COLUMNS.deleted] = { type: { kind: 'bool' }, values: deleted, valid: undefined }
  plan.group.definition.features.forEach((feature, index) => (columns[feature.name] = features[index]!))
  return { rows, columns }
}

async function* stamped(
  batches: AsyncIterable<ColumnBatch>,
  record: LogRecord,
  body: BatchBody,
): AsyncGenerator<ColumnBatch> {
  for await (const batch of batches) {
    const times = timesOf(batch, record, body)
    const [e, c, s] = [0, 1, 2].map(() => new BigInt64Array(batch.rows)) as [
      BigInt64Array,
      BigInt64Array,
      BigInt64Array,
    ]
    for (let row = 0; row < batch.rows; row++) {
      const stamp = times(row)
      e[row] = BigInt(stamp.e)
      c[row] = BigInt(stamp.c)
      s[row] = BigInt(stamp.s)
    }
    yield { rows: batch.rows, columns: { ...batch.columns, ...timeColumns(e, c, s) } }
  }
}

function timeColumns(e: BigInt64Array, c: BigInt64Array, s: BigInt64Array): Record<string, Column> {
  return {
    [TABLE_COLUMNS.eventTime]: { type: { kind: 'timestamp' }, values: e, valid: undefined },
    [TABLE_COLUMNS.created]: { type: { kind: 'timestamp' }, values: c, valid: undefined },
    [TABLE_COLUMNS.sequence]: { type: { kind: 'int64' }, values: s, valid: undefined },
  }
}

async function* single<T>(value: T): AsyncGenerator<T> {
  yield value
}
