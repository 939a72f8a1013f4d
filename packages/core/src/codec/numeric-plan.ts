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
 * const plan = numericPlan([layout], [0, 2])
 * plan.copy(row, values, statuses, 0) // values[0] and values[1]
 * ```
 */
export function numericPlan(layouts: readonly RowLayout[], fieldIndexes: readonly number[]): NumericPlan {
  const newest = newestLayout(layouts)
  for (const index of fieldIndexes) {
    const field = newest.fields[index]
    if (field === undefined)
      throw invalid('unknown_feature', 'the schema has no field of this index', { index })
    if (runOf(field.type) === undefined) {
      throw invalid('not_numeric', 'only numbers, bools and timestamps go into a numeric vector', {
        feature: field.name,
        type: typeName(field.type),
      })
    }
  }
  const copies = layouts.map((layout) => compileCopy(layout, newest, fieldIndexes))
  return {
    size: fieldIndexes.length,
    copy(row, values, statuses, at) {
      const layout = layoutOf(layouts, row)
      if (checkRow(layout, row)) {
        values.fill(Number.NaN, at, at + fieldIndexes.length)
        statuses.fill(STATUS_CODE.not_found, at, at + fieldIndexes.length)
      } else {
        copies[layout.schemaId]!(row, values, statuses, at)
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

type Copy = (row: Uint8Array, values: Float64Array, statuses: Uint8Array, at: number) => void
/** Where features lie in a row, and which of the plan's features they are. */
interface Step {
  readonly from: Int32Array
  readonly to: Int32Array
  readonly run: (step: Step, values: Float64Array, statuses: Uint8Array, at: number) => void
}

function compileCopy(layout: RowLayout, newest: RowLayout, fieldIndexes: readonly number[]): Copy {
  const mapping = fieldMapping(layout, newest)
  const sources = fieldIndexes.map((index) => mapping[index])
  const absent = Int32Array.from(sources.flatMap((source, to) => (source === undefined ? [to] : [])))
  const steps = STEPS.map((run): Step => {
    const pairs = sources.flatMap((source, to) => {
      const field = newest.fields[fieldIndexes[to]!]!
      return source !== undefined && runOf(field.type) === run
        ? [{ from: layout.places[source]!.slotAt, to }]
        : []
    })
    return {
      run,
      from: Int32Array.from(pairs, ({ from }) => from),
      to: Int32Array.from(pairs, ({ to }) => to),
    }
  })
  const used = steps.filter((step) => step.from.length > 0)
  const nulls = nullPlaces(layout, sources)
  const bitmapEnd = ROW_HEADER_BYTES + bitmapBytes(layout.fields.length)
  return (row, values, statuses, at) => {
    // Only the slots are needed, but cutting off a short tail costs more than copying it.
    scratch.set(row.length > layout.fixedEnd + 256 ? row.subarray(0, layout.fixedEnd) : row)
    for (let index = 0; index < sources.length; index++) statuses[at + index] = STATUS_CODE.present
    for (let index = 0; index < used.length; index++) {
      const step = used[index]!
      step.run(step, values, statuses, at)
    }
    for (let index = 0; index < absent.length; index++) setNull(values, statuses, at + absent[index]!)
    let anyNull = 0
    for (let index = ROW_HEADER_BYTES; index < bitmapEnd; index++) anyNull |= scratch[index]!
    if (anyNull === 0) return
    for (let index = 0; index < nulls.to.length; index++) {
      if ((scratch[nulls.at[index]!]! & nulls.mask[index]!) !== 0)
        setNull(values, statuses, at + nulls.to[index]!)
    }
  }
}

function nullPlaces(
  layout: RowLayout,
  sources: readonly (number | undefined)[],
): { readonly at: Int32Array; readonly mask: Uint8Array; readonly to: Int32Array } {
  const places = sources.flatMap((source, to) =>
    source === undefined ? [] : [{ ...layout.places[source]!, to }],
  )
  return {
    at: Int32Array.from(places, (place) => place.nullAt),
    mask: Uint8Array.from(places, (place) => place.nullMask),
    to: Int32Array.from(places, (place) => place.to),
  }
}

function setNull(values: Float64Array, statuses: Uint8Array, index: number): void {
  values[index] = Number.NaN
  statuses[index] = STATUS_CODE.null
}

const copyFloat64: Step['run'] = ({ from, to }, values, _statuses, at) => {
  for (let index = 0; index < from.length; index++) {
    values[at + to[index]!] = scratchView.getFloat64(from[index]!, true)
  }
}

const copyFloat32: Step['run'] = ({ from, to }, values, _statuses, at) => {
  for (let index = 0; index < from.length; index++) {
    values[at + to[index]!] = scratchView.getFloat32(from[index]!, true)
  }
}

const copyInt32: Step['run'] = ({ from, to }, values, _statuses, at) => {
  for (let index = 0; index < from.length; index++) {
    values[at + to[index]!] = scratchView.getInt32(from[index]!, true)
  }
}

const copyBool: Step['run'] = ({ from, to }, values, _statuses, at) => {
  for (let index = 0; index < from.length; index++) values[at + to[index]!] = scratch[from[index]!]!
}

/** Two halves instead of a BigInt, which would allocate; the sum rounds once. */
const copyInt64: Step['run'] = ({ from, to }, values, _statuses, at) => {
  for (let index = 0; index < from.length; index++) {
    const high = scratchView.getInt32(from[index]! + 4, true)
    values[at + to[index]!] = high * 4_294_967_296 + scratchView.getUint32(from[index]!, true)
  }
}

const copySafeInt64: Step['run'] = (step, values, statuses, at) => {
  copyInt64(step, values, statuses, at)
  for (let index = 0; index < step.to.length; index++) {
    const to = at + step.to[index]!
    if (Number.isSafeInteger(values[to])) continue
    values[to] = Number.NaN
    statuses[to] = STATUS_CODE.error
  }
}

const STEPS: readonly Step['run'][] = [
  copyBool,
  copyInt32,
  copyInt64,
  copySafeInt64,
  copyFloat32,
  copyFloat64,
]

function runOf(type: FeatureType): Step['run'] | undefined {
  switch (type.kind) {
    case 'bool':
      return copyBool
    case 'int32':
      return copyInt32
    case 'int64':
      return type.as === 'number' ? copySafeInt64 : copyInt64
    case 'timestamp':
      return copyInt64
    case 'float32':
      return copyFloat32
    case 'float64':
      return copyFloat64
    default:
      return undefined
  }
}
