import {
  add,
  allOf,
  columnOf,
  named,
  positional,
  renamed,
  sizeOf,
  some,
  union,
  Unreadable,
  type ReadColumn,
  type Reads,
  type Relation,
} from './relation-reads.ts'

/** A node of the tree that `json_serialize_sql` gives, without what is null, empty or default. */
export interface Node {
  readonly [name: string]: unknown
}

/**
 * Resolves a parsed query: for each of its columns the input columns that it is made from.
 *
 * Everything that decides which rows there are counts for the whole relation: filters, join conditions, what is grouped by,
 * what is distinct, order and limits. Names are resolved as DuckDB does; where it prefers one of two meanings, both count.
 *
 * @param statement as `json_serialize_sql` has it
 * @param inputs by lower-case name
 * @param aggregates names of aggregate functions: `GROUP BY ALL` groups by what has none
 * @throws {Unreadable}
 */
export function readQuery(
  statement: Node,
  inputs: ReadonlyMap<string, Relation>,
  aggregates: ReadonlySet<string>,
): Relation {
  return new QueryReader(aggregates).query(statement['node'] as Node, { tables: inputs, outer: undefined })
}

/** What a query can name: the relations of inputs and WITH, and the columns of the queries around it. */
interface Environment {
  readonly tables: ReadonlyMap<string, Relation>
  readonly outer: Scope | undefined
}

/** The relations of a FROM clause, as the clauses of its query see them. */
interface Scope {
  readonly tables: readonly { readonly name: string; readonly columns: readonly ReadColumn[] }[]
  /** What a star expands to: the columns of a join in order, those of USING once. */
  readonly star: readonly ReadColumn[]
  /** Columns of both sides of USING under the one name. */
  readonly merged: ReadonlyMap<string, Reads>
  readonly rows: Reads
  /** Names that a lambda gives its parameters. */
  readonly parameters: ReadonlySet<string>
  /** Expressions of the SELECT list by alias. */
  readonly aliases: ReadonlyMap<string, Reads>
  readonly environment: Environment
}

class QueryReader {
  readonly #aggregates: ReadonlySet<string>

  constructor(aggregates: ReadonlySet<string>) {
    this.#aggregates = aggregates
  }

  query(node: Node, around: Environment): Relation {
    const environment = this.#withCtes(node, around)
    switch (node['type']) {
      case 'SELECT_NODE':
        return this.#select(node, environment)
      case 'SET_OPERATION_NODE':
        return this.#setOperation(node, environment)
      default:
        throw new Unreadable()
    }
  }

