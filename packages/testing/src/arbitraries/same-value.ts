import type { FeatureType, ScalarType, ScalarValue, Value } from '@asof/core'

/**
 * Whether two values of a type are the same to the last bit: NaN is NaN, 0 is not -0, text is compared by code unit.
 * A map is its entries, whatever their order.
 */
export function sameValue(type: FeatureType, a: Value | null, b: Value | null): boolean {
  if (a === null || b === null) return a === b
  switch (type.kind) {
    case 'vector':
      return a instanceof Float32Array && b instanceof Float32Array && sameItems(a, b, Object.is)
    case 'list':
      return (
        Array.isArray(a) &&
        Array.isArray(b) &&
        sameItems(a, b, (one, other) => sameValue(type.element, one, other))
      )
    case 'map':
      return a instanceof Map && b instanceof Map && sameMaps(type.value, a, b)
    case 'struct':
      return sameStructs(type, a as Struct, b as Struct)
    case 'bytes':
      return a instanceof Uint8Array && b instanceof Uint8Array && sameItems(a, b, Object.is)
    default:
      return Object.is(a, b)
  }
}

/** Whether two rows of values are the same by {@link sameValue}. */
export function sameValues(
  types: readonly FeatureType[],
  a: readonly (Value | null)[],
  b: readonly (Value | null)[],
): boolean {
  return (
    a.length === types.length &&
    b.length === types.length &&
    types.every((type, index) => sameValue(type, a[index] ?? null, b[index] ?? null))
  )
}

function sameItems<Item>(
  a: ArrayLike<Item>,
  b: ArrayLike<Item>,
  same: (a: Item, b: Item) => boolean,
): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (!same(a[index] as Item, b[index] as Item)) return false
  return true
}

function sameMaps(
  type: ScalarType,
  a: ReadonlyMap<string, ScalarValue | null>,
  b: ReadonlyMap<string, ScalarValue | null>,
): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (!b.has(key) || !sameValue(type, value, b.get(key) ?? null)) return false
  return true
}

type Struct = Readonly<Record<string, ScalarValue | null>>

/** An absent field is no null, so both need every declared field, and no other. */
function sameStructs(type: FeatureType & { kind: 'struct' }, a: Struct, b: Struct): boolean {
  const names = Object.keys(type.fields)
  const isWhole = (struct: Struct): boolean =>
    Object.keys(struct).length === names.length && names.every((name) => Object.hasOwn(struct, name))
  if (!isWhole(a) || !isWhole(b)) return false
  return Object.entries(type.fields).every(([name, field]) =>
    sameValue(field, a[name] ?? null, b[name] ?? null),
  )
}
