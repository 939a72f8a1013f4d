import { notFound } from '@asof/core'
import type { Instant, ObjectStore } from '@asof/core'
import type { Commit, CommitInfo } from './delta-action.ts'
import { listLog, readCommit } from './delta-log.ts'
import { commitPath } from './delta-path.ts'
import { commitMs, monotonic } from './log-state.ts'

/** One version of a table, as its commit tells it. */
export interface DeltaVersion {
  readonly version: number
  readonly committed: Instant
  /** What the writer says of itself; empty where it says nothing. */
  readonly info: CommitInfo
  readonly filesAdded: number
  readonly filesRemoved: number
  /** Whether columns or settings were set or changed. */
  readonly metadataChanged: boolean
}

/**
 * Every version of a table whose commit is still there, oldest first; none where there is no such table.
 *
 * @throws {AsofError} `corrupt_commit`
 * @example
 * ```ts
 * const objects = diskObjectStore('store/offline')
 * const history = await deltaHistory(objects, 'flights/airport_hourly/v1')
 * history.map(({ version }) => version)
 * ```
 */
export async function deltaHistory(objects: ObjectStore, table: string): Promise<readonly DeltaVersion[]> {
  const { commits } = await listLog(objects, table, undefined)
  const versions = [...commits.keys()].sort((a, b) => a - b)
  const history: DeltaVersion[] = []
  let before = Number.NEGATIVE_INFINITY
  for (let from = 0; from < versions.length; from += READS_AT_ONCE) {
    const chunk = versions.slice(from, from + READS_AT_ONCE)
    const read = await Promise.all(chunk.map((version) => readCommit(objects, table, version)))
    for (const [index, found] of read.entries()) {
      const version = chunk[index]
      if (found === undefined || version === undefined) continue
      before = monotonic(before, commitMs(found.commit, commits.get(version)))
      history.push(versionOf(version, before, found.commit))
    }
  }
  return history
}

const READS_AT_ONCE = 16

function versionOf(version: number, ms: number, commit: Commit): DeltaVersion {
  return {
    version,
    committed: instantOfMs(ms),
    info: commit.info ?? {},
    filesAdded: commit.adds.length,
    filesRemoved: commit.removes.length,
    metadataChanged: commit.metadata !== undefined,
  }
}

/** The instant of a time in milliseconds. */
export function instantOfMs(ms: number): Instant {
  return (ms * 1_000) as Instant
}

/**
 * The newest version committed by an instant.
 *
 * @throws {AsofError} `version_not_found` before the first version that the log still tells of
 */
export async function versionAt(objects: ObjectStore, table: string, at: Instant): Promise<DeltaVersion> {
  const history = await deltaHistory(objects, table)
  const found = history.findLast(({ committed }) => committed <= at)
  if (found !== undefined) return found
  const [oldest] = history
  if (oldest === undefined) throw notFound('table_not_found', 'there is no such table', { table })
  throw notFound(
    'version_not_found',
    'the table had no version yet at this instant, or its log no longer tells',
    {
      table,
      at,
      oldest: oldest.committed,
      file: commitPath(table, oldest.version),
    },
  )
}
