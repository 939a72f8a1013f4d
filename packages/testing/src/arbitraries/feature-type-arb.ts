import { type FeatureType, type Field, KEY_KINDS, type KeyType, type ScalarType } from '@asof/core'
import * as fc from 'fast-check'

const SCALAR_KINDS = ['float32', 'float64', ...KEY_KINDS] as const

/** Any scalar type, int64 shown as a number included. */
export function scalarTypeArb(): fc.Arbitrary<ScalarType> {
  return fc.oneof(
    {
      weight: SCALAR_KINDS.length,
      arbitrary: fc.constantFrom(...SCALAR_KINDS).map((kind): ScalarType => ({ kind })),
    },
    { weight: 1, arbitrary: fc.constant<ScalarType>({ kind: 'int64', as: 'number' }) },
  )
}

/** Any type that a join key may have. */
export function keyTypeArb(): fc.Arbitrary<KeyType> {
  return fc.constantFrom(...KEY_KINDS).map((kind): KeyType => ({ kind }))
}

/** Any feature type: scalars half of the time, and every container. */
export function featureTypeArb(): fc.Arbitrary<FeatureType> {
  return fc.oneof(
    { weight: 4, arbitrary: scalarTypeArb() },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 9 }).map((size): FeatureType => ({ kind: 'vector', size })),
    },
    { weight: 1, arbitrary: scalarTypeArb().map((element): FeatureType => ({ kind: 'list', element })) },
    { weight: 1, arbitrary: scalarTypeArb().map((value): FeatureType => ({ kind: 'map', value })) },
    {
      weight: 1,
      arbitrary: fc
        .uniqueArray(fc.tuple(nameArb(), scalarTypeArb()), {
          minLength: 1,
          maxLength: 5,
          selector: ([name]) => name,
        })
        .map((fields): FeatureType => ({ kind: 'struct', fields: Object.fromEntries(fields) })),
    },
  )
}

/** The features of a group: distinct names, `minLength` 0 by default, at most `maxLength` (12). */
export function fieldsArb(
  size: { minLength?: number; maxLength?: number } = {},
): fc.Arbitrary<readonly Field[]> {
  return fc.uniqueArray(fc.record({ name: nameArb(), type: featureTypeArb() }), {
    minLength: size.minLength ?? 0,
    maxLength: size.maxLength ?? 12,
    selector: (field) => field.name,
  })
}

/** A legal name of a feature or of a struct's field. */
export function nameArb(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/).map((name) => (FORBIDDEN.has(name) ? `${name}_x` : name))
}

/** Words of at most nine letters that `checkName` and `checkColumnName` refuse. */
const FORBIDDEN = new Set(['prototype', 'then', 'tostring', 'valueof', 'seq'])
