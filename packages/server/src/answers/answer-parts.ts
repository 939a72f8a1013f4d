import {
  emptyCells,
  invalid,
  LISTED_SERVICE,
  readCells,
  STATUSES,
  type Answer,
  type Cells,
  type Flags,
  type ServicePlan,
  type Value,
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

/**
 * The cells of every entity.
 *
 * @throws {AsofError} `answer_too_large` where the values that have no fixed size are longer than `bytesMax`
 */
export function cellsOf(answer: Answer, bytesMax: number = Infinity): readonly Cells[] {
  const long = longOutputs(answer.plan)
  let bytes = 0
  return Array.from({ length: answer.entities }, (_, entity) => {
    const cells = emptyCells(answer.plan)
    readCells(answer, entity, cells)
    // As they are read: one entity that is asked for ten thousand times is ten thousand values.
    for (const index of long) bytes += bytesOf(cells.values[index]!)
    if (bytes > bytesMax) {
      throw invalid('answer_too_large', 'ask for fewer entities at once', { answerBytesMax: bytesMax })
    }
    return cells
  })
}

const FIXED_SIZE: ReadonlySet<string> = new Set(['bool', 'int32', 'int64', 'float32', 'float64', 'timestamp'])
const longOf = new WeakMap<ServicePlan, readonly number[]>()

/** Places of the outputs whose values have no fixed size. */
function longOutputs(plan: ServicePlan): readonly number[] {
  let long = longOf.get(plan)
  if (long === undefined) {
    long = plan.outputs.flatMap(({ type }, index) => (FIXED_SIZE.has(type.kind) ? [] : [index]))
    longOf.set(plan, long)
  }
  return long
}

/** About how long a value is. */
function bytesOf(value: Value | null): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  let bytes = 0
  if (Array.isArray(value)) for (const each of value as readonly (Value | null)[]) bytes += bytesOf(each)
  else if (value instanceof Map) {
    for (const [key, each] of value as ReadonlyMap<string, Value | null>) bytes += key.length + bytesOf(each)
  } else
    for (const each of Object.values(value as Readonly<Record<string, Value | null>>)) bytes += bytesOf(each)
  return bytes
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
