import {
  invalid,
  isAsofError,
  parseInstant,
  valueFromJson,
  type FeatureType,
  type Instant,
  type Value,
  jsonForm,
  parseStrictJson,
} from '@asof/core'

/**
 * An instant on the command line: RFC 3339 with a zone.
 *
 * @throws {AsofError} `invalid_instant`, naming the option
 */
export function instantArgument(text: string, option: string): Instant {
  try {
    return parseInstant(text)
  } catch (error) {
    if (!isAsofError(error, 'invalid')) throw error
    throw invalid(
      'invalid_instant',
      'give an instant as RFC 3339 with a zone, such as 2024-01-31T12:00:00Z',
      {
        option,
        value: text,
      },
    )
  }
}

/** A range `FROM..TO` of instants. @throws {AsofError} `invalid_range`, `invalid_instant` */
export function rangeArgument(text: string): { readonly from: Instant; readonly to: Instant } {
  const [first, last, ...more] = text.split('..')
  if (first === undefined || last === undefined || more.length > 0) {
    throw invalid('invalid_range', 'give a range as FROM..TO: 2024-01-01T00:00:00Z..2024-01-08T00:00:00Z', {
      value: text,
    })
  }
  const range = { from: instantArgument(first, 'FROM'), to: instantArgument(last, 'TO') }
  if (range.from >= range.to) throw invalid('invalid_range', 'a range ends after it begins', { value: text })
  return range
}

/** A named value as a definition declares it. */
export interface DeclaredName {
  readonly name: string
  readonly type: FeatureType
}

/**
 * Values given as `name=value`, each read by its declared type: text as it is, numbers and booleans as JSON, timestamps as
 * RFC 3339, bytes as base64, lists, maps and structs as JSON; `null` is null for all but text.
 *
 * @param what names the place in messages: `key`, `--request`
 * @throws {AsofError} `invalid_argument`, `unknown_name`; `invalid_value` without the value
 * @example
 * ```ts
 * namedValues(['airport=LAX'], [{ name: 'airport', type: { kind: 'string' } }], 'key') // { airport: 'LAX' }
 * ```
 */
export function namedValues(
  given: readonly string[],
  declared: readonly DeclaredName[],
  what: string,
): Record<string, Value | null> {
  const values: Record<string, Value | null> = {}
  for (const pair of given) {
    const cut = pair.indexOf('=')
    const name = pair.slice(0, Math.max(0, cut))
    const names = declared.map((field) => field.name).join(', ')
    if (cut < 1)
      throw invalid('invalid_argument', `give each ${what} as name=value`, { argument: pair, names })
    const field = declared.find((candidate) => candidate.name === name)
    if (field === undefined) throw invalid('unknown_name', `the service has no such ${what}`, { name, names })
    if (Object.hasOwn(values, name))
      throw invalid('invalid_argument', `this ${what} is given twice`, { name })
    values[name] = argumentValue(field.type, pair.slice(cut + 1), `${what} ${name}`)
  }
  return values
}

function argumentValue(type: FeatureType, text: string, path: string): Value | null {
  if (type.kind === 'string') return valueFromJson(type, text, path)
  if (text === 'null') return null
  return valueFromJson(type, argumentJson(type, text), path)
}

/** What `text` is in JSON: as it is where JSON has a string for the type, parsed elsewhere. */
function argumentJson(type: FeatureType, text: string): unknown {
  if (['int64', 'bytes', 'timestamp'].includes(type.kind)) return text
  try {
    return jsonForm(type, parseStrictJson(text))
  } catch {
    return text // `NaN` and `-0` are strings; what else is no JSON, the type refuses.
  }
}

/** A whole number of an option. @throws {AsofError} `invalid_argument` */
export function wholeArgument(text: string, option: string, least: number): number {
  const value = Number(text)
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value
  throw invalid('invalid_argument', `give a whole number from ${least} on`, { option, value: text })
}
