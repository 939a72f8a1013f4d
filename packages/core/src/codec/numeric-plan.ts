import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { type FeatureType, typeName } from '../model/feature-type.ts'
import { STATUS_CODE } from '../model/status.ts'
import { fieldMapping, layoutOf, newestLayout } from './row-codec.ts'
import { checkRow, ROW_HEADER_BYTES, type RowLayout } from './row-layout.ts'
import { bitmapBytes } from './section.ts'

/** Copies some numeric features out of stored rows, without names and without an allocation per feature. */
export interface NumericPlan {
  /** How many features one row fills. */
  readonly size: number
  /**
   * Writes the features of one row to `values` and their {@link STATUS_CODE} to `statuses`, both from `at` on: a null
   * is NaN with status `null`, every feature of a tombstone NaN with `not_found`, an int64 declared `as: 'number'`
   * beyond 2^53 NaN with `error`. A bool is 0 or 1, a timestamp its microseconds; an int64 beyond 2^53 without that
   * declaration is rounded.
   *
   * @throws {AsofError} of kind `corrupt` for a row that is not whole; `unknown_schema`
   */
  copy(row: Uint8Array, values: Float64Array, statuses: Uint8Array, at: number): void
}

/**
 * Compiles a plan for fields of the newest schema, by their index in it, over rows of every schema.
 *
 * @param layouts by schema id, the last of which is today's
 * @throws {AsofError} `not_numeric` for a field that is no number, bool or timestamp; `unknown_feature`
 * @example
 * ```ts
 * const layout = rowLayout(0, [{ name: 'visits', type: { kind: 'int32' } }, { name: 'mean', type: { kind: 'float64' } }])
 * const row = encodeRow(layout, { e: noon, c: noon, s: 1 }, [42, 0.5])
 * const [values, statuses] = [new Float64Array(2), new Uint8Array(2)]
 * numericPlan([layout], [1, 0]).copy(row, values, statuses, 0)
 * Array.from(values) // [0.5, 42]
 * ```
 */
export function numericPlan(layouts: readonly RowLayout[], fieldIndexes: readonly number[]): NumericPlan {
  const newest = newestLayout(layouts)
  for (const index of fieldIndexes) {
    const field = newest.fields[index]
    if (field === undefined)
      throw invalid('unknown_feature', 'the schema has no field of this index', { index })
    if (stepOf(field.type) === undefined) {
      throw invalid('not_numeric', 'only numbers, bools and timestamps go into a numeric vector', {
        feature: field.name,
        type: typeName(field.type),
      })
    }
  }
  const size = fieldIndexes.length
  const copies = layouts.map((layout) => compileCopy(layout, newest, fieldIndexes))
  return {
    size,
    copy(row, values, statuses, at) {
      const layout = layoutOf(layouts, row)
      if (checkRow(layout, row)) {
        values.fill(Number.NaN, at, at + size)
        statuses.fill(STATUS_CODE.not_found, at, at + size)
      } else {
        copyRow(copies[layout.schemaId]!, row, values, statuses, at)
      }
    },
  }
}

/**
 * The start of the row in hand. Making a DataView over each row costs more than copying the few bytes, and all rows
 * read through one view keep the loops below monomorphic.
 */
const scratch = new Uint8Array(LIMITS.rowBytesMax)
const scratchView = new DataView(scratch.buffer)

/** What turns a slot into a number. */
const STEP = { absent: 0, bool: 1, int32: 2, int64: 3, safeInt64: 4, float32: 5, float64: 6 } as const
type Step = (typeof STEP)[keyof typeof STEP]
const STEP_BYTES: Readonly<Record<Step, number>> = [0, 1, 4, 8, 8, 4, 8]

/** The plan for rows of one schema; the same shape for all, so that one compiled loop serves every plan. */
interface Copy {
  readonly size: number
  /** Four numbers for each run of neighbours: step, first slot, first feature of the plan, how many. */
  readonly runs: Int32Array
  /** Three numbers for each feature that may be null: byte of the bitmap, bit, feature of the plan. */
  readonly nulls: Int32Array
  readonly bitmapEnd: number
  readonly fixedEnd: number
}

