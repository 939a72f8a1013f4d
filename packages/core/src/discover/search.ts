import { editDistance, mistakesForgiven } from '../errors/edit-distance.ts'
import type { Definition, Deprecation, GroupDefinition } from '../model/definition.ts'
import { typeName } from '../model/feature-type.ts'
import { referenceTo } from './reference.ts'
import { firstAtOrAfter, lettersOf, type SearchEntry, type SearchIndex } from './search-index.ts'
import { parseQuery, queryNotes, wordsOf, type SearchFilter, type SearchQuery } from './search-query.ts'

/** One thing found. */
export interface SearchResult {
  readonly project: string
  readonly kind: SearchEntry['kind']
  /** Its full name, itself a reference: `flights.group/hourly@1:delay_mean`. */
  readonly id: string
  readonly name: string
  /** Of a feature, in one line. */
  readonly type?: string
  readonly owner?: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly status?: GroupDefinition['status']
  readonly deprecation?: Deprecation
  /** How it matched, word by word: `name`, `begins with delay`, `like delay`, `description`. */
  readonly why: readonly string[]
}

/** What a search has found. */
export interface SearchAnswer {
  /** The best first. */
  readonly results: readonly SearchResult[]
  /** How many there are in all. */
  readonly total: number
  /** What of the query cannot be meant so, where there is such: filters that there are not, values that they never have. */
  readonly notes?: readonly string[]
}

/** How many results are answered where nobody says. */
const RESULTS = 20

/** What a word is worth where it stands, whole and as a beginning, by {@link PLACES}: name, name word, context, description. */
const WHOLE = [100, 60, 30, 20] as const
const BEGINNING = [80, 50, 25, 15] as const
/** And where only something like it stands; each mistake takes one off. */
const ALIKE = [12, 10, 6, 4] as const

/**
 * Finds features, groups, on-demand groups, services, sources and entities of every project in an index.
 *
 * A result has every word of the query. An exact name comes first, then names that begin so, words within names, what
 * surrounds it (group, project, owner, tags, entity), descriptions. Only where that gives fewer results than asked for
 * are words forgiven a mistake (from 4 letters on) or two (from 8). Of equals what is not deprecated comes first.
 *
 * @throws {AsofError} `query_too_long`
 * @example
 * ```ts
 * const { results } = search(searchIndex([snapshot]), 'hourly delay mean', { limit: 10 })
 * results[0]?.id // 'flights.group/airport_hourly@1:delay_mean'
 * ```
 */
export function search(
  index: SearchIndex,
  text: string,
  options: { readonly limit?: number } = {},
): SearchAnswer {
  const query = parseQuery(text)
  const { limit = RESULTS } = options
  const exact = rank(index, query, false, limit)
  const found = exact.total >= limit || query.words.length === 0 ? exact : rank(index, query, true, limit)
  const notes = queryNotes(query, (name) => index.terms[firstAtOrAfter(index.terms, name)] === name)
  return {
    results: found.best.map(({ entry }) => resultOf(entry, why(entry, query))),
    total: found.total,
    ...(notes.length > 0 && { notes }),
  }
}

interface Ranked {
  readonly entry: SearchEntry
  readonly score: number
}

/** The best `limit`, in order, without sorting all the others. */
function rank(
  index: SearchIndex,
  { words, filters }: SearchQuery,
  forgiving: boolean,
  limit: number,
): { readonly best: readonly Ranked[]; readonly total: number } {
  const { entries } = index
  if (words.length === 0 && filters.length === 0) return { best: [], total: 0 }
  const scores = new Uint16Array(entries.length)
  addWords(index, words, forgiving, scores)
  // `delay mean` is also the name delay_mean.
  if (words.length > 1) {
    const joined = wordScores(index, words.join('_'), false)
    for (let at = 0; at < scores.length; at++) {
      if (joined[at]! >= BEGINNING[0]) scores[at] = Math.max(scores[at]!, joined[at]! * words.length)
    }
  }
  const best: Ranked[] = []
  let total = 0
  for (let at = 0; at < entries.length; at++) {
    const score = scores[at]!
    if (words.length > 0 && score === 0) continue
    const entry = entries[at]!
    if (!filters.every(({ by, value }) => passes(entry, by, value))) continue
    total++
    const ranked = { entry, score }
    const last = best.at(-1)
    if (last !== undefined && best.length >= limit && inOrder(last, ranked) <= 0) continue
    if (limit === 0) continue
    best.splice(placeOf(best, ranked), 0, ranked)
    if (best.length > limit) best.pop()
  }
  return { best, total }
}

