import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join, parse, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  FeatureStore,
  withCode,
  type FeatureStoreParts,
  type FeatureStoreSettings,
  type Instant,
  type Project,
  type Telemetry,
  type WallClock,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore, diskStaging, diskTrainingFiles } from '@asof/disk'
import { openLmdbEventLog, openLmdbOnlineStore, openLmdbRegistry } from '@asof/lmdb'
import { naiveValue } from '@asof/testing/naive'
import { codeOf } from './code-fingerprint.ts'
import { lazyEngine, lazyParquetFiles } from './lazy-duckdb.ts'
import { sourceFiles } from './source-files.ts'
import { asofVersion } from './version.ts'

/** Where an embedded store is and how much it may use. */
export interface EmbeddedOptions {
  /** What is declared: `project(name, [services and groups])`. */
  readonly project: Project
  /** The project's folder: sources' paths are relative to it. */
  readonly projectFolder: string
  /** The store's own folder; `.asof` in the project's folder by default. */
  readonly folder?: string
  /** Threads of the engine; all cores by default. */
  readonly threads?: number
  /** Memory of the engine in MiB; a quarter of the machine's by default. */
  readonly memoryMb?: number
  /** How the store keys its rows and follows its log. */
  readonly settings?: Partial<FeatureStoreSettings>
  /** Where counts, times and spans go; nowhere by default. */
  readonly telemetry?: Telemetry
  /** Tells the time; the machine's by default. */
  readonly wall?: WallClock
}

const WRITER = `asof ${asofVersion}`

/** The machine's clock, in microseconds. */
export const systemWall: WallClock = () => (Date.now() * 1_000) as Instant

/**
 * Opens a feature store in one process, without servers: LMDB for the registry, the log and the online store, Delta Lake on
 * the local disk for history, DuckDB for computing. Several processes may open the same folder.
 *
 * @example
 * ```ts
 * const projectFolder = import.meta.dirname
 * await using store = await openFeatureStore({ project: project('flights', [delayModel]), projectFolder })
 * await store.apply()
 * ```
 */
export async function openFeatureStore(options: EmbeddedOptions): Promise<FeatureStore> {
  const { parts, project } = await embeddedParts(options)
  return new FeatureStore(parts, project, options.settings)
}

/** The parts of an embedded store, for those who put another one around or in place of some, and the project with its code. */
export async function embeddedParts(
  options: EmbeddedOptions,
): Promise<{ readonly parts: FeatureStoreParts; readonly project: Project }> {
  const projectFolder = resolve(options.projectFolder)
  const folder = resolve(projectFolder, options.folder ?? '.asof')
  const tempFolder = join(folder, 'temp')
  await mkdir(tempFolder, { recursive: true })
  const wall = options.wall ?? systemWall
  const engineSettings = {
    folders: [projectFolder, folder],
    tempFolder,
    threads: options.threads ?? availableParallelism(),
    memoryMb: options.memoryMb ?? Math.floor(totalmem() / 4 / 1024 / 1024),
  }
  // No SQL of a user runs here, and training sets lie wherever the user wants them.
  const parquet = lazyParquetFiles({ ...engineSettings, folders: [parse(projectFolder).root] })
  const log = await openLmdbEventLog(join(folder, 'log'), { wall })
  const tables = (root: string): ReturnType<typeof deltaTables> =>
    deltaTables({ objects: diskObjectStore(root), parquet, now: () => log.now(), randomId: randomUUID })
  const project = withCode(options.project, await codeOf(options.project.onDemandModules, projectFolder))
  const parts: FeatureStoreParts = {
    registry: await openLmdbRegistry(join(folder, 'registry')),
    log,
    online: await openLmdbOnlineStore(join(folder, 'online')),
    offline: tables(join(folder, 'offline')),
    engine: lazyEngine(engineSettings),
    parquet,
    staging: await diskStaging(join(folder, 'staging')),
    sources: sourceFiles(projectFolder, tables(projectFolder)),
    trainingFiles: diskTrainingFiles(),
    tablesIn: tables,
    writer: WRITER,
    naive: naiveValue,
    timing: {
      sleep: async (ms, signal) => await sleep(ms, undefined, { signal }).catch(() => undefined),
      after: (ms, then) => {
        // Beyond this a timer would end at once.
        const timer = setTimeout(then, Math.min(ms, 2_147_483_647))
        return () => clearTimeout(timer)
      },
    },
    owner: `${process.pid}:${randomUUID()}`,
    ...(options.telemetry && { telemetry: options.telemetry }),
  }
  return { parts, project }
}
