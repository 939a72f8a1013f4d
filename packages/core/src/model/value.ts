/**
 * A value in memory. One JavaScript form per type:
 *
 * | type | form |
 * |---|---|
 * | bool | `boolean` |
 * | int32, float32, float64 | `number` |
 * | int64 | `bigint` (a `number` where declared `as: 'number'`, at the surface only) |
 * | string | `string`, well-formed Unicode |
 * | bytes | `Uint8Array` |
 * | timestamp | `bigint`, microseconds since 1970 UTC, years 0001 to 9999 (beyond what a number holds exactly) |
 * | vector(n) | `Float32Array` of length n |
 * | list(t) | array of values or null |
 * | map(string, t) | `Map<string, value or null>`, in the order given |
 * | struct | object with a null prototype, every declared field, value or null |
 */
export type Value =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float32Array
  | readonly (ScalarValue | null)[]
  | ReadonlyMap<string, ScalarValue | null>
  | { readonly [field: string]: ScalarValue | null }

/** A value of a scalar type. */
export type ScalarValue = boolean | number | bigint | string | Uint8Array

/** The parts of an entity key, in the entity's declared order; a null part is legal in a question and answers `not_found`. */
export type KeyValues = readonly (ScalarValue | null)[]
