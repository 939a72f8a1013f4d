import { invalid, type ConsumerChange, type ServiceConsumer } from '@asof/core'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { plainText } from '../shown-value.ts'
import type { Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'
import { localUser } from './definitions.ts'

/** Who does it, and why. */
type Signed = ProjectOptions & { readonly author?: string; readonly message?: string }

/** `asof consumers list [SERVICE]`: the models that read services. */
export async function list(
  terminal: Terminal,
  options: ProjectOptions,
  service: string | undefined,
): Promise<void> {
  await using store = await openProject(await findProject(options))
  const consumers = await store.consumers(service)
  terminal.answer({ project: store.project, consumers }, () =>
    consumers.length === 0 ? 'no models are known' : consumerTable(consumers, terminal),
  )
}

function consumerTable(consumers: readonly ServiceConsumer[], { colours }: Terminal): string {
  return textTable(
    [
      { title: 'SERVICE', cell: ({ service }) => service },
      { title: 'MODEL', cell: ({ model, version }) => plainText(`${model}@${version}`) },
      { title: 'TEAM', cell: ({ team }) => plainText(team) },
      { title: 'FROM', cell: ({ from }) => from },
    ],
    consumers,
    colours,
  )
}

/** `asof consumers add SERVICE MODEL@VERSION --team TEAM`: registers a model as a reader of a service. */
export async function add(
  terminal: Terminal,
  options: Signed & { readonly team: string },
  service: string,
  given: string,
): Promise<void> {
  const consumer = { ...modelArgument(given), team: options.team }
  await using store = await openProject(await findProject(options))
  const change = await store.addConsumer(service, consumer, signature(options))
  answer(terminal, service, given, change, `${given} (${consumer.team}) reads ${service}`)
}

/** `asof consumers remove SERVICE MODEL@VERSION`: takes it off the list. */
export async function remove(
  terminal: Terminal,
  options: Signed,
  service: string,
  given: string,
): Promise<void> {
  const consumer = modelArgument(given)
  await using store = await openProject(await findProject(options))
  const change = await store.removeConsumer(service, consumer, signature(options))
  answer(terminal, service, given, change, `${given} reads ${service} no more`)
}

function answer(
  terminal: Terminal,
  service: string,
  model: string,
  { snapshot, committed }: ConsumerChange,
  text: string,
): void {
  const revision = snapshot.revision?.number ?? 0
  terminal.answer({ project: snapshot.project, service, model, committed, revision }, () =>
    committed ? `${text}; ${snapshot.project} is at revision ${revision}` : `it is so already: ${text}`,
  )
}

function signature({ author = localUser(), message }: Signed): { author: string; message?: string } {
  return { author, ...(message !== undefined && { message }) }
}

function modelArgument(text: string): { readonly model: string; readonly version: string } {
  const cut = text.lastIndexOf('@')
  if (cut > 0 && cut < text.length - 1) return { model: text.slice(0, cut), version: text.slice(cut + 1) }
  throw invalid('invalid_argument', 'give a model with its version: delay@7', { argument: text })
}
