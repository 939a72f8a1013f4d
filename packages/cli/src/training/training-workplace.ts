import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  columnOf,
  columnValue,
  groupTableSchema,
  offlineTable,
  shapeOf,
  train,
  verifyTrainingSet,
} from '@asof/core'
import type {
  AppliedGroup,
  ColumnBatch,
  EntityDefinition,
  FeatureRow,
  FeatureType,
  Field,
  GroupDefinition,
  Instant,
  KeyValues,
  OfflineStore,
  OnDemandDefinition,
  OnDemandFunction,
  ParquetFiles,
  Relation,
  ServiceDefinition,
  Snapshot,
  TrainingManifest,
  TrainingService,
  TrainParts,
  TrainRequest,
  Value,
  Verification,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore, diskTrainingFiles } from '@asof/disk'
import { duckdbEngine, duckdbParquetFiles } from '@asof/duckdb'
import { naiveValue } from '@asof/testing'

/** Microseconds of a day. */
export const DAY = 86_400_000_000
/** 2024-01-01. */
export const T0 = 1_704_067_200_000_000
/** Later than every row and label. */
export const HORIZON = (T0 + 400 * DAY) as Instant
/** The column of label times. */
export const AT = { column: 'at' } as const

/** A store of Delta tables in a folder of its own, and all that training needs. */
export class Workplace implements AsyncDisposable {
  readonly folder: string
  readonly parts: TrainParts
  readonly parquet: ParquetFiles
  readonly offline: OfflineStore
  #sets = 0

  constructor(folder: string) {
    this.folder = folder
    const settings = { folders: [folder], tempFolder: join(folder, 'temp') }
    this.parquet = duckdbParquetFiles(settings)
    const tablesIn = (root: string): OfflineStore =>
      deltaTables({
        objects: diskObjectStore(root),
        parquet: this.parquet,
        now: () => HORIZON,
        randomId: randomUUID,
      })
    this.offline = tablesIn(join(folder, 'store'))
    this.parts = {
      engine: duckdbEngine(settings),
      offline: this.offline,
      files: diskTrainingFiles(),
      tablesIn,
      writer: 'asof/test',
    }
  }

  static async open(): Promise<Workplace> {
    const folder = await mkdtemp(join(tmpdir(), 'asof-training-'))
    await mkdir(join(folder, 'temp'))
    return new Workplace(folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true })
  }

  /** Appends rows to a group's table, as one commit and one file. */
  async append(group: AppliedGroup, rows: readonly FeatureRow[], sequence = 1): Promise<void> {
    const table = offlineTable('p', group.definition)
    await this.offline.ensure(table, groupTableSchema(group))
    const batches = async function* (): AsyncGenerator<ColumnBatch> {
      yield historyBatch(group, rows)
    }
    await this.offline.append(table, { rows: batches(), writers: [{ writer: 'test', sequence }], sortBy: [] })
  }

  /** Builds a set in a fresh folder. */
  async train(
    service: TrainingService,
    labels: Relation,
    more: Partial<Omit<TrainRequest, 'output'>> & { readonly format?: TrainRequest['output']['format'] } = {},
  ): Promise<{ folder: string; manifest: TrainingManifest }> {
    const { format = 'parquet', ...rest } = more
    const folder = join(this.folder, 'sets', `set-${this.#sets++}`)
    const request = {
      service,
      labels,
      at: AT,
      horizon: HORIZON,
      now: HORIZON,
      output: { format, folder },
      ...rest,
    }
    return await train(this.parts, request)
  }

  async verify(folder: string, service: TrainingService, labels?: Relation): Promise<Verification> {
    const parts = { ...this.parts, parquet: this.parquet, naive: naiveValue }
    return await verifyTrainingSet(parts, { folder, service, sample: 'all', ...(labels && { labels }) })
  }

  /** Values of some columns of a Parquet set, row by row. */
  async rows(
    folder: string,
    manifest: TrainingManifest,
    columns: readonly Field[],
  ): Promise<(Value | null)[][]> {
    const files = manifest.output.files.map(({ path }) => ({ localPath: join(folder, path), constants: {} }))
    const rows: (Value | null)[][] = []
    const read = columns.map(({ name, type }) => ({ name, type, nullable: true }))
    for await (const batch of this.parquet.read(files, read)) {
      for (let row = 0; row < batch.rows; row++) {
        rows.push(columns.map(({ name }) => columnValue(batch.columns[name]!, row)))
      }
    }
    return rows
  }
}

