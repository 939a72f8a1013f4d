import { invalid } from '../errors/asof-error.ts'

/** What a query may be narrowed by: `tag:pii owner:ops-ml entity:airport type:float64 status:active project:flights`. */
export const SEARCH_FILTERS = ['tag', 'owner', 'entity', 'type', 'status', 'project', 'kind'] as const

/** The name of a filter. */
export type SearchFilter = (typeof SEARCH_FILTERS)[number]

/** A query in its parts. */
export interface SearchQuery {
  /** In lower case; a result has every one of them. */
  readonly words: readonly string[]
  /** A result passes every one of them. */
  readonly filters: readonly { readonly by: SearchFilter; readonly value: string }[]
  /** Names before a colon that are no filters, in lower case: of a group, as in `hourly:delay_mean`, or of nothing. */
  readonly prefixes: readonly string[]
}

/** Filters whose values are known, with them; of a type what stands before its parameters. */
const CLOSED: Readonly<Partial<Record<SearchFilter, readonly string[]>>> = {
  kind: ['entity', 'source', 'group', 'on_demand', 'service', 'feature'],
  status: ['staging', 'active', 'deprecated'],
  type: 'bool int32 int64 float32 float64 string bytes timestamp vector list map struct'.split(' '),
}

/**
 * What of a query cannot be meant so: filters that there are not, and values that a filter cannot have.
 *
 * @param isKnown whether a name before a colon is a word of the registry
 */
export function queryNotes(
  { prefixes, filters }: SearchQuery,
  isKnown: (name: string) => boolean,
): readonly string[] {
  return [
    ...prefixes
      .filter((name) => !isKnown(name))
      .map((name) => `there is no filter ${name}: there are ${SEARCH_FILTERS.join(', ')}`),
    ...filters.flatMap(({ by, value }) => {
      const values = CLOSED[by]
      if (values === undefined || values.includes(value.split(/[({]/, 1)[0]!)) return []
      return [`${by} is never ${value}: it is one of ${values.join(', ')}`]
    }),
  ]
}

/** Letters of a query. */
const QUERY_CHARS_MAX = 500
/** Words and filters of a query. */
const QUERY_PARTS_MAX = 16
/** Words of a query, those that `_` joins counted each: two names of the longest kind have as many. */
const QUERY_WORDS_MAX = 64

/**
 * Reads what a person has typed. A value with spaces stands in quotation marks: `owner:"ops ml"`. What only looks like
 * a filter, such as `hourly:delay_mean`, is words.
 *
 * @throws {AsofError} `query_too_long`
 * @example
 * ```ts
 * parseQuery('delay mean tag:pii').words // ['delay', 'mean']
 * ```
 */
export function parseQuery(text: string): SearchQuery {
  const parts = text.length > QUERY_CHARS_MAX ? [] : [...text.matchAll(PART)]
  if (text.length > QUERY_CHARS_MAX || parts.length > QUERY_PARTS_MAX) throw tooLong()
  const words: string[] = []
  const filters: { by: SearchFilter; value: string }[] = []
  const prefixes = new Set<string>()
  for (const [part, name, quoted, plain] of parts) {
    const by = SEARCH_FILTERS.find((filter) => filter === name?.toLowerCase())
    const value = (quoted ?? plain ?? '').toLowerCase()
    if (by === undefined && name !== undefined) prefixes.add(name.toLowerCase())
    if (by === undefined)
      words.push(...part.toLowerCase().replace(VERSION, ' v$1').split(NO_NAME).filter(Boolean))
    else if (value !== '') filters.push({ by, value })
  }
  // What stands without a space between is looked up word by word too.
  if (words.length > QUERY_PARTS_MAX || wordsOf(words.join(' ')).length > QUERY_WORDS_MAX) throw tooLong()
  return { words, filters, prefixes: [...prefixes] }
}

function tooLong(): Error {
  return invalid('query_too_long', 'search for fewer words', { QUERY_CHARS_MAX, QUERY_PARTS_MAX })
}

const PART = /(?:([a-z]+):(?:"([^"]*)"|(\S*)))|\S+/giu
/** `hourly@2` is said as `hourly v2`, which also finds it where it is written so. */
const VERSION = /@(\d+)/g
/** What stands between words; `_` does not, as names have it inside. */
const NO_NAME = /[^\p{L}\p{N}_]+/u

/** The words of a text, in lower case, those that names join by `_` taken apart. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? []
}

const WORD = /[\p{L}\p{N}]+/gu
