import { notFound } from '../errors/asof-error.ts'
import type { Registry } from '../ports/registry.ts'
import type { Snapshot } from './snapshot.ts'
import { readProject } from './stored-objects.ts'

/**
 * All definitions of a project at a revision, by default the newest; empty for a project that nobody applied to.
 *
 * Costs one `head` (or `revision`) and three `get` calls, whatever the number of definitions.
 *
 * @throws {AsofError} `revision_not_found`
 * @example
 * ```ts
 * const snapshot = await loadSnapshot(registry, 'flights')
 * snapshot.groups.get('airport_hourly@1')?.definition.name // 'airport_hourly'
 * ```
 */
export async function loadSnapshot(
  registry: Registry,
  project: string,
  revision?: number,
): Promise<Snapshot> {
  const found = revision === undefined ? await registry.head() : await registry.revision(revision)
  if (found === undefined && revision !== undefined) {
    throw notFound('revision_not_found', 'the registry has no such revision', { revision })
  }
  return (await readProject(registry, found, project)).snapshot
}
