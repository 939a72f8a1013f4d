import type { Instant } from '../clock/instant.ts'
import { internal } from '../errors/asof-error.ts'
import type { Definition, GroupDefinition } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import { indexDefinitions, sortDefinitions } from '../model/definition-index.ts'
import type { Field } from '../model/feature-type.ts'
import { typeName } from '../model/feature-type.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

/** A project before anything was applied to it. */
export function emptySnapshot(project: string): Snapshot {
  return Object.freeze({
    project,
    revision: undefined,
    entities: new Map(),
    sources: new Map(),
    groups: new Map(),
    onDemand: new Map(),
    services: new Map(),
    retired: new Map(),
    registered: new Map(),
  })
}

/** The definitions of a snapshot, sorted by kind, name and version. */
export function definitionsOf(snapshot: Snapshot): readonly Definition[] {
  return sortDefinitions([
    ...snapshot.entities.values(),
    ...snapshot.sources.values(),
    ...[...snapshot.groups.values()].map((group) => group.definition),
    ...snapshot.onDemand.values(),
    ...snapshot.services.values(),
  ])
}

/**
 * What a project is once `definitions` (checked, all of them) take the place of a snapshot's: groups keep their
 * history, a changed list of features is appended to it, a removed group is retired, registered consumers stay.
 *
 * @param at when this happens: the `firstApplied` of new group versions
 */
export function nextSnapshot(before: Snapshot, definitions: readonly Definition[], at: Instant): Snapshot {
  const index = indexDefinitions(definitions)
  const groups = new Map<string, AppliedGroup>()
  const retired = new Map(before.retired)
  for (const [id, group] of before.groups) if (!index.groups.has(id)) retired.set(id, group)
  for (const [id, definition] of index.groups) {
    const entity = index.entities.get(definition.entity)
    if (entity === undefined) throw internal('a group without its entity', { group: groupId(definition) })
    const known = before.groups.get(id) ?? retired.get(id)
    retired.delete(id)
    if (known !== undefined && known.definition === definition && known.entity === entity) {
      groups.set(id, known)
      continue
    }
    groups.set(
      id,
      Object.freeze({
        definition,
        entity,
        schemas: schemasOf(known, definition),
        firstApplied: known?.firstApplied ?? at,
      }),
    )
  }
  return Object.freeze({ ...before, ...index, groups, retired })
}

/** The last schema is the definition's own list, with its descriptions; an equal one takes the place of the last. */
function schemasOf(
  known: AppliedGroup | undefined,
  definition: GroupDefinition,
): readonly (readonly Field[])[] {
  const schemas = known?.schemas ?? []
  const last = schemas.at(-1)
  const kept = last !== undefined && sameColumns(last, definition.features) ? schemas.slice(0, -1) : schemas
  return Object.freeze([...kept, definition.features])
}

/** Whether two lists store rows alike: the same names and stored types in the same order. */
function sameColumns(a: readonly Field[], b: readonly Field[]): boolean {
  const column = (field: Field): string => `${field.name} ${typeName(field.type)}`
  return a.length === b.length && a.every((field, at) => column(field) === column(b[at]!))
}
