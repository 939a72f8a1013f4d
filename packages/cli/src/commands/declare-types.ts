import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { emptySnapshot, nextSnapshot, type Instant, type Snapshot } from '@asof/core'
import { countOf } from '../figures.ts'
import { fileError, findProject, openProject, projectWithCode, type ProjectOptions } from '../find-project.ts'
import type { Terminal } from '../terminal.ts'
import { typeDeclaration } from '../type-declaration.ts'

/** `asof types`: the services as a declaration file, for clients that do not import the definitions. */
export async function declareTypes(
  terminal: Terminal,
  options: ProjectOptions & { readonly applied?: boolean; readonly out?: string },
): Promise<void> {
  const snapshot = options.applied === true ? await applied(options) : await defined(options)
  const text = typeDeclaration(snapshot)
  const services = [...snapshot.services.keys()].sort()
  if (options.out === undefined) {
    terminal.answer({ project: snapshot.project, services, declaration: text }, () => text.trimEnd())
    return
  }
  const file = resolve(options.out)
  try {
    await writeFile(file, text)
  } catch (error) {
    throw fileError(error, file)
  }
  terminal.answer(
    { project: snapshot.project, services, file },
    () => `${countOf(services.length, 'service')} of ${snapshot.project} declared in ${options.out}`,
  )
}

async function applied(options: ProjectOptions): Promise<Snapshot> {
  await using store = await openProject(await findProject(options))
  return await store.snapshot()
}

/** Needs no store: a build may make the declaration from the definitions alone. */
async function defined(options: ProjectOptions): Promise<Snapshot> {
  const { name, definitions } = await projectWithCode(await findProject(options))
  return nextSnapshot(emptySnapshot(name), definitions, 0 as Instant)
}
