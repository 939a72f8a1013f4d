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
  for (const [part, name, quoted, plain] of parts) {
    const by = SEARCH_FILTERS.find((filter) => filter === name?.toLowerCase())
    const value = (quoted ?? plain ?? '').toLowerCase()
    if (by === undefined)
      words.push(...part.toLowerCase().replace(VERSION, ' v$1').split(NO_NAME).filter(Boolean))
    else if (value !== '') filters.push({ by, value })
  }
  // What stands without a space between is looked up word by word too.
  if (words.length > QUERY_PARTS_MAX || wordsOf(words.join(' ')).length > QUERY_WORDS_MAX) throw tooLong()
  return { words, filters }
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
