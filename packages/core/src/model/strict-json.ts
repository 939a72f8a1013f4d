import { invalid } from '../errors/asof-error.ts'
import type { FeatureType } from './feature-type.ts'

/** Levels of arrays and objects that JSON from outside may have. */
const DEPTH_MAX = 64

/**
 * Parses JSON that somebody sent, strictly and without losing a digit: integers beyond 2^53 are bigint. Refused are a
 * byte order mark, a property written twice, and half a surrogate pair, which parsers answer differently, and deep nesting.
 *
 * @param depthMax levels of arrays and objects
 * @throws {AsofError} `invalid_json`; the message does not carry the text
 * @example
 * ```ts
 * parseStrictJson('{"id": 9007199254740993}') // { id: 9007199254740993n }
 * ```
 */
export function parseStrictJson(text: string, depthMax: number = DEPTH_MAX): unknown {
  if (text.startsWith('\uFEFF')) {
    throw invalid('invalid_json', 'begins with a byte order mark: save it as UTF-8 without one')
  }
  const written = countWritten(text, depthMax)
  let kept = 0
  let wellFormed = true
  let json: unknown
  try {
    json = JSON.parse(text, (key, value: unknown, context?: { readonly source?: string }) => {
      if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) wellFormed = false
      if (typeof value === 'number') return exact(value, context?.source ?? '')
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        kept += Object.keys(value).length
      return value
    })
  } catch (error) {
    throw invalid('invalid_json', 'not JSON', {
      at: error instanceof SyntaxError ? /position \d+/.exec(error.message)?.[0] : undefined,
    })
  }
  if (!wellFormed) throw invalid('invalid_json', 'a string holds half a surrogate pair')
  // Of two properties with one name JSON.parse keeps the last; which one was meant nobody knows.
  if (written !== kept) throw invalid('invalid_json', 'a property is written twice in one object')
  return json
}

/** Digits beyond which an integer is refused anyway, so nobody waits for it to be parsed. */
const DIGITS_MAX = 40

function exact(value: number, source: string): number | bigint {
  if (Number.isSafeInteger(value) || source.length > DIGITS_MAX || !/^-?\d+$/.test(source)) return value
  return BigInt(source)
}

/** How many properties a text of JSON has; what is no JSON is counted somehow. */
function countWritten(text: string, depthMax: number): number {
  let count = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
          if (text.charCodeAt(at) === BACKSLASH) at++
        }
        break
      case COLON:
        count++
        break
      case BRACE:
      case BRACKET:
        if (++depth > depthMax) throw invalid('invalid_json', 'nested too deeply', { depthMax })
        break
      case BRACE_END:
      case BRACKET_END:
        depth--
        break
    }
  }
  return count
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
const [BRACE, BRACKET, BRACE_END, BRACKET_END] = [0x7b, 0x5b, 0x7d, 0x5d]

/**
 * What {@link parseStrictJson} gave, in the JSON form that `valueFromJson` reads: a bigint is a string of digits where the
 * type is int64, and a number elsewhere.
 */
export function jsonForm(type: FeatureType, json: unknown): unknown {
  if (typeof json === 'bigint') return type.kind === 'int64' ? json.toString() : Number(json)
  if (typeof json !== 'object' || json === null) return json
  switch (type.kind) {
    case 'list':
      return Array.isArray(json) ? json.map((element: unknown) => jsonForm(type.element, element)) : json
    case 'vector':
      return Array.isArray(json)
        ? json.map((element: unknown) => jsonForm({ kind: 'float32' }, element))
        : json
    case 'map':
      return byField(json, () => type.value)
    case 'struct':
      return byField(json, (name) => (Object.hasOwn(type.fields, name) ? type.fields[name] : undefined))
    default:
      return json
  }
}

function byField(json: object, typeOf: (name: string) => FeatureType | undefined): unknown {
  if (Array.isArray(json)) return json
  return Object.fromEntries(
    Object.entries(json).map(([name, value]: [string, unknown]) => {
      const type = typeOf(name)
      return [name, type === undefined ? value : jsonForm(type, value)]
    }),
  )
}
