import {
  emptyCells,
  LISTED_SERVICE,
  readCells,
  STATUSES,
  type Answer,
  type Cells,
  type Flags,
  type ServicePlan,
} from '@asof/core'
import type { WireInclude } from '@asof/client'

/** How an answer was asked for. */
export interface AnswerWish {
  readonly columns: boolean
  readonly include: ReadonlySet<WireInclude>
  /** Names of the features as they were asked for, where they were listed. */
  readonly listed: readonly string[] | undefined
}

/** A group of an answer that should not be read for much longer. */
export interface DeprecatedGroup {
  readonly group: string
  readonly after?: string
  readonly replacement?: string
}

/** Every flag's bits as its object: three bits, eight objects. */
export const FLAGS: readonly Flags[] = Array.from({ length: 8 }, (_, bits) => ({
  ...((bits & 1) !== 0 && { stale: true as const }),
  ...((bits & 2) !== 0 && { defaulted: true as const }),
  ...((bits & 4) !== 0 && { null_key: true as const }),
}))

/** The cells of every entity. */
export function cellsOf(answer: Answer): readonly Cells[] {
  return Array.from({ length: answer.entities }, (_, entity) => {
    const cells = emptyCells(answer.plan)
    readCells(answer, entity, cells)
    return cells
  })
}

/** How many values have each status, by its code. */
export function countStatuses(cells: readonly Cells[]): readonly number[] {
  const counts = STATUSES.map(() => 0)
  for (const { statuses } of cells) for (const status of statuses) counts[status]!++
  return counts
}

/** The name of a declared service. */
export function serviceName({ shape }: ServicePlan): string | undefined {
  return shape.service.name === LISTED_SERVICE ? undefined : shape.service.name
}

/** The deprecated groups that an answer reads, each once. */
export function deprecatedGroups({ slots }: ServicePlan): readonly DeprecatedGroup[] {
  const found = new Map<string, DeprecatedGroup>()
  for (const { plan } of slots) {
    const { name, version, status, deprecation } = plan.group.definition
    const group = `${name}@${version}`
    if (status === 'deprecated') found.set(group, { group, ...deprecation })
  }
  return [...found.values()]
}
