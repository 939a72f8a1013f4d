import type { OnDemandInputShape, ServiceShape } from '../apply/service-shape.ts'
import type { Instant } from '../clock/instant.ts'
import type { Column } from '../model/column.ts'
import { allocateColumn, columnValue, setColumnValue } from '../model/column.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import { STATUS_CODE, STATUSES } from '../model/status.ts'
import type { Value } from '../model/value.ts'
import { presentValue, valueFromJson } from '../model/value-json.ts'
import type { OutputColumn } from '../ports/compute-engine.ts'
import type { OpenColumn } from '../point-in-time/gather.ts'
import { evaluateOnDemand } from '../point-in-time/on-demand.ts'
import type { SlotAnswers } from './slot-answers.ts'
import type { PlannedColumn, PlannedSlot } from './training-plan.ts'

/** How many labels have each status (by code), over the chunks so far. */
export interface FeatureTally {
  readonly statuses: Float64Array
  defaulted: number
}

/** What chunks are made from, the same for all of them. */
export interface ChunkRecipe {
  readonly shape: ServiceShape
  readonly slots: readonly PlannedSlot[]
  readonly columns: readonly PlannedColumn[]
  /** In the order of `shape.onDemand`. */
  readonly functions: readonly OnDemandFunction[]
  /** In the order of `shape.outputs`. */
  readonly features: readonly FeatureTally[]
  /** Failed values of each on-demand group, in the order of `shape.onDemand`. */
  readonly onDemandErrors: Float64Array
}

/** The values of one feature for the labels of a chunk. `codes` is there where the row's status and nulls do not tell. */
interface Filled {
  readonly column: OpenColumn
  readonly rowStatus: Uint8Array
  readonly codes: Uint8Array | undefined
  readonly eventTime: Float64Array | undefined
  /** Labels with a value of their own: a default is none. */
  readonly present: number
  readonly defaulted: number
}

/**
 * Turns what the slots answer for labels `[from, from + rows)` into columns of the output, as soon as a slot has answered:
 * declared defaults first, on-demand features last.
 *
 * @param slots the answers, in the order of `recipe.slots`
 * @param at label times of the chunk
 * @param request columns of the chunk's labels, in the order of `shape.request`
 */
export async function* chunkColumns(
  recipe: ChunkRecipe,
  slots: AsyncIterable<SlotAnswers>,
  at: Float64Array,
  request: readonly Column[],
): AsyncGenerator<OutputColumn> {
  const { shape } = recipe
  // On-demand functions read what slots answered; without them nothing has to be kept.
  const kept = shape.onDemand.length > 0
  const answered: SlotAnswers[] = []
  const stored: Filled[][] = []
  let slot = 0
  for await (const answers of slots) {
    const filled = fillSlot(recipe, slot, answers)
    if (kept) {
      answered.push(answers)
      stored.push(filled)
    }
    for (const [index, output] of shape.outputs.entries()) {
      if (output.from !== 'slot' || output.slot !== slot) continue
      const value = filled[placeOf(recipe, slot, output.feature)]!
      yield* outputColumns(recipe, index, value, answers, at.length, !kept)
    }
    slot++
  }
  const filledOf = (slot: number, feature: number): Filled => stored[slot]![placeOf(recipe, slot, feature)]!
  const calls = shape.onDemand.map((_, call) => evaluateCall(recipe, call, filledOf, answered, request, at))
  for (const [index, output] of shape.outputs.entries()) {
    if (output.from === 'slot') continue
    yield* outputColumns(recipe, index, calls[output.call]![output.feature]!, undefined, at.length, false)
  }
}

/** Where a feature of the group stands among those that the slot reads. */
function placeOf(recipe: ChunkRecipe, slot: number, feature: number): number {
  return recipe.slots[slot]!.features.findIndex(({ index }) => index === feature)
}

function fillSlot({ shape, slots }: ChunkRecipe, slot: number, answers: SlotAnswers): Filled[] {
  return answers.columns.map(({ column, copied }, place): Filled => {
    const { index } = slots[slot]!.features[place]!
    const field = shape.slots[slot]!.group.definition.features[index]!
    const defaulted =
      field.default === undefined
        ? 0
        : fillDefault(column, answers.status, valueFromJson(field.type, field.default, field.name))
    const { status: rowStatus, eventTime } = answers
    return { column, rowStatus, eventTime, codes: undefined, present: copied, defaulted }
  })
}

/** The columns of the output that show one feature. */
function outputColumns(
  recipe: ChunkRecipe,
  index: number,
  filled: Filled,
  slot: SlotAnswers | undefined,
  rows: number,
  given: boolean,
): OutputColumn[] {
  const output = recipe.shape.outputs[index]!
  const checked = hasShownNumber(output.type) ? refuseUnsafe(filled, output.type) : filled
  tally(recipe.features[index]!, checked, slot, rows)
  const isShownOnce =
    recipe.shape.outputs.filter(
      (other) =>
        other.from === 'slot' &&
        output.from === 'slot' &&
        other.slot === output.slot &&
        other.feature === output.feature,
    ).length === 1
  return recipe.columns
    .filter((column) => column.output === index)
    .map(({ name, shows }): OutputColumn => {
      if (shows === 'status') return { name, column: statusColumn(checked) }
      if (shows === 'event-time') return { name, column: eventTimeColumn(checked.eventTime!) }
      const { type, values, valid } = checked.column
      const isFull = checked.present + checked.defaulted === rows && !valid.includes(0)
      return {
        name,
        column: { type, values, valid: isFull ? undefined : valid },
        given: given && isShownOnce,
      }
    })
}

