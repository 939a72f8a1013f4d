import { applyDefinitions, type ApplyOptions, type ApplyResult } from '../apply/apply.ts'
import { listConsumers } from '../apply/consumers.ts'
import { loadSnapshot, revisionNamed } from '../apply/load-snapshot.ts'
import { definitionsOf } from '../apply/next-snapshot.ts'
import { diffSnapshots, type PlannedChange } from '../apply/plan.ts'
import { consumerName, type Snapshot } from '../apply/snapshot.ts'
import { readRoots, readTrees } from '../apply/stored-objects.ts'
import { notFound } from '../errors/asof-error.ts'
import type { Registry, Revision } from '../ports/registry.ts'

/** One revision that changed a project, with how much it changed. */
export interface ProjectRevision extends Omit<Revision, 'root'> {
  /** Definitions. */
  readonly added: number
  readonly changed: number
  readonly removed: number
  /** Consumers registered and removed by their own side. */
  readonly consumers: number
}

/** What to list. */
export interface RevisionsOptions {
  /** How many; 20 by default. */
  readonly limit?: number
  /** Only those before this revision. */
  readonly before?: number
}

/** Revisions whose roots are read at once. */
const AT_ONCE = 64

/**
 * The revisions that changed a project, the newest first. Reads the trees of the project alone, no definition.
 *
 * @example
 * ```ts
 * const [last] = await projectRevisions(registry, 'flights', { limit: 1 })
 * ```
 */
export async function projectRevisions(
  registry: Registry,
  project: string,
  { limit = 20, before }: RevisionsOptions = {},
): Promise<readonly ProjectRevision[]> {
  const head = await registry.head()
  const found: ProjectRevision[] = []
  let newest = Math.min(head?.number ?? 0, (before ?? Infinity) - 1)
  while (newest > 0 && found.length < limit) {
    const oldest = Math.max(0, newest - AT_ONCE)
    const revisions = await revisionsFrom(registry, oldest, newest)
    const roots = await readRoots(registry, revisions)
    const trees = roots.map((root) => (Object.hasOwn(root, project) ? root[project] : undefined))
    for (let at = revisions.length - 1; at > 0 && found.length < limit; at--) {
      if (trees[at] === trees[at - 1]) continue
      const [was, is] = await readTrees(registry, [trees[at - 1], trees[at]])
      const { number, at: when, author, message } = revisions[at]!
      found.push({ number, at: when, author, message, ...counted(was!, is!) })
    }
    newest = oldest
  }
  return found
}

/** The revisions of numbers from `oldest` to `newest`; before the first there is nothing, undefined. */
async function revisionsFrom(
  registry: Registry,
  oldest: number,
  newest: number,
): Promise<readonly (Revision | undefined)[]> {
  const numbers = Array.from({ length: newest - oldest + 1 }, (_, at) => oldest + at)
  return await Promise.all(
    numbers.map(async (number) => (number === 0 ? undefined : await revisionNamed(registry, number))),
  )
}

type Entries = Readonly<Record<string, string>>

function counted(was: Entries, is: Entries): Omit<ProjectRevision, keyof Revision> {
  const counts = { added: 0, changed: 0, removed: 0, consumers: 0 }
  const count = (id: string, as: 'added' | 'changed' | 'removed'): void => {
    if (id.startsWith('retired/')) return
    counts[id.startsWith('consumer/') ? 'consumers' : as]++
  }
  for (const [id, hash] of Object.entries(is)) {
    if (!Object.hasOwn(was, id)) count(id, 'added')
    else if (was[id] !== hash) count(id, 'changed')
  }
  for (const id of Object.keys(was)) if (!Object.hasOwn(is, id)) count(id, 'removed')
  return counts
}

/** What differs between two revisions of a project. */
export interface RevisionDiff {
  readonly project: string
  readonly from: number
  readonly to: number
  /** What would lead from one to the other, with what it means. */
  readonly changes: readonly PlannedChange[]
  /** Models by `service model@version (team)`, those that services declare and those registered. */
  readonly consumers: { readonly added: readonly string[]; readonly removed: readonly string[] }
}

/**
 * What differs between two revisions of a project, in either order.
 *
 * @throws {AsofError} `revision_not_found`
 * @example
 * ```ts
 * const { changes } = await diffRevisions(registry, 'flights', 1, 2)
 * changes.map((change) => change.id) // ['service/hourly_model']
 * ```
 */
export async function diffRevisions(
  registry: Registry,
  project: string,
  from: number,
  to: number,
): Promise<RevisionDiff> {
  const [before, after] = [
    await loadSnapshot(registry, project, from),
    await loadSnapshot(registry, project, to),
  ]
  const [were, are] = [consumerLines(before), consumerLines(after)]
  return {
    project,
    from,
    to,
    changes: diffSnapshots(before, after),
    consumers: {
      added: [...are].filter((line) => !were.has(line)),
      removed: [...were].filter((line) => !are.has(line)),
    },
  }
}

function consumerLines(snapshot: Snapshot): ReadonlySet<string> {
  return new Set(
    listConsumers(snapshot).map(
      (consumer) => `${consumer.service} ${consumerName(consumer)} (${consumer.team})`,
    ),
  )
}

/**
 * Makes a project's definitions those of an earlier revision, in a new one. It is planned as any apply is, so what would
 * break somebody is refused unless allowed; registered consumers stay as they are now.
 *
 * @throws {AsofError} `revision_not_found`, `project_not_found`; as `applyDefinitions`
 * @example
 * ```ts
 * const given = { now: () => now, author: 'ann', message: 'back to the old delays' }
 * await restoreRevision(registry, 'flights', 2, given)
 * ```
 */
export async function restoreRevision(
  registry: Registry,
  project: string,
  revision: number,
  options: ApplyOptions,
): Promise<ApplyResult> {
  const definitions = definitionsOf(await loadSnapshot(registry, project, revision))
  if (definitions.length === 0) {
    throw notFound('project_not_found', 'the project was not there at this revision', { project, revision })
  }
  const message = options.message === '' ? `restore revision ${revision}` : options.message
  return await applyDefinitions(registry, project, definitions, { ...options, message })
}
