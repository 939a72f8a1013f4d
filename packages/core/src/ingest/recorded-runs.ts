import { invalid } from '../errors/asof-error.ts'
import type { Instant } from '../clock/instant.ts'
import { groupId } from '../model/definition.ts'
import type { EventLog } from '../ports/event-log.ts'
import { scheduleOf } from './group-inputs.ts'
import type { GroupPlan } from './group-plan.ts'

/** The producer under which a group's runs stand in the log; its sequence is the last run instant. */
export function runsProducer(plan: GroupPlan): string {
  return `asof:runs:${plan.offlineTable}`
}

/** The last run instant recorded; undefined before the first. */
export async function recordedThrough(log: EventLog, plan: GroupPlan): Promise<Instant | undefined> {
  return (await log.lastSequence(runsProducer(plan))) as Instant | undefined
}

/** The instant before the first run that is still to be backfilled; undefined when none is. */
export async function backfilledBefore(log: EventLog, plan: GroupPlan): Promise<Instant | undefined> {
  if (plan.group.definition.schedule === undefined) return undefined
  const recorded = await recordedThrough(log, plan)
  if (recorded === undefined) {
    throw invalid('not_materialized', 'this group has no rows yet: materialize it first', {
      group: groupId(plan.group.definition),
    })
  }
  const next = recorded + scheduleOf(plan).every
  return next <= plan.group.firstApplied ? ((next - 1) as Instant) : undefined
}
