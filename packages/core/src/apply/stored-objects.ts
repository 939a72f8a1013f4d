import { corrupt, invalid } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import type { Definition, EntityDefinition, GroupDefinition } from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import { indexDefinitions } from '../model/definition-index.ts'
import type { Field } from '../model/feature-type.ts'
import { canonicalJson, sha256Hex } from '../model/fingerprint.ts'
import { deepFreeze } from '../model/json-object.ts'
import type { Registry, Revision } from '../ports/registry.ts'
import { definitionsOf } from './next-snapshot.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

// How definitions lie in the registry, as canonical JSON under its SHA-256:
//
//   root      { format, projects: { name: hash of its tree } }
//   tree      { entries: { id: hash of its object } }
//   object    { definition }, of a group also { schemas, firstApplied }, of a retired group also { entity }
//
// So a revision writes a root, one tree and the objects that changed. Ids are `definitionId`, or
// `retired/name@version`.

/** The version of this layout; a later one is refused. */
const FORMAT = 1

interface Root {
  readonly format: number
  readonly projects: Readonly<Record<string, string>>
}

interface Tree {
  readonly entries: Readonly<Record<string, string>>
}

interface StoredObject {
  readonly definition: Definition
  readonly schemas?: readonly (readonly Field[])[]
  readonly firstApplied?: Instant
  readonly entity?: EntityDefinition
}

/** A project as it lies in the registry at one revision. */
export interface StoredProject {
  readonly snapshot: Snapshot
  /** Hash of the tree of each project. */
  readonly projects: Readonly<Record<string, string>>
  /** Hash of each of the project's objects by id. */
  readonly entries: Readonly<Record<string, string>>
}

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
  const root: Root =
    revision === undefined ? { format: FORMAT, projects: {} } : await readRoot(registry, revision)
  const treeHash = Object.hasOwn(root.projects, project) ? root.projects[project] : undefined
  const tree: Tree =
    treeHash === undefined ? { entries: {} } : ((await readObjects(registry, [treeHash]))[0] as Tree)
  const ids = Object.keys(tree.entries)
  const objects = await readObjects(registry, Object.values(tree.entries))
  const stored = new Map(ids.map((id, at) => [id, deepFreeze(objects[at] as StoredObject)]))
  return {
    snapshot: toSnapshot(project, revision, stored),
    projects: root.projects,
    entries: tree.entries,
  }
}

async function readRoot(registry: Registry, revision: Revision): Promise<Root> {
  const root = (await readObjects(registry, [revision.root]))[0] as Root
  if (root.format !== FORMAT) {
    throw invalid('newer_registry', 'a later version of asof wrote this registry: update asof', {
      format: root.format,
    })
  }
  return root
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

function toSnapshot(
  project: string,
  revision: Revision | undefined,
  stored: ReadonlyMap<string, StoredObject>,
): Snapshot {
  const current = [...stored].filter(([id]) => !id.startsWith(RETIRED)).map(([, object]) => object.definition)
  const index = indexDefinitions(current)
  const groups = new Map<string, AppliedGroup>()
  const retired = new Map<string, AppliedGroup>()
  for (const [id, object] of stored) {
    if (object.definition.kind !== 'group') continue
    const entity = object.entity ?? index.entities.get(object.definition.entity)
    if (entity === undefined || object.schemas === undefined || object.firstApplied === undefined) {
      throw corrupt('corrupt_registry', 'a group of the registry is incomplete: restore it from a copy', {
        id,
      })
    }
    const applied = applyOf(object.definition, entity, object.schemas, object.firstApplied)
    if (id.startsWith(RETIRED)) retired.set(id.slice(RETIRED.length), applied)
    else groups.set(id.slice('group/'.length), applied)
  }
  return Object.freeze({ ...index, project, revision, groups, retired })
}

function applyOf(
  definition: GroupDefinition,
  entity: EntityDefinition,
  schemas: readonly (readonly Field[])[],
  firstApplied: Instant,
): AppliedGroup {
  return Object.freeze({
    definition,
    entity,
    schemas: Object.freeze([...schemas.slice(0, -1), definition.features]),
    firstApplied,
  })
}

const RETIRED = 'retired/'

/** What a commit writes: the new objects, and the root that names them. */
export interface ProjectWrite {
  readonly root: string
  readonly objects: readonly { readonly hash: string; readonly body: Uint8Array }[]
}

/** The objects by which a stored project becomes `next`, those that are there already left out. */
export function writeProject(stored: StoredProject, next: Snapshot): ProjectWrite {
  const objects: { readonly hash: string; readonly body: Uint8Array }[] = []
  const encoder = new TextEncoder()
  const there = new Set(Object.values(stored.entries))
  const add = (object: Root | Tree | StoredObject): string => {
    const text = canonicalJson(object)
    const hash = sha256Hex(text)
    if (!there.has(hash)) objects.push({ hash, body: encoder.encode(text) })
    there.add(hash)
    return hash
  }
  const entries: Record<string, string> = {}
  for (const definition of definitionsOf(next)) {
    if (definition.kind !== 'group') entries[definitionId(definition)] = add({ definition })
  }
  for (const [id, group] of next.groups) entries[`group/${id}`] = add(storedGroup(group))
  for (const [id, group] of next.retired ?? []) {
    entries[`${RETIRED}${id}`] = add({ ...storedGroup(group), entity: group.entity })
  }
  const tree = add({ entries })
  return { root: add({ format: FORMAT, projects: { ...stored.projects, [next.project]: tree } }), objects }
}

/** A schema keeps what rows are stored by; descriptions and defaults are in the definition alone. */
function storedGroup({ definition, schemas, firstApplied }: AppliedGroup): StoredObject {
  return {
    definition,
    schemas: schemas.map((schema) => schema.map(({ name, type }) => ({ name, type }))),
    firstApplied,
  }
}
