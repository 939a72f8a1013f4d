import type { PlannedChange } from '../apply/plan.ts'
import { isAsofError } from '../errors/asof-error.ts'
import { relationOfSource, type SourceAccess } from '../ingest/source-relation.ts'
import type { Instant } from '../clock/instant.ts'
import { definitionId, groupId, type Definition, type GroupDefinition } from '../model/definition.ts'
import { groupSources, indexDefinitions } from '../model/definition-index.ts'
import type { ComputeEngine } from '../ports/compute-engine.ts'

/** What materializing would meet at a source as its files are now. */
export interface SourceWarning {
  readonly source: string
  /** The group version, `name@version`, whose column the source lacks. */
  readonly group?: string
  readonly problem: string
}

/** Sources that are looked at for one plan: opening a file takes about as long as planning a thousand definitions. */
const SOURCES_LOOKED_AT_MAX = 100

/**
 * Looks at the sources that changes are about: that they can be read, and have the columns that are declared. It reads file
 * names and columns, no rows, and never fails: files may be elsewhere when definitions are applied.
 *
 * @param definitions all of the project
 */
export async function sourceWarnings(
  definitions: readonly Definition[],
  changes: readonly PlannedChange[],
  parts: { readonly engine: ComputeEngine; readonly sources: SourceAccess; readonly now: Instant },
): Promise<readonly SourceWarning[]> {
  const { entities, groups, sources } = indexDefinitions(definitions)
  const changed = new Set(changes.filter(({ change }) => change !== 'remove').map(({ id }) => id))
  const warnings: SourceWarning[] = []
  const readBy = new Map<string, GroupDefinition[]>()
  for (const group of groups.values()) {
    for (const name of groupSources(group)) readBy.set(name, [...(readBy.get(name) ?? []), group])
  }
  let lookedAt = 0
  for (const source of sources.values()) {
    if (source.reads.format === 'request') continue
    const readers = readBy.get(source.name) ?? []
    if (![source, ...readers].some((definition) => changed.has(definitionId(definition)))) continue
    if (++lookedAt > SOURCES_LOOKED_AT_MAX) break
    let columns: ReadonlySet<string>
    try {
      const relation = await relationOfSource({ sources }, source.name, parts.sources, parts.now)
      columns = new Set((await parts.engine.describe(relation)).map(({ name }) => name.toLowerCase()))
    } catch (error) {
      if (!isAsofError(error)) throw error
      warnings.push({ source: source.name, problem: error.message })
      continue
    }
    const lacks = (names: readonly string[], group?: string): void => {
      const absent = [...new Set(names)].filter((name) => !columns.has(name.toLowerCase()))
      if (absent.length === 0) return
      const problem = `it has no column ${absent.join(', ')}`
      warnings.push({ source: source.name, ...(group !== undefined && { group }), problem })
    }
    const { eventTime, created } = source
    const known = typeof created === 'object' && 'column' in created ? created.column : undefined
    lacks([eventTime?.column, known].filter((name) => name !== undefined))
    for (const group of readers) {
      if (group.compute.from !== 'source') continue
      const keys = entities.get(group.entity)?.keys ?? []
      lacks(
        [...keys.map(({ name }) => group.key[name] ?? name), ...group.features.map(({ name }) => name)],
        groupId(group),
      )
    }
  }
  return warnings
}