function placeOf(best: readonly Ranked[], ranked: Ranked): number {
  let low = 0
  let high = best.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (inOrder(best[middle]!, ranked) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

function addWords(
  index: SearchIndex,
  words: readonly string[],
  forgiving: boolean,
  scores: Uint16Array,
): void {
  for (const [position, word] of words.entries()) {
    const found = wordScores(index, word, forgiving)
    for (let at = 0; at < scores.length; at++) {
      const has = found[at]! > 0 && (position === 0 || scores[at]! > 0)
      scores[at] = has ? scores[at]! + found[at]! : 0
    }
  }
}

/** What a word is worth to each entry; 0 where it is not found. */
function wordScores(index: SearchIndex, word: string, forgiving: boolean): Uint8Array {
  const scores = new Uint8Array(index.entries.length)
  const add = (term: number, worth: readonly number[], less = 0): void => {
    for (const posting of index.postings[term]!) {
      const value = worth[posting & 3]! - less
      const entry = posting >>> 2
      if (value > scores[entry]!) scores[entry] = value
    }
  }
  const { terms } = index
  let term = firstAtOrAfter(terms, word)
  if (terms[term] === word) add(term++, WHOLE)
  for (; terms[term]?.startsWith(word) === true; term++) add(term, BEGINNING)
  const parts = word.includes('_') ? wordsOf(word) : []
  if (parts.length > 1) {
    // Words in another order, or with others between them.
    const together = new Uint16Array(scores.length)
    addWords(index, parts, forgiving, together)
    for (let at = 0; at < scores.length; at++) {
      scores[at] = Math.max(scores[at]!, Math.floor(together[at]! / parts.length))
    }
  }
  const forgiven = forgiving ? mistakesForgiven(word.length) : 0
  if (forgiven > 0) {
    const letters = lettersOf(word)
    for (let at = 0; at < terms.length; at++) {
      const other = terms[at]!
      if (Math.abs(other.length - word.length) > forgiven) continue
      // A mistake takes at most one letter away and brings one.
      if (bitsIn(index.letters[at]! ^ letters) > 2 * forgiven) continue
      const mistakes = editDistance(word, other, forgiven)
      if (mistakes > 0 && mistakes <= forgiven) add(at, ALIKE, mistakes)
    }
  }
  return scores
}

function bitsIn(mask: number): number {
  let left = mask
  let bits = 0
  for (; left !== 0; left &= left - 1) bits++
  return bits
}

function passes(
  { project, definition, field, kind, entities }: SearchEntry,
  by: SearchFilter,
  value: string,
): boolean {
  const has = (texts: readonly (string | undefined)[]): boolean =>
    texts.some((text) => text?.toLowerCase() === value)
  switch (by) {
    case 'project':
      return project === value
    case 'kind':
      return kind === value
    case 'owner':
      return has([definition.owner])
    case 'tag':
      return has([...(definition.tags ?? []), ...(field?.tags ?? [])])
    case 'entity':
      return entities.includes(value)
    case 'status':
      return statusOf(definition) === value
    case 'type':
      return (
        field !== undefined && (field.type.kind === value || typeName(field.type).toLowerCase() === value)
      )
    default:
      return by satisfies never
  }
}

function statusOf(definition: Definition): GroupDefinition['status'] | undefined {
  if (definition.kind === 'on_demand') return 'active'
  return definition.kind === 'group' ? definition.status : undefined
}

function inOrder(a: Ranked, b: Ranked): number {
  if (a.score !== b.score) return b.score - a.score
  const late = Number(statusOf(a.entry.definition) === 'deprecated')
  const lateOther = Number(statusOf(b.entry.definition) === 'deprecated')
  if (late !== lateOther) return late - lateOther
  const [name, other] = [nameOf(a.entry), nameOf(b.entry)]
  if (name.length !== other.length) return name.length - other.length
  if (name !== other) return name < other ? -1 : 1
  const [id, otherId] = [idOf(a.entry), idOf(b.entry)]
  return id < otherId ? -1 : id > otherId ? 1 : 0
}

function nameOf({ definition, field }: SearchEntry): string {
  return (field ?? definition).name
}

function idOf({ project, definition, field }: SearchEntry): string {
  return referenceTo(project, definition, field?.name)
}

/** Why an entry was found, in the words of the query: the same rules once more, for the few that are shown. */
function why(entry: SearchEntry, { words, filters }: SearchQuery): string[] {
  const name = nameOf(entry)
  const joined = words.join('_')
  const narrowed = filters.map(({ by, value }) => `${by} ${value}`)
  if (words.length > 1 && name === joined) return ['name', ...narrowed]
  if (words.length > 1 && name.startsWith(joined)) return [`begins with ${joined}`, ...narrowed]
  const reasons = words.flatMap((word) => {
    const parts = wordsOf(word)
    const whole = whyWord(entry, name, word)
    return parts.length > 1 && whole === undefined ? parts.map((part) => whyWord(entry, name, part)) : [whole]
  })
  return [...new Set([...reasons.filter((reason) => reason !== undefined), ...narrowed])]
}

function whyWord(entry: SearchEntry, name: string, word: string): string | undefined {
  const { definition, field, project, entities } = entry
  if (name === word) return 'name'
  if (name.startsWith(word)) return `begins with ${word}`
  const beginsSo = (text: string | undefined): boolean =>
    text !== undefined && (text.toLowerCase() === word || wordsOf(text).some((each) => each.startsWith(word)))
  if (beginsSo(name)) return `${word} in the name`
  const around: readonly (readonly [string, readonly (string | undefined)[]])[] = [
    ['group', field === undefined ? [] : [definition.name]],
    ['entity', entities],
    ['owner', [definition.owner]],
    ['tag', [...(definition.tags ?? []), ...(field?.tags ?? [])]],
    ['project', [project]],
  ]
  for (const [what, texts] of around) {
    const found = texts.find(beginsSo)
    if (found !== undefined) return `${what} ${found}`
  }
  if (beginsSo((field ?? definition).description)) return 'description'
  const texts = [name, definition.name, definition.owner ?? '', ...entities, project]
  const near = texts.flatMap((text) => [text, ...wordsOf(text)]).find((text) => isAlike(word, text))
  return near && `like ${near}`
}

function isAlike(word: string, text: string): boolean {
  const forgiven = mistakesForgiven(word.length)
  return editDistance(word, text, forgiven) <= forgiven
}

function resultOf(entry: SearchEntry, reasons: readonly string[]): SearchResult {
  const { project, kind, definition, field } = entry
  const { description, tags } = field ?? definition
  const status = statusOf(definition)
  return {
    project,
    kind,
    id: idOf(entry),
    name: nameOf(entry),
    ...(field !== undefined && { type: typeName(field.type) }),
    ...(definition.owner !== undefined && { owner: definition.owner }),
    ...(description !== undefined && { description }),
    ...(tags !== undefined && { tags }),
    ...(status !== undefined && { status }),
    ...(definition.kind === 'group' &&
      definition.deprecation !== undefined && { deprecation: definition.deprecation }),
    why: reasons,
  }
}
