import { invalid } from '../errors/asof-error.ts'
import type { SourceDefinition, TimeColumn } from '../model/definition.ts'

/**
 * Refuses a source whose times are declared in a zone that there is not, as this runtime knows zones. Sources that are applied
 * are not asked again: a zone may go from the list of a later runtime.
 *
 * @throws {AsofError} `unknown_zone`
 */
export function checkZones({ name, eventTime, created }: SourceDefinition): void {
  const times: readonly (TimeColumn | undefined)[] = [
    eventTime,
    typeof created === 'object' && 'column' in created ? created : undefined,
  ]
  for (const time of times) {
    if (time?.zone === undefined || isZone(time.zone)) continue
    throw invalid('unknown_zone', 'there is no such time zone: give one such as UTC or America/New_York', {
      source: name,
      column: time.column,
      zone: time.zone,
    })
  }
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
