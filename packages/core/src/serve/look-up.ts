import { AsofError, invalid } from '../errors/asof-error.ts'
import { formatInstant, type Instant } from '../clock/instant.ts'
import { rowView, type FieldReader } from '../codec/row-layout.ts'
import { decodeStampPart } from '../codec/stamp.ts'
import { recentRange } from '../ingest/online-sink.ts'
import { LIMITS } from '../limits/limits.ts'
import type { OnDemandInputShape } from '../apply/service-shape.ts'
import { checkKey, checkValue } from '../model/check-value.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { KeyValues, Value } from '../model/value.ts'
import { presentValue } from '../model/value-json.ts'
import { evaluateOnDemand, type OnDemandResult } from '../point-in-time/on-demand.ts'
import { answerOf, visibleFrom } from '../point-in-time/visible.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OnlineRead, OnlineStore } from '../ports/online-store.ts'
import type { Timing } from '../ports/timing.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { FeatureVector, FLAG } from './feature-vector.ts'
import type { CallPlan, ServicePlan, SlotPlan } from './service-plan.ts'

/** What a request may say beside its keys. */
export interface LookUpOptions {
  /** Inputs of on-demand features. */
  readonly request?: Readonly<Record<string, unknown>>
  /** The decision time; now by default. At most `atPastMax` back. */
  readonly at?: Instant
  /** Any past instant, answered from the tables and the log. */
  readonly asOf?: Instant
  /** The fingerprint that the model was trained on; another one is refused. */
  readonly expect?: string
  /** Milliseconds that the stores may take. */
  readonly deadline?: number
}

/** One entity of a request. */
export interface Question {
  readonly keys: Readonly<Record<string, unknown>>
  readonly request?: Readonly<Record<string, unknown>>
}

