import type { Declared } from './declared.ts'
import type { Described, EntityDefinition } from './definition.ts'
import { readDefinition } from './read-definition.ts'
import type { KeyFields, ValueOf } from './typed-field.ts'

declare const keysOf: unique symbol

/** A declared entity; `Keys` are the TypeScript types of its join keys. */
export interface Entity<Keys extends object = object> extends Declared<EntityDefinition> {
  readonly [keysOf]?: Keys
}

/** The TypeScript types of join keys. */
export type KeyRecord<Keys> = { readonly [Name in keyof Keys]: ValueOf<Keys[Name]> }

/**
 * Declares a thing that features describe, by its typed join keys; `{}` is one global row.
 *
 * @throws {AsofError} `invalid_name`, `invalid_type`
 * @example
 * ```ts
 * const airport = entity('airport', { keys: { airport: string() } })
 * const route = entity('route', { keys: { origin: string(), destination: string() } })
 * ```
 */
export function entity<const Keys extends KeyFields>(
  name: string,
  options: Described & { readonly keys: Keys },
): Entity<KeyRecord<Keys>> {
  const { keys, ...described } = options
  const parts = Object.entries(keys).map(([part, field]) => ({ name: part, type: field.type }))
  const definition = readDefinition({ ...described, kind: 'entity', name, keys: parts }, `entity ${name}`)
  return Object.freeze({ definition: definition as EntityDefinition, refersTo: [] })
}
