import { constantTexts, topLevel, UNKNOWN, type Names } from './constant-texts.ts'
import { sourceTokens, type Token } from './source-tokens.ts'

/** An error as a source makes it. */
export interface ThrownError {
  readonly kind: string
  readonly code: string
  /** What it may say, without its values; `…` stands for what is known only then. */
  readonly texts: readonly string[]
  /** Where the source says so; else it follows from the kind. */
  readonly retryable?: boolean
}

/** What a source says of the errors that it makes. */
export interface SourceErrors {
  readonly thrown: readonly ThrownError[]
  /** Lines of errors whose kind, code or text cannot be read. */
  readonly unread: readonly number[]
}

/** A function that makes an error: what its kind, code and text are, or which of its arguments says it. */
interface Maker {
  readonly kind: number | readonly string[]
  readonly code: number | readonly string[]
  readonly text: number | readonly string[]
  readonly retryable?: boolean | undefined
}

/** Those that every package has. */
const MAKERS: Readonly<Record<string, Maker>> = {
  AsofError: { kind: 0, code: 1, text: 2 },
  failure: { kind: 0, code: 1, text: 2 },
  invalid: { kind: ['invalid'], code: 0, text: 1 },
  notFound: { kind: ['not_found'], code: 0, text: 1 },
  conflict: { kind: ['conflict'], code: 0, text: 1 },
  corrupt: { kind: ['corrupt'], code: 0, text: 1 },
  internal: { kind: ['internal'], code: ['internal'], text: 0 },
}

interface FunctionSource {
  readonly name: string
  readonly parameters: readonly (string | undefined)[]
  readonly from: number
  readonly to: number
}

/**
 * The errors that a source makes: by the functions that every package has, and by those of its own that hand their arguments on
 * to one of these.
 *
 * @param imported texts of names that the source has from elsewhere
 */
export function thrownErrors(source: string, imported: Names = () => undefined): SourceErrors {
  const tokens = sourceTokens(source)
  const functions = functionsOf(tokens)
  const makers = new Map(Object.entries(MAKERS))
  for (let before = -1; before !== makers.size;) {
    before = makers.size
    for (const { at, maker } of callsOf(tokens, makers)) {
      const own = handedOn(tokens, at, maker, functions, imported)
      if (own !== undefined && !makers.has(own.name)) makers.set(own.name, own.maker)
    }
  }
  const thrown: ThrownError[] = []
  const unread: number[] = []
  for (const { at, maker } of callsOf(tokens, makers)) {
    if (handedOn(tokens, at, maker, functions, imported) !== undefined) continue
    const { kind, code, text, retryable } = readMaker(tokens, at, maker, imported)
    if (
      kind === undefined ||
      code === undefined ||
      text === undefined ||
      code.some((one) => one.includes(UNKNOWN))
    ) {
      unread.push(tokens[at]!.line)
      continue
    }
    for (const of of kind) {
      for (const one of code) {
        thrown.push({ kind: of, code: one, texts: text, ...(retryable !== undefined && { retryable }) })
      }
    }
  }
  return { thrown, unread }
}

/** The texts of a source's exported constants, by how they are read: `NAME`, `NAME.property`, `NAME[0]`, `NAME.join(, )`. */
export function exportedTexts(source: string): ReadonlyMap<string, readonly string[]> {
  const tokens = sourceTokens(source)
  const found = new Map<string, readonly string[]>()
  for (const [at, token] of tokens.entries()) {
    if (token.text !== 'export' || tokens[at + 1]?.text !== 'const') continue
    const name = tokens[at + 2]!.text
    const value = initializer(tokens, at + 2)
    const texts = constantTexts(value, () => undefined)
    if (texts !== undefined) found.set(name, texts)
    if (value[0]?.text === '[') {
      const elements = argumentsOf(value, 0, ']').map((element) => constantTexts(element, () => undefined))
      const all = elements.every((element) => element?.length === 1)
        ? elements.flatMap((element) => element!)
        : []
      for (const [index, element] of all.entries()) found.set(`${name}[${index}]`, [element])
      if (all.length > 0) found.set(`${name}.join(, )`, [all.join(', ')])
    }
    if (value[0]?.text !== '{') continue
    for (const property of argumentsOf(value, 0, '}')) {
      const [key, colon, number] = property
      if (property.length === 3 && colon?.text === ':' && /^\d/.test(number!.text)) {
        found.set(`${name}.${key!.text}`, [number!.text.replaceAll('_', '')])
      }
    }
  }
  return found
}

/** A function that makes an error of its own arguments, where the call at a place is in one and says so. */
function handedOn(
  tokens: readonly Token[],
  at: number,
  maker: Maker,
  functions: readonly FunctionSource[],
  imported: Names,
): { readonly name: string; readonly maker: Maker } | undefined {
  const inside = functions.findLast(({ from, to }) => at > from && at < to)
  if (inside === undefined) return undefined
  const given = argumentsOf(tokens, at + 1)
  const parameterOf = (which: Maker['code']): number => {
    const argument = typeof which === 'number' ? given[which] : undefined
    return argument?.length === 1 ? inside.parameters.indexOf(argument[0]!.text) : -1
  }
  const read = readMaker(tokens, at, maker, imported)
  const part = (name: 'kind' | 'code' | 'text'): number | readonly string[] | undefined => {
    const parameter = parameterOf(maker[name])
    return parameter >= 0 ? parameter : read[name]
  }
  const [kind, code, text] = [part('kind'), part('code'), part('text')]
  if (kind === undefined || code === undefined || text === undefined) return undefined
  if (![kind, code, text].some((which) => typeof which === 'number')) return undefined
  return { name: inside.name, maker: { kind, code, text, retryable: read.retryable } }
}