/** The parts that looking up needs. */
export interface LookUpParts {
  readonly log: EventLog
  readonly online: OnlineStore
  readonly timing: Timing
  readonly telemetry: Telemetry
  /** The instant up to which the pipeline of a group is complete; for the flag `stale`. */
  completeThrough(slot: SlotPlan): Promise<Instant>
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
const FAILED: Found = { ...MISSING, status: STATUS_CODE.error }

/**
 * Looks up the vectors of some entities: one `read` of the online store, whatever their number.
 *
 * @throws {AsofError} `invalid` for keys or inputs of other types than declared, `at_too_far_back`, `at_in_future`,
 * `fingerprint_mismatch`, `deadline_exceeded`
 */
export async function lookUp(
  parts: LookUpParts,
  plan: ServicePlan,
  questions: readonly Question[],
  options: LookUpOptions,
): Promise<FeatureVector[]> {
  checkExpected(plan, options.expect)
  checkEntities(questions)
  const keys = questions.map(({ keys }, index) => checkKey(plan.shape.keys, keys, `keys[${index}]`))
  const inputs = questions.map(({ request }) => checkRequest(plan, request ?? options.request ?? {}))
  if (questions.length === 0) return []
  let at = options.at === undefined ? parts.log.now() : await decisionTime(parts, options.at)
  const reads = readsOf(plan, keys)
  const reading = readAll(parts, reads.requests)
  const { deadline } = options
  const stored = deadline === undefined ? await reading : await withDeadline(parts, deadline, reading)
  if (options.at === undefined) at = raiseNow(parts, plan, reads.places, stored, at)
  const complete = plan.slots.some((slot) => slot.freshness !== undefined)
    ? await Promise.all(plan.slots.map((slot) => parts.completeThrough(slot)))
    : undefined
  const vectors: FeatureVector[] = []
  const slotCount = plan.slots.length
  const found: Found[] = Array.from({ length: slotCount }, () => MISSING)
  for (let entity = 0; entity < questions.length; entity++) {
    for (let slot = 0; slot < slotCount; slot++) {
      const place = reads.places[entity * slotCount + slot]!
      const row = place < 0 ? undefined : stored[place]
      if (place < 0) found[slot] = NULL_KEY
      else if (row === FAILED_READ) found[slot] = FAILED
      else if (row === undefined) found[slot] = MISSING
      else {
        const of = plan.slots[slot]!
        // Only what came after the decision has to be waited for.
        found[slot] =
          visibleFromOf(row, of) > at
            ? await earlierRow(parts, of, reads.requests[place]!, at)
            : foundRow(of, row, at)
      }
    }
    vectors.push(assemble(plan, found, inputs[entity]!, at, 'online', complete))
  }
  return vectors
}

/** Refuses a request for more entities than one may ask for. */
export function checkEntities(questions: readonly Question[]): void {
  if (questions.length <= LIMITS.entitiesPerRequestMax) return
  throw invalid('too_many_entities', 'ask for fewer entities at once', {
    entitiesPerRequestMax: LIMITS.entitiesPerRequestMax,
  })
}

/** Refuses a vector that the model was not trained on. */
export function checkExpected(plan: ServicePlan, expect: string | undefined): void {
  if (expect === undefined || expect === plan.fingerprint) return
  throw new AsofError(
    'conflict',
    'fingerprint_mismatch',
    'the service is not the one that was expected: its definitions have changed since',
    { service: plan.shape.service.name, expected: expect, actual: plan.fingerprint },
  )
}

/** Checks a request's inputs; one that is not given is null. */
export function checkRequest(
  plan: ServicePlan,
  given: Readonly<Record<string, unknown>>,
): readonly (Value | null)[] {
  const { request } = plan.shape
  for (const name of Object.keys(given)) {
    if (!request.some((field) => field.name === name)) {
      throw invalid('unknown_request_input', 'the service has no such input', { name: name.slice(0, 63) })
    }
  }
  return request.map(({ name, type }) =>
    Object.hasOwn(given, name) ? checkValue(type, given[name], `request.${name}`) : null,
  )
}

/** The vector of one entity, from what was found for its slots. */
export function assemble(
  plan: ServicePlan,
  found: readonly Found[],
  request: readonly (Value | null)[],
  at: Instant,
  source: 'online' | 'offline',
  completeThrough: readonly Instant[] | undefined,
): FeatureVector {
  const { outputs } = plan
  const statuses = new Uint8Array(outputs.length)
  const flags = new Uint8Array(outputs.length)
  const eventTimes = new Float64Array(outputs.length)
  const values: (Value | null)[] = []
  const calls = plan.calls.map((call) => callOnDemand(call, found, request, at))
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs[index]!
    let value: Value | null | undefined
    if (output.call >= 0) {
      const call = calls[output.call]!
      statuses[index] = call.statuses[output.feature]!
      eventTimes[index] = Number.NaN
      value = call.values[output.feature]
    } else {
      const slot = found[output.slot]!
      const { freshness } = plan.slots[output.slot]!
      statuses[index] = slot.status
      eventTimes[index] = slot.e
      value = slot.row === undefined ? null : storedValue(slot.row, output.feature)
      if (slot.nullKey) flags[index]! |= FLAG.null_key
      if (completeThrough !== undefined && freshness !== undefined) {
        const known = Math.max(
          Number.isNaN(slot.c) ? Number.NEGATIVE_INFINITY : slot.c,
          completeThrough[output.slot]!,
        )
        if (at - known > freshness) flags[index]! |= FLAG.stale
      }
    }
    const status = statuses[index]!
    if (status === STATUS_CODE.present && value === null) statuses[index] = STATUS_CODE.null
    if (status === STATUS_CODE.not_found || status === STATUS_CODE.expired) {
      if (output.default !== undefined) {
        value = output.default
        flags[index]! |= FLAG.defaulted
      }
    }
    const shown = value === undefined ? undefined : presentValue(output.type, value)
    if (shown === undefined) statuses[index] = STATUS_CODE.error
    values.push(shown ?? null)
  }
  return new FeatureVector(values, {
    names: plan.names,
    statuses,
    flags,
    eventTimes,
    at,
    fingerprint: plan.fingerprint,
    source,
  })
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
  found: readonly Found[],
  request: readonly (Value | null)[],
  at: Instant,
): OnDemandResult {
  const inputs = Object.create(null) as Record<string, Value | number | null>
  for (const [place, input] of shape.inputs.entries()) {
    const value = inputOf(input, found, request, defaults[place] ?? null)
    if (value === undefined) return evaluateOnDemand(shape.definition, compute, undefined, at)
    inputs[input.name] = value
  }
  return evaluateOnDemand(shape.definition, compute, inputs, at)
}

/** One input as the function sees it; undefined where it is in error. */
function inputOf(
  input: OnDemandInputShape,
  found: readonly Found[],
  request: readonly (Value | null)[],
  missing: Value | null,
): Value | null | undefined {
  if (input.from === 'request') return presentValue(input.type, request[input.field]!)
  const slot = found[input.slot]!
  if (slot.status === STATUS_CODE.error) return undefined
  if (input.from === 'event-time') return slot.row === undefined ? null : slot.e
  const value = slot.row === undefined ? missing : storedValue(slot.row, input.feature)
  return value === undefined ? undefined : presentValue(input.type, value)
}

/** What is stored came after the decision: one of the rows that it replaced answers, or none. */
async function earlierRow(parts: LookUpParts, slot: SlotPlan, read: OnlineRead, at: Instant): Promise<Found> {
  let earlier: Uint8Array | undefined
  for await (const { payload } of parts.online.scan(slot.plan.recentTable, recentRange(read.key))) {
    if (!(visibleFromOf(payload, slot) > at)) earlier = payload
  }
  return earlier === undefined ? MISSING : foundRow(slot, earlier, at)
}

