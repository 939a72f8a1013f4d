import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { internal, TEMPORARY_PREFIX } from '@asof/core'
import type { ObjectStore, ParquetFiles } from '@asof/core'
import { actionOf, sortActions } from './delta-action.ts'
import type { Action } from './delta-action.ts'
import type { CheckpointFiles, LogParts } from './delta-log.ts'
import { localPathOf } from './delta-local.ts'
import { checkpointPath, hintPath } from './delta-path.ts'
import { advance, startState } from './log-state.ts'
import type { DeltaLog, LogState } from './log-state.ts'

/** A checkpoint is written with every so many versions, unless the table says otherwise. */
export const CHECKPOINT_INTERVAL = 10
/** How long a checkpoint keeps the names of removed files, in milliseconds, unless the table says otherwise: a week. */
const TOMBSTONE_MS = 7 * 86_400_000

/**
 * Reads a checkpoint; undefined where it cannot be trusted: a part is torn, it does not say what the table is, or it
 * holds another number of actions than `expected`.
 */
export async function readCheckpoint(
  parts: LogParts,
  checkpoint: CheckpointFiles,
  expected: number | undefined,
): Promise<LogState | undefined> {
  try {
    const actions: Action[] = []
    for (const path of checkpoint.paths) {
      const records = await parts.parquet.readRecords(localPathOf(parts.objects, path))
      actions.push(...records.map(actionOf))
    }
    const commit = sortActions(actions, checkpoint.paths[0] ?? '')
    if (expected !== undefined && expected !== commit.adds.length) return undefined
    if (commit.protocol === undefined || commit.metadata === undefined) return undefined
    const state = startState()
    advance(state, commit, checkpoint.version)
    state.checkpoint = checkpoint.version
    return state
  } catch {
    return undefined
  }
}

/** Whether a version, just committed, is one to write a checkpoint with. */
export function isCheckpointDue(log: DeltaLog): boolean {
  const declared = Number(log.metadata.configuration['delta.checkpointInterval'] ?? CHECKPOINT_INTERVAL)
  const interval = Number.isInteger(declared) && declared > 0 ? declared : CHECKPOINT_INTERVAL
  // Whoever commits such a version writes its checkpoint; where they died before they had, a later one does.
  const isMissed = log.version - log.checkpoint >= 2 * interval
  return log.version > 0 && (log.version % interval === 0 || isMissed)
}

/**
 * Writes the checkpoint of a version and then the hint to it. What was written is read back and counted before anyone can see
 * it: a checkpoint that is whole and wrong would be believed.
 */
export async function writeCheckpoint(
  parts: { readonly objects: ObjectStore; readonly parquet: ParquetFiles },
  table: string,
  log: DeltaLog,
  randomId: () => string,
): Promise<void> {
  const { objects, parquet } = parts
  const actions = checkpointActions(log)
  const path = checkpointPath(table, log.version)
  const folder = join(localPathOf(objects, table), `${TEMPORARY_PREFIX}${randomId()}`)
  const local = join(folder, 'checkpoint.parquet')
  try {
    await mkdir(folder, { recursive: true })
    await parquet.writeRecords(local, actions, CHECKPOINT_TYPES)
    const back = sortActions((await parquet.readRecords(local)).map(actionOf), path)
    const same =
      back.adds.length === log.files.size && back.txns.length === log.txns.size && back.metadata !== undefined
    if (!same) throw internal('a checkpoint does not hold what was written to it', { file: path })
    await objects.adopt(local, path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const hint = { version: log.version, size: actions.length, numOfAddFiles: log.files.size }
  await objects.put(hintPath(table), new TextEncoder().encode(JSON.stringify(hint)))
}

/** What a checkpoint of a version holds. */
export function checkpointActions(log: DeltaLog): Action[] {
  const { protocol, metadata } = log
  const keepAll = 'delta.deletedFileRetentionDuration' in metadata.configuration
  const tombstones = [...log.tombstones.values()].filter(
    ({ deletionTimestamp = 0 }) => keepAll || deletionTimestamp > log.timestamp - TOMBSTONE_MS,
  )
  return [
    { protocol },
    { metaData: metadata },
    ...[...log.txns.values()].map((txn) => ({ txn })),
    ...tombstones.map((remove) => ({ remove: { ...remove, dataChange: false } })),
    ...[...log.files.values()].map((add) => ({ add: { ...add, dataChange: false } })),
  ]
}

const TEXTS = 'MAP(VARCHAR, VARCHAR)'

/** Columns of a checkpoint, as the protocol's appendix lists them. */
export const CHECKPOINT_TYPES: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, "version" BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${TEXTS}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, tags ${TEXTS}, stats VARCHAR)`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, partitionValues ${TEXTS}, size BIGINT)`,
  metaData: `STRUCT(id VARCHAR, "name" VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${TEXTS}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${TEXTS}, createdTime BIGINT)`,
  protocol:
    'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}
