import { corrupt } from '@asof/core'
import { fileKey } from './delta-action.ts'
import type { AddFile, Commit, Metadata, Protocol, RemoveFile, Txn } from './delta-action.ts'
import { commitPath } from './delta-path.ts'
import { checkReadable, unsupported } from './delta-protocol.ts'

/**
 * What a table is at one version, replayed from its log: the newest checkpoint and the commits after it.
 *
 * Invariants: versions are contiguous (a gap is an error, never an older table); of one file the newest action counts;
 * a checkpoint is only a shortcut, so a bad one gives way to an older one, and in the end to the commits alone.
 */
export interface DeltaLog {
  readonly version: number
  /** Time of the commit in milliseconds since 1970, above that of every version before it. */
  readonly timestamp: number
  readonly protocol: Protocol
  readonly metadata: Metadata
  /** Files of the table, by path and deletion vector, in order of addition. */
  readonly files: ReadonlyMap<string, AddFile>
  /** Files that were removed, as a vacuum must know them. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>
  /** The newest transaction of each writer. */
  readonly txns: ReadonlyMap<string, Txn>
  /** Version of the newest checkpoint known, 0 without one. */
  readonly checkpoint: number
}

/** The state of a log while it is replayed. */
export interface LogState {
  version: number
  timestamp: number
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: Map<string, AddFile>
  readonly tombstones: Map<string, RemoveFile>
  readonly txns: Map<string, Txn>
  checkpoint: number
}

/** A state to replay upon: a copy of a log's, or that before the first version. */
export function startState(log?: DeltaLog): LogState {
  return {
    version: log?.version ?? -1,
    timestamp: log?.timestamp ?? Number.NEGATIVE_INFINITY,
    protocol: log?.protocol,
    metadata: log?.metadata,
    files: new Map(log?.files),
    tombstones: new Map(log?.tombstones),
    txns: new Map(log?.txns),
    checkpoint: log?.checkpoint ?? 0,
  }
}

/** Applies one commit, or the actions of a checkpoint, to a state. */
export function advance(state: LogState, commit: Commit, version: number, fileMs?: number): void {
  state.version = version
  state.timestamp = monotonic(state.timestamp, commitMs(commit, fileMs))
  state.protocol = commit.protocol ?? state.protocol
  state.metadata = commit.metadata ?? state.metadata
  for (const txn of commit.txns) state.txns.set(txn.appId, txn)
  for (const remove of commit.removes) {
    const key = fileKey(remove)
    state.files.delete(key)
    state.tombstones.set(key, remove)
  }
  for (const add of commit.adds) {
    const key = fileKey(add)
    state.tombstones.delete(key)
    state.files.set(key, add)
  }
}

/**
 * The time at which a commit says it was made, in milliseconds: what stands inside goes before the time of the file, as copying a
 * table changes the latter.
 */
export function commitMs(commit: Commit, fileMs: number | undefined): number | undefined {
  const { inCommitTimestamp, timestamp } = commit.info ?? {}
  const said = [inCommitTimestamp, timestamp, fileMs].find((ms) => typeof ms === 'number')
  return said
}

/** The time of a version after one at `before`: clocks step back, versions do not. */
export function monotonic(before: number, ms: number | undefined): number {
  if (before === Number.NEGATIVE_INFINITY) return ms ?? 0
  return Math.max(before + 1, ms ?? 0)
}

/** A log one commit further. @throws {AsofError} `corrupt_commit` where the first commit does not say what the table is */
export function applyCommit(
  log: DeltaLog | undefined,
  commit: Commit,
  version: number,
  table: string,
  fileMs?: number,
): DeltaLog {
  const state = startState(log)
  advance(state, commit, version, fileMs)
  return finish(state, table)
}

/** What a state says, once it is known that asof can read it. @throws {AsofError} `corrupt_commit`, `unsupported_table_feature` */
export function finish(state: LogState, table: string): DeltaLog {
  const { protocol, metadata } = state
  if (protocol === undefined || metadata === undefined) {
    throw corrupt('corrupt_commit', 'the log does not say what the table is', { file: commitPath(table, 0) })
  }
  checkReadable(protocol, metadata, table)
  for (const file of state.files.values()) {
    if (file.deletionVector !== undefined) throw unsupported(table, 'deletionVectors')
  }
  return { ...state, protocol, metadata }
}
