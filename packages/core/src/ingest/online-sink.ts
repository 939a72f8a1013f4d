import { decodeStamp, encodeStamp } from '../codec/stamp.ts'
import { encodeRow, patchStamp } from '../codec/row-codec.ts'
import type { Instant } from '../clock/instant.ts'
import { columnValue, type ColumnBatch } from '../model/column.ts'
import { groupId } from '../model/definition.ts'
import { compareStamps, type Stamp } from '../model/feature-row.ts'
import type { KeyValues } from '../model/value.ts'
import { visibleFrom } from '../point-in-time/visible.ts'
import type { LogRecord } from '../ports/event-log.ts'
import type { OnlineRow, OnlineStore } from '../ports/online-store.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import type { Staging } from '../ports/staging.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { LIMITS } from '../limits/limits.ts'
import type { GroupPlan } from './group-plan.ts'
import { groupTableSchema, TABLE_COLUMNS } from './group-table.ts'
import { decodeLogBody, schemaOf, type BatchBody, type GroupName } from './log-record.ts'

/** One row on its way into the online store; `row` carries its final stamp. */
interface Arrival extends Stamp {
  readonly entityKey: string
  readonly row: Uint8Array
}

/** The parts that the sink works on. */
export interface OnlineSinkParts {
  readonly online: OnlineStore
  readonly parquet: ParquetFiles
  readonly staging: Staging
  readonly telemetry: Telemetry
  /**
   * The compiled group version, its tables provisioned, that knows a schema; undefined once it is gone from the registry.
   *
   * @throws {AsofError} `unknown_schema`
   */
  groupPlan(name: GroupName, schema?: number): Promise<GroupPlan | undefined>
}

const HELD_TABLE = 'held'
const ARRIVALS_PER_WRITE = 8_192

/**
 * Follows the log into the online store: per group version and key the row with the greatest `(e, c, s)`.
 *
 * Invariants:
 * 1. a row is applied once `max(e, c) <= now` (`e < now` where the boundary is exclusive); until then it lies in the
 *    table `held`, durably, so a row from the future never hides the present;
 * 2. beside the newest row of a key, the table `…#recent` keeps each row that is the answer for some `at` within
 *    `atPastMax` before now;
 * 3. applying a record again changes nothing: rows are compared and set, and `…#recent` is written first.
 */
export class OnlineSink {
  readonly #parts: OnlineSinkParts
  #ready = false

  constructor(parts: OnlineSinkParts) {
    this.#parts = parts
  }

  /** Applies records, in any order, as of `now`. */
  async apply(records: readonly LogRecord[], now: Instant): Promise<void> {
    const pending = new Map<GroupPlan, Arrival[]>()
    for (const record of records) {
      const body = decodeLogBody(record.body)
      const plan = await this.#parts.groupPlan(body, schemaOf(body))
      if (plan === undefined || !plan.group.definition.online) continue
      if (body.kind === 'rows') {
        const arrivals = pending.get(plan) ?? []
        pending.set(plan, arrivals)
        body.rows.forEach(({ entityKey, row }, index) => {
          const stamp = { e: decodeStamp(row).e, c: record.at, s: record.position + index }
          arrivals.push({ ...stamp, entityKey, row: patchStamp(row, stamp) })
        })
      } else if (body.file !== undefined) {
        await this.#applyFile(plan, record, body, now)
      }
    }
    for (const [plan, arrivals] of pending) await this.#settle(plan, arrivals, now)
  }

  /** Applies the held rows whose time has come; answers the instant of the next, if any. */
  async releaseHeld(now: Instant): Promise<Instant | undefined> {
    const { online } = this.#parts
    await this.#provisionHeld()
    const due = new Map<GroupPlan, Arrival[]>()
    const done: Uint8Array[] = []
    let next: Instant | undefined
    for await (const row of online.scan(HELD_TABLE)) {
      const held = decodeHeld(row)
      if (held.visible > now) {
        next = held.visible as Instant
        break
      }
      const plan = await this.#parts.groupPlan(held.name)
      if (plan !== undefined) due.set(plan, [...(due.get(plan) ?? []), held.arrival])
      done.push(row.key)
    }
    for (const [plan, arrivals] of due) await this.#settle(plan, arrivals, now)
    if (done.length > 0) await online.remove(HELD_TABLE, done)
    return next
  }

