import { AsofError, conflict, internal, isAsofError } from '../errors/asof-error.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { definitionId, type Definition } from '../model/definition.ts'
import { checkName } from '../model/name.ts'
import type { Registry } from '../ports/registry.ts'
import { commitProject, type CommitOptions } from './commit-project.ts'
import { definitionsById } from './dependencies.ts'
import { definitionsOf, nextSnapshot } from './next-snapshot.ts'
import type { ApplyPlan, PlannedChange } from './plan.ts'
import { diffSnapshots, planChecked } from './plan.ts'
import { sameJson } from './same-json.ts'
import type { Snapshot } from './snapshot.ts'

/** How definitions are applied. */
export interface ApplyOptions extends CommitOptions {
  /** Do breaking changes too; forbidden ones are never done. */
  readonly allowBreaking?: boolean
  /**
   * The snapshot that the plan was shown for: exactly that plan is done, on top of what others have applied since, or
   * nothing. By default the newest.
   */
  readonly base?: Snapshot
  /** Group versions, by `name@version`, of which nothing was computed or stored yet. */
  readonly empty?: ReadonlySet<string>
}

/** What has been applied. */
export interface ApplyResult {
  /** What was done, against the revision that it was done to. */
  readonly plan: ApplyPlan
  /** The project afterwards. */
  readonly snapshot: Snapshot
  /** False when there was nothing to change: no revision was made. */
  readonly committed: boolean
}

/**
 * Makes `definitions` all that a project has, in one commit; other projects are not touched.
 *
 * Someone may commit at the same time. What they did to other projects or other names is kept and the plan is done on
 * top of it; where both changed the same name to different ends, this call fails.
 *
 * @throws {AsofError} of kind `conflict`: `breaking_change` (naming whom it breaks), `forbidden_change`,
 * `concurrent_change`, `registry_busy`; of kind `invalid` as `planApply`
 * @example
 * ```ts
 * const { definitions } = project('flights', [hourly])
 * const given = { now: () => now, author: 'ann', message: 'hourly delays' }
 * const { snapshot } = await applyDefinitions(memoryRegistry(), 'flights', definitions, given)
 * snapshot.revision?.number // 1
 * ```
 */
export async function applyDefinitions(
  registry: Registry,
  project: string,
  definitions: readonly Definition[],
  options: ApplyOptions,
): Promise<ApplyResult> {
  checkName(project, 'project')
  const wanted = checkDefinitions(definitions)
  let { base } = options
  let plan: ApplyPlan | undefined
  const result = await commitProject(registry, project, options, (snapshot, at) => {
    base ??= snapshot
    const target = keepingSame(snapshot, rebase(base, wanted, snapshot))
    plan = planChecked(snapshot, target, options.empty)
    if (plan.changes.length === 0) return undefined
    refuse(plan, options.allowBreaking === true)
    return nextSnapshot(snapshot, target, at)
  })
  if (plan === undefined) throw internal('nothing was planned', { project })
  return { plan, ...result }
}

/** The definitions, those that a snapshot has already as the very objects that it has: what is one object is not compared. */
function keepingSame(snapshot: Snapshot, definitions: readonly Definition[]): readonly Definition[] {
  const present = definitionsById(definitionsOf(snapshot))
  return definitions.map((definition) => {
    const known = present.get(definitionId(definition))
    return known !== undefined && sameJson(known, definition) ? known : definition
  })
}

/** The definitions wanted, with what others have done since the base. */
function rebase(base: Snapshot, wanted: readonly Definition[], current: Snapshot): readonly Definition[] {
  if (base === current) return wanted
  const theirs = new Set(diffSnapshots(base, current).map((change) => change.id))
  if (theirs.size === 0) return wanted
  const merged = new Map(definitionsById(definitionsOf(current)))
  const mine = definitionsById(wanted)
  for (const { id } of planChecked(base, wanted).changes) {
    const definition = mine.get(id)
    if (theirs.has(id) && !sameJson(definition, merged.get(id))) {
      throw conflict('concurrent_change', 'someone else has changed this in the meantime: plan again', { id })
    }
    if (definition === undefined) merged.delete(id)
    else merged.set(id, definition)
  }
  try {
    return checkDefinitions([...merged.values()])
  } catch (error) {
    if (!isAsofError(error, 'invalid')) throw error
    const text = `what someone else has applied in the meantime does not fit: plan again; ${error.message}`
    throw new AsofError('conflict', 'concurrent_change', text, {}, { cause: error })
  }
}

function refuse(plan: ApplyPlan, allowBreaking: boolean): void {
  const forbidden = plan.changes.filter((change) => change.severity === 'forbidden')
  if (forbidden.length > 0) {
    throw refusal('forbidden_change', 'stored rows would not fit, so this is never done', forbidden)
  }
  const breaking = plan.changes.filter((change) => change.severity === 'breaking')
  if (breaking.length > 0 && !allowBreaking) {
    throw refusal('breaking_change', 'a breaking change: raise the version, or allow it', breaking)
  }
}

function refusal(code: string, text: string, changes: readonly PlannedChange[]): AsofError {
  const list = (names: readonly string[]): string | undefined =>
    names.length === 0 ? undefined : [...new Set(names)].join(', ')
  return conflict(code, text, {
    changes: changes.map(({ id, reasons }) => `${id}: ${reasons.join('; ')}`).join(' | '),
    services: list(changes.flatMap((change) => change.services)),
    consumers: list(changes.flatMap((change) => change.consumers)),
  })
}
