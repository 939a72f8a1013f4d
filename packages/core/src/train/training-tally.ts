import type { ServiceShape } from '../apply/service-shape.ts'
import { formatInstant } from '../clock/instant.ts'
import { AsofError } from '../errors/asof-error.ts'
import { groupId } from '../model/definition.ts'
import { typeName } from '../model/feature-type.ts'
import { fingerprint } from '../model/fingerprint.ts'
import { STATUSES, type Status } from '../model/status.ts'
import type { KeySet, LabelSession } from '../ports/compute-engine.ts'
import { MANIFEST_FORMAT } from './manifest.ts'
import type { ManifestFile, ManifestGroup, TrainingManifest } from './manifest.ts'
import type { TrainRequest } from './train.ts'
import type { FeatureTally } from './training-chunk.ts'
import type { PlannedSlot, TrainingPlan } from './training-plan.ts'

/** How far the rows that answered lie from their labels, over the chunks so far. */
export interface LeadTally {
  used: number
  /** Largest `e - T` and `c - T` in microseconds; -Infinity when no row answered. */
  event: number
  created: number
}

/** What is counted while a set is built. */
export interface Tallies {
  /** In the order of the service's features. */
  readonly features: readonly FeatureTally[]
  /** In the order of the on-demand calls. */
  readonly onDemandErrors: Float64Array
  /** In the order of the slots. */
  readonly leads: readonly LeadTally[]
}

/** Nothing counted yet. */
export function emptyTallies(plan: TrainingPlan, shape: ServiceShape): Tallies {
  return {
    features: shape.outputs.map(() => ({ statuses: new Float64Array(STATUSES.length), defaulted: 0 })),
    onDemandErrors: new Float64Array(shape.onDemand.length),
    leads: plan.slots.map(() => ({
      used: 0,
      event: Number.NEGATIVE_INFINITY,
      created: Number.NEGATIVE_INFINITY,
    })),
  }
}

/**
 * The manifest of a set that was just written.
 *
 * @throws {AsofError} `leak` when a row answered that its label must not see: our mistake, and the set is refused
 */
export function manifestOf(made: {
  readonly request: TrainRequest
  readonly plan: TrainingPlan
  readonly session: LabelSession
  readonly fingerprint: string
  readonly keySets: readonly KeySet[]
  readonly tallies: Tallies
  readonly files: readonly ManifestFile[]
  readonly writer: string
}): TrainingManifest {
  const { request, plan, session, tallies } = made
  const { service, output } = request
  const { shape } = service
  return {
    format: MANIFEST_FORMAT,
    writer: made.writer,
    project: service.project,
    revision: service.revision,
    service: { name: plan.service, fingerprint: service.fingerprint },
    knowledge: plan.knowledge,
    horizon: formatInstant(request.horizon),
    labels: {
      from: request.labelsFrom,
      at: plan.at,
      rows: session.rows,
      form: session.form,
      columns: session.columns,
      fingerprint: made.fingerprint,
      first: plan.range && formatInstant(plan.range.first),
      last: plan.range && formatInstant(plan.range.last),
    },
    groups: plan.slots.map((slot, index) => {
      const lead = tallies.leads[index]!
      checkLeads(slot, lead)
      return manifestGroup(slot, shape, index, made.keySets[index]!, lead)
    }),
    onDemand: shape.onDemand.map(({ id, definition }, call) => {
      return { group: id, code: definition.code.fingerprint, errors: tallies.onDemandErrors[call]! }
    }),
    features: shape.outputs.map((feature, index) => {
      const { statuses, defaulted } = tallies.features[index]!
      const from =
        feature.from === 'slot'
          ? groupId(shape.slots[feature.slot]!.group.definition)
          : shape.onDemand[feature.call]!.id
      const counts = Object.fromEntries(STATUSES.map((status, code) => [status, statuses[code]!]))
      return {
        name: feature.name,
        type: typeName(feature.type),
        from,
        statuses: counts as Record<Status, number>,
        defaulted,
      }
    }),
    output: {
      format: output.format,
      statuses: request.statuses ?? false,
      eventTimes: request.eventTimes ?? false,
      files: made.files,
    },
  }
}

function manifestGroup(
  slot: PlannedSlot,
  shape: ServiceShape,
  index: number,
  keySet: KeySet,
  lead: LeadTally,
): ManifestGroup {
  const { ids } = keySet
  let nullKeys = 0
  for (let row = 0; row < ids.length; row++) if (ids[row]! < 0) nullKeys++
  return {
    group: slot.group,
    fingerprint: fingerprint(shape.slots[index]!.group.definition),
    keys: Object.fromEntries(slot.keys.map(({ key, column }) => [key, column])),
    table: slot.table,
    tableVersion: slot.version,
    boundary: slot.rule.exclusive ? 'exclusive' : 'inclusive',
    ttl: slot.rule.ttl,
    filesRead: slot.files.length,
    filesTotal: slot.filesTotal,
    nullKeys,
    rowsUsed: lead.used,
    largestEventLead: lead.used === 0 ? undefined : lead.event,
    largestCreatedLead: lead.used === 0 ? undefined : lead.created,
  }
}

/**
 * No row that answers may be later than its label: checked on what was used, apart from how it was picked.
 *
 * @throws {AsofError} `leak`
 */
export function checkLeads(slot: Pick<PlannedSlot, 'group' | 'rule'>, { event, created }: LeadTally): void {
  const eventMax = slot.rule.exclusive ? -1 : 0
  const createdMax = slot.rule.knowledge === 'event-time' ? Number.POSITIVE_INFINITY : 0
  if (event <= eventMax && created <= createdMax) return
  throw new AsofError('internal', 'leak', 'a row answered that its label must not see; the set was refused', {
    group: slot.group,
    event_lead_micros: event,
    created_lead_micros: created,
  })
}
