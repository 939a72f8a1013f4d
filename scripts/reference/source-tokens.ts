/** A word, a number, a literal or a sign of a TypeScript source. */
export interface Token {
  readonly kind: 'word' | 'text' | 'template' | 'pattern' | 'sign'
  /** As it is written; of a text what it stands for; of a template what is between its backticks. */
  readonly text: string
  readonly line: number
  /** Whether it is the first of its line. */
  readonly opensLine: boolean
}

const SPACE = /\s+/y
const COMMENT = /\/\/.*|\/\*[\s\S]*?\*\//y
const WORD = /[\w$]+/y
const TEXT = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/y
const PATTERN = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
const SIGN = /\?\.|\?\?|&&|\|\||=>|\.\.\.|[^\s\w$]/y
/** What comes before a regular expression, where a slash would otherwise divide. */
const BEFORE_PATTERN = /^(?:return|case|typeof|[(,=:[!&|?{};<>+*%~-]|&&|\|\||\?\?|=>|\.\.\.)$/

/** Cuts a source into its tokens, without spaces and comments. */
export function sourceTokens(source: string): Token[] {
  const tokens: Token[] = []
  let [at, line, opensLine] = [0, 1, true]
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0]
  }
  while (at < source.length) {
    const blank = take(SPACE) ?? take(COMMENT)
    if (blank !== undefined) {
      if (blank.includes('\n')) opensLine = true
      at += blank.length
      line += blank.split('\n').length - 1
      continue
    }
    const before = tokens.at(-1)
    const word = take(WORD)
    const literal = take(TEXT)
    const mayMatch = before === undefined || (before.kind !== 'text' && BEFORE_PATTERN.test(before.text))
    const pattern = mayMatch ? take(PATTERN) : undefined
    let raw: string
    if (source[at] === '`') {
      raw = source.slice(at, templateEnd(source, at))
      tokens.push({ kind: 'template', text: raw.slice(1, -1), line, opensLine })
    } else if (word !== undefined) {
      tokens.push({ kind: 'word', text: (raw = word), line, opensLine })
    } else if (literal !== undefined) {
      raw = literal
      tokens.push({ kind: 'text', text: unescaped(literal.slice(1, -1)), line, opensLine })
    } else if (pattern !== undefined) {
      tokens.push({ kind: 'pattern', text: (raw = pattern), line, opensLine })
    } else {
      tokens.push({ kind: 'sign', text: (raw = take(SIGN)!), line, opensLine })
    }
    at += raw.length
    line += raw.split('\n').length - 1
    opensLine = false
  }
  return tokens
}

/** The parts of a template in order: its texts, and the sources of what is put between them. */
export function templateParts(inner: string): { readonly text?: string; readonly source?: string }[] {
  const parts: { text?: string; source?: string }[] = []
  let from = 0
  for (let at = 0; at < inner.length; at++) {
    if (inner[at] === '\\') at++
    else if (inner.startsWith('${', at)) {
      const end = holeEnd(inner, at + 2)
      parts.push({ text: unescaped(inner.slice(from, at)) }, { source: inner.slice(at + 2, end) })
      from = end + 1
      at = end
    }
  }
  return [...parts, { text: unescaped(inner.slice(from)) }]
}

/** Just behind the closing backtick. */
function templateEnd(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++
    else if (source[at] === '`') return at + 1
    else if (source.startsWith('${', at)) at = holeEnd(source, at + 2)
  }
  return source.length
}

/** At the brace that closes what is put into a template. */
function holeEnd(source: string, start: number): number {
  let depth = 0
  for (let at = start; at < source.length; at++) {
    if (source[at] === '`') at = templateEnd(source, at) - 1
    else if (source[at] === "'" || source[at] === '"') {
      TEXT.lastIndex = at
      at += (TEXT.exec(source)?.[0].length ?? 1) - 1
    } else if (source[at] === '{') depth++
    else if (source[at] === '}' && depth-- === 0) return at
  }
  return source.length
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([\s\S])/g, (_, sign: string) => ({ n: '\n', t: '\t' })[sign] ?? sign)
}
