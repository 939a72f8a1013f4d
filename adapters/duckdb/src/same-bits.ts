import type { FeatureType, ScalarType } from '@asof/core'
import { identifier } from './sql-text.ts'

/**
 * A SQL condition, never null: two values of one type are the same to the bit. Null is null, -0 is not 0, any NaN is NaN; the
 * entries of a map have an order.
 *
 * @example
 * ```ts
 * sameBits('a', 'b', { kind: 'string' }) // '(a IS NOT DISTINCT FROM b)'
 * ```
 */
export function sameBits(a: string, b: string, type: FeatureType): string {
  const same = `${a} IS NOT DISTINCT FROM ${b}`
  const [zerosOfA, zerosOfB] = [negativeZeros(a, type), negativeZeros(b, type)]
  if (zerosOfA === undefined || zerosOfB === undefined) return `(${same})`
  return `(${same} AND ${zerosOfA} IS NOT DISTINCT FROM ${zerosOfB})`
}

/**
 * What SQL does not see of a value, as a value to compare or group by beside it: where its zeros are negative. Undefined for a
 * type without floats.
 */
export function negativeZeros(x: string, type: FeatureType): string | undefined {
  switch (type.kind) {
    case 'float32':
    case 'float64':
      return `coalesce(${x} = 0 AND signbit(${x}), false)`
    case 'vector':
      return ofList(x)
    case 'list':
      return isFloat(type.element) ? ofList(x) : undefined
    case 'map':
      return isFloat(type.value) ? ofList(`map_values(${x})`) : undefined
    case 'struct': {
      const zeros = Object.entries(type.fields)
        .map(([name, field]) => negativeZeros(`${x}.${identifier(name)}`, field))
        .filter((zero) => zero !== undefined)
      return zeros.length === 0 ? undefined : `[${zeros.join(', ')}]`
    }
    default:
      return undefined
  }
}

function ofList(list: string): string {
  return `list_transform(${list}, lambda each: coalesce(each = 0 AND signbit(each), false))`
}

function isFloat(type: ScalarType): boolean {
  return type.kind === 'float32' || type.kind === 'float64'
}
