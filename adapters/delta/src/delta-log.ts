import { corrupt, notFound } from '@asof/core'
import type { ObjectStore, ParquetFiles } from '@asof/core'
import { decodeCommit } from './delta-action.ts'
import type { Commit } from './delta-action.ts'
import { readCheckpoint } from './delta-checkpoint.ts'
import { checkpointPath, commitPath, hintPath, logFolder, parseLogFile, versionDigits } from './delta-path.ts'
import { unsupported } from './delta-protocol.ts'
import { advance, commitMs, finish, startState } from './log-state.ts'
import type { DeltaLog, LogState } from './log-state.ts'

/** What reading a log needs. */
export interface LogParts {
  readonly objects: ObjectStore
  readonly parquet: Pick<ParquetFiles, 'readRecords'>
}

/**
 * Reads a table's log: at the newest version, or at the one given. One listing, the hint, the checkpoint, and the commits
 * after it, however long the log.
 *
 * @returns undefined when there is no such table
 * @throws {AsofError} `version_not_found`; `versions_not_contiguous`, `corrupt_commit`, `corrupt_checkpoint` naming the file;
 * `unsupported_table_feature`
 * @example
 * ```ts
 * const objects = diskObjectStore('store/offline')
 * const log = await readDeltaLog({ objects, parquet: parquetFiles }, 'flights/airport_hourly/v1')
 * log?.files.size
 * ```
 */
export async function readDeltaLog(
  parts: LogParts,
  table: string,
  at?: { readonly version: number },
): Promise<DeltaLog | undefined> {
  const target = at?.version
  const hint = await readHint(parts.objects, table)
  if (hint !== undefined && hint.version <= (target ?? hint.version)) {
    const listing = await listLog(parts.objects, table, hint.version)
    // A hint may be stale, ahead, or name a bad checkpoint: then the whole log is looked at.
    if (listing.checkpoints.length > 0) {
      const state = await bestCheckpoint(parts, table, listing, target, hint)
      if (state !== undefined) return replay(parts, table, listing, target, state)
    }
  }
  const listing = await listLog(parts.objects, table, undefined)
  if (listing.commits.size === 0 && listing.checkpoints.length === 0) {
    if (listing.hasV2Checkpoint) throw unsupported(table, 'v2Checkpoint')
    return undefined
  }
  return replay(parts, table, listing, target, await bestCheckpoint(parts, table, listing, target, hint))
}

/** Reads one commit; undefined when there is none. @throws {AsofError} `corrupt_commit` */
export async function readCommit(
  objects: ObjectStore,
  table: string,
  version: number,
): Promise<{ readonly commit: Commit; readonly body: Uint8Array } | undefined> {
  const path = commitPath(table, version)
  const body = await objects.get(path)
  return body === undefined ? undefined : { commit: decodeCommit(body, path), body }
}

/** A checkpoint of a listing: all its parts are there. */
export interface CheckpointFiles {
  readonly version: number
  readonly paths: readonly string[]
  readonly modifiedMs: number
}

/** What lies in a log's folder. */
export interface LogListing {
  /** Time of the commit file in milliseconds, by version. */
  readonly commits: ReadonlyMap<number, number>
  /** Whole checkpoints, newest first. */
  readonly checkpoints: readonly CheckpointFiles[]
  readonly hasV2Checkpoint: boolean
}

/** Lists a log, from a version on where one is given. */
export async function listLog(
  objects: ObjectStore,
  table: string,
  from: number | undefined,
): Promise<LogListing> {
  const folder = logFolder(table)
  const commits = new Map<number, number>()
  const parts = new Map<
    string,
    { version: number; of: number; paths: Map<number, string>; modifiedMs: number }
  >()
  let hasV2Checkpoint = false
  const after = from === undefined ? {} : { after: `${folder}/${versionDigits(from)}` }
  for await (const { path, modifiedMs } of objects.list(folder, after)) {
    const file = parseLogFile(path)
    if (file?.kind === 'commit') commits.set(file.version, modifiedMs)
    if (file?.kind === 'v2-checkpoint') hasV2Checkpoint = true
    if (file?.kind !== 'checkpoint') continue
    const key = `${file.version} of ${file.parts}`
    const checkpoint = parts.get(key) ?? {
      version: file.version,
      of: file.parts,
      paths: new Map(),
      modifiedMs,
    }
    checkpoint.paths.set(file.part, path)
    parts.set(key, checkpoint)
  }
  const checkpoints = [...parts.values()]
    // A checkpoint of which a part is missing says nothing.
    .filter(({ of, paths }) => paths.size === of)
    .sort((a, b) => b.version - a.version || a.of - b.of)
    .map(({ version, paths, modifiedMs }) => ({ version, paths: [...paths.values()], modifiedMs }))
  return { commits, checkpoints, hasV2Checkpoint }
}

