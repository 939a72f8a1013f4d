import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  AsofError,
  groupId,
  invalid,
  notFound,
  parseDefinitions,
  withCode,
  type FeatureStore,
  type Project,
} from '@asof/core'
import { codeOf } from './code-fingerprint.ts'
import { CONFIG_FILES } from './config-files.ts'
import type { ProjectConfig } from './define-config.ts'
import { openFeatureStore } from './embedded.ts'

/** What every command that works on a store can be told. */
export interface ProjectOptions {
  /** Folder of the project, its configuration, or a file of definitions. */
  readonly project?: string
  /** Folder of the store. */
  readonly store?: string
}

/** A project as a command found it. */
export interface FoundProject {
  readonly config: ProjectConfig
  readonly projectFolder: string
}

/**
 * Finds the project: in the working folder or above, or where `--project` says. A file of definitions is a project without
 * on-demand functions; its folder is the project's.
 *
 * @throws {AsofError} `project_not_found`, `invalid_config`; whatever the definitions themselves are refused with
 */
export async function findProject(
  options: ProjectOptions,
  cwd: string = process.cwd(),
): Promise<FoundProject> {
  const file = await configFile(options, cwd)
  const found = file.endsWith('.json') ? await definitionsProject(file) : await configProject(file)
  const { store } = options
  return store === undefined ? found : { ...found, config: { ...found.config, folder: resolve(cwd, store) } }
}

/**
 * The configuration of a project, or the file of definitions that stands for one; it is not loaded.
 *
 * @throws {AsofError} `project_not_found`
 */
export async function configFile(options: ProjectOptions, cwd: string = process.cwd()): Promise<string> {
  const file =
    options.project === undefined ? await configAbove(cwd) : await configAt(resolve(cwd, options.project))
  if (file === undefined) {
    throw notFound(
      'project_not_found',
      `no project here: make ${CONFIG_FILES[0]} (its default export is defineConfig({ project })), go to its folder, or name it with --project`,
      { folder: resolve(cwd, options.project ?? '.') },
    )
  }
  return file
}

/**
 * The project of a file of canonical JSON, without functions: an on-demand group needs its code.
 *
 * @throws {AsofError} `code_missing`; whatever the file is refused with
 */
export async function definitionsProject(file: string): Promise<FoundProject> {
  const { project: name, definitions } = await readDefinitions(file)
  const onDemand = definitions.find((definition) => definition.kind === 'on_demand')
  if (onDemand !== undefined) {
    throw invalid(
      'code_missing',
      `an on-demand group is code, which JSON does not carry: use the project's ${CONFIG_FILES[0]}`,
      { group: groupId(onDemand), file },
    )
  }
  const project: Project = { name, definitions, functions: new Map(), onDemandModules: new Map() }
  return { config: { project }, projectFolder: dirname(file) }
}

/** Definitions from a file of canonical JSON. @throws {AsofError} `file_not_found`; `invalid` naming the path in it */
export async function readDefinitions(file: string): Promise<ReturnType<typeof parseDefinitions>> {
  return parseDefinitions(await readText(file))
}

/** The text of a file that a user named. @throws {AsofError} `file_not_found`, `file_not_readable` */
export async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file))
  } catch (error) {
    throw fileError(error, file)
  }
}

/** What a failed read of a file means. */
export function fileError(error: unknown, file: string): unknown {
  if (error instanceof TypeError) return invalid('file_not_readable', 'the file is not UTF-8', { file })
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return notFound('file_not_found', 'there is no such file', { file })
  if (code === 'EISDIR') return invalid('file_not_readable', 'this is a folder, not a file', { file })
  if (code === 'EACCES' || code === 'EPERM') {
    return new AsofError('denied', 'file_not_readable', 'the file may not be read', { file })
  }
  return error
}

/** The project with the code of its on-demand groups filled in, without opening a store. */
export async function projectWithCode({ config, projectFolder }: FoundProject): Promise<Project> {
  return withCode(config.project, await codeOf(config.project.onDemandModules, projectFolder))
}

/** Opens the store of a project. */
export async function openProject({ config, projectFolder }: FoundProject): Promise<FeatureStore> {
  return await openFeatureStore({ ...config, projectFolder })
}

async function configAbove(folder: string): Promise<string | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const file = await configIn(at)
    if (file !== undefined || dirname(at) === at) return file
  }
}

async function configAt(path: string): Promise<string | undefined> {
  return (await isFile(path)) ? path : await configIn(path)
}

async function configIn(folder: string): Promise<string | undefined> {
  for (const name of CONFIG_FILES) if (await isFile(join(folder, name))) return join(folder, name)
  return undefined
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}

async function configProject(file: string): Promise<FoundProject> {
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown }
  } catch (error) {
    if (error instanceof Error && error.name === 'AsofError') throw error
    const reason = error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : String(error)
    const advice = /outside a module|Unexpected token 'export'/.test(reason)
      ? ': put "type": "module" into the package.json beside it'
      : ''
    throw new AsofError(
      'invalid',
      'invalid_config',
      `the configuration cannot be loaded${advice}`,
      { file, at: placeOf(error, dirname(file)), cause: reason },
      { cause: error },
    )
  }
  const config = module.default as Partial<ProjectConfig> | undefined
  if (!Array.isArray(config?.project?.definitions)) {
    throw invalid(
      'invalid_config',
      `the default export of ${basename(file)} is not a configuration: export default defineConfig({ project })`,
      { file },
    )
  }
  return { config: config as ProjectConfig, projectFolder: dirname(file) }
}

/** Where in a project's own code an error came from, as `FILE:LINE`: what is wrong is seldom in the configuration itself. */
function placeOf(error: unknown, projectFolder: string): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const [, url = '', line] of stack.matchAll(
    /(file:\/\/[^\s)?]+?)(?:\?[^\s):]*)?:(\d+)(?::\d+)?\)?$/gm,
  )) {
    const path = relative(projectFolder, fileURLToPath(url))
    if (!path.startsWith('..') && !path.includes('node_modules')) return `${path}:${line}`
  }
  return undefined
}
