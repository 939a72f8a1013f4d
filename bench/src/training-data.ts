import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  entity,
  featureGroup,
  featureService,
  float64,
  groupTableSchema,
  int64,
  project,
  type FeatureService,
  type Instant,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { openFeatureStore } from 'asof'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Setting } from './comparison.ts'

export const GROUPS = 20
export const FEATURES = 5
/** Threads that each side may use. */
export const THREADS = 2

/** How much there is. */
export interface TrainingSize {
  readonly labels: number
  /** Rows of history of each group. */
  readonly rows: number
  readonly keys: number
}

/** Where everything lies; paths are absolute. */
export interface TrainingData {
  readonly size: TrainingSize
  /** Folder of the project, whose store is in `.asof`. */
  readonly folder: string
  readonly labels: string
  /** The one data file of each group's table: all sides read these. */
  readonly groups: readonly { readonly file: string; readonly features: readonly string[] }[]
}

const DAY = 86_400_000_000
const START = Date.UTC(2024, 0, 1) * 1_000
const DAYS = 90
/** A row becomes known up to two minutes after its event. */
const LATENESS = 120_000_000
const PARQUET = 'FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 122880'

const account = entity('account', { keys: { account: int64() } })
const groups = Array.from({ length: GROUPS }, (_, group) =>
  featureGroup(groupName(group), {
    entity: account,
    features: Object.fromEntries(featureNames(group).map((name) => [name, float64()] as const)),
    online: false,
  }),
)
/** All 100 features of an account. */
export const risk: FeatureService = featureService('risk', { features: groups })
/** The definitions that the training set is built from. */
export const trainingProject = project('bench', [risk])

function groupName(group: number): string {
  return `group_${String(group).padStart(2, '0')}`
}

function featureNames(group: number): string[] {
  return Array.from({ length: FEATURES }, (_, at) => `g${String(group).padStart(2, '0')}_f${at}`)
}

/** The data, made once: the same bytes each time, as every value is a hash of its place. */
export async function trainingData(size: TrainingSize, { say }: Setting): Promise<TrainingData> {
  const folder = resolve('.cache', 'bench', `training-${size.labels}`)
  const done = join(folder, 'complete.json')
  if (existsSync(done)) return JSON.parse(readFileSync(done, 'utf8')) as TrainingData
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'made'), { recursive: true })
  const labels = join(folder, 'labels.parquet')
  const instance = await DuckDBInstance.create(':memory:', { threads: String(THREADS) })
  const connection = await instance.connect()
  try {
    say(`making ${size.labels.toLocaleString('en-US')} labels, once`)
    await connection.run(labelsSql(size, labels))
    for (let group = 0; group < GROUPS; group++) {
      say(`making history, once: group ${group + 1} of ${GROUPS}`)
      await connection.run(historySql(size, group, madeFile(folder, group)))
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
  const files = await takeIn(folder)
  const data: TrainingData = {
    size,
    folder,
    labels,
    groups: files.map((file, group) => ({ file, features: featureNames(group) })),
  }
  writeFileSync(`${done}.new`, JSON.stringify(data, undefined, 2))
  renameSync(`${done}.new`, done)
  return data
}

/** Unsorted, over the last 80 of the 90 days. */
function labelsSql({ labels, keys }: TrainingSize, file: string): string {
  const at = `${START + 10 * DAY} + (hash(i, 'at') % ${(DAYS - 10) * DAY})::BIGINT`
  return `COPY (
    SELECT i AS label_id, (hash(i, 'account') % ${keys})::BIGINT AS account, make_timestamptz(${at}) AS at,
           hash(i, 'outcome') % 2 = 0 AS outcome
    FROM range(${labels}) numbers(i)
  ) TO '${file}' (${PARQUET})`
}

/** In order of event time, no two of which are equal, so that every side has one right answer. */
function historySql({ rows, keys }: TrainingSize, group: number, file: string): string {
  const step = Math.floor((DAYS * DAY) / rows)
  const event = `${START} + i * ${step} + (hash(i, ${group}, 'event') % ${step})::BIGINT`
  const features = featureNames(group).map(
    (name, at) => `(hash(i, ${group}, ${at}) % 1000000)::DOUBLE / 1000 AS ${name}`,
  )
  return `COPY (
    SELECT account, make_timestamptz(event) AS event_timestamp,
           make_timestamptz(event + (hash(i, ${group}, 'late') % ${LATENESS})::BIGINT) AS created_timestamp,
           i AS seq, false AS is_deleted, ${featureNames(group).join(', ')}
    FROM (SELECT i, (hash(i, ${group}, 'account') % ${keys})::BIGINT AS account, ${event} AS event, ${features.join(', ')}
          FROM range(${rows}) numbers(i))
  ) TO '${file}' (${PARQUET})`
}

function madeFile(folder: string, group: number): string {
  return join(folder, 'made', `${groupName(group)}.parquet`)
}

/** Hands the files to the tables of a feature store, as they are; answers where they lie now. */
async function takeIn(folder: string): Promise<string[]> {
  await using store = await openFeatureStore({ project: trainingProject, projectFolder: folder })
  await store.apply()
  const tables = deltaTables({
    objects: diskObjectStore(join(folder, '.asof', 'offline')),
    parquet: duckdbParquetFiles({ folders: [folder], tempFolder: join(folder, '.asof', 'temp') }),
    now: () => (Date.now() * 1_000) as Instant,
    randomId: randomUUID,
  })
  const files: string[] = []
  for (let group = 0; group < GROUPS; group++) {
    const plan = await store.groupPlan(groupName(group))
    await tables.ensure(plan.offlineTable, groupTableSchema(plan.group))
    await tables.append(plan.offlineTable, {
      files: [{ localPath: madeFile(folder, group) }],
      writers: [{ writer: 'bench', sequence: 1 }],
      sortBy: [],
    })
    const snapshot = await tables.snapshot(plan.offlineTable)
    files.push(snapshot!.files[0]!.localPath)
  }
  return files
}