function historyBatch({ entity, definition }: AppliedGroup, rows: readonly FeatureRow[]): ColumnBatch {
  const big = (numbers: number[]): bigint[] => numbers.map(BigInt)
  const time = { kind: 'timestamp' } as const
  return {
    rows: rows.length,
    columns: Object.fromEntries([
      ...entity.keys.map(({ name, type }, part) => [
        name,
        columnOf(
          type,
          rows.map((row) => row.key[part] ?? null),
        ),
      ]),
      ['event_timestamp', columnOf(time, big(rows.map(({ e }) => e)))],
      ['created_timestamp', columnOf(time, big(rows.map(({ c }) => c)))],
      ['seq', columnOf({ kind: 'int64' }, big(rows.map(({ s }) => s)))],
      [
        'is_deleted',
        columnOf(
          { kind: 'bool' },
          rows.map(({ deleted }) => deleted),
        ),
      ],
      ...definition.features.map(({ name, type }, at) => [
        name,
        columnOf(
          type,
          rows.map((row) => row.values[at] ?? null),
        ),
      ]),
    ]) as ColumnBatch['columns'],
  }
}

/** An entity of one key. */
export const USER: EntityDefinition = {
  kind: 'entity',
  name: 'user',
  keys: [{ name: 'user_id', type: { kind: 'int64' } }],
}

/** A group as applied, over rows that are only pushed. */
export function group(
  name: string,
  features: readonly Field[],
  more: Partial<GroupDefinition> = {},
  entity = USER,
): AppliedGroup {
  const definition: GroupDefinition = {
    kind: 'group',
    name,
    version: 1,
    entity: entity.name,
    key: {},
    compute: { from: 'push' },
    features,
    delay: '0s',
    boundary: 'inclusive',
    online: true,
    status: 'active',
    unknownColumns: 'strict',
    partition: 'none',
    ...more,
  }
  return { definition, entity, schemas: [features], firstApplied: T0 as Instant }
}

/** A service over every feature of some groups; each role names the keys of another use of the entity. */
export function service(
  groups: readonly AppliedGroup[],
  roles: readonly Readonly<Record<string, string>>[] = [{}],
  onDemand: readonly { readonly definition: OnDemandDefinition; readonly compute: OnDemandFunction }[] = [],
): TrainingService {
  const uses = [
    ...groups.map(({ definition }) => definition),
    ...onDemand.map(({ definition }) => definition),
  ]
  const definition: ServiceDefinition = {
    kind: 'service',
    name: 'model',
    consumers: [],
    features: roles.flatMap((keys, role) =>
      uses.flatMap((use) =>
        use.features.map(({ name: feature }) => {
          return { name: `r${role}_${use.name}_${feature}`, group: use.name, version: 1, feature, keys }
        }),
      ),
    ),
  }
  const snapshot: Snapshot = {
    project: 'p',
    revision: undefined,
    entities: new Map(),
    sources: new Map([
      [
        'ask',
        {
          kind: 'source',
          name: 'ask',
          reads: { format: 'request', fields: [{ name: 'amount', type: { kind: 'float64' } }] },
        },
      ],
    ]),
    groups: new Map(groups.map((each) => [`${each.definition.name}@1`, each])),
    onDemand: new Map(onDemand.map((each) => [`${each.definition.name}@1`, each.definition])),
    services: new Map(),
  }
  return {
    project: 'p',
    revision: 1,
    shape: shapeOf(snapshot, definition),
    fingerprint: 'f',
    functions: new Map(onDemand.map((each) => [`${each.definition.name}@1`, each.compute])),
  }
}

/** Labels in memory: their times, and more columns. */
export function labelRows(
  at: readonly (number | null)[],
  more: Readonly<
    Record<string, { readonly type: FeatureType; readonly values: readonly (Value | null)[] }>
  > = {},
): Relation {
  const columns = Object.entries(more).map(
    ([name, { type, values }]) => [name, columnOf(type, values)] as const,
  )
  const times = columnOf(
    { kind: 'timestamp' },
    at.map((time) => (time === null ? null : BigInt(time))),
  )
  return { kind: 'rows', batch: { rows: at.length, columns: { ...Object.fromEntries(columns), at: times } } }
}

/** A row dated `e` microseconds after T0, known at once, unless `more` says otherwise. */
export function row(
  key: KeyValues,
  e: number,
  values: readonly (Value | null)[],
  more: Partial<FeatureRow> = {},
): FeatureRow {
  return { key, e: (T0 + e) as Instant, c: (T0 + e) as Instant, s: e, values, deleted: false, ...more }
}
