import { formatInstant, type Instant, type ProjectRevision, type RevisionDiff } from '@asof/core'
import { wholeArgument } from '../command-values.ts'
import { formatAge, formatCount } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { plainText } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'
import { localUser, shownPlan } from './definitions.ts'

/** `asof revisions list`: what changed the project, the newest first. */
export async function list(
  terminal: Terminal,
  options: ProjectOptions & { readonly limit: string; readonly before?: string },
): Promise<void> {
  const { before } = options
  const limit = wholeArgument(options.limit, '--limit', 1)
  await using store = await openProject(await findProject(options))
  const revisions = await store.revisions({
    limit,
    ...(before !== undefined && { before: wholeArgument(before, '--before', 1) }),
  })
  const document = {
    project: store.project,
    revisions: revisions.map((revision) => ({ ...revision, at: formatInstant(revision.at) })),
  }
  terminal.answer(document, () =>
    revisions.length === 0
      ? `${store.project}: nothing is applied yet; run \`asof apply\``
      : revisionTable(revisions, terminal.colours),
  )
}

function revisionTable(revisions: readonly ProjectRevision[], colours: Colours): string {
  const now = (Date.now() * 1_000) as Instant
  return textTable(
    [
      { title: 'REVISION', cell: ({ number }) => String(number), align: 'right' },
      { title: 'WHEN', cell: ({ at }) => formatAge(at, now) },
      { title: 'AUTHOR', cell: ({ author }) => plainText(author) },
      { title: 'CHANGES', cell: countsText },
      { title: 'MESSAGE', cell: ({ message }) => plainText(message.replace(/\s+/g, ' ')) },
    ],
    revisions,
    colours,
  )
}

function countsText({ added, changed, removed, consumers }: ProjectRevision): string {
  const counts = [
    added > 0 ? `+${formatCount(added)}` : '',
    changed > 0 ? `~${formatCount(changed)}` : '',
    removed > 0 ? `-${formatCount(removed)}` : '',
    consumers > 0 ? `${formatCount(consumers)} consumer${consumers === 1 ? '' : 's'}` : '',
  ]
  return counts.filter((count) => count !== '').join(' ')
}

/** `asof revisions diff FROM [TO]`: what differs between two revisions. */
export async function diff(
  terminal: Terminal,
  options: ProjectOptions,
  from: string,
  to: string | undefined,
): Promise<void> {
  const numbers = [from, ...(to === undefined ? [] : [to])].map((text) =>
    wholeArgument(text, 'a revision', 1),
  )
  await using store = await openProject(await findProject(options))
  const found = await store.diffRevisions(numbers[0]!, numbers[1])
  terminal.answer(found, () => shownDiff(found, terminal.colours))
}

function shownDiff({ project, from, to, changes, consumers }: RevisionDiff, colours: Colours): string {
  const { added, removed } = consumers
  if (changes.length + added.length + removed.length === 0) {
    return `${project} is the same at revisions ${from} and ${to}`
  }
  const lines = [
    ...added.map((line) => `${colours.green('+')} consumer ${plainText(line)}`),
    ...removed.map((line) => `${colours.red('-')} consumer ${plainText(line)}`),
  ]
  const plan = { project, base: from, changes, severity: 'safe', warnings: [] } as const
  return [...(changes.length === 0 ? [] : [shownPlan(plan, colours)]), ...lines].join('\n')
}

/** `asof revisions restore N`: a new revision with the definitions of an earlier one. */
export async function restore(
  terminal: Terminal,
  options: ProjectOptions & {
    readonly allowBreaking?: boolean
    readonly author?: string
    readonly message?: string
  },
  revision: string,
): Promise<void> {
  const number = wholeArgument(revision, 'a revision', 1)
  await using store = await openProject(await findProject(options))
  const { author = localUser(), message = '', allowBreaking = false } = options
  const { plan, snapshot, committed } = await store.restoreRevision(number, {
    author,
    message,
    allowBreaking,
  })
  const now = snapshot.revision?.number ?? 0
  const document = {
    project: store.project,
    restored: number,
    committed,
    revision: now,
    changes: plan.changes,
  }
  terminal.answer(document, () =>
    committed
      ? `${shownPlan(plan, terminal.colours)}\n\nrestored: ${store.project} is at revision ${now}, as it was at ${number}`
      : `nothing to change: ${store.project} is as it was at revision ${number}`,
  )
}
