import { formatInstant, type Deprecation, type GroupStatus, type Instant } from '@asof/core'
import { formatAge, formatCount } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import { deprecationText } from '../registry-text.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** `asof status`: where each group stands. */
export async function status(terminal: Terminal, options: ProjectOptions): Promise<void> {
  await using store = await openProject(await findProject(options))
  await noteUnapplied(terminal, store)
  const { revision, groups: applied } = await store.snapshot()
  const groups = (await store.status()).map((group) => {
    const { deprecation } = applied.get(group.group)?.definition ?? {}
    return { ...group, ...(deprecation !== undefined && { deprecation }) }
  })
  const document = {
    project: store.project,
    revision: revision?.number ?? 0,
    applied: revision && formatInstant(revision.at),
    groups: groups.map((group) => ({
      ...group,
      runsThrough: group.runsThrough === undefined ? undefined : formatInstant(group.runsThrough),
    })),
  }
  terminal.answer(document, () => {
    if (revision === undefined) return `${store.project}: nothing is applied yet; run \`asof apply\``
    const now = (Date.now() * 1_000) as Instant
    const head = `${store.project} at revision ${revision.number}, applied ${formatAge(revision.at, now)}`
    return groups.length === 0 ? head : `${head}\n\n${groupTable(groups, now, terminal.colours)}`
  })
}

/** A group with what its users are told. */
interface ShownGroup extends GroupStatus {
  readonly deprecation?: Deprecation
}

function groupTable(groups: readonly ShownGroup[], now: Instant, colours: Colours): string {
  const figure = (title: string, of: (group: GroupStatus) => number, colour?: (text: string) => string) =>
    ({
      title,
      cell: (group: GroupStatus) => {
        const count = of(group)
        return count > 0 && colour !== undefined ? colour(formatCount(count)) : formatCount(count)
      },
      align: 'right',
    }) as const
  return textTable(
    [
      { title: 'GROUP', cell: ({ group }) => group },
      { title: 'STATUS', cell: (group) => statusText(group, colours) },
      figure('ROWS', ({ rows }) => rows),
      { title: 'VERSION', cell: ({ tableVersion }) => String(tableVersion ?? ''), align: 'right' },
      {
        title: 'RUNS THROUGH',
        cell: ({ runsThrough }) => (runsThrough === undefined ? '' : formatAge(runsThrough, now)),
        align: 'right',
      },
      figure('QUARANTINED', ({ quarantined }) => quarantined, colours.red),
      figure('ONLINE LAG', ({ onlineLag }) => onlineLag, colours.yellow),
      figure('OFFLINE LAG', ({ offlineLag }) => offlineLag, colours.yellow),
    ],
    groups,
    colours,
  )
}

function statusText({ status, deprecation }: ShownGroup, colours: Colours): string {
  if (status === 'active') return colours.green(status)
  return colours.yellow(status === 'deprecated' ? deprecationText(deprecation) : status)
}
