import { graphlib, layout, type EdgeLabel, type GraphLabel, type NodeLabel, type Point } from '@dagrejs/dagre'
import type { LineageEdge, LineageNode } from '@asof/core'

/** Sizes of the picture in pixels. */
export const SIZES = {
  boxHeight: 38,
  boxWidthMax: 232,
  boxPadding: 10,
  characterWidth: 7.25,
  gap: 72,
  rowGap: 14,
} as const

/** A node with its place. */
export interface PlacedNode {
  readonly node: LineageNode
  readonly column: number
  /** Left upper corner. */
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** An edge as it is drawn: straight through columns, where it is between boxes, and bent in the gaps between them. */
export interface PlacedEdge extends LineageEdge {
  /** Pairs of points: along each pair the edge is level. */
  readonly points: readonly Point[]
}

/** A picture before it is drawn. */
export interface LineageLayout {
  readonly width: number
  readonly height: number
  /** From left to right. */
  readonly columns: readonly { readonly title: string; readonly left: number; readonly right: number }[]
  readonly nodes: readonly PlacedNode[]
  readonly edges: readonly PlacedEdge[]
}

/** A column's title and the kinds in it, from left to right; nodes of a kind that read each other take several columns. */
const STAGES: readonly (readonly [title: string, kinds: readonly LineageNode['kind'][]])[] = [
  ['sources', ['entity', 'source', 'request']],
  ['features', ['group']],
  ['on demand', ['on_demand']],
  ['services', ['service']],
  ['models', ['model']],
]

/** What a node is called, and what it belongs to. */
export function nodeTexts(node: LineageNode): { readonly name: string; readonly of: string } {
  const kind = node.kind === 'on_demand' ? 'on demand' : node.kind
  if (node.kind === 'model') return { name: `${node.name}@${node.version}`, of: node.team ?? kind }
  const whole = node.version === undefined ? node.name : `${node.name}@${node.version}`
  return node.part === undefined ? { name: whole, of: kind } : { name: node.part, of: whole }
}

/**
 * Places the nodes of a lineage in columns from sources to models, so that no two boxes overlap and no edge goes through one.
 */
export function layoutLineage(nodes: readonly LineageNode[], given: readonly LineageEdge[]): LineageLayout {
  const known = new Set(nodes.map(({ id }) => id))
  const edges = given.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to)
  const columns = columnsOf(nodes, edges)
  const graph = new graphlib.Graph<GraphLabel, NodeLabel, EdgeLabel>()
  graph.setGraph({
    rankdir: 'LR',
    nodesep: SIZES.rowGap,
    edgesep: 10,
    ranksep: SIZES.gap,
    marginx: 0,
    marginy: 0,
  })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const node of nodes) graph.setNode(node.id, { width: boxWidth(node), height: SIZES.boxHeight })
  const drawn = edges.filter(({ from, to }) => columns.at(from) < columns.at(to))
  for (const { from, to } of drawn) graph.setEdge(from, to, { minlen: columns.at(to) - columns.at(from) })
  anchor(graph, nodes, drawn, columns.at)
  layout(graph)
  return straightened(graph, nodes, drawn, columns)
}

interface Columns {
  readonly at: (id: string) => number
  readonly titles: readonly string[]
}

/** The column of each node: that of its stage, further to the right by as many of its stage as it is made of in a row. */
function columnsOf(nodes: readonly LineageNode[], edges: readonly LineageEdge[]): Columns {
  const stages = new Map(
    nodes.map(({ id, kind }) => [id, STAGES.findIndex(([, kinds]) => kinds.includes(kind))]),
  )
  const into = Map.groupBy(edges, ({ to }) => to)
  const depths = new Map<string, number>()
  const depthOf = (id: string): number => {
    const found = depths.get(id)
    if (found !== undefined) return found
    depths.set(id, 0) // A circle, which no project has, would end here.
    const same = (into.get(id) ?? []).filter(({ from }) => stages.get(from) === stages.get(id))
    const depth = same.length === 0 ? 0 : 1 + Math.max(...same.map(({ from }) => depthOf(from)))
    depths.set(id, depth)
    return depth
  }
  const places = nodes.map(({ id }) => [stages.get(id)!, depthOf(id)] as const)
  const used = [...new Set(places.map(([stage, depth]) => stage * nodes.length + depth))].sort(
    (a, b) => a - b,
  )
  const columns = new Map(
    nodes.map(({ id }, at) => [id, used.indexOf(places[at]![0] * nodes.length + places[at]![1])]),
  )
  return {
    at: (id) => columns.get(id)!,
    titles: used.map((place) => STAGES[Math.floor(place / nodes.length)]![0]),
  }
}

