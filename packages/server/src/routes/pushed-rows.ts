import { jsonForm, type FeatureType, type GroupPlan, type PushRow } from '@asof/core'
import type { Form } from '../negotiate.ts'

/** A row as a body was parsed: any object. */
export type WireRow = Readonly<Record<string, unknown>>

const typesOf = new WeakMap<GroupPlan, ReadonlyMap<string, FeatureType>>()

/**
 * Rows of a request in the form that a push takes: of JSON the one with `json: true`, of MessagePack that of a program. What
 * does not fit stays as it is, so that the push refuses it with its place.
 */
export function pushedRows(plan: GroupPlan, rows: readonly WireRow[], form: Form): PushRow[] {
  let types = typesOf.get(plan)
  if (types === undefined) {
    const { definition, entity } = plan.group
    types = new Map([...entity.keys, ...definition.features].map(({ name, type }) => [name, type]))
    typesOf.set(plan, types)
  }
  const read = form === 'json' ? jsonForm : packedForm
  return rows.map((row) => {
    const pushed = Object.create(null) as Record<string, unknown>
    for (const name of Object.keys(row)) {
      const type = types.get(name)
      const value = row[name]
      // Beside the columns there is the event time: text, or a number of microseconds.
      pushed[name] =
        type !== undefined ? read(type, value) : typeof value === 'bigint' ? Number(value) : value
    }
    return pushed
  })
}

/**
 * A value of MessagePack in the form that a program gives it: an integer is one whatever its width, and a map is what its type
 * says.
 */
export function packedForm(type: FeatureType, value: unknown): unknown {
  if (value === null) return value
  switch (type.kind) {
    case 'int64':
    case 'timestamp':
      return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
    case 'int32':
    case 'float32':
    case 'float64':
      return typeof value === 'bigint' && BigInt(Number(value)) === value ? Number(value) : value
    case 'vector':
      return Array.isArray(value)
        ? value.map((each: unknown) => packedForm({ kind: 'float32' }, each))
        : value
    case 'list':
      return Array.isArray(value) ? value.map((each: unknown) => packedForm(type.element, each)) : value
    case 'map':
      if (!isMap(value)) return value
      return new Map(Object.keys(value).map((key) => [key, packedForm(type.value, value[key])]))
    case 'struct': {
      if (!isMap(value)) return value
      const fields = Object.create(null) as Record<string, unknown>
      for (const name of Object.keys(value)) {
        const of = Object.hasOwn(type.fields, name) ? type.fields[name] : undefined
        fields[name] = of === undefined ? value[name] : packedForm(of, value[name])
      }
      return fields
    }
    default:
      return value
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  )
}
