import { formatInstant, STATUSES, type Answer, type Cells, type Instant, type ServicePlan } from '@asof/core'
import { cellsOf, deprecatedGroups, FLAGS, serviceName, type AnswerWish } from './answer-parts.ts'
import { jsonValueWriter, type JsonValueWriter } from './wire-value.ts'

/** A plan compiled for writing its answers as JSON: all that is the same in each of them is text already. */
interface JsonPlan {
  /** `{"service":…,"fingerprint":"…","at":"` */
  readonly head: string
  readonly features: string
  readonly types: string
  /** `,"deprecated":[…]`, or nothing. */
  readonly deprecated: string
  /** `"name":` of each feature. */
  readonly names: readonly string[]
  readonly values: readonly JsonValueWriter[]
}

const plans = new WeakMap<ServicePlan, JsonPlan>()
const STATUS_TEXTS = STATUSES.map((status) => `"${status}"`)
const FLAG_TEXTS = FLAGS.map((flags) => JSON.stringify(flags))

/** An answer as JSON. */
export function jsonAnswer(
  answer: Answer,
  wish: AnswerWish,
  cells: ReturnType<typeof cellsOf> = cellsOf(answer),
): string {
  const plan = jsonPlan(answer.plan)
  const features = wish.listed === undefined ? plan.features : JSON.stringify(wish.listed)
  let text = `${plan.head}${formatInstant(answer.at)}","source":"${answer.source}","features":${features}`
  const section = wish.columns ? columnsText : rowsText
  text += `,"${wish.columns ? 'columns' : 'rows'}":${section(plan, cells, valueText)}`
  if (wish.include.has('statuses')) text += `,"statuses":${section(plan, cells, statusText)}`
  if (wish.include.has('event_times')) text += `,"eventTimes":${section(plan, cells, eventTimeText)}`
  if (wish.include.has('flags')) {
    text += `,"flags":${wish.columns ? flagColumns(plan, cells) : flagRows(plan, cells)}`
  }
  if (wish.include.has('types')) text += `,"types":${plan.types}`
  return `${text}${plan.deprecated}}`
}

function jsonPlan(plan: ServicePlan): JsonPlan {
  let compiled = plans.get(plan)
  if (compiled === undefined) plans.set(plan, (compiled = compileJson(plan)))
  return compiled
}

function compileJson(plan: ServicePlan): JsonPlan {
  const { names, outputs, revision, fingerprint } = plan
  // What is undefined is left out.
  const head = JSON.stringify({ service: serviceName(plan), revision, fingerprint, at: '' })
  const deprecated = deprecatedGroups(plan)
  return {
    head: head.slice(0, -'"}'.length),
    features: JSON.stringify(names),
    types: JSON.stringify(Object.fromEntries(outputs.map(({ type }, index) => [names[index]!, type]))),
    deprecated: deprecated.length === 0 ? '' : `,"deprecated":${JSON.stringify(deprecated)}`,
    names: names.map((name) => `${JSON.stringify(name)}:`),
    values: outputs.map(({ type }) => jsonValueWriter(type)),
  }
}

/** The text of one feature of one entity. */
type CellText = (plan: JsonPlan, cells: Cells, index: number) => string

function valueText(plan: JsonPlan, { values }: Cells, index: number): string {
  const value = values[index]!
  return value === null ? 'null' : plan.values[index]!(value)
}

function statusText(_: JsonPlan, { statuses }: Cells, index: number): string {
  return STATUS_TEXTS[statuses[index]!]!
}

function eventTimeText(_: JsonPlan, { eventTimes }: Cells, index: number): string {
  const at = eventTimes[index]!
  return Number.isNaN(at) ? 'null' : `"${formatInstant(at as Instant)}"`
}

function rowsText(plan: JsonPlan, all: readonly Cells[], textOf: CellText): string {
  const { names } = plan
  let text = '['
  for (const cells of all) {
    text += text === '[' ? '{' : ',{'
    for (let index = 0; index < names.length; index++) {
      text += index === 0 ? names[index]! : `,${names[index]!}`
      text += textOf(plan, cells, index)
    }
    text += '}'
  }
  return `${text}]`
}

function columnsText(plan: JsonPlan, all: readonly Cells[], textOf: CellText): string {
  const columns = plan.names.map(
    (name, index) => `${name}[${all.map((cells) => textOf(plan, cells, index)).join(',')}]`,
  )
  return `{${columns.join(',')}}`
}

function flagRows({ names }: JsonPlan, all: readonly Cells[]): string {
  const rows = all.map(({ flags }) => {
    const flagged = names.flatMap((name, index) =>
      flags[index] === 0 ? [] : [`${name}${FLAG_TEXTS[flags[index]!]!}`],
    )
    return `{${flagged.join(',')}}`
  })
  return `[${rows.join(',')}]`
}

function flagColumns({ names }: JsonPlan, all: readonly Cells[]): string {
  const columns = names.flatMap((name, index) => {
    if (all.every(({ flags }) => flags[index] === 0)) return []
    const texts = all.map(({ flags }) => (flags[index] === 0 ? 'null' : FLAG_TEXTS[flags[index]!]!))
    return [`${name}[${texts.join(',')}]`]
  })
  return `{${columns.join(',')}}`
}
