import { notFound } from '../errors/asof-error.ts'
import type { Registry, Revision } from '../ports/registry.ts'
import type { Snapshot } from './snapshot.ts'
import { readAllProjects, readProject } from './stored-objects.ts'

/**
 * All definitions of a project at a revision, by default the newest; empty for a project that nobody applied to.
 *
 * Costs one `head` (or `revision`) and three `get` calls, whatever the number of definitions; what was read before of the
 * project is not read again.
 *
 * @throws {AsofError} `revision_not_found`
 * @example
 * ```ts
 * const snapshot = await loadSnapshot(registry, 'flights')
 * snapshot.groups.get('airport_hourly@1')
 * ```
 */
export async function loadSnapshot(
  registry: Registry,
  project: string,
  revision?: number,
): Promise<Snapshot> {
  return (await readProject(registry, await revisionNamed(registry, revision), project)).snapshot
}

/** All definitions of every project, by the project's name; costs as {@link loadSnapshot}. */
export async function loadSnapshots(registry: Registry): Promise<ReadonlyMap<string, Snapshot>> {
  const stored = await readAllProjects(registry, await registry.head())
  return new Map(stored.map(({ snapshot }) => [snapshot.project, snapshot]))
}

/** A revision by number; the newest where none is named. @throws {AsofError} `revision_not_found` */
export async function revisionNamed(
  registry: Registry,
  number: number | undefined,
): Promise<Revision | undefined> {
  if (number === undefined) return await registry.head()
  const found = await registry.revision(number)
  if (found === undefined)
    throw notFound('revision_not_found', 'the registry has no such revision', { revision: number })
  return found
}
