import { invalid, notFound } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import type { SourceDefinition } from '../model/definition.ts'
import type { Relation, SourceRelation } from '../ports/compute-engine.ts'
import type { TableSnapshot } from '../ports/offline-store.ts'

/** How sources reach the files that they name: paths are the project's, relative to its folder. */
export interface SourceAccess {
  /** Absolute paths of the files that a path or pattern names, in order; refused outside the allowed folders. */
  files(path: string): Promise<readonly string[]>
  /** A Delta table by its path; undefined when there is none. */
  deltaTable(path: string, at?: { readonly instant: Instant }): Promise<TableSnapshot | undefined>
}

/**
 * A source as the engine reads it.
 *
 * @param asOf for sources read by commit: the instant in question
 * @throws {AsofError} `source_not_found`, `source_file_not_found`, `source_not_readable`
 */
export async function sourceRelation(
  snapshot: Snapshot,
  name: string,
  access: SourceAccess,
  asOf: Instant,
): Promise<SourceRelation> {
  const source = sourceNamed(snapshot, name)
  const { relation, committed } = await relationOf(snapshot, source, access, asOf)
  const times = source.eventTime === undefined ? {} : { eventTime: source.eventTime }
  if (source.created === 'commit')
    return { name, relation, ...times, created: { knownAt: committed ?? asOf } }
  if (source.created === undefined) {
    throw invalid('source_without_created', 'say when rows of this source become known: created', {
      source: name,
    })
  }
  return { name, relation, ...times, created: source.created }
}

/**
 * Where a source's rows are, whether or not it says when they become known.
 *
 * @throws {AsofError} `source_not_found`, `source_file_not_found`, `source_not_readable`
 */
export async function relationOfSource(
  snapshot: Pick<Snapshot, 'sources'>,
  name: string,
  access: SourceAccess,
  asOf: Instant,
): Promise<Relation> {
  return (await relationOf(snapshot, sourceNamed(snapshot, name), access, asOf)).relation
}

/** Whether the source, or one that its SQL reads, is a Delta table read at the version of an instant. */
export function readsByCommit(snapshot: Snapshot, name: string): boolean {
  const source = sourceNamed(snapshot, name)
  return (
    source.created === 'commit' ||
    (source.reads.format === 'sql' && source.reads.sources.some((input) => readsByCommit(snapshot, input)))
  )
}

async function relationOf(
  snapshot: Pick<Snapshot, 'sources'>,
  source: SourceDefinition,
  access: SourceAccess,
  asOf: Instant,
): Promise<{ relation: Relation; committed?: Instant }> {
  const { reads, name } = source
  switch (reads.format) {
    case 'parquet':
    case 'csv':
    case 'jsonl': {
      const paths = await access.files(reads.path)
      if (paths.length === 0)
        throw notFound('source_file_not_found', 'the source names no file', {
          source: name,
          path: reads.path,
        })
      return { relation: { kind: 'files', format: reads.format, paths } }
    }
    case 'delta': {
      const at = source.created === 'commit' ? { instant: asOf } : undefined
      const table = await access.deltaTable(reads.path, at)
      if (table === undefined)
        throw notFound('source_file_not_found', 'the source names no table', {
          source: name,
          path: reads.path,
        })
      return {
        relation: { kind: 'table', files: table.files, columns: table.schema.columns },
        committed: table.committed,
      }
    }
    case 'sql': {
      const inputs: Record<string, Relation> = {}
      for (const input of reads.sources) {
        inputs[input] = (await relationOf(snapshot, sourceNamed(snapshot, input), access, asOf)).relation
      }
      return { relation: { kind: 'query', sql: reads.query, inputs } }
    }
    case 'request':
      throw invalid('source_not_readable', 'a request has values only when it is made', { source: name })
    default:
      return reads satisfies never
  }
}

function sourceNamed(snapshot: Pick<Snapshot, 'sources'>, name: string): SourceDefinition {
  const source = snapshot.sources.get(name)
  if (source === undefined) throw notFound('source_not_found', 'source not found', { source: name })
  return source
}