/** From when a stored row is visible; NaN, which is after nothing, where its stamp cannot be read. */
function visibleFromOf(row: Uint8Array, { plan }: SlotPlan): number {
  try {
    return visibleFrom({ e: eventTimeOf(row), c: createdTimeOf(row) }, plan.rule)
  } catch {
    return Number.NaN
  }
}

function eventTimeOf(row: Uint8Array): Instant {
  return decodeStampPart(row, 0) as Instant
}

function createdTimeOf(row: Uint8Array): Instant {
  return decodeStampPart(row, 8) as Instant
}

/** What a stored row, visible at `at`, answers there. */
export function foundRow({ plan }: SlotPlan, bytes: Uint8Array, at: Instant): Found {
  try {
    const e = eventTimeOf(bytes)
    const c = createdTimeOf(bytes)
    const readers = plan.reader.readersOf(bytes)
    const said = answerOf(e, readers === undefined, at, plan.rule.ttl)
    if (said !== 'row' || readers === undefined) {
      return { ...MISSING, status: said === 'expired' ? STATUS_CODE.expired : STATUS_CODE.not_found, c }
    }
    return {
      status: STATUS_CODE.present,
      row: { bytes, view: rowView(bytes), readers },
      e,
      c,
      nullKey: false,
    }
  } catch {
    return FAILED // Bytes that cannot be read cost the values in them, not the request.
  }
}

/** Distinct reads, and for each entity and slot the place of its read; -1 where a part of the key is null. */
function readsOf(
  plan: ServicePlan,
  keys: readonly KeyValues[],
): { requests: OnlineRead[]; places: Int32Array } {
  const { slots } = plan
  const places = new Int32Array(keys.length * slots.length).fill(-1)
  const requests: OnlineRead[] = []
  const seen = keys.length > 1 ? new Map<string, number>() : undefined
  const texts: (string | undefined)[] = Array.from({ length: slots.length })
  for (let entity = 0; entity < keys.length; entity++) {
    const all = keys[entity]!
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index]!
      const text = slot.sameKeyAs < index ? texts[slot.sameKeyAs] : entityKeyOf(slot, all)
      texts[index] = text
      if (text === undefined) continue
      const { plan: group } = slot
      const known = seen?.get(`${index}/${text}`)
      places[entity * slots.length + index] =
        known ?? requests.push({ table: group.onlineTable, key: group.onlineKey(text) }) - 1
      if (known === undefined) seen?.set(`${index}/${text}`, requests.length - 1)
    }
  }
  return { requests, places }
}

function entityKeyOf(slot: SlotPlan, keys: KeyValues): string | undefined {
  const parts = slot.keyPlaces.map((place) => keys[place] ?? null)
  return parts.includes(null) ? undefined : slot.plan.entityKey(parts)
}

const FAILED_READ = new Uint8Array(0)

/** A store that fails costs the values that it holds, not the request. */
async function readAll(
  parts: LookUpParts,
  requests: readonly OnlineRead[],
): Promise<(Uint8Array | undefined)[]> {
  try {
    return await parts.online.read(requests)
  } catch (error) {
    parts.telemetry.count('asof_online_read_failures', 1, {
      code: error instanceof AsofError ? error.code : 'internal',
    })
    return requests.map(() => FAILED_READ)
  }
}

/** A reader that meets a row from after its now becomes as late as the row. */
function raiseNow(
  parts: LookUpParts,
  plan: ServicePlan,
  places: Int32Array,
  stored: readonly (Uint8Array | undefined)[],
  now: Instant,
): Instant {
  let latest: number = now
  for (let index = 0; index < places.length; index++) {
    const row = stored[places[index]!]
    if (row === undefined || row === FAILED_READ) continue
    const visible = visibleFromOf(row, plan.slots[index % plan.slots.length]!)
    if (visible > latest) latest = visible
  }
  if (latest === now) return now
  parts.log.observe(latest as Instant)
  return latest as Instant
}

/** `at` as SEMANTICS section 5 and 6 allow it: a little ahead is waited for. */
async function decisionTime(parts: LookUpParts, at: Instant): Promise<Instant> {
  const now = parts.log.now()
  if (at > now + LIMITS.clockSkewMaxMicros) {
    throw invalid('at_in_future', 'a decision time lies in the future', { at: formatInstant(at) })
  }
  if (at < now - LIMITS.atPastMaxMicros) {
    throw invalid(
      'at_too_far_back',
      'a decision time lies too far back; ask with asOf for any past instant',
      {
        at: formatInstant(at),
      },
    )
  }
  while (parts.log.now() < at) await parts.timing.sleep(1)
  return at
}

async function withDeadline<T>(parts: LookUpParts, deadline: number, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = parts.timing.sleep(deadline, over.signal).then((): never => {
    throw new AsofError('unavailable', 'deadline_exceeded', 'the stores did not answer in time', { deadline })
  })
  try {
    return await Promise.race([work, late])
  } finally {
    late.catch(() => undefined)
    over.abort()
  }
}
