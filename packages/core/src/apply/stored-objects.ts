import { corrupt, invalid } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import type { Consumer, Definition, EntityDefinition } from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import { indexDefinitions } from '../model/definition-index.ts'
import type { Field } from '../model/feature-type.ts'
import { canonicalJson, sha256Hex } from '../model/fingerprint.ts'
import { deepFreeze } from '../model/json-object.ts'
import type { Registry, Revision } from '../ports/registry.ts'
import { definitionsOf } from './next-snapshot.ts'
import { consumerName, type AppliedGroup, type Snapshot } from './snapshot.ts'

// How definitions lie in the registry, as canonical JSON under its SHA-256:
//
//   root      { format, projects: { name: hash of its tree } }
//   tree      { entries: { id: hash of its object } }
//   object    { definition }, of a group also { schemas, firstApplied }, of a retired group also { entity };
//             of a consumer { service, consumer }
//
// So a revision writes a root, one tree and the objects that changed. Ids are `definitionId`, `retired/name@version`, or
// `consumer/service/model@version`.

/** The version of this layout; a later one is refused. */
const FORMAT = 1

interface Root {
  readonly format: number
  readonly projects: Readonly<Record<string, string>>
}

interface Tree {
  readonly entries: Readonly<Record<string, string>>
}

interface StoredDefinition {
  readonly definition: Definition
  readonly schemas?: readonly (readonly Field[])[]
  readonly firstApplied?: Instant
  readonly entity?: EntityDefinition
}

interface StoredConsumer {
  readonly service: string
  readonly consumer: Consumer
}

type StoredObject = StoredDefinition | StoredConsumer

/** A project as it lies in the registry at one revision. */
export interface StoredProject {
  readonly snapshot: Snapshot
  /** Hash of the tree of each project. */
  readonly projects: Readonly<Record<string, string>>
  /** Hash of each of the project's objects by id. */
  readonly entries: Readonly<Record<string, string>>
  /** The objects by hash. */
  readonly objects: ReadonlyMap<string, StoredObject>
}

/**
 * What was last read of each project: another revision reads only what is new in it, and what has not changed stays the
 * same object, so that whatever was worked out for it still holds.
 */
const LAST_READ = new WeakMap<Registry, Map<string, StoredProject>>()

/**
 * Reads one project in three round trips, whatever its size.
 *
 * @throws {AsofError} `corrupt_registry` when an object is missing or is not what was written; `newer_registry` when
 * a later version of asof wrote it
 */
export async function readProject(
  registry: Registry,
  revision: Revision | undefined,
  project: string,
): Promise<StoredProject> {
  const projects = await readRoot(registry, revision)
  return (await readProjects(registry, revision, projects, [project]))[0]!
}

/** Reads every project that there is, in three round trips. @throws {AsofError} as {@link readProject} */
export async function readAllProjects(
  registry: Registry,
  revision: Revision | undefined,
): Promise<readonly StoredProject[]> {
  const projects = await readRoot(registry, revision)
  return await readProjects(registry, revision, projects, Object.keys(projects).sort())
}

/** The hash of each project's tree. */
export async function readRoot(
  registry: Registry,
  revision: Revision | undefined,
): Promise<Root['projects']> {
  return (await readRoots(registry, [revision]))[0]!
}

/** The hash of each project's tree at several revisions; before the first there is none. */
export async function readRoots(
  registry: Registry,
  revisions: readonly (Revision | undefined)[],
): Promise<readonly Root['projects'][]> {
  const there = revisions.filter((revision) => revision !== undefined)
  const roots = (await readObjects(
    registry,
    there.map((revision) => revision.root),
  )) as readonly Root[]
  const newer = roots.find((root) => root.format !== FORMAT)
  if (newer !== undefined) {
    throw invalid('newer_registry', 'a later version of asof wrote this registry: update asof', {
      format: newer.format,
    })
  }
  let at = 0
  return revisions.map((revision) => (revision === undefined ? {} : roots[at++]!.projects))
}

