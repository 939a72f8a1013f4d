import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { Described } from './definition.ts'
import type { FeatureType, Field, JsonValue, KeyType, ScalarType } from './feature-type.ts'
import { KEY_KINDS, checkType } from './feature-type.ts'
import { JsonObject, arrayOf, compact, oneOf, readText, recordOf, wholeNumber } from './json-object.ts'
import { checkColumnName, checkName } from './name.ts'
import { valueFromJson, valueToJson } from './value-json.ts'

const SCALAR_KINDS = [...KEY_KINDS, 'float32', 'float64'] as const
const TYPE_KINDS = [...SCALAR_KINDS, 'vector', 'list', 'map', 'struct'] as const

/**
 * Reads the JSON of a type; the fields of a struct come out sorted by name, as JSON objects have no order.
 *
 * @throws {AsofError} `invalid_definition`, `invalid_type` or `invalid_name`, with the path
 */
export function readType(json: unknown, path: string): FeatureType {
  const object = new JsonObject(json, path)
  const kind = object.need('kind', oneOf(...TYPE_KINDS))
  const type = typeOfKind(kind, object)
  object.end()
  checkType(type, path)
  return type
}

function typeOfKind(kind: (typeof TYPE_KINDS)[number], object: JsonObject): FeatureType {
  switch (kind) {
    case 'vector':
      return { kind, size: object.need('size', wholeNumber(1, LIMITS.elementsMax)) }
    case 'list':
      return { kind, element: object.need('element', readScalar) }
    case 'map':
      return { kind, value: object.need('value', readScalar) }
    case 'struct':
      return { kind, fields: object.need('fields', recordOf(structField, readScalar)) }
    case 'int64':
      return compact<ScalarType>({ kind, as: object.maybe('as', oneOf('number')) })
    default:
      return { kind }
  }
}

function structField(name: string, path: string): string {
  return checkName(name, 'struct field', path)
}

function readScalar(json: unknown, path: string): ScalarType {
  const object = new JsonObject(json, path)
  const kind = object.need('kind', oneOf(...SCALAR_KINDS))
  const type = typeOfKind(kind, object) as ScalarType
  object.end()
  return type
}

/** Reads the type of a join key. */
export function readKeyType(json: unknown, path: string): KeyType {
  const type = readScalar(json, path)
  if (!(KEY_KINDS as readonly string[]).includes(type.kind)) {
    throw invalid('invalid_type', `a join key is one of ${KEY_KINDS.join(', ')}`, { path, type: type.kind })
  }
  return type as KeyType
}

/** Reads features or request fields: unique names, types, defaults in canonical form where they are allowed. */
export function readFields(
  what: string,
  defaults: 'allowed' | 'refused',
): (json: unknown, path: string) => Field[] {
  return (json, path) => {
    const fields = arrayOf((element, at) => readField(element, at, what, defaults))(json, path)
    if (fields.length === 0) throw invalid('invalid_definition', `declare at least one ${what}`, { path })
    if (fields.length > LIMITS.groupFeaturesMax) {
      const details = { path, count: fields.length, groupFeaturesMax: LIMITS.groupFeaturesMax }
      throw invalid(
        'too_many_features',
        'more features than the limit groupFeaturesMax; split the group',
        details,
      )
    }
    refuseDuplicates(
      fields.map((field) => field.name),
      what,
      path,
    )
    return fields
  }
}

/** Refuses a name that comes twice. */
export function refuseDuplicates(names: readonly string[], what: string, path: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw invalid('duplicate_name', `two of one ${what} name`, { path, name })
    seen.add(name)
  }
}

/** Reads tags: a set of short texts, sorted. */
export function readTags(json: unknown, path: string): string[] {
  return [...new Set(arrayOf(readText)(json, path))].sort()
}

function readField(json: unknown, path: string, what: string, defaults: 'allowed' | 'refused'): Field {
  const object = new JsonObject(json, path)
  const type = object.need('type', readType)
  const field = compact<Field>({
    name: object.need('name', (name, at) => checkColumnName(name, what, at)),
    type,
    default: object.maybe('default', (value, at) => readDefault(type, value, at, what, defaults)),
    description: object.maybe('description', readText),
    tags: object.maybe('tags', readTags),
  })
  object.end()
  return field
}

function readDefault(
  type: FeatureType,
  json: unknown,
  path: string,
  what: string,
  defaults: 'allowed' | 'refused',
): JsonValue {
  if (defaults === 'refused') {
    throw invalid('invalid_default', `a ${what} is never not_found, so it takes no default`, { path })
  }
  const value = valueFromJson(type, json, path)
  if (value === null) throw invalid('invalid_default', 'null is no default: leave it out', { path })
  return valueToJson(type, value)
}

/** Reads a name. */
export function named(what: string): (json: unknown, path: string) => string {
  return (json, path) => checkName(json, what, path)
}

/** Reads what people say about any definition. */
export function described(object: JsonObject): { [Name in keyof Described]-?: Described[Name] | undefined } {
  return {
    description: object.maybe('description', readText),
    owner: object.maybe('owner', readText),
    tags: object.maybe('tags', readTags),
  }
}
