import type { Snapshot } from '../apply/snapshot.ts'
import type {
  Definition,
  Described,
  GroupDefinition,
  OnDemandDefinition,
  ServiceDefinition,
} from '../model/definition.ts'
import type { Field } from '../model/feature-type.ts'
import { wordsOf } from './search-query.ts'

/** One thing that can be found. */
export interface SearchEntry {
  readonly project: string
  readonly kind: Definition['kind'] | 'feature'
  /** The definition, or the one that the feature belongs to. */
  readonly definition: Definition
  /** Of a feature. */
  readonly field: Field | undefined
  /** The entities that it describes. */
  readonly entities: readonly string[]
}

/** Where a word stands in an entry, the weightiest first. */
export const PLACES = ['name', 'name word', 'context', 'description'] as const

/**
 * Words of all definitions of a store, and where they stand. Immutable, made anew for another revision.
 *
 * A posting is a number: the entry's index times 4, plus the index in {@link PLACES}.
 */
export interface SearchIndex {
  readonly entries: readonly SearchEntry[]
  /** Every word and every name, sorted. */
  readonly terms: readonly string[]
  /** For each term. */
  readonly postings: readonly Uint32Array[]
  /** For each term, as {@link lettersOf}. */
  readonly letters: Uint32Array
}

/**
 * Makes the index over all projects given.
 *
 * @example
 * ```ts
 * const index = searchIndex([...(await loadSnapshots(registry)).values()])
 * search(index, 'delay').results
 * ```
 */
export function searchIndex(snapshots: Iterable<Snapshot>): SearchIndex {
  const building = new Building()
  for (const snapshot of snapshots) building.addProject(snapshot)
  return building.finish()
}

/** {@link searchIndex} with a pause after each project, so that who shares the process is not held up. */
export async function searchIndexInSteps(
  snapshots: Iterable<Snapshot>,
  pause: () => Promise<void>,
): Promise<SearchIndex> {
  const building = new Building()
  for (const snapshot of snapshots) {
    building.addProject(snapshot)
    await pause()
  }
  return building.finish()
}

function entitiesRead(snapshot: Snapshot, { inputs }: OnDemandDefinition): readonly string[] {
  const names = inputs.flatMap(({ from }) => {
    if ('request' in from) return []
    const name = 'group' in from ? from.group : from.eventTimeOf
    return snapshot.groups.get(`${name}@${from.version}`)?.definition.entity ?? []
  })
  return [...new Set(names)]
}

function entitiesServed(snapshot: Snapshot, { features }: ServiceDefinition): readonly string[] {
  const groups = new Set(features.map(({ group, version }) => `${group}@${version}`))
  const names = [...groups].flatMap((id) => {
    const computed = snapshot.onDemand.get(id)
    if (computed !== undefined) return entitiesRead(snapshot, computed)
    return snapshot.groups.get(id)?.definition.entity ?? []
  })
  return [...new Set(names)]
}

class Building {
  readonly #entries: SearchEntry[] = []
  readonly #postings = new Map<string, number[]>()

  addProject(snapshot: Snapshot): void {
    const { project } = snapshot
    for (const definition of snapshot.entities.values()) {
      this.#add({ project, kind: 'entity', definition, field: undefined, entities: [definition.name] }, [
        definition.name,
        ...definition.keys.map((key) => key.name),
      ])
    }
    for (const definition of snapshot.sources.values()) {
      this.#add({ project, kind: 'source', definition, field: undefined, entities: [] }, [])
    }
    for (const { definition } of snapshot.groups.values()) {
      this.#addGroup(project, definition, [definition.entity])
    }
    for (const definition of snapshot.onDemand.values()) {
      this.#addGroup(project, definition, entitiesRead(snapshot, definition))
    }
    for (const definition of snapshot.services.values()) {
      const entities = entitiesServed(snapshot, definition)
      this.#add({ project, kind: 'service', definition, field: undefined, entities }, entities)
    }
  }

  #addGroup(
    project: string,
    definition: GroupDefinition | OnDemandDefinition,
    entities: readonly string[],
  ): void {
    const version = `v${definition.version}`
    this.#add({ project, kind: definition.kind, definition, field: undefined, entities }, [
      version,
      ...entities,
    ])
    // All features of a group stand in the same surroundings: they are cut into words once.
    const shared = contextOf(project, definition, [definition.name, version, ...entities])
    for (const field of definition.features) {
      this.#post({ project, kind: 'feature', definition, field, entities }, field, shared)
    }
  }

  #add(entry: SearchEntry, surroundings: readonly string[]): void {
    this.#post(entry, entry.definition, contextOf(entry.project, entry.definition, surroundings))
  }

  #post(
    entry: SearchEntry,
    of: { readonly name: string } & Omit<Described, 'owner'>,
    context: readonly string[],
  ): void {
    const base = this.#entries.push(entry) * 4 - 4
    const { name, description, tags } = of
    this.#term(name, base)
    if (name.includes('_')) for (const word of wordsOf(name)) this.#term(word, base + 1)
    for (const word of context) this.#term(word, base + 2)
    if (entry.field !== undefined) {
      for (const tag of tags ?? []) for (const word of termsOf(tag)) this.#term(word, base + 2)
    }
    if (description !== undefined) for (const word of wordsOf(description)) this.#term(word, base + 3)
  }

  #term(term: string, posting: number): void {
    const known = this.#postings.get(term)
    if (known === undefined) this.#postings.set(term, [posting])
    // One word twice in one place is one posting.
    else if (known[known.length - 1] !== posting) known.push(posting)
  }

  finish(): SearchIndex {
    const terms = [...this.#postings.keys()].sort()
    const postings = terms.map((term) => Uint32Array.from(this.#postings.get(term)!))
    return Object.freeze({
      entries: this.#entries,
      terms,
      postings,
      letters: Uint32Array.from(terms, lettersOf),
    })
  }
}

/** The words around an entry: its project, its owner, its tags and what it is said to belong to. */
function contextOf(project: string, of: Described, surroundings: readonly string[]): readonly string[] {
  const texts = [project, ...surroundings, ...(of.tags ?? []), ...(of.owner === undefined ? [] : [of.owner])]
  return [...new Set(texts.flatMap(termsOf))]
}

/** A name is found whole and by its words. */
function termsOf(text: string): string[] {
  const words = wordsOf(text)
  return words.length === 1 ? words : [text.toLowerCase(), ...words]
}

/** The index of the first term that is not before `term`. */
export function firstAtOrAfter(terms: readonly string[], term: string): number {
  let low = 0
  let high = terms.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (terms[middle]! < term) low = middle + 1
    else high = middle
  }
  return low
}

/** Which letters a term has, a bit for each letter of the alphabet, the others by chance: to rule out what is not alike. */
export function lettersOf(term: string): number {
  let letters = 0
  for (let at = 0; at < term.length; at++) letters |= 1 << (term.charCodeAt(at) & 31)
  return letters >>> 0
}
