// The set-up that the tests of faults share: an embedded store in a folder of its own, whose clock is the test's, and views
// of what it holds that do not go through it.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  columnOf,
  columnValue,
  decodeLogBody,
  FeatureStore,
  isAsofError,
  parseInstant,
  type AsofError,
  type FeatureService,
  type FeatureStoreParts,
  type FeatureType,
  type GroupPlan,
  type Instant,
  type Project,
  type TrainingManifest,
  type Value,
} from '@asof/core'
import { embeddedParts, type EmbeddedOptions } from '../embedded.ts'

/** Where the clock of every test stands at first. */
export const NOON: Instant = parseInstant('2024-06-01T12:00:00Z')
/** Microseconds of a second. */
export const SECOND = 1_000_000
/** Microseconds of an hour. */
export const HOUR = 3_600 * SECOND

/** A row by column name. */
export type Row = Readonly<Record<string, Value | null>>

/** Label columns: the type of each, and its values. */
export type Labels = Readonly<Record<string, readonly [FeatureType, readonly (Value | null)[]]>>

/** How a store for tests is opened. */
export interface FaultStoreOptions {
  /** Of an earlier store, to open it again; it is then not removed on close. */
  readonly folder?: string
  readonly now?: Instant
  /** Puts something around the parts. */
  readonly wrap?: (parts: FeatureStoreParts) => FeatureStoreParts
  readonly settings?: EmbeddedOptions['settings']
}

/** An embedded store in a temporary folder, and ways to look behind it. */
export class FaultStore implements AsyncDisposable {
  readonly folder: string
  readonly store: FeatureStore
  readonly parts: FeatureStoreParts
  /** What the wall clock tells, in microseconds. */
  readonly clock: { now: number }
  readonly #owned: boolean
  #sets = 0

  constructor(
    folder: string,
    store: FeatureStore,
    parts: FeatureStoreParts,
    clock: { now: number },
    owned: boolean,
  ) {
    this.folder = folder
    this.store = store
    this.parts = parts
    this.clock = clock
    this.#owned = owned
  }

  /** Writes a file of the project's folder: text as it is, rows as JSON lines. */
  async write(path: string, content: string | readonly object[]): Promise<void> {
    const text =
      typeof content === 'string' ? content : content.map((row) => `${JSON.stringify(row)}\n`).join('')
    await mkdir(dirname(join(this.folder, path)), { recursive: true })
    await writeFile(join(this.folder, path), text)
  }

  /** All rows of a group's table, in order of `(e, c, s)`, read past the store. */
  async table(group: string): Promise<Row[]> {
    await this.store.drain()
    const plan = await this.store.groupPlan(group)
    const table = await this.parts.offline.snapshot(plan.offlineTable)
    const rows: Row[] = []
    if (table === undefined) return rows
    for await (const batch of this.parts.parquet.read(table.files, table.schema.columns)) {
      for (let row = 0; row < batch.rows; row++) {
        const names = table.schema.columns.filter((column) => column.partitionOf === undefined)
        rows.push(Object.fromEntries(names.map(({ name }) => [name, columnValue(batch.columns[name]!, row)])))
      }
    }
    const order = ['event_timestamp', 'created_timestamp', 'seq']
    const sign = (a: Row, b: Row, name: string): number => Number((a[name] as bigint) - (b[name] as bigint))
    return rows.sort((a, b) => order.map((name) => sign(a, b, name)).find((by) => by !== 0) ?? 0)
  }

  /** The newest row of each key as the online store has it, by the entity key's text. */
  async online(group: string): Promise<Map<string, Uint8Array>> {
    const plan = await this.store.groupPlan(group)
    const rows = new Map<string, Uint8Array>()
    for await (const { key, payload } of this.parts.online.scan(plan.onlineTable)) {
      const text = Buffer.from(key).toString('utf8')
      rows.set(text.slice(text.indexOf('{') + 1, text.lastIndexOf('}')), payload)
    }
    return rows
  }

