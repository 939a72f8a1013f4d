import { invalid } from '../errors/asof-error.ts'
import { checkDefinitions } from './check-definitions.ts'
import type { Declared } from './declared.ts'
import type { Definition, OnDemandDefinition } from './definition.ts'
import { groupId } from './definition.ts'
import { checkName } from './name.ts'
import type { OnDemandFunction, OnDemandGroup } from './on-demand.ts'

/** All definitions of a project, with the functions that JSON cannot carry. */
export interface Project {
  readonly name: string
  /** In canonical form, sorted by kind, name and version. */
  readonly definitions: readonly Definition[]
  /** On-demand functions by `name@version`. */
  readonly functions: ReadonlyMap<string, OnDemandFunction>
  /** URL of the module of each on-demand function, by `name@version`. */
  readonly onDemandModules: ReadonlyMap<string, string>
}

/**
 * Collects definitions and all that they refer to, and checks them against each other.
 *
 * @throws {AsofError} of kind `invalid`, naming the definition
 * @example
 * ```ts
 * export default project('flights', [delayModel]) // its groups, sources and entities come along
 * ```
 */
export function project(name: string, declared: readonly Declared[]): Project {
  checkName(name, 'project')
  const functions = new Map<string, OnDemandFunction>()
  const onDemandModules = new Map<string, string>()
  const reached = new Set<Declared>()
  const pending: Declared[] = [...declared].reverse()
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    pending.push(...next.refersTo)
    if (!isOnDemand(next)) continue
    const id = groupId(next.definition)
    const other = functions.get(id)
    if (other !== undefined && other !== next.compute) {
      throw invalid('duplicate_name', 'two functions for one on-demand group: raise the version of one', {
        id,
      })
    }
    functions.set(id, next.compute)
    onDemandModules.set(id, next.module)
  }
  const definitions = checkDefinitions(
    [...reached].map((each) => each.definition),
    name,
  )
  return Object.freeze({ name, definitions, functions, onDemandModules })
}

/** Where an on-demand function lives, and the hash over its module and what that imports from the project. */
export type OnDemandCode = OnDemandDefinition['code']

/**
 * The project with the code of its on-demand groups filled in, by `name@version`: applying needs it.
 *
 * @throws {AsofError} `code_missing` when one is absent
 */
export function withCode(given: Project, code: ReadonlyMap<string, OnDemandCode>): Project {
  const filled = given.definitions.map((definition): Definition => {
    if (definition.kind !== 'on_demand') return definition
    const found = code.get(groupId(definition))
    if (found === undefined) {
      throw invalid('code_missing', 'the code of an on-demand group was not found', {
        group: groupId(definition),
      })
    }
    return { ...definition, code: found }
  })
  return Object.freeze({ ...given, definitions: checkDefinitions(filled, given.name) })
}

function isOnDemand(declared: Declared): declared is OnDemandGroup<object, object, object> {
  return declared.definition.kind === 'on_demand'
}