function compileCopy(layout: RowLayout, newest: RowLayout, fieldIndexes: readonly number[]): Copy {
  const mapping = fieldMapping(layout, newest)
  const runs: { step: Step; from: number; to: number; count: number }[] = []
  const nulls: number[] = []
  for (const [to, fieldIndex] of fieldIndexes.entries()) {
    const source = mapping[fieldIndex]
    const place = source === undefined ? undefined : layout.places[source]!
    const step = place === undefined ? STEP.absent : stepOf(newest.fields[fieldIndex]!.type)!
    const from = place?.slotAt ?? 0
    const last = runs.at(-1)
    if (last?.step === step && from === last.from + last.count * STEP_BYTES[step]) last.count++
    else runs.push({ step, from, to, count: 1 })
    if (place !== undefined) nulls.push(place.nullAt, place.nullMask, to)
  }
  return {
    size: fieldIndexes.length,
    runs: Int32Array.from(runs.flatMap(({ step, from, to, count }) => [step, from, to, count])),
    nulls: Int32Array.from(nulls),
    bitmapEnd: ROW_HEADER_BYTES + bitmapBytes(layout.fields.length),
    fixedEnd: layout.fixedEnd,
  }
}

function copyRow(plan: Copy, row: Uint8Array, values: Float64Array, statuses: Uint8Array, at: number): void {
  // Only the slots are needed, but cutting off a short tail costs more than copying it.
  scratch.set(row.length > plan.fixedEnd + 256 ? row.subarray(0, plan.fixedEnd) : row)
  for (let index = 0; index < plan.size; index++) statuses[at + index] = STATUS_CODE.present
  const { runs } = plan
  for (let run = 0; run < runs.length; run += 4) {
    copyRun(runs[run] as Step, runs[run + 1]!, values, statuses, at + runs[run + 2]!, runs[run + 3]!)
  }
  let anyNull = 0
  for (let index = ROW_HEADER_BYTES; index < plan.bitmapEnd; index++) anyNull |= scratch[index]!
  if (anyNull === 0) return
  const { nulls } = plan
  for (let index = 0; index < nulls.length; index += 3) {
    if ((scratch[nulls[index]!]! & nulls[index + 1]!) === 0) continue
    values[at + nulls[index + 2]!] = Number.NaN
    statuses[at + nulls[index + 2]!] = STATUS_CODE.null
  }
}

function copyRun(
  step: Step,
  from: number,
  values: Float64Array,
  statuses: Uint8Array,
  to: number,
  count: number,
): void {
  switch (step) {
    case STEP.float64:
      for (let i = 0; i < count; i++) values[to + i] = scratchView.getFloat64(from + i * 8, true)
      return
    case STEP.float32:
      for (let i = 0; i < count; i++) values[to + i] = scratchView.getFloat32(from + i * 4, true)
      return
    case STEP.int32:
      for (let i = 0; i < count; i++) values[to + i] = scratchView.getInt32(from + i * 4, true)
      return
    case STEP.bool:
      for (let i = 0; i < count; i++) values[to + i] = scratch[from + i]!
      return
    case STEP.int64:
      for (let i = 0; i < count; i++) values[to + i] = int64At(from + i * 8)
      return
    case STEP.safeInt64:
      for (let i = 0; i < count; i++) {
        const value = int64At(from + i * 8)
        const safe = Number.isSafeInteger(value)
        values[to + i] = safe ? value : Number.NaN
        if (!safe) statuses[to + i] = STATUS_CODE.error
      }
      return
    case STEP.absent:
      values.fill(Number.NaN, to, to + count)
      statuses.fill(STATUS_CODE.null, to, to + count)
      return
    default:
      step satisfies never
  }
}

/** Two halves instead of a BigInt, which would allocate; the sum rounds once. */
function int64At(slot: number): number {
  return scratchView.getInt32(slot + 4, true) * 4_294_967_296 + scratchView.getUint32(slot, true)
}

function stepOf(type: FeatureType): Step | undefined {
  switch (type.kind) {
    case 'bool':
    case 'int32':
    case 'float32':
    case 'float64':
      return STEP[type.kind]
    case 'int64':
      return type.as === 'number' ? STEP.safeInt64 : STEP.int64
    case 'timestamp':
      return STEP.int64
    default:
      return undefined
  }
}
