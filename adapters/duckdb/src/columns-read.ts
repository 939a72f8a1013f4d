import { isAsofError, type ColumnsRead, type InputColumn, type QueryInputs } from '@asof/core'
import { checkedQuery, parse, overInputs } from './checked-query.ts'
import { queryRows, type Database } from './database.ts'
import { identifier, literal } from './sql-text.ts'
import { readQuery } from './columns-of-query.ts'
import { Unreadable, type Relation } from './relation-reads.ts'

/** What a group's query sees of its run. */
const RUN = ['start', 'end', 'at', 'lookback_start'].map((name) => ({ name, physical: 'TIMESTAMPTZ' }))

/**
 * What the columns of a query are made from: DuckDB parses it (`json_serialize_sql`), the tree is resolved against the
 * inputs, and DuckDB's own binding of the query over empty tables of these columns says whether names and number of the
 * outputs are right. Where anything is not certain the answer is undefined, never a guess.
 *
 * @example
 * ```ts
 * const database = await openDatabase({ folders: [], tempFolder: import.meta.dirname })
 * const inputs = { flights: [{ name: 'origin', physical: 'VARCHAR' }, { name: 'delay', physical: 'INTEGER' }] }
 * const query = 'SELECT origin AS airport, avg(delay) AS mean FROM flights GROUP BY ALL'
 * const read = await columnsRead(database, query, inputs)
 * read?.columns.get('mean') // [{ input: 'flights', column: 'delay' }]
 * read?.rows // [{ input: 'flights', column: 'origin' }]
 * database.close()
 * ```
 */
export async function columnsRead(
  database: Database,
  query: string,
  inputs: QueryInputs,
): Promise<ColumnsRead | undefined> {
  const { connection } = database
  const seen = Object.hasOwn(inputs, 'run') ? inputs : { ...inputs, run: RUN }
  try {
    const checked = await checkedQuery(connection, query, Object.keys(seen))
    const empty = Object.entries(seen).map(([name, columns]) => [name, emptyTable(columns)] as const)
    const outputs = await queryRows(connection, `DESCRIBE ${overInputs(checked, Object.fromEntries(empty))}`)
    const found = readQuery(
      await parse(connection, checked),
      relationsOf(seen),
      await aggregateFunctions(database),
    )
    return answer(
      outputs.map(({ column_name: name }) => String(name)),
      found,
      inputs,
    )
  } catch (error) {
    // What does not parse, bind or resolve has no columns to speak of; those who run it are told why.
    if (error instanceof Unreadable || isAsofError(error, 'invalid') || isAsofError(error, 'denied'))
      return undefined
    throw error
  }
}

function emptyTable(columns: QueryInputs[string]): string {
  const nothing = columns.map(({ name, physical }) => `CAST(NULL AS ${physical}) AS ${identifier(name)}`)
  return `SELECT ${nothing.join(', ')} WHERE false`
}

/** Each column of an input is made from itself: what is read is written as `input`, NUL, `column`. */
function relationsOf(inputs: QueryInputs): ReadonlyMap<string, Relation> {
  return new Map(
    Object.entries(inputs).map(([input, columns]) => [
      input.toLowerCase(),
      {
        columns: columns.map(({ name }) => ({ name, from: new Set([`${input}\0${name}`]) })),
        rows: new Set<string>(),
      },
    ]),
  )
}

function answer(names: readonly string[], found: Relation, inputs: QueryInputs): ColumnsRead | undefined {
  const same = found.columns.every(
    ({ name }, at) => name === undefined || name.toLowerCase() === names[at]?.toLowerCase(),
  )
  if (!same || names.length !== found.columns.length || new Set(names).size < names.length) return undefined
  const ordered = (read: ReadonlySet<string>): InputColumn[] =>
    Object.entries(inputs).flatMap(([input, columns]) =>
      columns
        .filter(({ name }) => read.has(`${input}\0${name}`))
        .map(({ name }) => ({ input, column: name })),
    )
  return {
    columns: new Map(names.map((name, at) => [name, ordered(found.columns[at]!.from)])),
    rows: ordered(found.rows),
  }
}

async function aggregateFunctions({ connection }: Database): Promise<ReadonlySet<string>> {
  const rows = await queryRows(
    connection,
    `SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions() WHERE function_type = ${literal('aggregate')}`,
  )
  return new Set(rows.map(({ name }) => String(name)))
}