  /** Removes from `…#recent` what no `at` within `atPastMax` before now can need any more. */
  async pruneRecent(plan: GroupPlan, now: Instant): Promise<void> {
    const { online } = this.#parts
    const done: Uint8Array[] = []
    let ofKey: Uint8Array[] = []
    const settleKey = async (): Promise<void> => {
      const [first] = ofKey
      if (first === undefined) return
      const key = first.subarray(0, first.indexOf(0))
      const [main] = await online.read([{ table: plan.onlineTable, key }])
      const stamps = ofKey.map((recent) => decodeStamp(recent, key.length + 1)).reverse()
      const needed = neededStamps(main === undefined ? stamps : [decodeStamp(main), ...stamps], plan, now)
      for (const recent of ofKey) if (!needed.has(decodeStamp(recent, key.length + 1).s)) done.push(recent)
      ofKey = []
    }
    for await (const row of online.scan(plan.recentTable)) {
      const recent = row.key
      const keyBytes = recent.indexOf(0)
      if (
        ofKey.length > 0 &&
        Buffer.compare(ofKey[0]!.subarray(0, keyBytes + 1), recent.subarray(0, keyBytes + 1)) !== 0
      ) {
        await settleKey()
      }
      ofKey.push(recent)
    }
    await settleKey()
    if (done.length > 0) await online.remove(plan.recentTable, done)
  }

  /** The rows of a staged file, which come sorted by key and stamp: only those that can answer are encoded. */
  async #applyFile(plan: GroupPlan, record: LogRecord, body: BatchBody, now: Instant): Promise<void> {
    const { parquet, staging } = this.#parts
    const name = body.file as string
    const columns = groupTableSchema(plan.group).columns.filter((column) => column.partitionOf === undefined)
    const horizon = now - LIMITS.atPastMaxMicros
    let arrivals: Arrival[] = []
    let ofKey: { key: KeyValues; stamp: Stamp; batch: ColumnBatch; row: number; visible: number }[] = []
    const flushKey = (): void => {
      for (const { key, stamp, batch, row } of ofKey)
        arrivals.push(encodeArrival(plan, key, stamp, batch, row))
      ofKey = []
    }
    for await (const batch of parquet.read(
      [{ localPath: staging.localPath(name), constants: {} }],
      columns,
    )) {
      const keyColumns = plan.group.entity.keys.map((key) => batch.columns[key.name]!)
      const times = timesOf(batch, record, body)
      for (let row = 0; row < batch.rows; row++) {
        const stamp = times(row)
        const visible = visibleFrom(stamp, plan.rule)
        const key = keyColumns.map((column) => columnValue(column, row)) as KeyValues
        if (ofKey.length > 0 && !sameKey(ofKey[0]!.key, key)) flushKey()
        if (visible <= now) {
          // A row in hand stays only while some instant within the recent past still asks for it.
          ofKey = ofKey.filter((held) => held.visible > now || (visible > horizon && visible > held.visible))
        }
        ofKey.push({ key, stamp, batch, row, visible })
      }
      if (arrivals.length >= ARRIVALS_PER_WRITE) {
        await this.#settle(plan, arrivals, now)
        arrivals = []
      }
    }
    flushKey()
    await this.#settle(plan, arrivals, now)
  }

  async #settle(plan: GroupPlan, arrivals: readonly Arrival[], now: Instant): Promise<void> {
    if (arrivals.length === 0) return
    const visible = arrivals.filter((arrival) => visibleFrom(arrival, plan.rule) <= now)
    if (visible.length < arrivals.length) {
      await this.#provisionHeld()
      const held = arrivals.filter((arrival) => visibleFrom(arrival, plan.rule) > now)
      await this.#parts.online.write(
        HELD_TABLE,
        held.map((arrival) => encodeHeld(plan, arrival)),
      )
      this.#parts.telemetry.count('asof_rows_held', held.length, { group: labelOf(plan) })
    }
    for (let from = 0; from < visible.length; from += ARRIVALS_PER_WRITE) {
      await this.#write(plan, visible.slice(from, from + ARRIVALS_PER_WRITE), now)
    }
  }

  async #write(plan: GroupPlan, arrivals: readonly Arrival[], now: Instant): Promise<void> {
    const { online } = this.#parts
    const byKey = Map.groupBy(arrivals, (arrival) => arrival.entityKey)
    const keys = [...byKey.keys()].map((entityKey) => plan.onlineKey(entityKey))
    const stored = await online.read(keys.map((key) => ({ table: plan.onlineTable, key })))
    const newest: OnlineRow[] = []
    const recent: OnlineRow[] = []
    let index = 0
    for (const rows of byKey.values()) {
      const key = keys[index]!
      const main = stored[index++]
      const all: Pick<Arrival, 'e' | 'c' | 's' | 'row'>[] = [...rows]
      if (main !== undefined) all.push({ ...decodeStamp(main), row: main })
      all.sort((a, b) => compareStamps(b, a))
      newest.push(onlineRow(key, all[0]!.row))
      const needed = neededStamps(all, plan, now)
      for (const row of all.slice(1)) {
        if (needed.has(row.s)) recent.push(onlineRow(recentKey(key, row.row), row.row))
      }
    }
    if (recent.length > 0) {
      await online.write(plan.recentTable, recent)
    }
    const { applied } = await online.write(plan.onlineTable, newest)
    this.#parts.telemetry.count('asof_rows_applied', applied, { group: labelOf(plan) })
  }

  async #provisionHeld(): Promise<void> {
    if (this.#ready) return
    await this.#parts.online.provision(HELD_TABLE)
    this.#ready = true
  }
}

