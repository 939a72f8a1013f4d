import { AsofError } from '../errors/asof-error.ts'
import { durationMicros } from '../clock/duration.ts'
import { shapeOf, type OnDemandShape, type ServiceShape, type Slot } from '../apply/service-shape.ts'
import type { AppliedGroup, Snapshot } from '../apply/snapshot.ts'
import { serviceFingerprint } from '../apply/service-fingerprint.ts'
import type { GroupPlan } from '../ingest/group-plan.ts'
import { groupId, type Deprecation, type ServiceDefinition } from '../model/definition.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import type { FeatureType, KeyType } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { valueFromJson } from '../model/value-json.ts'

/** A service compiled for looking up: everything that does not change from request to request. */
export interface ServicePlan {
  readonly shape: ServiceShape
  readonly fingerprint: string
  /** Number of the registry's revision that the plan was made from. */
  readonly revision: number | undefined
  /** Names of the vector's features, in order. */
  readonly names: readonly string[]
  readonly slots: readonly SlotPlan[]
  readonly outputs: readonly OutputPlan[]
  readonly calls: readonly CallPlan[]
  /** The deprecated groups that it reads, each once. */
  readonly deprecated: readonly DeprecatedRead[]
}

/** A deprecated group that an answer rests on, with what its users are told. */
export interface DeprecatedRead extends Partial<Deprecation> {
  /** The group version, `hourly@1`. */
  readonly group: string
}

/** One row to look up for each entity. */
export interface SlotPlan {
  readonly plan: GroupPlan
  /** For each join key, its place among the request's keys. */
  readonly keyPlaces: readonly number[]
  /** Slots with the same places and types share the entity key's text: the first of them. */
  readonly sameKeyAs: number
  /** The group's freshness promise in microseconds. */
  readonly freshness: number | undefined
}

/** One feature of the vector. */
export interface OutputPlan {
  readonly type: FeatureType
  /** The declared default as a value; undefined when there is none. */
  readonly default: Value | null | undefined
  /** Where the stored value is, or which call makes it. */
  readonly slot: number
  readonly call: number
  readonly feature: number
}

/** One on-demand call. */
export interface CallPlan {
  readonly shape: OnDemandShape
  readonly compute: OnDemandFunction
  /** For each input: its default as a value. */
  readonly defaults: readonly (Value | null | undefined)[]
}

/**
 * Compiles a service.
 *
 * @throws {AsofError} `on_demand_code_missing` when this process does not have a function that the service needs
 */
export function compileService(
  snapshot: Snapshot,
  service: ServiceDefinition,
  groupPlan: (group: AppliedGroup) => GroupPlan,
  functions: ReadonlyMap<string, OnDemandFunction>,
): ServicePlan {
  const shape = shapeOf(snapshot, service)
  const keyIndex = new Map(shape.keys.map((key, index) => [key.name, index]))
  const places = shape.slots.map((slot) => slot.keyNames.map((name) => keyIndex.get(name)!))
  const sameKey = (a: Slot, b: Slot): boolean =>
    JSON.stringify([a.keyNames, keyTypes(a)]) === JSON.stringify([b.keyNames, keyTypes(b)])
  return {
    shape,
    fingerprint: serviceFingerprint(snapshot, service),
    revision: snapshot.revision?.number,
    names: shape.outputs.map((output) => output.name),
    slots: shape.slots.map((slot, index) => ({
      plan: groupPlan(slot.group),
      keyPlaces: places[index]!,
      sameKeyAs: shape.slots.findIndex((other) => sameKey(other, slot)),
      freshness: slot.group.definition.freshness && durationMicros(slot.group.definition.freshness),
    })),
    outputs: shape.outputs.map((output) => ({
      type: output.type,
      default:
        output.default === undefined ? undefined : valueFromJson(output.type, output.default, output.name),
      slot: output.from === 'slot' ? output.slot : -1,
      call: output.from === 'on-demand' ? output.call : -1,
      feature: output.feature,
    })),
    calls: shape.onDemand.map((call) => compileCall(call, functions)),
    deprecated: deprecatedReads(shape),
  }
}

function deprecatedReads({ slots }: ServiceShape): readonly DeprecatedRead[] {
  const groups = new Set(slots.map((slot) => slot.group.definition))
  return [...groups]
    .filter(({ status }) => status === 'deprecated')
    .map((group) => ({ group: groupId(group), ...group.deprecation }))
}

function compileCall(shape: OnDemandShape, functions: ReadonlyMap<string, OnDemandFunction>): CallPlan {
  const compute = functions.get(shape.id)
  if (compute === undefined) {
    throw new AsofError(
      'unavailable',
      'on_demand_code_missing',
      'this process lacks the code of an on-demand group: open the store with the project that defines it',
      { group: shape.id, module: shape.definition.code.module },
    )
  }
  const defaults = shape.inputs.map((input) =>
    input.from === 'feature' && input.default !== undefined
      ? valueFromJson(input.type, input.default, input.name)
      : undefined,
  )
  return { shape, compute, defaults }
}

function keyTypes(slot: Slot): readonly KeyType[] {
  return slot.group.entity.keys.map((key) => key.type)
}
