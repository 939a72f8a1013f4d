import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'

/** The types that have one scalar per value; elements of lists, maps and structs are of these. */
export type ScalarType =
  | { readonly kind: 'bool' }
  | { readonly kind: 'int32' }
  | { readonly kind: 'int64'; readonly as?: 'number' }
  | { readonly kind: 'float32' }
  | { readonly kind: 'float64' }
  | { readonly kind: 'string' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'timestamp' }

/** What a feature's value is (SEMANTICS section 7), as canonical JSON. */
export type FeatureType =
  | ScalarType
  | { readonly kind: 'vector'; readonly size: number }
  | { readonly kind: 'list'; readonly element: ScalarType }
  | { readonly kind: 'map'; readonly value: ScalarType }
  | { readonly kind: 'struct'; readonly fields: Readonly<Record<string, ScalarType>> }

/** The name of a type's kind. */
export type TypeKind = FeatureType['kind']

/** The kinds that a join key may have. */
export const KEY_KINDS = ['bool', 'int32', 'int64', 'string', 'bytes', 'timestamp'] as const
/** A type that a join key may have. */
export type KeyType = Extract<ScalarType, { kind: (typeof KEY_KINDS)[number] }>

/** A named, typed column, with what a definition says about it. */
export interface Field {
  readonly name: string
  readonly type: FeatureType
  /** Replaces `not_found` and `expired`; JSON form of a value (see `value-json.ts`). */
  readonly default?: JsonValue
  readonly description?: string
  readonly tags?: readonly string[]
}

/** Plain JSON. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/** Whether two types are the same, `as` of int64 aside: that is how a value is shown, not what it is. */
export function sameStoredType(a: FeatureType, b: FeatureType): boolean {
  return typeName(a) === typeName(b)
}

/**
 * A type in one line, as messages and tables show it: `float64`, `vector(3)`, `list(int64)`,
 * `struct{city: string}`.
 */
export function typeName(type: FeatureType): string {
  switch (type.kind) {
    case 'vector':
      return `vector(${type.size})`
    case 'list':
      return `list(${type.element.kind})`
    case 'map':
      return `map(string, ${type.value.kind})`
    case 'struct':
      return `struct{${Object.entries(type.fields)
        .map(([name, field]) => `${name}: ${field.kind}`)
        .join(', ')}}`
    default:
      return type.kind
  }
}

/**
 * Checks a type that came from outside.
 *
 * @throws {AsofError} `invalid_type`, with the path
 */
export function checkType(type: FeatureType, path: string): void {
  switch (type.kind) {
    case 'vector':
      if (!Number.isInteger(type.size) || type.size < 1 || type.size > LIMITS.elementsMax) {
        throw invalid('invalid_type', `a vector has 1 to ${LIMITS.elementsMax} elements`, {
          path,
          size: type.size,
        })
      }
      return
    case 'list':
      return checkScalar(type.element, `${path}.element`)
    case 'map':
      return checkScalar(type.value, `${path}.value`)
    case 'struct': {
      const fields = Object.entries(type.fields)
      if (fields.length === 0) throw invalid('invalid_type', 'a struct needs a field', { path })
      for (const [name, field] of fields) checkScalar(field, `${path}.${name}`)
      return
    }
    default:
      checkScalar(type, path)
  }
}

const SCALAR_KINDS: readonly string[] = ['float32', 'float64', ...KEY_KINDS]

function checkScalar(type: ScalarType, path: string): void {
  if (!SCALAR_KINDS.includes(type.kind)) {
    throw invalid('invalid_type', 'no such type here; nested types stay flat', { path, type: type.kind })
  }
}
