import type { Snapshot } from '../apply/snapshot.ts'
import type { Instant } from '../clock/instant.ts'
import type { ColumnsOf } from '../discover/lineage.ts'
import { isAsofError } from '../errors/asof-error.ts'
import { sourceRelation, type SourceAccess } from '../ingest/source-relation.ts'
import type { ComputeEngine, QueryInputs } from '../ports/compute-engine.ts'

/**
 * Tells which columns the queries of a snapshot read, by the engine's parser and the columns that the sources' files have
 * now; a query over a source that is not there tells nothing.
 */
export function queryColumns(
  snapshot: Snapshot,
  engine: ComputeEngine,
  access: SourceAccess,
  now: Instant,
): ColumnsOf {
  const known = new Map<string, ReturnType<ComputeEngine['describe']>>()
  const describe = async (name: string): ReturnType<ComputeEngine['describe']> => {
    const described = known.get(name)
    if (described !== undefined) return await described
    const columns = sourceRelation(snapshot, name, access, now).then(
      async ({ relation }) => await engine.describe(relation),
    )
    known.set(name, columns)
    return await columns
  }
  return async ({ query, sources }) => {
    const inputs: Record<string, QueryInputs[string]> = {}
    try {
      for (const name of sources) inputs[name] = await describe(name)
    } catch (error) {
      if (!isAsofError(error)) throw error
      return undefined
    }
    return await engine.columnsRead(query, inputs)
  }
}
