import type { FeatureType, Field, JsonValue, KeyType, ScalarType } from './feature-type.ts'
import { compact, deepFreeze } from './json-object.ts'
import { readType } from './read-type.ts'
import { checkValue } from './check-value.ts'
import { valueToJson } from './value-json.ts'

declare const valueType: unique symbol

/**
 * A declared type together with the TypeScript type of its values: what `int64()` or `list(string())` answer. The
 * TypeScript type exists at compile time alone.
 */
export interface TypedField<T, Type extends FeatureType = FeatureType> {
  readonly type: Type
  readonly default?: JsonValue
  readonly description?: string
  readonly tags?: readonly string[]
  readonly [valueType]?: T
}

/** The TypeScript type of a declared field's values: `ValueOf<typeof int64()>` is `bigint`. */
export type ValueOf<F> = F extends TypedField<infer T> ? T : never

/** Fields by name, in the order of the vector. */
export type TypedFields = Readonly<Record<string, TypedField<unknown>>>

/** What may be said beside a type. */
export interface FieldOptions<T> {
  /** Replaces `not_found` and `expired`, in serving, training and on-demand inputs alike. */
  readonly default?: T
  readonly description?: string
  readonly tags?: readonly string[]
}

/** `true` or `false`. */
export function bool(options?: FieldOptions<boolean>): TypedField<boolean, { readonly kind: 'bool' }> {
  return typedField({ kind: 'bool' }, options)
}

/** A whole number of 32 bits. */
export function int32(options?: FieldOptions<number>): TypedField<number, { readonly kind: 'int32' }> {
  return typedField({ kind: 'int32' }, options)
}

/**
 * A whole number of 64 bits: a `bigint`, or with `as: 'number'` a number whose values beyond 2^53 are `error`.
 *
 * @example
 * ```ts
 * int64() // values are bigint
 * int64({ as: 'number', default: 0 }) // values are number
 * ```
 */
export function int64(
  options: FieldOptions<number> & { readonly as: 'number' },
): TypedField<number, { readonly kind: 'int64'; readonly as?: 'number' }>
export function int64(
  options?: FieldOptions<bigint> & { readonly as?: never },
): TypedField<bigint, { readonly kind: 'int64' }>
export function int64(
  options: FieldOptions<number | bigint> & { readonly as?: 'number' | undefined } = {},
): TypedField<number | bigint, { readonly kind: 'int64'; readonly as?: 'number' }> {
  const { as, ...rest } = options
  return typedField(as === undefined ? { kind: 'int64' } : { kind: 'int64', as }, rest)
}

/** A 32-bit float, as a number. */
export function float32(options?: FieldOptions<number>): TypedField<number, { readonly kind: 'float32' }> {
  return typedField({ kind: 'float32' }, options)
}

/** A 64-bit float. */
export function float64(options?: FieldOptions<number>): TypedField<number, { readonly kind: 'float64' }> {
  return typedField({ kind: 'float64' }, options)
}

/** Well-formed Unicode. */
export function string(options?: FieldOptions<string>): TypedField<string, { readonly kind: 'string' }> {
  return typedField({ kind: 'string' }, options)
}

/** Bytes. */
export function bytes(
  options?: FieldOptions<Uint8Array>,
): TypedField<Uint8Array, { readonly kind: 'bytes' }> {
  return typedField({ kind: 'bytes' }, options)
}

/** Microseconds since 1970 UTC, years 0001 to 9999, as `bigint`. */
export function timestamp(
  options?: FieldOptions<bigint>,
): TypedField<bigint, { readonly kind: 'timestamp' }> {
  return typedField({ kind: 'timestamp' }, options)
}

/** A vector of `size` 32-bit floats. */
export function vector(
  size: number,
  options?: FieldOptions<Float32Array>,
): TypedField<Float32Array, { readonly kind: 'vector'; readonly size: number }> {
  return typedField({ kind: 'vector', size }, options)
}

/** A list of scalars; elements may be null. */
export function list<T, Element extends ScalarType>(
  element: TypedField<T, Element>,
  options?: FieldOptions<readonly (T | null)[]>,
): TypedField<readonly (T | null)[], { readonly kind: 'list'; readonly element: Element }> {
  return typedField({ kind: 'list', element: element.type }, options)
}

/** A map from texts to scalars; values may be null. */
export function map<T, Element extends ScalarType>(
  value: TypedField<T, Element>,
  options?: FieldOptions<ReadonlyMap<string, T | null>>,
): TypedField<ReadonlyMap<string, T | null>, { readonly kind: 'map'; readonly value: Element }> {
  return typedField({ kind: 'map', value: value.type }, options)
}

/** Named scalars, any of them null. The names are sorted: a struct has no order. */
export function struct<const Fields extends Readonly<Record<string, TypedField<unknown, ScalarType>>>>(
  fields: Fields,
  options?: FieldOptions<StructOf<Fields>>,
): TypedField<
  StructOf<Fields>,
  { readonly kind: 'struct'; readonly fields: Readonly<Record<string, ScalarType>> }
> {
  const types = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.type]))
  return typedField({ kind: 'struct', fields: types }, options)
}

/** The value of a struct of these fields. */
export type StructOf<Fields> = { readonly [Name in keyof Fields]: ValueOf<Fields[Name]> | null }

/** Fields that may be join keys. */
export type KeyFields = Readonly<Record<string, TypedField<unknown, KeyType>>>

/** The fields of a record, in its order. */
export function namedFields(fields: TypedFields): Field[] {
  return Object.entries(fields).map(([name, field]) => ({ ...field, name }))
}

function typedField<T, Type extends FeatureType>(
  type: Type,
  options: FieldOptions<T> = {},
): TypedField<T, Type> {
  const checked = readType(type, type.kind) as Type
  const { default: given, description, tags } = options
  return deepFreeze(
    compact<Omit<TypedField<T, Type>, typeof valueType>>({
      type: checked,
      default: given === undefined ? undefined : defaultJson(checked, given),
      description,
      tags,
    }),
  )
}

function defaultJson(type: FeatureType, value: unknown): JsonValue {
  return valueToJson(type, checkValue(type, value, 'default'))
}
