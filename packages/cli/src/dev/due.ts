import { durationMicros, type GroupDefinition, type Instant } from '@asof/core'

/** The next run instant of a scheduled group after `now`; undefined for a group without a schedule. */
export function nextRun({ schedule }: Pick<GroupDefinition, 'schedule'>, now: Instant): Instant | undefined {
  if (schedule === undefined) return undefined
  const [every, delay] = [durationMicros(schedule.every), durationMicros(schedule.delay)]
  return ((Math.floor((now - delay) / every) + 1) * every + delay) as Instant
}
