import type { SearchAnswer, SearchResult } from '@asof/core'
import { wholeArgument } from '../command-values.ts'
import { formatCount } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { deprecationText, shortName } from '../registry-text.ts'
import { plainText, shortened } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** Letters of a description in a table. */
const DESCRIPTION_CHARS = 60

/** `asof search WORDS…`: features, groups, services, sources and entities of every project in the store. */
export async function search(
  terminal: Terminal,
  options: ProjectOptions & { readonly limit: string },
  words: readonly string[],
): Promise<void> {
  const limit = wholeArgument(options.limit, '--limit', 1)
  await using store = await openProject(await findProject(options))
  const query = words.join(' ')
  const answer = await store.search(query, { limit })
  for (const note of answer.notes ?? []) terminal.note(terminal.colours.yellow(plainText(note)))
  terminal.answer({ query, ...answer }, () => shownAnswer(query, answer, terminal.colours))
}

function shownAnswer(query: string, { results, total }: SearchAnswer, colours: Colours): string {
  if (results.length === 0) return `nothing found for ${plainText(query)}`
  const table = textTable(
    [
      { title: 'NAME', cell: (result) => shortName(result.id) },
      { title: 'KIND', cell: ({ kind, type }) => type ?? kind },
      { title: 'OWNER', cell: ({ owner }) => plainText(owner ?? '') },
      { title: 'STATUS', cell: (result) => statusCell(result, colours) },
      { title: 'DESCRIPTION', cell: ({ description }) => oneLine(description ?? '') },
      { title: 'WHY', cell: ({ why }) => colours.dim(plainText(why.join(', '))) },
    ],
    results,
    colours,
  )
  const more = total - results.length
  return more === 0 ? table : `${table}\n\n${formatCount(more)} more; --limit shows them`
}

function statusCell({ status, deprecation }: SearchResult, colours: Colours): string {
  if (status === undefined || status === 'active') return status ?? ''
  return colours.yellow(status === 'deprecated' ? deprecationText(deprecation) : status)
}

function oneLine(text: string): string {
  return shortened(plainText(text.replace(/\s+/g, ' ')), DESCRIPTION_CHARS)
}