function readMaker(
  tokens: readonly Token[],
  at: number,
  maker: Maker,
  imported: Names,
): { [Part in 'kind' | 'code' | 'text']: readonly string[] | undefined } & {
  retryable: boolean | undefined
} {
  const given = argumentsOf(tokens, at + 1)
  const names = namesAt(tokens, at, imported)
  const read = (which: Maker['code']): readonly string[] | undefined =>
    typeof which === 'number' ? constantTexts(given[which] ?? [], names) : which
  const retryable = retryableOf(given.flat()) ?? maker.retryable
  return { kind: read(maker.kind), code: read(maker.code), text: read(maker.text), retryable }
}

/** Where functions that make errors are called: not declared, not a method, and of a class only by `new`. */
function callsOf(
  tokens: readonly Token[],
  makers: ReadonlyMap<string, Maker>,
): { readonly at: number; readonly maker: Maker }[] {
  return [...tokens.entries()].flatMap(([at, { kind, text }]) => {
    const maker = kind === 'word' ? makers.get(text) : undefined
    const before = tokens[at - 1]?.text ?? ''
    if (maker === undefined || tokens[at + 1]?.text !== '(') return []
    if (text === 'AsofError' ? before !== 'new' : ['function', 'get', '.'].includes(before)) return []
    return [{ at, maker }]
  })
}

/** What stands between the commas of a bracket that opens there. */
function argumentsOf(tokens: readonly Token[], open: number, close = ')'): Token[][] {
  const end = topLevel(tokens, close, open + 1)
  const given: Token[][] = []
  for (let from = open + 1; from < end;) {
    const comma = topLevel(tokens, ',', from)
    const to = comma < 0 || comma > end ? end : comma
    given.push(tokens.slice(from, to))
    from = to + 1
  }
  return given
}

/** What a name means at a place: its declaration that is nearest before it, else one behind it. */
function namesAt(tokens: readonly Token[], place: number, imported: Names): Names {
  return (name) => {
    const isDeclared = (at: number): boolean => tokens[at]?.text === 'const' && tokens[at + 1]?.text === name
    let at = place
    while (at >= 0 && !isDeclared(at)) at--
    if (at < 0) at = tokens.findIndex((_, index) => isDeclared(index))
    if (at < 0) return imported(name)
    return constantTexts(initializer(tokens, at + 1), namesAt(tokens, at - 1, imported))
  }
}

const GOES_ON = /^(?:[?:+.]|\?\?|\?\.|&&|\|\|)$/

/** The expression that a declared name begins as: up to a line that neither goes on nor is gone on with. */
function initializer(tokens: readonly Token[], name: number): readonly Token[] {
  const from = topLevel(tokens, '=', name) + 1
  let depth = 0
  for (let at = from; at < tokens.length; at++) {
    const [token, before] = [tokens[at]!, tokens[at - 1]!]
    if (depth === 0 && at > from && token.opensLine && !goesOn(token) && !goesOn(before)) {
      return tokens.slice(from, at)
    }
    if (token.kind !== 'sign') continue
    if ('([{'.includes(token.text)) depth++
    else if (')]}'.includes(token.text) && --depth < 0) return tokens.slice(from, at)
  }
  return tokens.slice(from)
}

function goesOn({ kind, text }: Token): boolean {
  return kind === 'sign' && GOES_ON.test(text)
}

function retryableOf(tokens: readonly Token[]): boolean | undefined {
  const at = tokens.findIndex(({ text }, index) => text === 'retryable' && tokens[index + 1]?.text === ':')
  const said = tokens[at + 2]?.text
  return at >= 0 && (said === 'true' || said === 'false') ? said === 'true' : undefined
}

/** The functions of a source that have a name, with their bodies. */
function functionsOf(tokens: readonly Token[]): FunctionSource[] {
  return [...tokens.keys()].flatMap((at) => {
    if (tokens[at]!.kind !== 'word' || tokens[at - 1]?.text !== 'function') return []
    const open = topLevel(tokens, '(', at)
    const from = topLevel(tokens, '{', topLevel(tokens, ')', open + 1) + 1)
    const parameters = argumentsOf(withoutTypeArguments(tokens.slice(open)), 0).map(([first]) =>
      first?.kind === 'word' ? first.text : undefined,
    )
    return [{ name: tokens[at]!.text, parameters, from, to: topLevel(tokens, '}', from + 1) }]
  })
}

/** Without what stands between angle brackets, whose commas part no parameters. */
function withoutTypeArguments(tokens: readonly Token[]): Token[] {
  let depth = 0
  return tokens.filter(({ kind, text }) => {
    const isSign = kind === 'sign'
    if (isSign && text === '<') depth++
    return !(isSign && text === '>' ? depth-- > 0 : depth > 0)
  })
}