/** The entries of trees, in the order asked; of what has no tree none. */
export async function readTrees(
  registry: Registry,
  hashes: readonly (string | undefined)[],
): Promise<readonly Tree['entries'][]> {
  const asked = [...new Set(hashes.filter((hash) => hash !== undefined))]
  const trees = await readObjects(registry, asked)
  const byHash = new Map(asked.map((hash, at) => [hash, (trees[at] as Tree).entries]))
  return hashes.map((hash) => (hash === undefined ? {} : byHash.get(hash)!))
}

/** The projects named, of those that a root names. */
export async function readProjects(
  registry: Registry,
  revision: Revision | undefined,
  projects: Root['projects'],
  names: readonly string[],
): Promise<readonly StoredProject[]> {
  const last = LAST_READ.get(registry) ?? new Map<string, StoredProject>()
  LAST_READ.set(registry, last)
  const treeOf = (of: Root['projects'], name: string): string | undefined =>
    Object.hasOwn(of, name) ? of[name] : undefined
  const isKnown = (name: string): boolean => {
    const known = last.get(name)
    return known !== undefined && treeOf(known.projects, name) === treeOf(projects, name)
  }
  const unknown = names.filter((name) => !isKnown(name))
  const trees = await readTrees(
    registry,
    unknown.map((name) => treeOf(projects, name)),
  )
  const wanted = new Set<string>()
  for (const [at, name] of unknown.entries()) {
    const objects = last.get(name)?.objects
    for (const hash of Object.values(trees[at]!)) if (objects?.has(hash) !== true) wanted.add(hash)
  }
  const hashes = [...wanted]
  const bodies = await readObjects(registry, hashes)
  const read = new Map(hashes.map((hash, at) => [hash, deepFreeze(bodies[at] as StoredObject)]))
  const entries = new Map(unknown.map((name, at) => [name, trees[at]!]))
  return names.map((name) => {
    const before = last.get(name)
    const tree = entries.get(name)
    const stored =
      tree === undefined
        ? { ...before!, projects, snapshot: Object.freeze({ ...before!.snapshot, revision }) }
        : toProject({ project: name, revision, projects, entries: tree, read, before })
    const isNewer = (revision?.number ?? 0) >= (before?.snapshot.revision?.number ?? 0)
    // What is nowhere is not kept: there is no end to the names of what there is not.
    if (isNewer && treeOf(projects, name) !== undefined) last.set(name, stored)
    return stored
  })
}

async function readObjects(registry: Registry, hashes: readonly string[]): Promise<unknown[]> {
  if (hashes.length === 0) return []
  const bodies = await registry.get(hashes)
  const decoder = new TextDecoder()
  return hashes.map((hash, at): unknown => {
    const body = bodies[at]
    if (body === undefined || sha256Hex(body) !== hash) {
      const what = body === undefined ? 'is missing' : 'is not what was written'
      throw corrupt('corrupt_registry', `an object of the registry ${what}: restore it from a copy`, { hash })
    }
    return JSON.parse(decoder.decode(body))
  })
}

interface ReadProject {
  readonly project: string
  readonly revision: Revision | undefined
  readonly projects: Root['projects']
  readonly entries: Tree['entries']
  /** The objects that `before` does not have. */
  readonly read: ReadonlyMap<string, StoredObject>
  readonly before: StoredProject | undefined
}

function toProject({ project, revision, projects, entries, read, before }: ReadProject): StoredProject {
  const objects = new Map<string, StoredObject>()
  const definitions: Definition[] = []
  const registered = new Map<string, Consumer[]>()
  for (const [id, hash] of Object.entries(entries)) {
    const object = (before?.objects.get(hash) ?? read.get(hash))!
    objects.set(hash, object)
    if ('consumer' in object) {
      const others = registered.get(object.service)
      if (others === undefined) registered.set(object.service, [object.consumer])
      else others.push(object.consumer)
    } else if (!id.startsWith(RETIRED)) {
      definitions.push(object.definition)
    }
  }
  const index = indexDefinitions(definitions)
  const groups = new Map<string, AppliedGroup>()
  const retired = new Map<string, AppliedGroup>()
  for (const [id, hash] of Object.entries(entries)) {
    const object = objects.get(hash)!
    if ('consumer' in object || object.definition.kind !== 'group') continue
    const isRetired = id.startsWith(RETIRED)
    const name = id.slice((isRetired ? RETIRED : GROUP).length)
    const entity = object.entity ?? index.entities.get(object.definition.entity)
    const known = (isRetired ? before?.snapshot.retired : before?.snapshot.groups)?.get(name)
    const same = known !== undefined && before?.entries[id] === hash && known.entity === entity
    const applied = same ? known : appliedGroup(id, object, entity)
    if (isRetired) retired.set(name, applied)
    else groups.set(name, applied)
  }
  const snapshot = Object.freeze({ ...index, project, revision, groups, retired, registered })
  return { snapshot, projects, entries, objects }
}

