import { AsofError, conflict, isAsofError } from '@asof/core'
import type { Instant, ObjectStore } from '@asof/core'
import { decodeCommit, encodeCommit, sortActions } from './delta-action.ts'
import type { Action, CommitInfo } from './delta-action.ts'
import { readCommit } from './delta-log.ts'
import { commitPath } from './delta-path.ts'
import { applyCommit } from './log-state.ts'
import type { DeltaLog } from './log-state.ts'
import type { NewestLogs } from './newest-logs.ts'

/** What a commit needs. */
export interface CommitParts {
  readonly objects: ObjectStore
  readonly now: () => Instant
  readonly randomId: () => string
}

/** What to commit after a version: its actions without `commitInfo`, and what that is to say. */
export interface CommitDraft {
  readonly actions: readonly Action[]
  readonly info: CommitInfo
}

/** How a commit ended: as a new version, or not needed, as the version looked at already has what was wanted. */
export interface CommitOutcome {
  readonly committed: boolean
  readonly log: DeltaLog
}

/** So many other writers may be first before a commit gives up. */
export const COMMIT_ATTEMPTS_MAX = 1_000

/**
 * Puts one commit after the newest version.
 *
 *     look at the newest version ─▶ draft ─▶ put N.json if absent ─▶ stored: done
 *          ▲                          │            │
 *          │                          ▼            ├─▶ someone else was first: look again
 *          └──────────────────── not needed        └─▶ unknown: read N.json; if it is ours, done; if it is not there, fail
 *
 * Invariants: 1. a version is stored by exactly one `put`; 2. success is said only when N.json is known to be ours, by the id in it;
 * 3. each version is drafted anew from the one before it, so a draft never overlooks what another writer did.
 *
 * @param draft what to commit after a version, or undefined where that version needs nothing more
 * @throws {AsofError} what the object store throws where the commit is known not to be there; `commit_unknown` where that
 * cannot be told (retry: an append that did happen is then a duplicate); `commit_contended`
 */
export async function commitNext(
  parts: CommitParts,
  newest: NewestLogs,
  table: string,
  draft: (log: DeltaLog | undefined) => CommitDraft | undefined,
): Promise<CommitOutcome> {
  const txnId = parts.randomId()
  for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt++) {
    const log = await newest.read(table)
    const wanted = draft(log)
    if (wanted === undefined) {
      if (log === undefined) throw conflict('table_changed', 'the table is gone', { table })
      return { committed: false, log }
    }
    const version = (log?.version ?? -1) + 1
    const timestamp = commitTime(parts.now(), log)
    const info: CommitInfo = { timestamp, ...wanted.info, engineInfo: 'asof/0.1.0', txnId }
    const actions = [{ commitInfo: info }, ...wanted.actions.map((action) => stamped(action, timestamp))]
    const body = encodeCommit(actions)
    if (!(await store(parts.objects, table, version, body, txnId))) continue
    const after = applyCommit(log, sortActions(actions, commitPath(table, version)), version, table)
    newest.remember(table, after, body)
    return { committed: true, log: after }
  }
  throw conflict('commit_contended', 'other writers were always first; write less often', { table })
}

/** Milliseconds: not before the commit was made (so rounded up), and after the version before it. */
function commitTime(now: Instant, log: DeltaLog | undefined): number {
  return Math.max(Math.ceil(now / 1_000), (log?.timestamp ?? Number.NEGATIVE_INFINITY) + 1)
}

function stamped(action: Action, timestamp: number): Action {
  return action.txn === undefined ? action : { txn: { ...action.txn, lastUpdated: timestamp } }
}

async function store(
  objects: ObjectStore,
  table: string,
  version: number,
  body: Uint8Array,
  txnId: string,
): Promise<boolean> {
  const path = commitPath(table, version)
  let failure: unknown
  try {
    if (await objects.put(path, body, { ifAbsent: true })) return true
  } catch (error) {
    failure = error ?? new Error('the put failed')
  }
  // A put that failed may have stored the body, and one that a store tried twice may have lost to itself.
  const there = await readBack(objects, table, version, failure)
  if (there !== undefined) return there.info?.txnId === txnId
  if (failure === undefined) return false
  throw isAsofError(failure)
    ? failure
    : new AsofError(
        'unavailable',
        'commit_failed',
        'the commit could not be stored; retry',
        { table, version },
        { cause: failure },
      )
}

async function readBack(
  objects: ObjectStore,
  table: string,
  version: number,
  failure: unknown,
): Promise<ReturnType<typeof decodeCommit> | undefined> {
  try {
    return (await readCommit(objects, table, version))?.commit
  } catch (error) {
    if (isAsofError(error, 'corrupt')) throw error
    throw new AsofError(
      'unavailable',
      'commit_unknown',
      'the commit may or may not be stored; retry with the same writer and sequence',
      { table, version },
      { cause: failure ?? error },
    )
  }
}
