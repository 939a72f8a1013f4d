import { invalid, notFound } from '../errors/asof-error.ts'
import type { OnDemandDefinition, ServiceDefinition } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import type { FeatureType, Field, JsonValue, KeyType } from '../model/feature-type.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

/**
 * What a service reads and computes, with every name resolved: the one shape from which serving and training sets are
 * compiled, so that both see the same.
 */
export interface ServiceShape {
  readonly service: ServiceDefinition
  /** Names that a request gives for join keys, with their types, in order of first use. */
  readonly keys: readonly { readonly name: string; readonly type: KeyType }[]
  /** Each group version with each way of naming its keys, once: one row is looked up for each. */
  readonly slots: readonly Slot[]
  /** Inputs that a request (or a label row) gives, in order of first use. */
  readonly request: readonly Field[]
  readonly onDemand: readonly OnDemandShape[]
  /** The vector, in order. */
  readonly outputs: readonly Output[]
}

/** One row to look up. */
export interface Slot {
  readonly group: AppliedGroup
  /** For each join key of the entity, in order, its name in the request. */
  readonly keyNames: readonly string[]
}

/** One call of an on-demand function. */
export interface OnDemandShape {
  /** `name@version`. */
  readonly id: string
  readonly definition: OnDemandDefinition
  readonly inputs: readonly OnDemandInputShape[]
}

/** Where one argument of an on-demand function comes from. */
export type OnDemandInputShape = { readonly name: string } & (
  | {
      readonly from: 'feature'
      readonly slot: number
      readonly feature: number
      readonly type: FeatureType
      readonly default: JsonValue | undefined
    }
  | { readonly from: 'request'; readonly field: number; readonly type: FeatureType }
  | { readonly from: 'event-time'; readonly slot: number }
)

/** One feature of the vector. */
export type Output = {
  readonly name: string
  readonly type: FeatureType
  readonly default: JsonValue | undefined
} & (
  | { readonly from: 'slot'; readonly slot: number; readonly feature: number }
  | { readonly from: 'on-demand'; readonly call: number; readonly feature: number }
)

/**
 * Resolves a service against a snapshot.
 *
 * @throws {AsofError} `group_not_found`, `feature_not_found`, `key_type_mismatch`, `request_type_mismatch`
 */
export function shapeOf(snapshot: Snapshot, service: ServiceDefinition): ServiceShape {
  const keys = new Map<string, KeyType>()
  const slots: Slot[] = []
  const request = new Map<string, Field>()
  const onDemand: OnDemandShape[] = []

  const slotOf = (id: string, roles: Readonly<Record<string, string>>): number => {
    const group = snapshot.groups.get(id)
    if (group === undefined)
      throw notFound('group_not_found', 'group not found', { group: id, service: service.name })
    const keyNames = group.entity.keys.map(({ name, type }) => {
      const asked = roles[name] ?? name
      const known = keys.get(asked)
      if (known !== undefined && known.kind !== type.kind) {
        throw invalid(
          'key_type_mismatch',
          'one name stands for keys of two types; name a role for one of them',
          {
            key: asked,
            service: service.name,
          },
        )
      }
      keys.set(asked, type)
      return asked
    })
    const same = slots.findIndex(
      (slot) => slot.group === group && slot.keyNames.every((name, part) => name === keyNames[part]),
    )
    return same >= 0 ? same : slots.push({ group, keyNames }) - 1
  }

  const requestField = (source: string, name: string): { index: number; type: FeatureType } => {
    const reads = snapshot.sources.get(source)?.reads
    const field =
      reads?.format === 'request' ? reads.fields.find((candidate) => candidate.name === name) : undefined
    if (field === undefined)
      throw notFound('request_field_not_found', 'request input not found', { source, field: name })
    const known = request.get(name)
    if (known !== undefined && JSON.stringify(known.type) !== JSON.stringify(field.type)) {
      throw invalid('request_type_mismatch', 'two requests give this input different types', { field: name })
    }
    request.set(name, field)
    return { index: [...request.keys()].indexOf(name), type: field.type }
  }

  const callOf = (definition: OnDemandDefinition, roles: Readonly<Record<string, string>>): number => {
    const id = groupId(definition)
    const inputs = definition.inputs.map(({ name, from, keys: own }): OnDemandInputShape => {
      // The group's key, by the on-demand group's name for it, by the service's name for that.
      const named = Object.entries(own ?? {}).map(([key, inRole]) => [key, roles[inRole] ?? inRole])
      const names: Readonly<Record<string, string>> = { ...roles, ...Object.fromEntries(named) }
      if ('request' in from) {
        const { index, type } = requestField(from.request, from.field)
        return { name, from: 'request', field: index, type }
      }
      if ('eventTimeOf' in from) {
        return { name, from: 'event-time', slot: slotOf(`${from.eventTimeOf}@${from.version}`, names) }
      }
      const slot = slotOf(`${from.group}@${from.version}`, names)
      const { index, field } = fieldOf(
        slots[slot]!.group.definition.features,
        from.feature,
        `${from.group}@${from.version}`,
      )
      return { name, from: 'feature', slot, feature: index, type: field.type, default: field.default }
    })
    const same = onDemand.findIndex(
      (call) => call.id === id && JSON.stringify(call.inputs) === JSON.stringify(inputs),
    )
    return same >= 0 ? same : onDemand.push({ id, definition, inputs }) - 1
  }

  const outputs = service.features.map(({ name, group, version, feature, keys: roles }): Output => {
    const id = `${group}@${version}`
    const definition = snapshot.onDemand.get(id)
    if (definition !== undefined) {
      const { index, field } = fieldOf(definition.features, feature, id)
      const call = callOf(definition, roles)
      return { name, type: field.type, default: field.default, from: 'on-demand', call, feature: index }
    }
    const slot = slotOf(id, roles)
    const { index, field } = fieldOf(slots[slot]!.group.definition.features, feature, id)
    return { name, type: field.type, default: field.default, from: 'slot', slot, feature: index }
  })
  return {
    service,
    keys: [...keys].map(([name, type]) => ({ name, type })),
    slots,
    request: [...request.values()],
    onDemand,
    outputs,
  }
}

function fieldOf(fields: readonly Field[], name: string, group: string): { index: number; field: Field } {
  const index = fields.findIndex((field) => field.name === name)
  const field = fields[index]
  if (field === undefined) throw notFound('feature_not_found', 'feature not found', { group, feature: name })
  return { index, field }
}
