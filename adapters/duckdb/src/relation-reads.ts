/** What a column is made from: input columns, as the caller names them. */
export type Reads = ReadonlySet<string>

/** A column of a relation; one that nobody named has no name that a query could rely on. */
export interface ReadColumn {
  readonly name: string | undefined
  readonly from: Reads
}

/** The columns of a relation, and what decides which rows it has, or in what order. */
export interface Relation {
  readonly columns: readonly ReadColumn[]
  readonly rows: Reads
}

/** A query whose columns cannot be told with certainty. */
export class Unreadable extends Error {}

/** A relation with the names that an alias gives to its first columns. */
export function renamed(relation: Relation, aliases: unknown): Relation {
  const names = (aliases ?? []) as readonly string[]
  return {
    ...relation,
    columns: relation.columns.map(({ name, from }, at) => ({ name: names[at] ?? name, from })),
  }
}

/** Two relations of equally many columns, the first one's names. */
export function positional(left: Relation, right: Relation): Relation {
  if (left.columns.length !== right.columns.length) throw new Unreadable()
  return {
    columns: left.columns.map(({ name, from }, at) => ({ name, from: union(from, right.columns[at]!.from) })),
    rows: union(left.rows, right.rows),
  }
}

/** Two relations by the names of their columns, those of the first one first. */
export function named(left: Relation, right: Relation): Relation {
  if ([...left.columns, ...right.columns].some(({ name }) => name === undefined)) throw new Unreadable()
  const more = right.columns.filter(({ name }) => columnOf(left.columns, name!) === undefined)
  const columns = [...left.columns, ...more].map(({ name }) => ({
    name,
    from: union(columnOf(left.columns, name!), columnOf(right.columns, name!)),
  }))
  return { columns, rows: union(left.rows, right.rows) }
}

/** What a column is made from; undefined where there is none of that name. */
export function columnOf(columns: readonly ReadColumn[], name: string): Reads | undefined {
  return columns.find((column) => column.name?.toLowerCase() === name.toLowerCase())?.from
}

/** A value as a list of one, or of none. */
export function some<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value]
}

/** Everything that any of them reads. */
export function union(...reads: readonly (Iterable<string> | undefined)[]): Reads {
  return new Set(reads.flatMap((each) => [...(each ?? [])]))
}

/** Adds what is read. */
export function add(to: Set<string>, reads: Iterable<string>): void {
  for (const read of reads) to.add(read)
}

/** Everything that any column is made from. */
export function allOf(columns: readonly ReadColumn[]): Reads {
  return union(...columns.map(({ from }) => from))
}

/** How much is read in all: it only grows as a recursion is followed. */
export function sizeOf({ columns, rows }: Relation): number {
  return columns.reduce((sum, { from }) => sum + from.size, rows.size)
}
