import {
  EXIT_CODES,
  formatInstant,
  groupId,
  isAsofError,
  notFound,
  type FeatureStore,
  type Instant,
  type MaterializeResult,
} from '@asof/core'
import { instantArgument, rangeArgument } from '../command-values.ts'
import { countOf, formatCount } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import { errorDocument, reportError } from '../report-error.ts'
import { restated, textOf } from '../restated-error.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** `asof materialize [GROUP…]`: computes what is due, of all groups that have a source where none is named. */
export async function materialize(
  terminal: Terminal,
  options: ProjectOptions & { readonly from?: string; readonly to?: string },
  groups: readonly string[],
): Promise<number> {
  const range = {
    ...(options.from !== undefined && { from: instantArgument(options.from, '--from') }),
    ...(options.to !== undefined && { to: instantArgument(options.to, '--to') }),
  }
  await using store = await openProject(await findProject(options))
  await noteUnapplied(terminal, store)
  const named = groups.length > 0 ? groups : await computedGroups(store)
  const results: MaterializeResult[] = []
  const failed: FailedGroup[] = []
  for (const group of named) {
    try {
      const result = await terminal.during(`materializing ${group}`, (progress) =>
        store.materialize(group, { ...range, signal: terminal.signal, progress }),
      )
      results.push(result)
    } catch (error) {
      // What was done stays done, and is said; a group that fails does not stop the others, an interrupt does.
      if (named.length === 1 || terminal.signal.aborted) {
        if (results.length > 0) terminal.note(shownResults(results, terminal.colours))
        throw ofGroup(error, group)
      }
      failed.push({ group, error: ofGroup(error, group) })
    }
  }
  answer(terminal, results, failed)
  return failed.length === 0 ? 0 : EXIT_CODES[errorDocument(failed[0]!.error).kind]
}

/** A group that could not be computed while others were. */
interface FailedGroup {
  readonly group: string
  readonly error: unknown
}

/** `asof restate GROUP FROM..TO`: does the runs of some intervals again. */
export async function restate(
  terminal: Terminal,
  options: ProjectOptions,
  group: string,
  range: string,
): Promise<void> {
  const asked = rangeArgument(range)
  await using store = await openProject(await findProject(options))
  const result = await terminal.during(`restating ${group}`, (progress) =>
    store.restate(group, asked, { signal: terminal.signal, progress }),
  )
  answer(terminal, [result])
}

/** What a query or a file is refused with, with the group whose it is. */
function ofGroup(error: unknown, group: string): unknown {
  if (!isAsofError(error, 'invalid') || 'group' in error.details) return error
  return restated(error, textOf(error), { group, ...error.details })
}

async function computedGroups(store: FeatureStore): Promise<string[]> {
  const { groups, revision } = await store.snapshot()
  if (revision === undefined)
    throw notFound('nothing_applied', 'nothing is applied yet: run `asof apply`', { project: store.project })
  return [...groups.values()]
    .filter(({ definition }) => definition.compute.from !== 'push')
    .map(({ definition }) => groupId(definition))
}

function answer(
  terminal: Terminal,
  results: readonly MaterializeResult[],
  failed: readonly FailedGroup[] = [],
): void {
  const groups = results.map((result) => ({ ...result, through: instantText(result.through) }))
  const errors = failed.map(({ group, error }) => ({ group, error: errorDocument(error) }))
  terminal.answer({ groups, ...(errors.length > 0 && { failed: errors }) }, () =>
    results.length === 0 && failed.length > 0
      ? 'nothing was materialized'
      : shownResults(results, terminal.colours),
  )
  if (failed.length === 0) return
  const reports = failed.map(
    ({ error }) => reportError(error, { json: false, debug: false, interrupted: false }).text,
  )
  terminal.note(`asof: failed: ${failed.map(({ group }) => group).join(', ')}\n${reports.join('').trimEnd()}`)
}

function shownResults(results: readonly MaterializeResult[], colours: Colours): string {
  if (results.length === 0) return 'no group has a source: rows are pushed'
  const figure = (title: string, of: (result: MaterializeResult) => number) =>
    ({ title, cell: (result: MaterializeResult) => formatCount(of(result)), align: 'right' }) as const
  const table = textTable(
    [
      { title: 'GROUP', cell: ({ group }) => group },
      figure('RUNS', ({ runs }) => runs),
      figure('ROWS', ({ rows }) => rows),
      figure('CORRECTIONS', ({ corrections }) => corrections),
      figure('UNCHANGED', ({ unchanged }) => unchanged),
      {
        title: 'QUARANTINED',
        cell: ({ quarantined }) => (quarantined > 0 ? colours.red(formatCount(quarantined)) : '0'),
        align: 'right',
      },
      figure('TOO LATE', ({ tooLate }) => tooLate),
      { title: 'THROUGH', cell: ({ through }) => instantText(through) ?? '' },
    ],
    results,
    colours,
  )
  const refused = results.flatMap(({ group, reasons }) =>
    Object.entries(reasons).map(([reason, count]) => `${group}: ${countOf(count, 'row')} refused, ${reason}`),
  )
  if (refused.length === 0) return table
  const lost = results.filter((result) => result.runs + result.rows + result.unchanged === 0)
  return [
    table,
    '',
    ...refused,
    ...lost
      .filter(({ quarantined }) => quarantined > 0)
      .map(
        ({ group }) => `${group}: no row fitted, so nothing was imported: mend the rows or what is declared`,
      ),
    'see `asof quarantine list`',
  ].join('\n')
}

function instantText(at: Instant | undefined): string | undefined {
  return at === undefined ? undefined : formatInstant(at)
}