/**
 * The sequences of those replaced rows of one key, given newest first, that answer for some `at` from
 * `now - atPastMax` on: a row answers from when it is visible until the first newer row is.
 */
function neededStamps(newestFirst: readonly Stamp[], plan: GroupPlan, now: Instant): Set<number> {
  const needed = new Set<number>()
  let replacedFrom = Number.POSITIVE_INFINITY
  for (const [index, stamp] of newestFirst.entries()) {
    const visible = visibleFrom(stamp, plan.rule)
    if (index > 0 && replacedFrom > Math.max(visible, now - LIMITS.atPastMaxMicros)) needed.add(stamp.s)
    replacedFrom = Math.min(replacedFrom, visible)
  }
  return needed
}

/** The range of a key's rows in `…#recent`. */
export function recentRange(key: Uint8Array): { readonly from: Uint8Array; readonly to: Uint8Array } {
  return { from: Buffer.concat([key, Uint8Array.of(0)]), to: Buffer.concat([key, Uint8Array.of(1)]) }
}

/** An encoded key has no NUL, so what follows one is the stamp. */
function recentKey(key: Uint8Array, row: Uint8Array): Uint8Array {
  return Buffer.concat([key, Uint8Array.of(0), row.subarray(0, 24)])
}

function onlineRow(key: Uint8Array, row: Uint8Array): OnlineRow {
  return { key, stamp: row.subarray(0, 24), payload: row }
}

/** `(e, c, s)` of a staged file's rows, as its log record says. */
export function timesOf(
  batch: ColumnBatch,
  record: Pick<LogRecord, 'at' | 'position'>,
  body: Pick<BatchBody, 'created' | 'sequence'>,
): (row: number) => Stamp {
  const e = batch.columns[TABLE_COLUMNS.eventTime]!.values as BigInt64Array
  const c = batch.columns[TABLE_COLUMNS.created]!.values as BigInt64Array
  const s = batch.columns[TABLE_COLUMNS.sequence]!.values as BigInt64Array
  const base = body.sequence === 'position' ? record.position : 0
  const created = (own: number): number =>
    body.created === 'file' ? own : body.created === 'append' ? record.at : Math.max(own, record.at)
  return (row) => ({
    e: Number(e[row]) as Instant,
    c: created(Number(c[row])) as Instant,
    s: base + Number(s[row]),
  })
}

function encodeArrival(
  plan: GroupPlan,
  key: KeyValues,
  stamp: Stamp,
  batch: ColumnBatch,
  row: number,
): Arrival {
  const deleted = columnValue(batch.columns[TABLE_COLUMNS.deleted]!, row) === true
  const values = plan.group.definition.features.map((feature) =>
    columnValue(batch.columns[feature.name]!, row),
  )
  return {
    ...stamp,
    entityKey: plan.entityKey(key),
    row: encodeRow(plan.layout, stamp, deleted ? 'deleted' : values),
  }
}

function sameKey(a: KeyValues, b: KeyValues): boolean {
  return a.every((part, index) => {
    const other = b[index]
    return part instanceof Uint8Array && other instanceof Uint8Array
      ? Buffer.compare(part, other) === 0
      : part === other
  })
}

/** A held row: its key sorts by the instant from which it is visible; the payload carries what it is about. */
function encodeHeld(plan: GroupPlan, arrival: Arrival): OnlineRow {
  const { project, group } = plan
  const { name, version } = group.definition
  const about = Buffer.from(JSON.stringify([project, name, version, arrival.entityKey]), 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32LE(about.length)
  const stamp = arrival.row.subarray(0, 24)
  const visible = visibleFrom(arrival, plan.rule) as Instant
  const order = encodeStamp({ e: visible, c: visible, s: arrival.s })
  const key = Buffer.concat([order, Buffer.from(`${project}/${name}@${version}`, 'utf8')])
  return { key, stamp, payload: Buffer.concat([stamp, length, about, arrival.row]) }
}

function decodeHeld(row: OnlineRow): { visible: number; name: GroupName; arrival: Arrival } {
  const payload = Buffer.from(row.payload)
  const end = 28 + payload.readUInt32LE(24)
  const [project, group, version, entityKey] = JSON.parse(payload.toString('utf8', 28, end)) as [
    string,
    string,
    number,
    string,
  ]
  const bytes = payload.subarray(end)
  return {
    visible: decodeStamp(row.key).e,
    name: { project, group, version },
    arrival: { ...decodeStamp(bytes), entityKey, row: bytes },
  }
}

/** A group version as every metric names it. */
function labelOf(plan: GroupPlan): string {
  return groupId(plan.group.definition)
}
