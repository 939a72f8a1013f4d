import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkDefinitions } from './check-definitions.ts'
import type { Definition } from './definition.ts'
import { canonicalJson } from './fingerprint.ts'
import { JsonObject, arrayOf, wholeNumber } from './json-object.ts'
import { checkName } from './name.ts'

/** The version of the file format; a reader refuses a later one. */
const FORMAT = 1

/**
 * A project's definitions as canonical JSON: sorted, indented, the same text for the same definitions on every
 * machine. On-demand groups are there with the hash of their code, the code itself is not.
 *
 * @example
 * ```ts
 * const text = exportDefinitions(project('flights', [hourly]))
 * parseDefinitions(text).definitions.map(definitionId)
 * // ['entity/airport', 'source/flights', 'group/airport_hourly@1']
 * ```
 */
export function exportDefinitions(project: {
  readonly name: string
  readonly definitions: readonly Definition[]
}): string {
  const definitions = checkDefinitions(project.definitions)
  const sorted: unknown = JSON.parse(canonicalJson({ asof: FORMAT, project: project.name, definitions }))
  return `${JSON.stringify(sorted, null, 2)}\n`
}

/**
 * Reads what {@link exportDefinitions} wrote, or what another program wrote in that form; what has a default may be
 * left out there. Nothing in it is trusted: unknown properties, other types, references to nowhere are refused.
 *
 * @throws {AsofError} of kind `invalid`, naming the path: `definitions[3].features[0].type.kind`
 */
export function parseDefinitions(text: string): {
  readonly project: string
  readonly definitions: readonly Definition[]
} {
  const bytes = text.length > LIMITS.definitionsBytesMax ? text.length : new TextEncoder().encode(text).length
  if (bytes > LIMITS.definitionsBytesMax) {
    throw invalid('definitions_too_large', 'a definitions file larger than the limit definitionsBytesMax', {
      bytes,
      definitionsBytesMax: LIMITS.definitionsBytesMax,
    })
  }
  const object = new JsonObject(parseJson(text), 'json')
  object.need('asof', wholeNumber(FORMAT, FORMAT))
  const project = object.need('project', (json, path) => checkName(json, 'project', path))
  const definitions = object.need(
    'definitions',
    arrayOf((json) => json),
  )
  object.end()
  return { project, definitions: checkDefinitions(definitions) }
}

function parseJson(text: string): unknown {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw invalid('invalid_json', `not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  // Of two properties with one name JSON.parse keeps the last; which one was meant nobody knows.
  if (countWritten(text) !== countKept(json)) {
    throw invalid('invalid_json', 'a property is written twice in one object')
  }
  return json
}

function countWritten(text: string): number {
  let count = 0
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (match[1] !== undefined) count++
  return count
}

function countKept(json: unknown): number {
  let count = 0
  const pending: unknown[] = [json]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value !== 'object' || value === null) continue
    const parts: unknown[] = Object.values(value)
    if (!Array.isArray(value)) count += parts.length
    for (const part of parts) pending.push(part)
  }
  return count
}
