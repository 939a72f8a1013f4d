import { consumersOf, type Snapshot } from '../apply/snapshot.ts'
import type {
  Definition,
  GroupDefinition,
  OnDemandDefinition,
  OnDemandInput,
  ServiceDefinition,
  SourceDefinition,
} from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import { groupSources } from '../model/definition-index.ts'
import type { ColumnsRead, InputColumn } from '../ports/compute-engine.ts'
import { modelNode, type ColumnsOf, type LineageNode } from './lineage.ts'
import { EVENT_TIME, type FoundReference } from './reference.ts'

/** Values of one thing go into another. */
export interface EdgePair {
  readonly from: LineageNode
  readonly to: LineageNode
  /** `from` goes in by its rows and no column of it, as into `count(*)`: the edge is of the whole alone, not of its parts. */
  readonly byRows?: true
}

/** The edges of a snapshot, worked out where somebody asks. */
export interface LineageEdges {
  /** The nodes at which to begin. */
  start(found: FoundReference): readonly LineageNode[]
  /** What a node is made of. */
  into(node: LineageNode): Promise<readonly EdgePair[]>
  /** What is made of a node. */
  outOf(node: LineageNode): Promise<readonly EdgePair[]>
}

/** The column of a query that says whether a row is a tombstone. */
const DELETED = '_deleted'

/**
 * The edges of a snapshot.
 *
 * A node without a part stands for all parts of its definition: an edge of the whole meets every part, and the whole
 * meets the edges of every part.
 *
 * @param rows also what decides which row answers: entities, join keys, event times and created times
 */
export function lineageEdges(snapshot: Snapshot, columnsOf: ColumnsOf, rows = false): LineageEdges {
  return new Edges(snapshot, columnsOf, rows)
}

class Edges implements LineageEdges {
  readonly #snapshot: Snapshot
  readonly #columnsOf: ColumnsOf
  readonly #rows: boolean
  readonly #readers: ReadonlyMap<string, readonly Definition[]>
  readonly #known = new Map<Definition, Promise<readonly EdgePair[]>>()

  constructor(snapshot: Snapshot, columnsOf: ColumnsOf, rows: boolean) {
    this.#snapshot = snapshot
    this.#columnsOf = columnsOf
    this.#rows = rows
    this.#readers = readersOf(snapshot)
  }