/** Ties what is not connected to a point left of all, so that every node is in its own column whatever it is connected to. */
function anchor(
  graph: graphlib.Graph<GraphLabel, NodeLabel, EdgeLabel>,
  nodes: readonly LineageNode[],
  edges: readonly LineageEdge[],
  column: (id: string) => number,
): void {
  const neighbours = new Map<string, string[]>(nodes.map(({ id }) => [id, []]))
  for (const { from, to } of edges) {
    neighbours.get(from)!.push(to)
    neighbours.get(to)!.push(from)
  }
  const seen = new Set<string>()
  for (const { id } of nodes) {
    if (seen.has(id)) continue
    let first = id
    for (const pending = [id]; pending.length > 0;) {
      const each = pending.pop()!
      if (seen.has(each)) continue
      seen.add(each)
      if (column(each) < column(first)) first = each
      pending.push(...neighbours.get(each)!)
    }
    graph.setNode(ANCHOR, { width: 0, height: 0 })
    graph.setEdge(ANCHOR, first, { minlen: 1 + column(first), weight: 0 })
  }
}

const ANCHOR = '\0anchor'

function straightened(
  graph: graphlib.Graph<GraphLabel, NodeLabel, EdgeLabel>,
  nodes: readonly LineageNode[],
  edges: readonly LineageEdge[],
  columns: Columns,
): LineageLayout {
  const centres = columns.titles.map(() => 0)
  const widths = columns.titles.map(() => 0)
  for (const { id, ...node } of nodes) {
    const column = columns.at(id)
    centres[column] = (graph.node(id) as NodeLabel).x!
    widths[column] = Math.max(widths[column]!, boxWidth({ id, ...node }))
  }
  const yOf = (id: string): number => (graph.node(id) as NodeLabel).y!
  const offset = Math.min(...nodes.map(({ id }) => yOf(id) - SIZES.boxHeight / 2))
  let left = 0
  const placed = columns.titles.map((title, column) => {
    const right = left + widths[column]!
    const at = { title, left, right }
    left = right + SIZES.gap
    return at
  })
  const boxes = nodes.map((node): PlacedNode => {
    const column = columns.at(node.id)
    return {
      node,
      column,
      x: placed[column]!.left,
      y: yOf(node.id) - SIZES.boxHeight / 2 - offset,
      width: widths[column]!,
      height: SIZES.boxHeight,
    }
  })
  const lines = edges.map(({ from, to }): PlacedEdge => {
    const { points = [] } = graph.edge(from, to) as EdgeLabel
    const level = (column: number, y: number): Point[] => [
      { x: placed[column]!.left, y: y - offset },
      { x: placed[column]!.right, y: y - offset },
    ]
    const [first, last] = [columns.at(from), columns.at(to)]
    const through: Point[] = []
    for (let column = first + 1; column < last; column++) {
      const nearest = points.toSorted(
        (a: Point, b: Point) => Math.abs(a.x - centres[column]!) - Math.abs(b.x - centres[column]!),
      )[0]
      if (nearest !== undefined) through.push(...level(column, nearest.y))
    }
    const begin = level(first, yOf(from))[1]!
    const end = level(last, yOf(to))[0]!
    return { from, to, points: [begin, ...through, end] }
  })
  const bottoms = [
    ...boxes.map(({ y, height }) => y + height),
    ...lines.flatMap(({ points }) => points.map(({ y }) => y)),
  ]
  return {
    width: placed.at(-1)?.right ?? 0,
    height: Math.max(0, ...bottoms),
    columns: placed,
    nodes: boxes,
    edges: lines,
  }
}

function boxWidth(node: LineageNode): number {
  const { name, of } = nodeTexts(node)
  // What a node belongs to is written smaller.
  const characters = Math.max(name.length, of.length * 0.85, 8)
  return Math.min(SIZES.boxWidthMax, Math.ceil(characters * SIZES.characterWidth) + 2 * SIZES.boxPadding)
}