  #withCtes(node: Node, around: Environment): Environment {
    const tables = new Map(around.tables)
    const map = (node['cte_map'] as Node | undefined)?.['map'] as readonly Node[] | undefined
    for (const { key, value } of map ?? []) {
      const { query, aliases } = value as Node
      const body = (query as Node)['node'] as Node
      const environment = { tables, outer: around.outer }
      const relation =
        body['type'] === 'RECURSIVE_CTE_NODE'
          ? this.#recursive(body, environment, aliases)
          : renamed(this.query(body, environment), aliases)
      tables.set(String(key).toLowerCase(), relation)
    }
    return { tables, outer: around.outer }
  }

  /** The columns of a recursion are those of its start, and then of each round until nothing is added. */
  #recursive(node: Node, around: Environment, aliases: unknown): Relation {
    if (node['key_targets'] !== undefined) throw new Unreadable()
    const name = String(node['cte_name']).toLowerCase()
    let known = renamed(this.query(node['left'] as Node, around), aliases)
    for (;;) {
      const tables = new Map(around.tables).set(name, known)
      const next = this.query(node['right'] as Node, { ...around, tables })
      const joined = positional(known, next)
      const rows = new Set([...joined.rows, ...(node['union_all'] === true ? [] : allOf(joined.columns))])
      if (sizeOf({ ...joined, rows }) === sizeOf(known)) return known
      known = { columns: joined.columns, rows }
    }
  }

  #setOperation(node: Node, environment: Environment): Relation {
    const left = this.query(node['left'] as Node, environment)
    const right = this.query(node['right'] as Node, environment)
    const byName = node['setop_type'] === 'UNION_BY_NAME'
    const joined = byName ? named(left, right) : positional(left, right)
    const keepsAll =
      node['setop_all'] !== false && ['UNION', 'UNION_BY_NAME'].includes(String(node['setop_type']))
    const aliases = new Map<string, Reads>()
    for (const { name, from } of joined.columns) if (name !== undefined) aliases.set(name.toLowerCase(), from)
    const scope: Scope = {
      tables: [],
      star: joined.columns,
      merged: new Map(),
      rows: joined.rows,
      parameters: new Set(),
      aliases,
      environment,
    }
    const rows = [...joined.rows, ...(keepsAll ? [] : allOf(joined.columns))]
    return { columns: joined.columns, rows: this.#modified(node, scope, joined.columns, rows) }
  }

  #select(node: Node, environment: Environment): Relation {
    const from = this.#from((node['from_table'] ?? { type: 'EMPTY' }) as Node, environment)
    const rows = new Set(from.rows)
    const columns: ReadColumn[] = []
    const grouped: Reads[] = []
    const aliases = new Map<string, Reads>()
    let scope: Scope = { ...from, aliases }
    for (const expression of (node['select_list'] ?? []) as readonly Node[]) {
      const found = this.#selected(expression, scope)
      columns.push(...found)
      for (const { name, from: reads } of found) {
        if (!this.#aggregating(expression)) grouped.push(reads)
        // A later column of that name is another one, so both count where the alias is used.
        const key = name?.toLowerCase()
        if (key !== undefined) aliases.set(key, union(aliases.get(key), reads))
      }
      // As many rows come of it as the list has values.
      if (contains(expression, ({ function_name: name }) => UNNESTING.has(String(name))))
        add(rows, this.#reads(expression, scope))
    }
    scope = { ...scope, aliases }
    if (node['aggregate_handling'] === 'FORCE_AGGREGATES') for (const reads of grouped) add(rows, reads)
    for (const clause of ['where_clause', 'having', 'qualify'])
      if (node[clause] !== undefined) add(rows, this.#ambiguous(node[clause], scope))
    for (const each of (node['group_expressions'] ?? []) as readonly Node[])
      add(rows, this.#numbered(each, scope, columns))
    return { columns, rows: this.#modified(node, scope, columns, rows) }
  }

  /** What order, distinctness and limits add to what decides the rows. */
  #modified(node: Node, scope: Scope, columns: readonly ReadColumn[], before: Iterable<string>): Reads {
    const rows = new Set(before)
    for (const modifier of (node['modifiers'] ?? []) as readonly Node[]) {
      switch (modifier['type']) {
        case 'ORDER_MODIFIER':
          for (const { expression } of (modifier['orders'] ?? []) as readonly Node[]) {
            const each = expression as Node
            // ORDER BY ALL is a star.
            add(rows, each['class'] === 'STAR' ? allOf(columns) : this.#numbered(each, scope, columns))
          }
          break
        case 'DISTINCT_MODIFIER': {
          const targets = modifier['distinct_on_targets'] as readonly Node[] | undefined
          add(rows, targets === undefined ? allOf(columns) : [])
          for (const each of targets ?? []) add(rows, this.#numbered(each, scope, columns))
          break
        }
        case 'LIMIT_MODIFIER':
        case 'LIMIT_PERCENT_MODIFIER':
          add(rows, this.#reads([modifier['limit'], modifier['offset']], scope))
          break
        default:
          throw new Unreadable()
      }
    }
    return rows
  }

  /** An expression of ORDER BY, GROUP BY or DISTINCT ON, where a whole number is the position of a column. */
  #numbered(expression: Node, scope: Scope, columns: readonly ReadColumn[]): Reads {
    if (expression['class'] === 'CONSTANT') {
      const { value } = expression['value'] as Node
      if (typeof value === 'number') return columns[value - 1]?.from ?? new Set()
    }
    return this.#ambiguous(expression, scope)
  }

  /** An expression in which a name may be a column or an alias: both count. */
  #ambiguous(expression: unknown, scope: Scope): Reads {
    const reads = new Set(this.#reads(expression, scope))
    for (const name of namesIn(expression)) add(reads, scope.aliases.get(name.toLowerCase()) ?? [])
    return reads
  }

  /** The columns that an expression of the SELECT list stands for. */
  #selected(expression: Node, scope: Scope): ReadColumn[] {
    if (expression['class'] === 'STAR') return this.#star(expression, scope)
    if (contains(expression, (node) => node['class'] === 'STAR')) throw new Unreadable()
    const { alias, column_names: path } = expression
    const name = alias ?? (path as readonly string[] | undefined)?.at(-1)
    return [{ name: name as string | undefined, from: this.#reads(expression, scope) }]
  }

  #star(star: Node, scope: Scope): ReadColumn[] {
    if (star['expr'] !== undefined || star['unpacked'] === true) throw new Unreadable()
    const relation = star['relation_name'] as string | undefined
    const columns = relation === undefined ? scope.star : tableOf(scope, relation)?.columns
    if (columns === undefined) throw new Unreadable()
    const left = new Set<string>(
      [
        ...((star['exclude_list'] ?? []) as string[]),
        ...((star['qualified_exclude_list'] ?? []) as Node[]).map(({ column }) => String(column)),
      ].map((name) => name.toLowerCase()),
    )
    const replaced = new Map(
      ((star['replace_list'] ?? []) as Node[]).map(({ key, value }) => [String(key).toLowerCase(), value]),
    )
    const names = new Map(
      ((star['rename_list'] ?? []) as Node[]).map(({ key, value }) => [
        String((key as Node)['column']).toLowerCase(),
        String(value),
      ]),
    )
    return columns
      .filter(({ name }) => name === undefined || !left.has(name.toLowerCase()))
      .map(({ name, from }) => {
        const key = name?.toLowerCase() ?? ''
        const instead = replaced.get(key)
        return {
          name: names.get(key) ?? name,
          from: instead === undefined ? from : this.#reads(instead, scope),
        }
      })
  }

  #from(table: Node, environment: Environment): Scope {
    switch (table['type']) {
      case 'EMPTY':
        return scopeOf([], [], new Set(), environment)
      case 'BASE_TABLE': {
        const name = String(table['table_name'])
        const relation = environment.tables.get(name.toLowerCase())
        if (relation === undefined || table['sample'] !== undefined) throw new Unreadable()
        return aliased(relation, table, name, environment)
      }
      case 'SUBQUERY': {
        const relation = this.query((table['subquery'] as Node)['node'] as Node, environment)
        return aliased(relation, table, '', environment)
      }
      case 'EXPRESSION_LIST': {
        const scope = environment.outer ?? scopeOf([], [], new Set(), environment)
        const values = table['values'] as readonly (readonly Node[])[]
        const columns = (values[0] ?? []).map((_, at) => ({
          name: `col${at}`,
          from: union(...values.map((row) => this.#reads(row[at], scope))),
        }))
        return aliased({ columns, rows: new Set() }, table, 'valueslist', environment)
      }
      case 'TABLE_FUNCTION': {
        const call = table['function'] as Node
        const scope = environment.outer ?? scopeOf([], [], new Set(), environment)
        const from = this.#reads(call, scope)
        const columns = [String(call['function_name'])].map((name) => ({ name, from }))
        if (table['with_ordinality'] !== undefined) columns.push({ name: 'ordinality', from })
        return aliased({ columns, rows: from }, table, String(call['function_name']), environment)
      }
      case 'JOIN':
        return this.#join(table, environment)
      default:
        throw new Unreadable()
    }
  }

  #join(table: Node, environment: Environment): Scope {
    const left = this.#from(table['left'] as Node, environment)
    // What stands to the right may name what stands to the left.
    const lateral = { ...environment, outer: { ...left, environment } }
    const right = { ...this.#from(table['right'] as Node, lateral), environment }
    const natural = table['ref_type'] === 'NATURAL'
    const shared = natural
      ? left.star.flatMap(({ name }) => (name !== undefined && columnOf(right.star, name) ? [name] : []))
      : ((table['using_columns'] ?? []) as readonly string[])
    const merged = new Map([...left.merged, ...right.merged])
    const rows = new Set([...left.rows, ...right.rows])
    for (const name of shared) {
      const [ours, theirs] = [columnOf(left.star, name), columnOf(right.star, name)]
      if (ours === undefined || theirs === undefined) throw new Unreadable()
      const both = union(ours, theirs)
      merged.set(name.toLowerCase(), both)
      add(rows, both)
    }
    const isShared = ({ name }: ReadColumn): boolean =>
      name !== undefined && shared.some((each) => each.toLowerCase() === name.toLowerCase())
    const half = ['SEMI', 'ANTI'].includes(String(table['join_type']))
    const star = left.star.map((column) =>
      isShared(column) ? { name: column.name, from: merged.get(column.name!.toLowerCase())! } : column,
    )
    const scope: Scope = {
      tables: [...left.tables, ...right.tables],
      star: half ? left.star : [...star, ...right.star.filter((column) => !isShared(column))],
      merged,
      rows,
      parameters: new Set(),
      aliases: new Map(),
      environment,
    }
    add(rows, this.#reads(table['condition'], scope))
    return scope
  }

  /** Every input column that an expression reads, those of its subqueries included. */
  #reads(expression: unknown, scope: Scope): Reads {
    const reads = new Set<string>()
    const visit = (value: unknown, within: Scope): void => {
      if (Array.isArray(value)) for (const item of value) visit(item, within)
      else if (isNode(value)) {
        switch (value['class']) {
          case 'COLUMN_REF':
            add(reads, this.#resolve(value['column_names'] as readonly string[], within))
            return
          case 'LAMBDA': {
            // `json -> 'path'` looks the same: what is a column counts, whatever else it is.
            const names = namesIn(value['lhs'])
            for (const name of names) add(reads, columnOrNothing(name, within))
            const parameters = new Set([...within.parameters, ...names.map((name) => name.toLowerCase())])
            visit(value['expr'], { ...within, parameters })
            return
          }
          case 'SUBQUERY': {
            const inner = this.query((value['subquery'] as Node)['node'] as Node, {
              ...within.environment,
              outer: within,
            })
            add(reads, inner.rows)
            if (!['EXISTS', 'NOT_EXISTS'].includes(String(value['subquery_type'])))
              add(reads, allOf(inner.columns))
            visit(value['child'], within)
            return
          }
          case 'STAR':
          case 'POSITIONAL_REFERENCE':
          case 'DEFAULT':
          case 'PARAMETER':
            throw new Unreadable()
        }
        for (const item of Object.values(value)) visit(item, within)
      }
    }
    visit(expression, scope)
    return reads
  }

  #resolve(path: readonly string[], scope: Scope): Reads {
    const [first, second] = path
    if (first === undefined) throw new Unreadable()
    if (scope.parameters.has(first.toLowerCase())) return new Set()
    const found: Reads[] = []
    const table = tableOf(scope, first)
    if (table !== undefined && second !== undefined) found.push(...some(columnOf(table.columns, second)))
    const column = scope.merged.get(first.toLowerCase()) ?? columnInTables(scope, first)
    found.push(...some(column))
    // A table's name alone is its whole row.
    if (found.length === 0 && table !== undefined && second === undefined) found.push(allOf(table.columns))
    if (found.length === 0) found.push(...some(scope.aliases.get(first.toLowerCase())))
    if (found.length > 0) return union(...found)
    if (scope.environment.outer === undefined) throw new Unreadable()
    return this.#resolve(path, scope.environment.outer)
  }

  /** Whether an expression has an aggregate outside of its subqueries and windows. */
  #aggregating(expression: unknown): boolean {
    if (Array.isArray(expression)) return expression.some((item) => this.#aggregating(item))
    if (!isNode(expression) || expression['class'] === 'SUBQUERY') return false
    if (
      expression['class'] === 'FUNCTION' &&
      this.#aggregates.has(String(expression['function_name']).toLowerCase())
    )
      return true
    return Object.values(expression).some((item) => this.#aggregating(item))
  }
}

const UNNESTING = new Set(['unnest', 'unlist', 'generate_subscripts'])

function scopeOf(
  tables: Scope['tables'],
  star: readonly ReadColumn[],
  rows: Reads,
  environment: Environment,
): Scope {
  return { tables, star, rows, environment, merged: new Map(), parameters: new Set(), aliases: new Map() }
}

/** A relation under its alias, with the column names that the alias gives. */
function aliased(relation: Relation, table: Node, name: string, environment: Environment): Scope {
  const { columns, rows } = renamed(relation, table['column_name_alias'])
  const known = (table['alias'] as string | undefined) ?? name
  return scopeOf([{ name: known.toLowerCase(), columns }], columns, rows, environment)
}

function tableOf(scope: Scope, name: string): Scope['tables'][number] | undefined {
  return scope.tables.find((table) => table.name === name.toLowerCase())
}

function columnInTables(scope: Scope, name: string): Reads | undefined {
  const found = [
    ...scope.tables.map(({ columns }) => columns),
    ...(scope.tables.length === 0 ? [scope.star] : []),
  ]
    .map((columns) => columnOf(columns, name))
    .filter((reads) => reads !== undefined)
  return found.length === 0 ? undefined : union(...found)
}

function columnOrNothing(name: string, scope: Scope): Reads {
  return scope.merged.get(name.toLowerCase()) ?? columnInTables(scope, name) ?? new Set()
}

/** First parts of the names in an expression, outside of its subqueries. */
function namesIn(expression: unknown): string[] {
  if (Array.isArray(expression)) return expression.flatMap(namesIn)
  if (!isNode(expression)) return []
  if (expression['class'] === 'COLUMN_REF') return (expression['column_names'] as string[]).slice(0, 1)
  return Object.values(expression).flatMap(namesIn)
}

function contains(value: unknown, wanted: (node: Node) => boolean): boolean {
  if (Array.isArray(value)) return value.some((item) => contains(item, wanted))
  if (!isNode(value)) return false
  if (wanted(value)) return true
  return value['class'] !== 'SUBQUERY' && Object.values(value).some((item) => contains(item, wanted))
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
