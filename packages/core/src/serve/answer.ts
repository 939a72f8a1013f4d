import type { OnDemandInputShape } from '../apply/service-shape.ts'
import type { Instant } from '../clock/instant.ts'
import type { FieldReader } from '../codec/row-layout.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { Value } from '../model/value.ts'
import { presentValue } from '../model/value-json.ts'
import { evaluateOnDemand, type OnDemandResult } from '../point-in-time/on-demand.ts'
import { FeatureVector, FLAG } from './feature-vector.ts'
import type { CallPlan, ServicePlan } from './service-plan.ts'

/**
 * What a lookup found, before it becomes vectors or bytes: the rows themselves, with how they are read. Values are read out of
 * them by {@link readCells}, one entity at a time, into cells that can be used again.
 */
export interface Answer {
  readonly plan: ServicePlan
  /** The instant as of which the values hold. */
  readonly at: Instant
  readonly source: 'online' | 'offline'
  readonly entities: number
  /** What was found for each slot of the plan: entity by entity. */
  readonly found: readonly Found[]
  /** The checked inputs of each entity's request. */
  readonly inputs: readonly (readonly (Value | null)[])[]
  /** For each slot how far its pipeline is complete; absent where nothing can be stale. */
  readonly completeThrough: readonly Instant[] | undefined
}

/** What was found for one slot of one entity. */
export interface Found {
  /** Code of `STATUSES`: present, not_found, expired or error. */
  readonly status: number
  /** The row that answers, with the readers of its features; absent unless the status is present. */
  readonly row: StoredRow | undefined
  readonly e: number
  readonly c: number
  readonly nullKey: boolean
}

/** The bytes of a row, checked to be whole, and how its features are read. */
export interface StoredRow {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly readers: readonly FieldReader[]
}

/** Nothing is stored, or nothing visible. */
export const MISSING: Found = {
  status: STATUS_CODE.not_found,
  row: undefined,
  e: Number.NaN,
  c: Number.NaN,
  nullKey: false,
}
/** A part of the key is null. */
export const NULL_KEY: Found = { ...MISSING, nullKey: true }
/** The store failed, or its bytes cannot be read. */
export const FAILED: Found = { ...MISSING, status: STATUS_CODE.error }

/** One entity's features; arrays are in the order of the features. */
export interface Cells {
  readonly values: (Value | null)[]
  /** Codes of `STATUSES`. */
  readonly statuses: Uint8Array
  /** Bits of `FLAG`. */
  readonly flags: Uint8Array
  /** Event time of the row behind each feature; NaN where there is none. */
  readonly eventTimes: Float64Array
}

/** Room for one entity's features. */
export function emptyCells({ outputs }: ServicePlan): Cells {
  return {
    values: [],
    statuses: new Uint8Array(outputs.length),
    flags: new Uint8Array(outputs.length),
    eventTimes: new Float64Array(outputs.length),
  }
}

/** Reads one entity's features out of an answer, over whatever the cells held before. */
export function readCells(answer: Answer, entity: number, into: Cells): void {
  const { plan, found, at, completeThrough } = answer
  const { outputs } = plan
  const { values, statuses, flags, eventTimes } = into
  const first = entity * plan.slots.length
  const calls = plan.calls.map((call) => callOnDemand(call, answer, entity))
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs[index]!
    let value: Value | null | undefined
    let status: number
    let bits = 0
    if (output.call >= 0) {
      const call = calls[output.call]!
      status = call.statuses[output.feature]!
      eventTimes[index] = Number.NaN
      value = call.values[output.feature]
    } else {
      const slot = found[first + output.slot]!
      status = slot.status
      eventTimes[index] = slot.e
      value = slot.row === undefined ? null : storedValue(slot.row, output.feature)
      if (slot.nullKey) bits |= FLAG.null_key
      const freshness = completeThrough && plan.slots[output.slot]!.freshness
      if (freshness !== undefined) {
        const known = Math.max(
          Number.isNaN(slot.c) ? Number.NEGATIVE_INFINITY : slot.c,
          completeThrough![output.slot]!,
        )
        if (at - known > freshness) bits |= FLAG.stale
      }
    }
    if (status === STATUS_CODE.present && value === null) status = STATUS_CODE.null
    if (status === STATUS_CODE.not_found || status === STATUS_CODE.expired) {
      if (output.default !== undefined) {
        value = output.default
        bits |= FLAG.defaulted
      }
    }
    const shown = value === undefined ? undefined : presentValue(output.type, value)
    if (shown === undefined) status = STATUS_CODE.error
    values[index] = shown ?? null
    statuses[index] = status
    flags[index] = bits
  }
}

/** The vectors of an answer, in the order asked. */
export function vectorsOf(answer: Answer): FeatureVector[] {
  const { plan, at, source } = answer
  const vectors: FeatureVector[] = []
  for (let entity = 0; entity < answer.entities; entity++) {
    const cells = emptyCells(plan)
    readCells(answer, entity, cells)
    const { values, statuses, flags, eventTimes } = cells
    const detail = {
      names: plan.names,
      statuses,
      flags,
      eventTimes,
      at,
      fingerprint: plan.fingerprint,
      source,
    }
    vectors.push(new FeatureVector(values, detail))
  }
  return vectors
}

/** A stored feature; undefined when its bytes cannot be read. */
function storedValue(row: StoredRow, feature: number): Value | null | undefined {
  try {
    return row.readers[feature]!(row.bytes, row.view)
  } catch {
    return undefined
  }
}

function callOnDemand(
  { shape, compute, defaults }: CallPlan,
  answer: Answer,
  entity: number,
): OnDemandResult {
  const inputs = Object.create(null) as Record<string, Value | number | null>
  for (const [place, input] of shape.inputs.entries()) {
    const value = inputOf(input, answer, entity, defaults[place] ?? null)
    if (value === undefined) return evaluateOnDemand(shape.definition, compute, undefined, answer.at)
    inputs[input.name] = value
  }
  return evaluateOnDemand(shape.definition, compute, inputs, answer.at)
}

/** One input as the function sees it; undefined where it is in error. */
function inputOf(
  input: OnDemandInputShape,
  { plan, found, inputs }: Answer,
  entity: number,
  missing: Value | null,
): Value | null | undefined {
  if (input.from === 'request') return presentValue(input.type, inputs[entity]![input.field]!)
  const slot = found[entity * plan.slots.length + input.slot]!
  if (slot.status === STATUS_CODE.error) return undefined
  if (input.from === 'event-time') return slot.row === undefined ? null : slot.e
  const value = slot.row === undefined ? missing : storedValue(slot.row, input.feature)
  return value === undefined ? undefined : presentValue(input.type, value)
}
