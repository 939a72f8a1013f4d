import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Definition, Snapshot } from '@asof/core'
import { CONFIG_FILES } from '../config-files.ts'
import type { Candidate, ProjectNames } from './complete-words.ts'

/**
 * Names of the project that the words are about, from its registry alone: neither the configuration is loaded, unless the store
 * is not where it usually is or holds several projects, nor an engine.
 *
 * @param words those of the command line, for its `--project` and `--store`
 */
export async function projectNames(
  words: readonly string[],
  cwd: string = process.cwd(),
): Promise<ProjectNames | undefined> {
  const given = valueOf(words, '--project') ?? valueOf(words, '-p')
  const folder = given === undefined ? await folderAbove(cwd) : await folderOf(resolve(cwd, given))
  const store = valueOf(words, '--store')
  const places =
    store === undefined ? (folder === undefined ? [] : [join(folder, '.asof')]) : [resolve(cwd, store)]
  for (const place of places) {
    const found = await namesIn(place, folder)
    if (found !== undefined) return found
  }
  if (folder === undefined || store !== undefined) return undefined
  const { config } = await configured(folder)
  return config.folder === undefined ? undefined : await namesIn(resolve(folder, config.folder), folder)
}

async function namesIn(store: string, folder: string | undefined): Promise<ProjectNames | undefined> {
  const registryFolder = join(store, 'registry')
  if (!(await isThere(registryFolder))) return undefined
  const [{ openLmdbRegistry }, { loadSnapshot, loadSnapshots }] = await Promise.all([
    import('@asof/lmdb'),
    import('@asof/core'),
  ])
  await using registry = await openLmdbRegistry(registryFolder)
  const snapshots = await loadSnapshots(registry)
  const [only] = snapshots.values()
  if (snapshots.size === 1 || folder === undefined) return only && namesOf(only)
  return namesOf(await loadSnapshot(registry, (await configured(folder)).config.project.name))
}

/** Names as they are in a snapshot of the registry. */
export function namesOf(snapshot: Snapshot): ProjectNames {
  const { entities, sources, services, onDemand } = snapshot
  const groups = [...snapshot.groups.values()].map(({ definition }) => definition)
  const computed = [...groups, ...onDemand.values()]
  const keysOf = (service: string): string[] =>
    (services.get(service)?.features ?? []).flatMap(({ keys }) => Object.values(keys))
  return {
    services: [...services.values()].map(described),
    groups: versions(groups),
    entities: [...entities.values()].map(described),
    sources: [...sources.values()].map(described),
    features: computed.flatMap((group) => {
      const [name] = versions([group])
      return group.features.map(({ name: feature, description }) => ({
        value: `${name!.value}:${feature}`,
        ...(description !== undefined && { description }),
      }))
    }),
    keysOf: (service) => [...new Set(keysOf(service))].map((value) => ({ value: `${value}=` })),
    requestOf: (service) => {
      const read = new Set(
        (services.get(service)?.features ?? []).map(({ group, version }) => `${group}@${version}`),
      )
      const inputs = [...onDemand.entries()]
        .filter(([id]) => read.has(id))
        .flatMap(([, { inputs }]) => inputs)
      const fields = inputs.flatMap(({ from }) => ('request' in from ? [from.field] : []))
      return [...new Set(fields)].map((value) => ({ value: `${value}=` }))
    },
  }
}

/** The first version is meant by the name alone; others are named with theirs. */
function versions(
  groups: readonly { readonly name: string; readonly version: number; readonly description?: string }[],
): Candidate[] {
  return groups.map(({ name, version, ...rest }) => ({
    ...described({ name, ...rest }),
    value: version === 1 ? name : `${name}@${version}`,
  }))
}

function described({
  name,
  description,
}: { readonly name: string } & Pick<Definition, 'description'>): Candidate {
  return { value: name, ...(description !== undefined && { description }) }
}

async function configured(folder: string): ReturnType<(typeof import('../find-project.ts'))['findProject']> {
  const { findProject } = await import('../find-project.ts')
  return await findProject({ project: folder })
}

function valueOf(words: readonly string[], flag: string): string | undefined {
  const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`))
  if (at < 0) return undefined
  return words[at] === flag ? words[at + 1] : words[at]!.slice(flag.length + 1)
}

async function folderAbove(from: string): Promise<string | undefined> {
  for (let at = from; ; at = dirname(at)) {
    for (const name of CONFIG_FILES) if (await isThere(join(at, name))) return at
    if (dirname(at) === at) return undefined
  }
}

/** `--project` names a folder, or a file in it. */
async function folderOf(path: string): Promise<string> {
  return (await stat(path).catch(() => undefined))?.isFile() === true ? dirname(path) : path
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
