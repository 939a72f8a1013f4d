import { decodeStamp, encodeStamp, STAMP_BYTES } from '../codec/stamp.ts'
import { LIMITS } from '../limits/limits.ts'
import { compareStamps, type Stamp } from '../model/feature-row.ts'
import type { FeatureType } from '../model/feature-type.ts'
import type { ScalarValue, Value } from '../model/value.ts'
import {
  type Aggregation,
  type AggregateType,
  type AnyAggregation,
  NO_VALUE,
  type Outcome,
} from './aggregation.ts'
import { StateWriter, type StateReader } from './state-bytes.ts'
import {
  checkWhole,
  isScalar,
  undamaged,
  type ValueIdentity,
  valueIdentity,
  type ValueState,
  valueState,
  wrongInput,
} from './value-state.ts'

/**
 * `first`: the value of the least event by `(e, c, s)`, of any type. Null of no values.
 *
 * - Error: none. State: 1 byte, a stamp of 24 and the value. Cost: a comparison of stamps. Not invertible.
 */
export function firstOf(type: FeatureType): AnyAggregation {
  return new InOrder('first', type, type, 1, false)
}

/** `last`: the value of the greatest event by `(e, c, s)`; all else as {@link firstOf}. */
export function lastOf(type: FeatureType): AnyAggregation {
  return new InOrder('last', type, type, 1, false)
}

/**
 * `firstN`: the values of the `n` least events by `(e, c, s)`, the least first; fewer where there are fewer,
 * null of none. Of several columns, the events hand in a struct, and null where all columns are null.
 *
 * - Error: none; `value_too_large` where the values together are larger than one value may be
 *   (`valueBytesMax`).
 * - State: at most `2 + n * (24 + the longest value)` bytes. Cost: a comparison of stamps as a rule, n of
 *   them at most. Not invertible.
 *
 * @param n 1 to `LIMITS.aggregateItemsMax`
 * @param distinct of equal values only the least event; -0 equals 0 and NaN itself
 * @throws {AsofError} `invalid_aggregation` for a type that is neither scalar nor struct, or another `n`
 */
export function firstNOf(type: FeatureType, n: number, distinct = false): AnyAggregation {
  return new InOrder('first_n', type, listOf('first_n', type), checkN(n), distinct)
}

/**
 * `lastN`: the values of the `n` greatest events by `(e, c, s)`, the greatest first; all else as {@link
 * firstNOf}.
 */
export function lastNOf(type: FeatureType, n: number, distinct = false): AnyAggregation {
  return new InOrder('last_n', type, listOf('last_n', type), checkN(n), distinct)
}

interface Entry {
  readonly stamp: Stamp
  readonly value: Value
  /** Of values that are counted once; null otherwise. */
  readonly identity: Value | null
}

/** At most n entries, the first of the answer first. */
interface EntriesState {
  readonly entries: Entry[]
}

class InOrder implements Aggregation<EntriesState> {
  readonly name: 'first' | 'last' | 'first_n' | 'last_n'
  readonly version = 1
  readonly input: FeatureType
  readonly output: AggregateType
  readonly state: string
  readonly stateBytesMax: number
  readonly commutative = true
  readonly #n: number
  readonly #sign: 1 | -1
  readonly #isOne: boolean
  readonly #values: ValueState
  readonly #identity: ValueIdentity | null

  constructor(
    name: InOrder['name'],
    input: FeatureType,
    output: AggregateType,
    n: number,
    distinct: boolean,
  ) {
    this.name = name
    this.input = input
    this.output = output
    this.#n = n
    this.#isOne = name === 'first' || name === 'last'
    this.#sign = name.startsWith('first') ? 1 : -1
    this.state = `${this.#sign === 1 ? 'first' : 'last'}(${n}${distinct ? ', distinct' : ''})`
    this.#values = valueState(input)
    this.#identity = distinct ? valueIdentity(input) : null
    this.stateBytesMax = 2 + n * (STAMP_BYTES + this.#values.bytesMax)
  }

  empty(): EntriesState {
    return { entries: [] }
  }

  add(state: EntriesState, value: Value | null, stamp: Stamp): void {
    if (value === null) return
    const entries = state.entries
    // Of many events few are among the first n: most end here.
    if (entries.length === this.#n && this.#order(stamp, entries[this.#n - 1]!.stamp) >= 0) return
    const identity = this.#identity === null ? null : this.#identity(value)
    this.#insert(entries, { stamp: { e: stamp.e, c: stamp.c, s: stamp.s }, value, identity })
  }

  merge(into: EntriesState, from: EntriesState): void {
    for (const entry of from.entries) this.#insert(into.entries, entry)
  }

  finish(state: EntriesState): Outcome {
    if (state.entries.length === 0) return NO_VALUE
    if (this.#isOne) return { value: state.entries[0]!.value }
    SCRATCH.reset()
    for (const { value } of state.entries) this.#values.write(value, SCRATCH)
    if (SCRATCH.length > LIMITS.valueBytesMax) return TOO_LARGE
    return { value: state.entries.map((entry) => entry.value) as ScalarValue[] }
  }

  encode(state: EntriesState, into: StateWriter): void {
    into.whole(state.entries.length)
    for (const { stamp, value } of state.entries) {
      const at = into.reserve(STAMP_BYTES)
      encodeStamp(stamp, into.bytes, at)
      this.#values.write(value, into)
    }
  }

  decode(from: StateReader): EntriesState {
    const entries = Array.from({ length: from.wholeUpTo(this.#n) }, (): Entry => {
      const at = from.skip(STAMP_BYTES)
      const stamp = undamaged(() => decodeStamp(from.bytes, at))
      const value = this.#values.read(from)
      return { stamp, value, identity: this.#identity === null ? null : this.#identity(value) }
    })
    return { entries }
  }

  #insert(entries: Entry[], entry: Entry): void {
    if (this.#identity !== null) {
      const same = entries.findIndex((other) => Object.is(other.identity, entry.identity))
      if (same >= 0) {
        if (this.#order(entry.stamp, entries[same]!.stamp) >= 0) return
        entries.splice(same, 1)
      }
    }
    let at = entries.length
    while (at > 0 && this.#order(entry.stamp, entries[at - 1]!.stamp) < 0) at -= 1
    if (at === this.#n) return
    entries.splice(at, 0, entry)
    if (entries.length > this.#n) entries.pop()
  }

  #order(a: Stamp, b: Stamp): number {
    return compareStamps(a, b) * this.#sign
  }
}

const SCRATCH = new StateWriter()
const TOO_LARGE: Outcome = Object.freeze({ error: 'value_too_large' })

function checkN(n: number): number {
  return checkWhole(n, 1, LIMITS.aggregateItemsMax, 'n')
}

function listOf(name: string, type: FeatureType): AggregateType {
  if (type.kind === 'struct') return { kind: 'list', element: type }
  if (isScalar(type)) return { kind: 'list', element: type }
  throw wrongInput(name, type, 'scalars and structs')
}
