import { sourceTokens, templateParts, type Token } from './source-tokens.ts'

/** What stands for a part of a text that is known only when the program runs. */
export const UNKNOWN = '…'

/** The texts that a name, or a short expression such as `LIMITS.keyBytesMax`, stands for; undefined where a source does not say. */
export type Names = (name: string) => readonly string[] | undefined

/**
 * Every text that an expression may be: of `a ? 'x' : 'y'` both. What is not written down in it is `…`; undefined where nothing
 * of it is.
 */
export function constantTexts(expression: readonly Token[], names: Names): readonly string[] | undefined {
  const tokens = unwrapped(expression)
  const question = topLevel(tokens, '?')
  if (question >= 0) {
    const colon = closingColon(tokens, question)
    const either = [tokens.slice(question + 1, colon), tokens.slice(colon + 1)]
    const texts = either.flatMap((part) => constantTexts(part, names) ?? [UNKNOWN])
    return texts.every((text) => text === UNKNOWN) ? undefined : [...new Set(texts)]
  }
  const orElse = topLevel(tokens, '??')
  if (orElse >= 0) return constantTexts(tokens.slice(orElse + 1), names)
  const plus = topLevel(tokens, '+')
  if (plus >= 0) {
    const [left, right] = [tokens.slice(0, plus), tokens.slice(plus + 1)].map((part) =>
      constantTexts(part, names),
    )
    if (left === undefined && right === undefined) return undefined
    return combined([left ?? [UNKNOWN], right ?? [UNKNOWN]])
  }
  const [only] = tokens
  if (only === undefined) return undefined
  if (tokens.length > 1) return names(tokens.map(({ text }) => text).join(''))
  if (only.kind === 'text') return [only.text]
  if (only.kind === 'word') return names(only.text)
  if (only.kind !== 'template') return undefined
  return combined(
    templateParts(only.text).map(({ text, source }) =>
      source === undefined ? [text ?? ''] : (constantTexts(sourceTokens(source), names) ?? [UNKNOWN]),
    ),
  )
}

/** The place of a sign outside of all brackets; -1 where there is none. */
export function topLevel(tokens: readonly Token[], sign: string, from = 0): number {
  let depth = 0
  for (let at = from; at < tokens.length; at++) {
    const { kind, text } = tokens[at]!
    if (kind !== 'sign') continue
    if (depth === 0 && text === sign) return at
    if ('([{'.includes(text)) depth++
    else if (')]}'.includes(text) && --depth < 0) return -1
  }
  return -1
}

/** The colon that belongs to a question mark. */
function closingColon(tokens: readonly Token[], question: number): number {
  const colon = topLevel(tokens, ':', question + 1)
  const inner = topLevel(tokens, '?', question + 1)
  return inner >= 0 && inner < colon ? topLevel(tokens, ':', closingColon(tokens, inner) + 1) : colon
}

function unwrapped(tokens: readonly Token[]): readonly Token[] {
  const [first, last] = [tokens[0], tokens.at(-1)]
  if (last?.kind === 'sign' && last.text === '!') return unwrapped(tokens.slice(0, -1))
  if (first?.text !== '(' || topLevel(tokens.slice(1), ')') !== tokens.length - 2) return tokens
  return unwrapped(tokens.slice(1, -1))
}

function combined(parts: readonly (readonly string[])[]): string[] {
  return parts.reduce<string[]>((texts, part) => texts.flatMap((text) => part.map((end) => text + end)), [''])
}
