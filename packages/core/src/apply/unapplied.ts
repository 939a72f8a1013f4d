import { definitionId, type Definition } from '../model/definition.ts'
import { definitionsById } from './dependencies.ts'
import { definitionsOf } from './next-snapshot.ts'
import { sameJson } from './same-json.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * How many definitions applying would add, change or remove, without saying what that means: cheap enough for every command.
 *
 * @param definitions all of a project, as `checkDefinitions` answers them
 */
export function countUnapplied(snapshot: Snapshot, wanted: readonly Definition[]): number {
  const present = definitionsById(definitionsOf(snapshot))
  const same = wanted.filter((definition) =>
    sameJson(present.get(definitionId(definition)), definition),
  ).length
  const ids = new Set(wanted.map(definitionId))
  const removed = [...present.keys()].filter((id) => !ids.has(id)).length
  return wanted.length - same + removed
}
