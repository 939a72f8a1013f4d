import type { Instant } from '../clock/instant.ts'
import { checkValue } from '../model/check-value.ts'
import type { OnDemandDefinition } from '../model/definition.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { Value } from '../model/value.ts'

/** What an on-demand function is called with, by name; event times are instants. */
export type OnDemandInputs = Readonly<Record<string, Value | number | null>>

/** The features of one on-demand group for one row, in the order of the definition. */
export interface OnDemandResult {
  /** Null where the status is not present. */
  readonly values: readonly (Value | null)[]
  /** `STATUS_CODE`: present, null or error. */
  readonly statuses: Uint8Array
}

/**
 * Computes the features of one on-demand group for one row: the one way, for serving and for training sets (SEMANTICS
 * section 4). A throw makes every feature of the group an error; an absent feature, or a value of another type than
 * declared, that feature alone.
 *
 * @param inputs defaults already in place, values as `presentValue` gives them; undefined when any of them is in error,
 * and then the function is not called
 */
export function evaluateOnDemand(
  definition: OnDemandDefinition,
  compute: OnDemandFunction,
  inputs: OnDemandInputs | undefined,
  at: Instant,
): OnDemandResult {
  const { features } = definition
  const values: (Value | null)[] = features.map(() => null)
  const statuses = new Uint8Array(features.length).fill(STATUS_CODE.error)
  const result = inputs === undefined ? undefined : call(compute, inputs, at)
  if (typeof result !== 'object' || result === null) return { values, statuses }
  for (let index = 0; index < features.length; index++) {
    const { name, type } = features[index]!
    try {
      const value = checkValue(type, Object.hasOwn(result, name) ? result[name] : undefined, name)
      values[index] = value
      statuses[index] = value === null ? STATUS_CODE.null : STATUS_CODE.present
    } catch {
      // Its status is error already.
    }
  }
  return { values, statuses }
}

function call(
  compute: OnDemandFunction,
  inputs: OnDemandInputs,
  at: Instant,
): Record<string, unknown> | undefined {
  try {
    return compute(inputs, at)
  } catch {
    // What a user's function throws may hold values: the status alone says that it did.
    return undefined
  }
}
