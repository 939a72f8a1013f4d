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
import { formatAge, formatCount } from '../figures.ts'
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
    return facts
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(8)} ${value}`]))
      .join('\n')
  })
}

/** `asof quarantine retry [ID…]`: pushes rows again; those that pass leave the quarantine. */
export async function retry(
  terminal: Terminal,
  options: ProjectOptions & { readonly group?: string; readonly all?: boolean },
  ids: readonly string[],
): Promise<void> {
  const ways = [ids.length > 0, options.group !== undefined, options.all === true]
  if (ways.filter(Boolean).length !== 1) {
    throw invalid(
      'invalid_argument',
      'say what to retry: ids as `asof quarantine list` shows them, or --group, or --all',
    )
  }
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
