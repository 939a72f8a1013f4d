import { AsofError, invalid, isAsofError } from '@asof/core'
import type { DuckDBConnection } from '@duckdb/node-api'
import { queryRow, queryRows } from './database.ts'
import { identifier, literal } from './sql-text.ts'

/**
 * Checks SQL that a user wrote, before any of it runs (FAULTS S1), and returns it fit to stand in parentheses: one SELECT
 * that reads its declared inputs by name and nothing else, and whose answer depends on them alone.
 *
 * DuckDB's own parser decides; what it parsed is walked. Refused are files, other tables and catalogs, table functions
 * except `range`, `generate_series` and `unnest`, samples, and functions of the clock, of chance or of settings. The
 * locked-down instance is the second wall.
 *
 * @throws {AsofError} `invalid_query` for what is no single SELECT, `denied_in_query` for what it may not do
 * @example
 * ```ts
 * const database = await openDatabase({ folders: [], tempFolder: import.meta.dirname })
 * await checkedQuery(database.connection, 'SELECT count(*) AS flights FROM departures;', ['departures'])
 * // 'SELECT count(*) AS flights FROM departures'
 * database.close()
 * ```
 */
export async function checkedQuery(
  connection: DuckDBConnection,
  sql: string,
  inputs: readonly string[],
): Promise<string> {
  const tree = await parse(connection, sql)
  const names = new Set(inputs.map((name) => name.toLowerCase()))
  const changing = await changingFunctions(connection)
  walk(tree, new Set(), (node, ctes) => checkNode(node, names, ctes, changing))
  for (const text of withoutEnd(sql)) if (await isInside(connection, text, tree)) return text
  throw invalid('invalid_query', 'the query must be one SELECT that can stand in parentheses')
}

/**
 * A checked query over named inputs, each a SELECT.
 *
 * @example
 * ```ts
 * overInputs('SELECT * FROM a', { a: 'SELECT 1 AS x' })
 * // 'WITH "a" AS NOT MATERIALIZED (SELECT 1 AS x) SELECT * FROM (\nSELECT * FROM a\n)'
 * ```
 */
export function overInputs(checked: string, inputs: Readonly<Record<string, string>>): string {
  const named = Object.entries(inputs).map(
    ([name, select]) => `${identifier(name)} AS NOT MATERIALIZED (${select})`,
  )
  const prefix = named.length === 0 ? '' : `WITH ${named.join(', ')} `
  return `${prefix}SELECT * FROM (\n${checked}\n)`
}

interface Node {
  readonly [name: string]: unknown
}

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const TABLE_FUNCTIONS = new Set(['range', 'generate_series', 'unnest'])
/** Not marked as changing in DuckDB's catalog, but not functions of the inputs alone. */
const OTHER_CHANGING = [
  'current_setting',
  'getvariable',
  'getenv',
  'reservoir_quantile',
  'current_localtime',
  'current_localtimestamp',
]
const CLOCK_WORDS = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])

function checkNode(
  node: Node,
  inputs: ReadonlySet<string>,
  ctes: ReadonlySet<string>,
  changing: ReadonlySet<string>,
): void {
  if (node['sample'] !== undefined && node['sample'] !== null)
    throw denied('a sample differs from run to run', {})
  switch (node['type']) {
    case 'BASE_TABLE': {
      const table = String(node['table_name'])
      const qualified = [node['catalog_name'], node['schema_name']].some(
        (part) => part !== undefined && part !== '',
      )
      const known = inputs.has(table.toLowerCase()) || ctes.has(table.toLowerCase())
      if (qualified || !known) {
        throw denied('the query may read its declared inputs only', { table, inputs: [...inputs].join(', ') })
      }
      return
    }
    case 'TABLE_FUNCTION': {
      const name = String((node['function'] as Node)['function_name']).toLowerCase()
      if (!TABLE_FUNCTIONS.has(name))
        throw denied('the query may not call this table function', { function: name })
      return
    }
    case 'SHOW_REF':
      throw denied('the query must be a SELECT', {})
    case 'COLUMN_REF': {
      const [name, more] = node['column_names'] as string[]
      if (more === undefined && name !== undefined && CLOCK_WORDS.has(name.toLowerCase())) throw clock(name)
      return
    }
    case 'FUNCTION': {
      const name = String(node['function_name']).toLowerCase()
      const arguments_ = (node['children'] as unknown[] | undefined) ?? []
      // With one argument, age() counts from today.
      if (changing.has(name) || (name === 'age' && arguments_.length < 2)) throw clock(name)
    }
  }
}

