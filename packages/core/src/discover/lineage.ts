import type { Snapshot } from '../apply/snapshot.ts'
import type { Consumer } from '../model/definition.ts'
import type { ColumnsRead } from '../ports/compute-engine.ts'
import { lineageEdges, type LineageEdges } from './lineage-edges.ts'
import { findReference } from './reference.ts'

/** One thing that values pass through: a column, a feature, a request's field, a model. */
export interface LineageNode {
  /** Itself a reference: `flights.group/hourly@1:delay_mean`. */
  readonly id: string
  readonly project: string
  /** `source` is a table or one of its columns, `request` a request or one of its fields. */
  readonly kind: 'entity' | 'source' | 'request' | 'group' | 'on_demand' | 'service' | 'model'
  readonly name: string
  /** Of a group or on-demand group its version; of a model what the team calls it. */
  readonly version?: number | string
  /** The column, field or feature; absent where only the whole is known, and for entities and models. */
  readonly part?: string
  /** Of the definition it belongs to. */
  readonly owner?: string
  /** Of a model. */
  readonly team?: string
}

/** Values of `from` go into `to`. */
export interface LineageEdge {
  readonly from: string
  readonly to: string
}

/** What a thing is made of and what is made of it. */
export interface Lineage {
  /** What was asked for; of a whole group or service all its features. */
  readonly of: readonly string[]
  /** In order of discovery, those asked for first. */
  readonly nodes: readonly LineageNode[]
  readonly edges: readonly LineageEdge[]
}

/** A query of a group or of a SQL source. */
export interface LineageQuery {
  /** As `definitionId`: `group/hourly@1`, `source/flights`. */
  readonly id: string
  readonly query: string
  /** Names of the sources it reads, as it calls them. */
  readonly sources: readonly string[]
}

/**
 * Which columns a query's outputs come from; undefined where the SQL does not tell: then every output rests on every
 * input as a whole. The same holds for an output that the answer does not name.
 */
export type ColumnsOf = (query: LineageQuery) => ColumnsRead | undefined | Promise<ColumnsRead | undefined>

/** Up: what it is made of. Down: what is made of it. */
export type LineageDirection = 'up' | 'down' | 'both'

/**
 * What the thing that a reference names is made of, what is made of it, or both: from source columns over features and
 * on-demand functions to the models that read them.
 *
 * @param columnsOf tells the columns of queries; without it queries are known by their tables alone
 * @throws {AsofError} see `findReference`
 * @example
 * ```ts
 * const { nodes, edges } = await lineage(snapshot, 'airport_hourly:delay_mean', 'both')
 * ```
 */
export async function lineage(
  snapshot: Snapshot,
  reference: string,
  direction: LineageDirection,
  columnsOf: ColumnsOf = () => undefined,
): Promise<Lineage> {
  const start = findReference(snapshot, reference)
  // What an entity has to do with a feature is no value: it says whose.
  const rows = start.kind === 'definition' && start.definition.kind === 'entity'
  const edges = lineageEdges(snapshot, columnsOf, rows)
  const of = edges.start(start)
  const found = new Graph(of)
  if (direction !== 'down') await found.walk(of, async (node) => await edges.into(node))
  if (direction !== 'up') await found.walk(of, async (node) => await edges.outOf(node))
  return { of: of.map((node) => node.id), nodes: [...found.nodes.values()], edges: [...found.edges.values()] }
}

/** What has been reached so far. */
class Graph {
  readonly nodes = new Map<string, LineageNode>()
  readonly edges = new Map<string, LineageEdge>()

  constructor(of: readonly LineageNode[]) {
    for (const node of of) this.nodes.set(node.id, node)
  }

  async walk(
    of: readonly LineageNode[],
    next: (node: LineageNode) => ReturnType<LineageEdges['into']>,
  ): Promise<void> {
    const visited = new Set<string>(of.map((node) => node.id))
    const pending = [...of]
    for (let at = 0; at < pending.length; at++) {
      const node = pending[at]!
      for (const { from, to } of await next(node)) {
        this.edges.set(`${from.id} ${to.id}`, { from: from.id, to: to.id })
        const other = from.id === node.id ? to : from
        if (visited.has(other.id)) continue
        visited.add(other.id)
        if (!this.nodes.has(other.id)) this.nodes.set(other.id, other)
        pending.push(other)
      }
    }
  }
}

/** A model as a node. */
export function modelNode(project: string, { model, version, team }: Consumer): LineageNode {
  return { id: `${project}.model/${model}@${version}`, project, kind: 'model', name: model, version, team }
}
