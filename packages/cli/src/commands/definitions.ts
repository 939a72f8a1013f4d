import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import {
  exportDefinitions,
  formatInstant,
  invalid,
  isAsofError,
  type ApplyPlan,
  type Definition,
  type PlanWarning,
  type PlannedChange,
  type Severity,
  type SourceWarning,
} from '@asof/core'
import {
  definitionsProject,
  findProject,
  openProject,
  projectWithCode,
  readDefinitions,
  type FoundProject,
  type ProjectOptions,
} from '../find-project.ts'
import { formatCount } from '../figures.ts'
import { deprecationText } from '../registry-text.ts'
import { plainText } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'

/** `asof plan [FILE]`: what applying would change. */
export async function plan(
  terminal: Terminal,
  options: ProjectOptions,
  file: string | undefined,
): Promise<void> {
  const wanted = await wantedDefinitions(options, file)
  await using store = await openProject(wanted.found)
  const planned = await store.plan(wanted.definitions)
  const sources = await store.sourceWarnings(planned, wanted.definitions)
  terminal.answer({ ...planned, sourceWarnings: sources }, () =>
    [shownPlan(planned, terminal.colours), ...sourceLines(sources, terminal.colours)].join('\n'),
  )
}

/** `asof apply [FILE]`: makes the registry hold the definitions. */
export async function apply(
  terminal: Terminal,
  options: ProjectOptions & {
    readonly allowBreaking?: boolean
    readonly author?: string
    readonly message?: string
  },
  file: string | undefined,
): Promise<void> {
  const wanted = await wantedDefinitions(options, file)
  await using store = await openProject(wanted.found)
  const { author, message = '', allowBreaking = false } = options
  const result = await store.apply({
    ...(wanted.definitions && { definitions: wanted.definitions }),
    author: author ?? localUser(),
    message,
    allowBreaking,
  })
  const sources = await store.sourceWarnings(result.plan, wanted.definitions)
  const { revision } = result.snapshot
  const document = {
    project: result.plan.project,
    committed: result.committed,
    revision: revision?.number ?? 0,
    at: revision && formatInstant(revision.at),
    changes: result.plan.changes,
    warnings: result.plan.warnings,
    sourceWarnings: sources,
  }
  terminal.answer(document, () => {
    if (!result.committed)
      return `nothing to change: ${document.project} stays at revision ${document.revision}`
    return [
      shownPlan(result.plan, terminal.colours),
      ...sourceLines(sources, terminal.colours),
      `\napplied: ${document.project} is at revision ${document.revision}`,
    ].join('\n')
  })
}

/** `asof export`: the project's definitions as canonical JSON. */
export async function exportProject(terminal: Terminal, options: ProjectOptions): Promise<void> {
  const project = await projectWithCode(await findProject(options))
  const text = exportDefinitions(project)
  terminal.answer(JSON.parse(text), () => text.trimEnd())
}

interface Wanted {
  readonly found: FoundProject
  /** Undefined: the project's own. */
  readonly definitions: readonly Definition[] | undefined
}

/** The project's own definitions; or those of a file, into the project's store or into one beside the file. */
async function wantedDefinitions(options: ProjectOptions, file: string | undefined): Promise<Wanted> {
  if (file === undefined) return { found: await findProject(options), definitions: undefined }
  const path = resolve(file)
  const found = await findProject(options).catch((error: unknown) => {
    if (options.project === undefined && isAsofError(error) && error.code === 'project_not_found')
      return undefined
    throw error
  })
  if (found === undefined) {
    const alone = await definitionsProject(path)
    const { store } = options
    const config = store === undefined ? alone.config : { ...alone.config, folder: resolve(store) }
    return { found: { ...alone, config }, definitions: undefined }
  }
  const { project, definitions } = await readDefinitions(path)
  if (project !== found.config.project.name) {
    throw invalid('other_project', 'the file holds the definitions of another project', {
      file: path,
      project,
      expected: found.config.project.name,
    })
  }
  return { found, definitions }
}

/** The author where none is named. */
export function localUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown' // A user without a name, as in some containers.
  }
}

/** A plan in lines: a sign, what it is, and why it matters. */
export function shownPlan(planned: ApplyPlan, colours: Colours): string {
  const { changes, project, base } = planned
  const warnings = planned.warnings.map((warning) => colours.yellow(warningText(warning)))
  if (changes.length === 0) {
    return [`nothing to change: ${project} is as defined, at revision ${base}`, ...warnings].join('\n')
  }
  const lines = changes.flatMap((change) => [
    `${sign(change, colours)} ${change.id}  ${severity(change.severity, colours)}`,
    ...change.reasons.map((reason) => `    ${reason}`),
    ...listed('services', change.services),
    ...listed('consumers', change.consumers),
  ])
  const count = (kind: PlannedChange['change']): number =>
    changes.filter((change) => change.change === kind).length
  const sums = `${formatCount(count('add'))} to add, ${formatCount(count('change'))} to change, ${formatCount(count('remove'))} to remove`
  const sum = `${project}: ${sums}; ${severity(planned.severity, colours)}`
  return [...lines, ...warnings, '', sum].join('\n')
}

/** What materializing would meet, said while definitions are at hand. */
function sourceLines(warnings: readonly SourceWarning[], colours: Colours): readonly string[] {
  return warnings.map(({ source, group, problem }) => {
    const wanting = group === undefined ? '' : `, which ${group} reads`
    return colours.yellow(`! source/${source}: ${plainText(problem)}${wanting}`)
  })
}

function warningText({ service, group, consumers, ...deprecation }: PlanWarning): string {
  const models = consumers.length === 0 ? '' : `; tell ${plainText(consumers.join(', '))}`
  return `! service/${service} reads ${group}: ${deprecationText(deprecation)}${models}`
}

function sign({ change }: PlannedChange, colours: Colours): string {
  switch (change) {
    case 'add':
      return colours.green('+')
    case 'change':
      return colours.yellow('~')
    case 'remove':
      return colours.red('-')
  }
}

function severity(of: Severity, colours: Colours): string {
  const text = of.replace('_', ' ')
  if (of === 'safe') return colours.green(text)
  return of === 'needs_data' ? colours.yellow(text) : colours.red(text)
}

function listed(title: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`    ${title}: ${plainText(names.join(', '))}`]
}
