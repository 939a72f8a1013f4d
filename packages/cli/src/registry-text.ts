import type { Deprecation } from '@asof/core'
import { plainText } from './shown-value.ts'
import type { Colours } from './terminal.ts'

/** A full name without what is plain from its form: `flights.hourly@1:delay_mean`. It is still a reference. */
export function shortName(id: string): string {
  return id.replace(/^([a-z0-9_]+\.)(?:group|on_demand)\//, '$1')
}

/** What users of a deprecated group are told: `deprecated, kept until 2026-12-31; read hourly@2`. */
export function deprecationText(deprecation: Partial<Deprecation> | undefined): string {
  const until = deprecation?.after === undefined ? '' : `, kept until ${deprecation.after}`
  const instead = deprecation?.replacement === undefined ? '' : `; read ${deprecation.replacement}`
  return `deprecated${until}${instead}`
}

/** A fact with its name: values under each other where there are several, nothing where there is none. */
export type Fact = readonly [name: string, values: string | readonly string[] | undefined]

/**
 * Facts in lines, values to the right of their names: `owner  ops-ml`. What came from a definition cannot move the cursor.
 */
export function factLines(facts: readonly Fact[], colours: Colours): string {
  const known = facts.filter(([, values]) => values !== undefined && values.length > 0)
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known
    .flatMap(([name, values]) =>
      [values!].flat().map((value, at) => {
        const title = at === 0 ? colours.dim(name.padEnd(width)) : ' '.repeat(width)
        return `${title}  ${plainText(value)}`
      }),
    )
    .join('\n')
}