  /** Every pushed row of the log: its group and entity key, and the whole row with the stamp that it has by its place. */
  async logged(plan: GroupPlan): Promise<{ entityKey: string; row: Uint8Array; c: number; s: number }[]> {
    const rows: { entityKey: string; row: Uint8Array; c: number; s: number }[] = []
    for (const record of await this.parts.log.read(0, 1_000_000)) {
      const body = decodeLogBody(record.body)
      if (body.kind !== 'rows' || body.group !== plan.group.definition.name) continue
      body.rows.forEach(({ entityKey, row }, index) =>
        rows.push({ entityKey, row, c: record.at, s: record.position + index }),
      )
    }
    return rows
  }

  /** Builds a training set of a service from labels, and reads it back. */
  async train(
    service: FeatureService | string,
    labels: Labels,
    options: Partial<Parameters<FeatureStore['train']>[1]> = {},
  ): Promise<{ rows: Row[]; manifest: TrainingManifest; folder: string; columns: string[] }> {
    const columns = Object.entries(labels).map(
      ([name, [type, values]]) => [name, columnOf(type, values)] as const,
    )
    const rows = columns[0]![1].values.length
    const to = join(this.folder, 'sets', String(this.#sets++))
    const { manifest } = await this.store.train(service, {
      labels: { kind: 'rows', batch: { rows, columns: Object.fromEntries(columns) } },
      at: 'at',
      to,
      ...options,
    })
    const plan = await this.store.servicePlan(service)
    const shown = [
      ...Object.entries(labels).map(([name, [type]]) => ({ name, type, nullable: true })),
      ...plan.outputs.map(({ type }, index) => ({ name: plan.names[index]!, type, nullable: true })),
    ]
    return {
      rows: await this.readSet(to, shown),
      manifest,
      folder: to,
      columns: shown.map(({ name }) => name),
    }
  }

  /** The rows of a training set in Parquet, in order. */
  async readSet(folder: string, columns: readonly { name: string; type: FeatureType }[]): Promise<Row[]> {
    const files = (await readdir(folder)).filter((file) => file.endsWith('.parquet')).sort()
    const paths = files.map((file) => ({ localPath: join(folder, file), constants: {} }))
    const rows: Row[] = []
    const nullable = columns.map((column) => ({ ...column, nullable: true }))
    for await (const batch of this.parts.parquet.read(paths, nullable)) {
      for (let row = 0; row < batch.rows; row++) {
        rows.push(
          Object.fromEntries(columns.map(({ name }) => [name, columnValue(batch.columns[name]!, row)])),
        )
      }
    }
    return rows
  }

  /** Lets go of the folder as a process that dies does: nothing is finished, nothing given back. */
  async abandon(): Promise<void> {
    const { engine, online, log, registry } = this.parts
    for (const part of [engine, online, log, registry]) await part[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close()
    if (this.#owned) await rm(this.folder, { recursive: true, force: true })
  }
}

/**
 * Opens a store for tests; nothing is applied yet.
 *
 * @example
 * ```ts
 * await using faults = await openFaultStore(project('shop', [userStats]))
 * ```
 */
export async function openFaultStore(project: Project, options: FaultStoreOptions = {}): Promise<FaultStore> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'asof-faults-')))
  const clock: { now: number } = { now: options.now ?? NOON }
  const { parts, project: coded } = await embeddedParts({
    project,
    projectFolder: folder,
    threads: 1,
    memoryMb: 256,
    wall: () => clock.now as Instant,
  })
  // The owner is of a process that is gone, so that the next store need not wait for this one's lease.
  const own = { ...parts, owner: `999999999:${Math.random()}` }
  const wrapped = options.wrap?.(own) ?? own
  const store = new FeatureStore(wrapped, coded, options.settings)
  return new FaultStore(folder, store, parts, clock, options.folder === undefined)
}

/** The code and kind of an asof error that must come; any other outcome fails the test. */
export async function refusal(work: () => unknown, what: string = 'this'): Promise<AsofError> {
  try {
    await work()
  } catch (error) {
    if (isAsofError(error)) return error
    throw error
  }
  throw new Error(`${what} was not refused`)
}

/** The code of the refusal. */
export async function codeOf(work: () => unknown): Promise<string> {
  return (await refusal(work)).code
}

/** An instant as text, a number of microseconds from noon. */
export function at(micros: number): Instant {
  return (NOON + micros) as Instant
}
