import type {
  FeatureRow,
  FeatureType,
  Instant,
  Knowledge,
  NaiveRule,
  OnDemandFunction,
  ServiceShape,
  Slot,
  Status,
  Value,
} from '@asof/core'
import { checkValue, presentValue, valueFromJson } from '@asof/core'
import { naiveValue } from './naive-value.ts'

/** One question about one entity. */
export interface NaiveQuestion {
  readonly shape: ServiceShape
  /** All rows of a group version, by `name@version`. */
  readonly rows: (group: string) => readonly FeatureRow[]
  /** By the names of `shape.keys`; one that is absent is null. */
  readonly keys: Readonly<Record<string, Value | null>>
  /** By the names of `shape.request`. */
  readonly request: Readonly<Record<string, Value | null>>
  readonly at: Instant
  readonly knowledge: Knowledge
  readonly functions: ReadonlyMap<string, OnDemandFunction>
}

/** One feature's answer. */
export interface NaiveFeature {
  /** As stored: int64 is a bigint, also where it is shown as a number. */
  readonly value: Value | null
  readonly status: Status
  readonly defaulted: boolean
  readonly eventTime: Instant | null
}

const MICROS = { us: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, d: 8.64e10 } as const

/** The features of a service for one entity at one instant: SEMANTICS sections 2, 4 and 6, one step after the other. */
export function naiveVector(question: NaiveQuestion): NaiveFeature[] {
  const { shape, request, at, functions } = question
  return shape.outputs.map((output) => {
    if (output.from === 'slot') return stored(question, output.slot, output.feature)
    const { definition, inputs, id } = shape.onDemand[output.call]!
    const failed: NaiveFeature = { value: null, status: 'error', defaulted: false, eventTime: null }
    const given: Record<string, Value | number | null> = {}
    for (const input of inputs) {
      if (input.from === 'event-time') {
        given[input.name] = answer(question, shape.slots[input.slot]!).row?.e ?? null
        continue
      }
      const from = input.from === 'feature' ? stored(question, input.slot, input.feature) : undefined
      const value =
        input.from === 'request' ? (request[shape.request[input.field]!.name] ?? null) : from!.value
      const shown = presentValue(input.type, value)
      if (shown === undefined || from?.status === 'error') return failed
      given[input.name] = shown
    }
    try {
      const { name } = definition.features[output.feature]!
      const value = checkValue(output.type, functions.get(id)!(given, at)[name], name)
      return value === null
        ? { ...failed, status: 'null' }
        : shownOrFailed(output.type, { ...failed, value, status: 'present' })
    } catch {
      return failed
    }
  })
}

function stored(question: NaiveQuestion, slot: number, feature: number): NaiveFeature {
  const { group } = question.shape.slots[slot]!
  const { type, default: declared, name } = group.definition.features[feature]!
  const { status: said, row } = answer(question, question.shape.slots[slot]!)
  if (row !== undefined) {
    const value = row.values[feature] ?? null
    const status = value === null ? 'null' : 'present'
    return shownOrFailed(type, { value, status, defaulted: false, eventTime: row.e })
  }
  const value = declared === undefined ? null : valueFromJson(type, declared, name)
  return { value, status: said as Status, defaulted: declared !== undefined, eventTime: null }
}

function answer(question: NaiveQuestion, { group, keyNames }: Slot): ReturnType<typeof naiveValue> {
  const { name, version, ttl, boundary } = group.definition
  const key = keyNames.map((each) => question.keys[each] ?? null) as FeatureRow['key']
  const [, count, unit] = /^(\d+)(us|ms|s|m|h|d)$/.exec(ttl ?? '') ?? []
  const rule: NaiveRule = {
    ttl: ttl === undefined ? undefined : Number(count) * MICROS[unit as keyof typeof MICROS],
    boundary,
    knowledge: question.knowledge,
  }
  return naiveValue(question.rows(`${name}@${version}`), key, question.at, rule)
}

/** An int64 that is shown as a number is in error beyond 2^53. */
function shownOrFailed(type: FeatureType, feature: NaiveFeature): NaiveFeature {
  return presentValue(type, feature.value) === undefined
    ? { ...feature, value: null, status: 'error' }
    : feature
}