interface Hint {
  readonly version: number
  /** How many files the checkpoint holds. */
  readonly files: number | undefined
}

async function readHint(objects: ObjectStore, table: string): Promise<Hint | undefined> {
  const body = await objects.get(hintPath(table))
  if (body === undefined) return undefined
  try {
    const { version, numOfAddFiles: files } = JSON.parse(new TextDecoder().decode(body)) as Record<
      string,
      unknown
    >
    if (!Number.isSafeInteger(version)) return undefined
    return { version: Number(version), files: typeof files === 'number' ? files : undefined }
  } catch {
    return undefined
  }
}

/** The newest checkpoint at or below the target that can be read whole; undefined where there is none. */
async function bestCheckpoint(
  parts: LogParts,
  table: string,
  listing: LogListing,
  target: number | undefined,
  hint: Hint | undefined,
): Promise<LogState | undefined> {
  for (const checkpoint of listing.checkpoints) {
    if (target !== undefined && checkpoint.version > target) continue
    const expected = hint?.version === checkpoint.version ? hint.files : undefined
    const state = await readCheckpoint(parts, checkpoint, expected)
    if (state === undefined) continue
    // The checkpoint itself has no time; its commit has, where it is still there.
    const commit = await readCommit(parts.objects, table, checkpoint.version)
    const fileMs = listing.commits.get(checkpoint.version) ?? checkpoint.modifiedMs
    state.timestamp = (commit === undefined ? undefined : commitMs(commit.commit, fileMs)) ?? fileMs
    return state
  }
  return undefined
}

const READS_AT_ONCE = 16

async function replay(
  parts: LogParts,
  table: string,
  listing: LogListing,
  target: number | undefined,
  checkpoint: LogState | undefined,
): Promise<DeltaLog> {
  const state = checkpoint ?? startState()
  const newest = Math.max(state.version, ...listing.commits.keys())
  const end = target ?? newest
  for (let from = state.version + 1; from <= end; from += READS_AT_ONCE) {
    const versions = Array.from(
      { length: Math.min(READS_AT_ONCE, end - from + 1) },
      (_, index) => from + index,
    )
    const read = await Promise.all(versions.map((version) => readCommit(parts.objects, table, version)))
    for (const [index, found] of read.entries()) {
      const version = from + index
      if (found === undefined) throw missing(table, version, { newest, end }, listing)
      advance(state, found.commit, version, listing.commits.get(version))
    }
  }
  if (target !== undefined) return finish(state, table)
  // A listing may lag behind what is there; a commit that can be read is there.
  for (;;) {
    const found = await readCommit(parts.objects, table, state.version + 1)
    if (found === undefined) break
    advance(state, found.commit, state.version + 1)
  }
  return finish(state, table)
}

function missing(
  table: string,
  version: number,
  { newest, end }: { newest: number; end: number },
  listing: LogListing,
): Error {
  if (version > newest) {
    return notFound('version_not_found', 'the table has no such version yet', {
      table,
      asked: end,
      missing: version,
      newest,
    })
  }
  if (listing.hasV2Checkpoint) return unsupported(table, 'v2Checkpoint')
  const oldest = listing.checkpoints.at(-1)?.version
  if (version === 0 && oldest !== undefined) {
    if (end < oldest) {
      return notFound('version_not_found', 'the log no longer reaches back to this version', {
        table,
        asked: end,
        oldest,
      })
    }
    return corrupt(
      'corrupt_checkpoint',
      'the checkpoint cannot be read, and the commits before it are gone',
      { asked: end, missing: version, file: checkpointPath(table, oldest) },
    )
  }
  return corrupt('versions_not_contiguous', 'a commit file is missing between others; restore it', {
    asked: end,
    missing: version,
    file: commitPath(table, version),
  })
}