/** Puts the default where no row answers; answers to how many labels. */
function fillDefault(column: OpenColumn, status: Uint8Array, value: Value | null): number {
  let filled = 0
  for (let row = 0; row < status.length; row++) {
    if (status[row] === STATUS_CODE.present) continue
    setColumnValue(column, row, value)
    filled++
  }
  return filled
}

/** Adds a chunk's statuses to those of the feature; counted from the slot where that is enough. */
function tally(into: FeatureTally, filled: Filled, slot: SlotAnswers | undefined, rows: number): void {
  into.defaulted += filled.defaulted
  if (filled.codes !== undefined || slot === undefined) {
    for (let row = 0; row < rows; row++) into.statuses[codeOf(filled, row)]!++
    return
  }
  into.statuses[STATUS_CODE.present]! += filled.present
  into.statuses[STATUS_CODE.null]! += slot.used - filled.present
  into.statuses[STATUS_CODE.expired]! += slot.expired
  into.statuses[STATUS_CODE.not_found]! += rows - slot.used - slot.expired
}

function codeOf({ codes, rowStatus, column }: Filled, row: number): number {
  if (codes !== undefined) return codes[row]!
  const status = rowStatus[row]!
  return status === STATUS_CODE.present && column.valid[row] === 0 ? STATUS_CODE.null : status
}

function statusColumn(filled: Filled): Column {
  const values = Array.from(filled.rowStatus, (_, row) => STATUSES[codeOf(filled, row)]!)
  return { type: { kind: 'string' }, values, valid: undefined }
}

function eventTimeColumn(eventTime: Float64Array): Column {
  const column = allocateColumn({ kind: 'timestamp' }, eventTime.length)
  const values = column.values as BigInt64Array
  for (let row = 0; row < eventTime.length; row++) {
    if (Number.isNaN(eventTime[row])) continue
    values[row] = BigInt(eventTime[row]!)
    column.valid[row] = 1
  }
  return column
}

/** Whether a type shows int64 as a number somewhere, so that values beyond 2^53 are errors. */
function hasShownNumber(type: FeatureType): boolean {
  return JSON.stringify(type).includes('"as":"number"')
}

/** A value that cannot be shown as declared is an error, and null in the set. */
function refuseUnsafe(filled: Filled, type: FeatureType): Filled {
  const { column } = filled
  const codes = Uint8Array.from(filled.rowStatus, (_, row) => codeOf(filled, row))
  const valid = column.valid.slice()
  for (let row = 0; row < codes.length; row++) {
    if (valid[row] === 0 || presentValue(type, columnValue(column, row)) !== undefined) continue
    valid[row] = 0
    codes[row] = STATUS_CODE.error
  }
  return { ...filled, codes, column: { ...column, valid } }
}

/** Calls an on-demand function for every label; answers its features in order. */
function evaluateCall(
  recipe: ChunkRecipe,
  index: number,
  filledOf: (slot: number, feature: number) => Filled,
  slots: readonly SlotAnswers[],
  request: readonly Column[],
  at: Float64Array,
): Filled[] {
  const { definition, inputs } = recipe.shape.onDemand[index]!
  const compute = recipe.functions[index]!
  const rows = at.length
  const columns = definition.features.map(({ type }) => allocateColumn(type, rows))
  const codes = definition.features.map(() => new Uint8Array(rows))
  const present = new Float64Array(columns.length)
  const readers = inputs.map((input) => [input.name, reader(input)] as const)
  for (let row = 0; row < rows; row++) {
    let given: Record<string, Value | number | null> | undefined = Object.create(null) as Record<
      string,
      never
    >
    for (const [name, read] of readers) {
      const value = read(row)
      if (value === undefined) {
        given = undefined
        break
      }
      given[name] = value
    }
    const { values, statuses } = evaluateOnDemand(definition, compute, given, at[row]! as Instant)
    for (let feature = 0; feature < columns.length; feature++) {
      setColumnValue(columns[feature]!, row, values[feature]!)
      const code = statuses[feature]!
      codes[feature]![row] = code
      if (code === STATUS_CODE.present) present[feature]!++
      else if (code === STATUS_CODE.error) recipe.onDemandErrors[index]!++
    }
  }
  return columns.map((column, feature) => ({
    column,
    rowStatus: codes[feature]!,
    codes: codes[feature],
    eventTime: undefined,
    present: present[feature]!,
    defaulted: 0,
  }))

  function reader(input: OnDemandInputShape): (row: number) => Value | number | null | undefined {
    if (input.from === 'event-time') {
      const times = slots[input.slot]!.eventTime!
      return (row) => (Number.isNaN(times[row]) ? null : times[row]!)
    }
    const column =
      input.from === 'request' ? request[input.field]! : filledOf(input.slot, input.feature).column
    return (row) => presentValue(input.type, columnValue(column, row))
  }
}
