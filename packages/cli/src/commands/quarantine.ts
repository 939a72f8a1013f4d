import {
  formatInstant,
  groupId,
  invalid,
  notFound,
  type FeatureStore,
  type Instant,
  type QuarantinedRow,
  parseStrictJson,
} from '@asof/core'
import { wholeArgument } from '../command-values.ts'
import { countOf, formatAge, formatCount } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { plainText } from '../shown-value.ts'
import type { Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** `asof quarantine list [GROUP]`: rows that were refused, without their values. */
export async function list(
  terminal: Terminal,
  options: ProjectOptions & { readonly limit?: string },
  group: string | undefined,
): Promise<void> {
  const limit = wholeArgument(options.limit ?? '50', '--limit', 0)
  await using store = await openProject(await findProject(options))
  const all = await rowsOf(store, group)
  const rows = all.slice(0, limit)
  const now = (Date.now() * 1_000) as Instant
  terminal.answer({ total: all.length, rows: rows.map(document) }, () => {
    if (all.length === 0) return 'nothing is in quarantine'
    const table = textTable(
      [
        { title: 'ID', cell: ({ id }) => id },
        { title: 'GROUP', cell: (row) => row.group },
        { title: 'REASON', cell: ({ reason }) => terminal.colours.red(reason) },
        { title: 'COLUMN', cell: ({ column }) => column ?? '' },
        { title: 'REFUSED', cell: ({ at }) => formatAge(at, now), align: 'right' },
      ],
      rows,
      terminal.colours,
    )
    if (rows.length === all.length) return table
    return `${table}\n\n${formatCount(rows.length)} of ${formatCount(all.length)} rows; --limit shows more`
  })
}

/** `asof quarantine show ID`: one row with its values. */
export async function show(terminal: Terminal, options: ProjectOptions, id: string): Promise<void> {
  await using store = await openProject(await findProject(options))
  const row = await store.quarantine.show(id)
  terminal.answer({ ...document(row), row: rowJson(row) }, () => {
    const facts: [string, string | undefined][] = [
      ['id', row.id],
      ['group', row.group],
      ['reason', terminal.colours.red(row.reason)],
      ['column', row.column],
      ['refused', formatInstant(row.at)],
      ['run', row.run === undefined ? undefined : formatInstant(row.run)],
      ['row', plainText(row.row)],
    ]
    const lines = facts.flatMap(([name, value]) =>
      value === undefined ? [] : [`${name.padEnd(8)} ${value}`],
    )
    return [...lines, '', adviceFor(row)].join('\n')
  })
}

/** What can be done about a refused row. */
function adviceFor({ id, reason, run }: QuarantinedRow): string {
  const origin =
    run === undefined
      ? 'mend it where it comes from, or what is declared of it, and materialize or push again'
      : 'mend its source or the query, and `asof restate` the intervals that it belongs to'
  const first = reason === 'future' ? 'once its time has come' : 'once the definitions take it as it is'
  return [
    origin,
    `\`asof quarantine retry ${id}\` pushes it as it is, ${first}: known from then on`,
    `\`asof quarantine drop ${id} --yes\` takes it out, once it is mended or not wanted`,
  ].join('\n')
}

/** `asof quarantine retry [ID…]`: pushes rows again; those that pass leave the quarantine. */
export async function retry(
  terminal: Terminal,
  options: ProjectOptions & Which,
  ids: readonly string[],
): Promise<void> {
  checkWhich(ids, options, 'retry')
  await using store = await openProject(await findProject(options))
  const rows = ids.length > 0 ? await rowsById(store, ids) : await rowsOf(store, options.group)
  const result = await terminal.during('retrying', async () => {
    const done = await store.retryQuarantined(rows)
    await store.drain()
    return done
  })
  terminal.answer(result, () => {
    const { accepted, refused } = result
    if (rows.length === 0) return 'nothing is in quarantine'
    return `${formatCount(accepted)} accepted, ${formatCount(refused)} refused again and kept in quarantine`
  })
}

/** `asof quarantine drop [ID…]`: takes rows out for good. */
export async function drop(
  terminal: Terminal,
  options: ProjectOptions & Which & { readonly yes?: boolean },
  ids: readonly string[],
): Promise<void> {
  checkWhich(ids, options, 'drop')
  await using store = await openProject(await findProject(options))
  const rows = ids.length > 0 ? await rowsById(store, ids) : await rowsOf(store, options.group)
  if (rows.length > 0 && options.yes !== true) {
    throw invalid('not_confirmed', 'rows that are dropped are gone: say --yes', { rows: rows.length })
  }
  await store.quarantine.remove(rows)
  terminal.answer({ dropped: rows.length }, () =>
    rows.length === 0 ? 'nothing is in quarantine' : `${countOf(rows.length, 'row')} dropped`,
  )
}

/** Which rows are meant, where they are not named by their ids. */
interface Which {
  readonly group?: string
  readonly all?: boolean
}

function checkWhich(ids: readonly string[], { group, all }: Which, what: string): void {
  if ([ids.length > 0, group !== undefined, all === true].filter(Boolean).length === 1) return
  throw invalid(
    'invalid_argument',
    `say what to ${what}: ids as \`asof quarantine list\` shows them, or --group, or --all`,
  )
}

async function rowsOf(store: FeatureStore, group: string | undefined): Promise<QuarantinedRow[]> {
  if (group === undefined) return await store.quarantine.list()
  return await store.quarantine.list(groupId((await store.groupPlan(group)).group.definition))
}

async function rowsById(store: FeatureStore, ids: readonly string[]): Promise<QuarantinedRow[]> {
  const byId = new Map((await store.quarantine.list()).map((row) => [row.id, row]))
  return ids.map((id) => {
    const row = byId.get(id)
    if (row === undefined) throw notFound('quarantined_row_not_found', 'no such row in quarantine', { id })
    return row
  })
}

function document({ id, group, reason, column, at, run }: QuarantinedRow): object {
  return {
    id,
    group,
    reason,
    column,
    at: formatInstant(at),
    run: run === undefined ? undefined : formatInstant(run),
  }
}

function rowJson({ row }: QuarantinedRow): unknown {
  try {
    return parseStrictJson(row)
  } catch {
    return row
  }
}