  start(found: FoundReference): readonly LineageNode[] {
    if (found.kind === 'model') return [modelNode(this.#snapshot.project, found.consumer)]
    const { definition, part } = found
    if (part !== undefined && definition.kind !== 'entity') return [this.#node(definition, part)]
    // Which columns a source has nobody knows; of the others all parts are named.
    if (definition.kind === 'source' || definition.kind === 'entity') return [this.#node(definition)]
    const parts = definition.features.map(({ name }) => this.#node(definition, name))
    return definition.kind === 'group' ? [...parts, this.#node(definition, EVENT_TIME)] : parts
  }

  async into(node: LineageNode): Promise<readonly EdgePair[]> {
    const edges: EdgePair[] = []
    if (node.kind === 'model') {
      for (const service of this.#snapshot.services.values()) {
        const reads = consumersOf(this.#snapshot, service).some(
          ({ model, version }) => model === node.name && version === node.version,
        )
        if (!reads) continue
        for (const { name } of service.features) edges.push({ from: this.#node(service, name), to: node })
      }
      return edges
    }
    const definition = this.#definitionOf(node)
    if (definition === undefined) return []
    for (const { from, to, byRows } of await this.#edgesInto(definition)) {
      if (byRows === true ? to.id === node.id : meets(to, node)) edges.push({ from, to: node })
    }
    return edges
  }

  async outOf(node: LineageNode): Promise<readonly EdgePair[]> {
    const edges: EdgePair[] = []
    if (node.kind === 'service') {
      const service = this.#snapshot.services.get(node.name)
      if (service === undefined) return []
      return consumersOf(this.#snapshot, service).map((consumer) => ({
        from: node,
        to: modelNode(node.project, consumer),
      }))
    }
    for (const reader of this.#readers.get(idOf(node)) ?? []) {
      for (const { from, to, byRows } of await this.#edgesInto(reader)) {
        if (byRows === true ? from.id === node.id : meets(from, node)) edges.push({ from: node, to })
      }
    }
    return edges
  }

  #definitionOf({ kind, name, version }: LineageNode): Definition | undefined {
    const { entities, sources, groups, onDemand, services } = this.#snapshot
    switch (kind) {
      case 'entity':
        return entities.get(name)
      case 'source':
      case 'request':
        return sources.get(name)
      case 'group':
        return groups.get(`${name}@${version}`)?.definition
      case 'on_demand':
        return onDemand.get(`${name}@${version}`)
      case 'service':
        return services.get(name)
      case 'model':
        return undefined
      default:
        return kind satisfies never
    }
  }

  async #edgesInto(definition: Definition): Promise<readonly EdgePair[]> {
    const known = this.#known.get(definition)
    if (known !== undefined) return await known
    const edges = this.#work(definition)
    this.#known.set(definition, edges)
    return await edges
  }

  async #work(definition: Definition): Promise<readonly EdgePair[]> {
    switch (definition.kind) {
      case 'entity':
        return []
      case 'source':
        return await this.#sourceEdges(definition)
      case 'group':
        return await this.#groupEdges(definition)
      case 'on_demand':
        return this.#onDemandEdges(definition)
      case 'service':
        return this.#serviceEdges(definition)
      default:
        return definition satisfies never
    }
  }

  async #sourceEdges(source: SourceDefinition): Promise<readonly EdgePair[]> {
    const { reads } = source
    if (reads.format !== 'sql') return []
    const columns = await this.#columnsOf({ id: `source/${source.name}`, ...reads })
    if (columns === undefined) return this.#wholes(reads.sources, [this.#node(source)])
    const asked = new Set(columns.columns.keys())
    for (const reader of this.#readers.get(`source/${source.name}`) ?? []) {
      for (const { from } of await this.#edgesInto(reader)) {
        if (from.kind === 'source' && from.name === source.name && from.part !== undefined)
          asked.add(from.part)
      }
    }
    return [
      ...this.#byRows(reads.sources, [this.#node(source)]),
      ...[...asked].flatMap((column) =>
        this.#columnEdges(columns, column, reads.sources, [this.#node(source, column)]),
      ),
    ]
  }

  async #groupEdges(group: GroupDefinition): Promise<readonly EdgePair[]> {
    const { compute } = group
    const features = group.features.map(({ name }) => this.#node(group, name))
    const whole = [...features, this.#node(group, EVENT_TIME)]
    const entity = this.#snapshot.entities.get(group.entity)
    const keys = (entity?.keys ?? []).map(({ name }) => group.key[name] ?? name)
    const edges: EdgePair[] = []
    if (this.#rows && entity !== undefined) edges.push(...pairs([this.#node(entity)], whole))
    if (compute.from === 'source') {
      const source = this.#snapshot.sources.get(compute.source)
      if (source === undefined) return edges
      const column = (name: string): LineageNode => this.#node(source, name)
      for (const feature of features) edges.push({ from: column(feature.part!), to: feature })
      const { eventTime, created } = source
      if (eventTime !== undefined) edges.push({ from: column(eventTime.column), to: whole.at(-1)! })
      if (this.#rows) {
        const times = [eventTime, typeof created === 'object' && 'column' in created ? created : undefined]
        const deciding = [...keys, ...times.flatMap((time) => time?.column ?? [])]
        edges.push(...pairs(deciding.map(column), whole))
      }
    } else if (compute.from === 'query') {
      const columns = await this.#columnsOf({ id: `group/${groupId(group)}`, ...compute })
      if (columns === undefined) return [...edges, ...this.#wholes(compute.sources, whole)]
      for (const node of whole) edges.push(...this.#columnEdges(columns, node.part!, compute.sources, [node]))
      if (this.#rows) {
        const deciding = [...keys, EVENT_TIME, DELETED].flatMap((name) => columns.columns.get(name) ?? [])
        edges.push(...pairs(this.#inputs(deciding), whole))
      }
    }
    return edges
  }

  #columnEdges(
    { columns, rows }: ColumnsRead,
    column: string,
    sources: readonly string[],
    to: readonly LineageNode[],
  ): readonly EdgePair[] {
    const inputs = columns.get(column)
    if (inputs === undefined) return this.#wholes(sources, to)
    const from = this.#inputs(this.#rows ? [...inputs, ...rows] : inputs)
    // What is made of no column, such as `count(*)`, is made of what rows there are.
    return from.length === 0 ? this.#byRows(sources, to) : pairs(from, to)
  }

  /** Columns of sources; what a query sees of its run is none. */
  #inputs(columns: readonly InputColumn[]): readonly LineageNode[] {
    return columns.flatMap(({ input, column }) => {
      const source = this.#snapshot.sources.get(input)
      return source === undefined ? [] : [this.#node(source, column)]
    })
  }

  #wholes(sources: readonly string[], to: readonly LineageNode[]): readonly EdgePair[] {
    return pairs(
      sources.flatMap((name) => {
        const source = this.#snapshot.sources.get(name)
        return source === undefined ? [] : [this.#node(source)]
      }),
      to,
    )
  }

  #byRows(sources: readonly string[], to: readonly LineageNode[]): readonly EdgePair[] {
    return this.#wholes(sources, to).map((pair) => ({ ...pair, byRows: true }))
  }

  #onDemandEdges(group: OnDemandDefinition): readonly EdgePair[] {
    const { sources, groups } = this.#snapshot
    const from = group.inputs.flatMap(({ from: input }: OnDemandInput): LineageNode[] => {
      if ('request' in input) {
        const request = sources.get(input.request)
        return request === undefined ? [] : [this.#node(request, input.field)]
      }
      const read = 'group' in input ? input.group : input.eventTimeOf
      const known = groups.get(`${read}@${input.version}`)
      const part = 'group' in input ? input.feature : EVENT_TIME
      return known === undefined ? [] : [this.#node(known.definition, part)]
    })
    return pairs(
      from,
      group.features.map(({ name }) => this.#node(group, name)),
    )
  }

  #serviceEdges(service: ServiceDefinition): readonly EdgePair[] {
    const { groups, onDemand } = this.#snapshot
    return service.features.flatMap((feature) => {
      const id = `${feature.group}@${feature.version}`
      const read = groups.get(id)?.definition ?? onDemand.get(id)
      if (read === undefined) return []
      return [{ from: this.#node(read, feature.feature), to: this.#node(service, feature.name) }]
    })
  }

  #node(definition: Definition, part?: string): LineageNode {
    return nodeOf(this.#snapshot.project, definition, part)
  }
}

/** A definition, or a part of it, as a node. */
export function nodeOf(project: string, definition: Definition, part?: string): LineageNode {
  const isRequest = definition.kind === 'source' && definition.reads.format === 'request'
  const node = {
    project,
    kind: isRequest ? 'request' : definition.kind,
    name: definition.name,
    ...('version' in definition && { version: definition.version }),
    ...(part !== undefined && { part }),
    ...(definition.owner !== undefined && { owner: definition.owner }),
  } as const
  return { id: `${project}.${idOf(node)}${part === undefined ? '' : `:${part}`}`, ...node }
}

/** The `definitionId` of what a node belongs to. */
function idOf({ kind, name, version }: Pick<LineageNode, 'kind' | 'name' | 'version'>): string {
  return `${kind === 'request' ? 'source' : kind}/${name}${version === undefined ? '' : `@${version}`}`
}

/** Whether the end of an edge is about a node: either may be the whole of what the other is a part of. */
function meets(end: LineageNode, node: LineageNode): boolean {
  if (end.kind !== node.kind || end.name !== node.name || end.version !== node.version) return false
  return end.part === undefined || node.part === undefined || end.part === node.part
}

function pairs(from: readonly LineageNode[], to: readonly LineageNode[]): EdgePair[] {
  return to.flatMap((end) => from.map((begin) => ({ from: begin, to: end })))
}

const READERS = new WeakMap<Snapshot, ReadonlyMap<string, readonly Definition[]>>()

/** Who reads a definition directly, by `definitionId`; worked out once for a snapshot. */
function readersOf(snapshot: Snapshot): ReadonlyMap<string, readonly Definition[]> {
  const known = READERS.get(snapshot)
  if (known !== undefined) return known
  const readers = new Map<string, Definition[]>()
  const add = (reader: Definition, ids: readonly string[]): void => {
    for (const id of new Set(ids)) {
      const others = readers.get(id)
      if (others === undefined) readers.set(id, [reader])
      else others.push(reader)
    }
  }
  for (const source of snapshot.sources.values()) {
    if (source.reads.format === 'sql')
      add(
        source,
        source.reads.sources.map((name) => `source/${name}`),
      )
  }
  for (const { definition } of snapshot.groups.values()) {
    add(definition, [
      `entity/${definition.entity}`,
      ...groupSources(definition).map((name) => `source/${name}`),
    ])
  }
  for (const definition of snapshot.onDemand.values()) {
    add(
      definition,
      definition.inputs.map(({ from }) => {
        if ('request' in from) return `source/${from.request}`
        return `group/${'group' in from ? from.group : from.eventTimeOf}@${from.version}`
      }),
    )
  }
  for (const service of snapshot.services.values()) {
    add(
      service,
      service.features.map(({ group, version }) => {
        const id = `${group}@${version}`
        return snapshot.onDemand.has(id) ? `on_demand/${id}` : `group/${id}`
      }),
    )
  }
  READERS.set(snapshot, readers)
  return readers
}
