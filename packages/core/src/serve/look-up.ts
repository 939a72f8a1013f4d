import { AsofError, invalid } from '../errors/asof-error.ts'
import { formatInstant, type Instant } from '../clock/instant.ts'
import { rowView } from '../codec/row-layout.ts'
import { decodeStampPart } from '../codec/stamp.ts'
import { recentRange } from '../ingest/online-sink.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkKey, checkValue } from '../model/check-value.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { KeyValues, Value } from '../model/value.ts'
import { answerOf, visibleFrom } from '../point-in-time/visible.ts'
import type { EventLog } from '../ports/event-log.ts'
import type { OnlineRead, OnlineStore } from '../ports/online-store.ts'
import type { Timing } from '../ports/timing.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { FAILED, MISSING, NULL_KEY, type Answer, type Found } from './answer.ts'
import type { ServicePlan, SlotPlan } from './service-plan.ts'

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

/**
 * Looks up some entities: one `read` of the online store, whatever their number.
 *
 * @throws {AsofError} `invalid` for keys or inputs of other types than declared, `at_too_far_back`, `at_in_future`,
 * `fingerprint_mismatch`, `deadline_exceeded`
 */
export async function lookUp(
  parts: LookUpParts,
  plan: ServicePlan,
  questions: readonly Question[],
  options: LookUpOptions,
): Promise<Answer> {
  checkExpected(plan, options.expect)
  checkEntities(questions)
  const keys = questions.map(({ keys }, index) => checkKey(plan.shape.keys, keys, `keys[${index}]`))
  const inputs = questions.map(({ request }) => checkRequest(plan, request ?? options.request ?? {}))
  let at = options.at === undefined ? parts.log.now() : await decisionTime(parts, options.at)
  const slotCount = plan.slots.length
  const reads = readsOf(plan, keys)
  const reading = reads.requests.length === 0 ? Promise.resolve([]) : readAll(parts, reads.requests)
  const { deadline } = options
  const stored = deadline === undefined ? await reading : await withDeadline(parts, deadline, reading)
  if (options.at === undefined) at = raiseNow(parts, plan, reads.places, stored, at)
  const complete = plan.slots.some((slot) => slot.freshness !== undefined)
    ? await Promise.all(plan.slots.map((slot) => parts.completeThrough(slot)))
    : undefined
  const found: Found[] = []
  for (let index = 0; index < reads.places.length; index++) {
    const place = reads.places[index]!
    const row = place < 0 ? undefined : stored[place]
    if (place < 0) found.push(NULL_KEY)
    else if (row === FAILED_READ) found.push(FAILED)
    else if (row === undefined) found.push(MISSING)
    else {
      const slot = plan.slots[index % slotCount]!
      // Only what came after the decision has to be waited for.
      const later = visibleFromOf(row, slot) > at
      found.push(later ? await earlierRow(parts, slot, reads.requests[place]!, at) : foundRow(slot, row, at))
    }
  }
  return {
    plan,
    at,
    source: 'online',
    entities: questions.length,
    found,
    inputs,
    completeThrough: complete,
  }
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
  } catch (error) {
    plan.unreadable(error)
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

/**
 * What `work` answers, in time.
 *
 * @param deadline milliseconds
 * @throws {AsofError} `deadline_exceeded`
 */
export async function withDeadline<T>(
  parts: { readonly timing: Timing },
  deadline: number,
  work: Promise<T>,
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    // A timer that is taken back costs a tenth of an error that nobody sees.
    const cancel = parts.timing.after(deadline, () =>
      reject(
        new AsofError('unavailable', 'deadline_exceeded', 'the stores did not answer in time', { deadline }),
      ),
    )
    work.then(resolve, reject).finally(cancel)
  })
}