function appliedGroup(
  id: string,
  { definition, schemas, firstApplied }: StoredDefinition,
  entity: EntityDefinition | undefined,
): AppliedGroup {
  if (
    definition.kind !== 'group' ||
    entity === undefined ||
    schemas === undefined ||
    firstApplied === undefined
  ) {
    throw corrupt('corrupt_registry', 'a group of the registry is incomplete: restore it from a copy', { id })
  }
  return Object.freeze({
    definition,
    entity,
    schemas: Object.freeze([...schemas.slice(0, -1), definition.features]),
    firstApplied,
  })
}

const GROUP = 'group/'
const RETIRED = 'retired/'
const CONSUMER = 'consumer/'

/** What a commit writes: the new objects, and the tree that names them. */
export interface ProjectWrite {
  readonly tree: string
  readonly objects: readonly RegistryObject[]
}

/** Bytes under their hash. */
export interface RegistryObject {
  readonly hash: string
  readonly body: Uint8Array
}

/**
 * The objects by which a stored project becomes `next`, those that are there already left out. What is the same object in
 * both is not looked at.
 */
export function writeProject(stored: StoredProject, next: Snapshot): ProjectWrite {
  const objects = new Map<string, RegistryObject>()
  const there = new Set(Object.values(stored.entries))
  const entries: Record<string, string> = {}
  const put = (id: string, same: boolean, object: () => StoredObject): void => {
    const known = stored.entries[id]
    if (same && known !== undefined) {
      entries[id] = known
      return
    }
    const made = registryObject(object())
    entries[id] = made.hash
    if (!there.has(made.hash)) objects.set(made.hash, made)
  }
  const before = stored.snapshot
  const present = new Set(definitionsOf(before))
  for (const definition of definitionsOf(next)) {
    if (definition.kind === 'group') continue
    put(definitionId(definition), present.has(definition), () => ({ definition }))
  }
  for (const [id, group] of next.groups) {
    put(`${GROUP}${id}`, before.groups.get(id) === group, () => storedGroup(group))
  }
  for (const [id, group] of next.retired ?? []) {
    const same = before.retired?.get(id) === group
    put(`${RETIRED}${id}`, same, () => ({ ...storedGroup(group), entity: group.entity }))
  }
  for (const [service, consumers] of next.registered ?? []) {
    for (const consumer of consumers) {
      put(`${CONSUMER}${service}/${consumerName(consumer)}`, false, () => ({ service, consumer }))
    }
  }
  const tree = registryObject({ entries })
  objects.set(tree.hash, tree)
  return { tree: tree.hash, objects: [...objects.values()] }
}

/** The root in which one project's tree has taken the place of another. */
export function writeRoot(projects: Root['projects'], project: string, tree: string): RegistryObject {
  return registryObject({ format: FORMAT, projects: { ...projects, [project]: tree } })
}

function registryObject(object: Root | Tree | StoredObject): RegistryObject {
  const text = canonicalJson(object)
  return { hash: sha256Hex(text), body: new TextEncoder().encode(text) }
}

/** A schema keeps what rows are stored by; descriptions and defaults are in the definition alone. */
function storedGroup({ definition, schemas, firstApplied }: AppliedGroup): StoredDefinition {
  return {
    definition,
    schemas: schemas.map((schema) => schema.map(({ name, type }) => ({ name, type }))),
    firstApplied,
  }
}
