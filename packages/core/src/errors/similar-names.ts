import { editDistance, mistakesForgiven } from './edit-distance.ts'

/** How many names are said, how much of what was written is looked at, and how many names are compared with it. */
const SAID_MAX = 3
const CHARS_MAX = 100
const COMPARED_MAX = 20_000

/**
 * Names that may have been meant by one that there is not, the nearest first, for the details of an error: those with a mistake
 * or two, or that begin or end as it does. Undefined where there is none.
 *
 * @example
 * ```ts
 * similarNames('dealy_model', ['delay_model', 'fraud_model']) // 'delay_model'
 * ```
 */
export function similarNames(wanted: string, names: Iterable<string>): string | undefined {
  const word = wanted.slice(0, CHARS_MAX)
  const forgiven = mistakesForgiven(word.length)
  const found: { readonly name: string; readonly mistakes: number }[] = []
  let compared = 0
  for (const name of new Set(names)) {
    if (++compared > COMPARED_MAX) break
    const mistakes = editDistance(word, name, forgiven)
    if (mistakes <= forgiven) found.push({ name, mistakes })
    else if (shares(name, word)) found.push({ name, mistakes: forgiven + 1 })
  }
  found.sort((a, b) => a.mistakes - b.mistakes || (a.name < b.name ? -1 : 1))
  const said = found.slice(0, SAID_MAX).map(({ name }) => name)
  return said.length === 0 ? undefined : said.join(', ')
}

/** Whether one is the other with words before or behind it. */
function shares(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return short.length >= 3 && (long.startsWith(`${short}_`) || long.endsWith(`_${short}`))
}
