import type { Instant } from '../clock/instant.ts'
import { AsofError } from '../errors/asof-error.ts'
import type { Registry } from '../ports/registry.ts'
import type { Snapshot } from './snapshot.ts'
import { readProjects, readRoot, writeProject, writeRoot, type RegistryObject } from './stored-objects.ts'

/** Who commits, when and why. */
export interface CommitOptions {
  /** The clock; read once for each try to commit. */
  readonly now: () => Instant
  readonly author: string
  readonly message: string
}

/** What a project becomes, made from one of its trees: it holds for as long as the project still has that tree. */
interface Made {
  readonly from: string | undefined
  readonly next: Snapshot
  readonly tree: string
}

/** Tries to commit before giving up; each that fails is another commit that succeeded. */
const TRIES_MAX = 1_000

/**
 * Changes one project in one commit. Where someone commits at the same time, the change is made anew on top of that;
 * where they changed another project only, as it is.
 *
 * @param change answers what the project becomes, or undefined where there is nothing to change; it may be called again
 * @returns the snapshot committed, or the one that is there
 * @throws {AsofError} `registry_busy`; whatever `change` throws
 */
export async function commitProject(
  registry: Registry,
  project: string,
  { now, author, message }: CommitOptions,
  change: (snapshot: Snapshot, at: Instant) => Snapshot | undefined,
): Promise<{ readonly snapshot: Snapshot; readonly committed: boolean }> {
  let made: Made | undefined
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const head = await registry.head()
    const at = Math.max(now(), head?.at ?? Number.NEGATIVE_INFINITY) as Instant
    const projects = await readRoot(registry, head)
    let objects: readonly RegistryObject[] = []
    if (made === undefined || projects[project] !== made.from) {
      const [stored] = await readProjects(registry, head, projects, [project])
      const next = change(stored!.snapshot, at)
      if (next === undefined) return { snapshot: stored!.snapshot, committed: false }
      const written = writeProject(stored!, next)
      made = { from: projects[project], next, tree: written.tree }
      objects = written.objects
    }
    const root = writeRoot(projects, project, made.tree)
    await registry.put([...objects, root])
    const revision = await registry.commit(head?.number ?? 0, { root: root.hash, at, author, message })
    if (revision !== undefined) {
      return { snapshot: Object.freeze({ ...made.next, revision }), committed: true }
    }
  }
  throw new AsofError(
    'conflict',
    'registry_busy',
    'others keep committing first: try again',
    { tries: TRIES_MAX },
    { retryable: true },
  )
}