function clock(name: string): AsofError {
  return denied('the query may not use what changes from run to run: take it from a column', {
    function: name,
  })
}

function denied(text: string, details: Record<string, string>): AsofError {
  return new AsofError('denied', 'denied_in_query', text, details)
}

/** The tree of one SELECT, as DuckDB parses it. @throws {AsofError} `invalid_query` */
export async function parse(connection: DuckDBConnection, sql: string): Promise<Node> {
  const row = await queryRow(
    connection,
    `SELECT json_serialize_sql(${literal(sql)}, skip_null := true, skip_empty := true, skip_default := true) AS tree`,
  )
  const parsed = JSON.parse(String(row['tree'])) as Node
  if (parsed['error'] === true) {
    throw invalid('invalid_query', 'the query must be one SELECT', {
      duckdb: String(parsed['error_message']),
    })
  }
  const statements = parsed['statements'] as Node[]
  if (statements.length !== 1 || statements[0] === undefined) {
    throw invalid('invalid_query', 'the query must be one SELECT', { statements: statements.length })
  }
  return statements[0]
}

/** Whether a text in parentheses is the checked statement, positions in the text aside. */
async function isInside(connection: DuckDBConnection, text: string, tree: Node): Promise<boolean> {
  try {
    const wrapped = await parse(connection, `SELECT * FROM (\n${text}\n)`)
    const from = (wrapped['node'] as Node)['from_table'] as Node | undefined
    return bare(from?.['subquery']) === bare(tree)
  } catch (error) {
    if (isAsofError(error, 'invalid')) return false
    throw error
  }
}

function bare(tree: unknown): string {
  return JSON.stringify(tree, (name, value: unknown) => (name === 'query_location' ? undefined : value))
}

/** Semicolons that are tried as the statement's end. */
const ENDS_MAX = 20

/** The text, then the text up to each of its last semicolons: one of them ends the statement, when any does. */
function* withoutEnd(sql: string): Generator<string> {
  let text = sql
  for (let tried = 0; tried <= ENDS_MAX; tried++) {
    yield text.trim()
    const end = text.lastIndexOf(';')
    if (end < 0) return
    text = text.slice(0, end)
  }
}

async function changingFunctions(connection: DuckDBConnection): Promise<ReadonlySet<string>> {
  const rows = await queryRows(
    connection,
    `SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'`,
  )
  return new Set([...rows.map(({ name }) => String(name)), ...OTHER_CHANGING])
}

/**
 * Visits every node with the WITH names that hold there: those of the query it stands in and of the queries around it. In the
 * query of a name hold the names before it, and its own where it is recursive.
 */
function walk(
  value: unknown,
  ctes: ReadonlySet<string>,
  visit: (node: Node, ctes: ReadonlySet<string>) => void,
): void {
  if (Array.isArray(value)) for (const item of value) walk(item, ctes, visit)
  else if (isNode(value)) {
    const { cte_map: withNames, ...rest } = value
    let inScope = ctes
    if (value['type'] === 'RECURSIVE_CTE_NODE') inScope = withName(inScope, value['cte_name'])
    for (const named of namedQueries(withNames)) {
      walk(named['value'], inScope, visit)
      inScope = withName(inScope, named['key'])
    }
    visit(value, inScope)
    for (const item of Object.values(rest)) walk(item, inScope, visit)
  }
}

function namedQueries(withNames: unknown): readonly Node[] {
  const map = isNode(withNames) ? withNames['map'] : undefined
  return Array.isArray(map) ? map.filter(isNode) : []
}

function withName(names: ReadonlySet<string>, name: unknown): ReadonlySet<string> {
  if (typeof name === 'string' && PLAIN_NAME.test(name)) return new Set([...names, name.toLowerCase()])
  throw denied('a WITH name is plain letters, digits and _', { name: String(name) })
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
