import assert from 'node:assert/strict'
import { type Aggregation, type Stamp, StateReader, StateWriter, type Value } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'

/** One event as an aggregation sees it. */
export interface AggregateEvent {
  readonly value: Value | null
  readonly stamp: Stamp
}

/** What {@link checkAggregationLaws} draws its cases from. */
export interface LawArbitraries {
  /** Values of the aggregation's input type, null among them. */
  readonly value: fc.Arbitrary<Value | null>
  /** Most events in a case, 12 by default. */
  readonly eventsMax?: number
  /** This check's part of the whole number of runs, 1 by default (see {@link propertyRuns}). */
  readonly share?: number
}

/**
 * Holds an aggregation to the laws of its algebra (see `Aggregation` of `@asof/core`): associative,
 * commutative where it says so, `empty` neutral, an add equal to a merge of one, encodings canonical, bounded
 * and read back, retractions that undo, and no state changed that should not be.
 *
 * @throws {Error} naming the law, with the smallest counter-example found: its events and the two encodings
 * that differ
 * @example
 * ```ts
 * import * as fc from 'fast-check'
 * checkAggregationLaws(sumOf({ kind: 'float64' }), { value: fc.option(fc.double()) })
 * ```
 */
export function checkAggregationLaws<State>(
  aggregation: Aggregation<State>,
  arbitraries: LawArbitraries,
): void {
  const parts = fc
    .tuple(aggregateEventsArb(arbitraries.value, arbitraries.eventsMax ?? 12), fc.nat(), fc.nat())
    .map(([events, one, other]) => {
      const cuts = [one % (events.length + 1), other % (events.length + 1)] as const
      const [from, to] = [Math.min(...cuts), Math.max(...cuts)]
      return [events.slice(0, from), events.slice(from, to), events.slice(to)] as const
    })
  // One after the other, so that the counter-example is the smallest of the first law that does not hold.
  for (const law of lawsOf(aggregation)) {
    fc.assert(
      fc.property(parts, ([a, b, c]) => law(a, b, c)),
      { ...propertyRuns(arbitraries.share ?? 1), includeErrorInReport: true },
    )
  }
}

/** Events in no order, each with a stamp of its own. */
export function aggregateEventsArb(
  value: fc.Arbitrary<Value | null>,
  eventsMax = 12,
): fc.Arbitrary<readonly AggregateEvent[]> {
  const near = fc.integer({ min: -2, max: 2 })
  return fc
    .array(fc.record({ value, e: near, c: near, s: fc.integer({ min: -50, max: 50 }) }), {
      maxLength: eventsMax,
    })
    .map((events) =>
      // One s in each, as in a group version.
      events.map(({ value, e, c, s }, index) => ({
        value,
        stamp: { e, c, s: s * 1_000 + index } as unknown as Stamp,
      })),
    )
}

/** The state of some events, added one by one. */
export function stateOf<State>(aggregation: Aggregation<State>, events: readonly AggregateEvent[]): State {
  const state = aggregation.empty()
  // One object for all, as a caller may have it: a state that keeps a stamp has to copy it.
  const stamp = { e: 0, c: 0, s: 0 }
  for (const event of events) {
    Object.assign(stamp, event.stamp)
    aggregation.add(state, event.value, stamp as unknown as Stamp)
  }
  return state
}

/** The bytes of a state. */
export function stateBytes<State>(aggregation: Aggregation<State>, state: State): Uint8Array {
  const writer = new StateWriter()
  aggregation.encode(state, writer)
  return writer.copy()
}

type Law = (a: readonly AggregateEvent[], b: readonly AggregateEvent[], c: readonly AggregateEvent[]) => void

function lawsOf<State>(aggregation: Aggregation<State>): readonly Law[] {
  const of = (events: readonly AggregateEvent[]): State => stateOf(aggregation, events)
  const merged = (into: State, from: State): State => {
    aggregation.merge(into, from)
    return into
  }
  const same = (left: State, right: State, law: string): void => {
    assert.equal(hex(aggregation, left), hex(aggregation, right), `${label(aggregation)}: ${law}`)
    assert.deepEqual(
      aggregation.finish(left),
      aggregation.finish(right),
      `${label(aggregation)}: ${law}, finished`,
    )
  }
  const laws: Law[] = [
    (a) => {
      const state = of(a)
      const before = hex(aggregation, state)
      aggregation.finish(state)
      assert.equal(hex(aggregation, state), before, `${label(aggregation)}: finish and encode change nothing`)
    },
    (a, b) => {
      const state = of(a)
      const bytes = stateBytes(aggregation, state)
      assert.ok(
        bytes.length <= aggregation.stateBytesMax,
        `${label(aggregation)}: an encoding of ${bytes.length} bytes, more than stateBytesMax`,
      )
      // The state ends by itself, wherever it lies.
      const padded = new Uint8Array(bytes.length + 20).fill(0xa5)
      padded.set(bytes, 4)
      const reader = new StateReader(padded, 4)
      const decoded = aggregation.decode(reader)
      assert.equal(reader.at, 4 + bytes.length, `${label(aggregation)}: decode ends where encode did`)
      same(decoded, state, 'encode round-trips')
      for (const event of b) {
        aggregation.add(decoded, event.value, event.stamp)
        aggregation.add(state, event.value, event.stamp)
      }
      same(decoded, state, 'a decoded state is a state like any other')
    },
    (a) => {
      same(merged(of(a), aggregation.empty()), of(a), 'empty is neutral on the right')
      same(merged(aggregation.empty(), of(a)), of(a), 'empty is neutral on the left')
    },
    (a, b, c) =>
      same(merged(merged(of(a), of(b)), of(c)), merged(of(a), merged(of(b), of(c))), 'merge is associative'),
    (a, b) => {
      const added = of([...a, ...b])
      same(merged(of(a), of(b)), added, 'merging equals adding')
      const ones = b.reduce((state, event) => merged(state, of([event])), of(a))
      same(ones, added, 'adding an event equals merging the state of it alone')
    },
    (a, b, c) => {
      const [into, from] = [of(a), of(b)]
      const before = hex(aggregation, from)
      merged(into, from)
      assert.equal(hex(aggregation, from), before, `${label(aggregation)}: merge leaves from as it was`)
      const after = hex(aggregation, into)
      for (const event of c) aggregation.add(from, event.value, event.stamp)
      merged(from, of(c))
      assert.equal(
        hex(aggregation, into),
        after,
        `${label(aggregation)}: merge keeps nothing of from that changes`,
      )
    },
  ]
  if (aggregation.commutative) {
    laws.push(
      (a, b) => same(merged(of(a), of(b)), merged(of(b), of(a)), 'merge is commutative'),
      (a, b, c) =>
        same(
          of([...a, ...b, ...c]),
          of([...c, ...b.toReversed(), ...a.toReversed()]),
          'adds are commutative',
        ),
    )
  }
  if (aggregation.retract !== undefined) {
    laws.push(
      (a, b, c) => {
        const state = of([...a, ...b, ...c])
        for (const event of b) aggregation.retract!(state, event.value, event.stamp)
        same(state, of([...a, ...c]), 'retract undoes')
      },
      (a, b, c) => {
        const state = merged(of([...a, ...b]), of(c))
        for (const event of c) aggregation.retract!(state, event.value, event.stamp)
        for (const event of a) aggregation.retract!(state, event.value, event.stamp)
        for (const event of a) aggregation.add(state, event.value, event.stamp)
        same(state, of([...a, ...b]), 'retract undoes a merge')
      },
    )
  }
  return laws
}

function hex<State>(aggregation: Aggregation<State>, state: State): string {
  return Buffer.from(stateBytes(aggregation, state)).toString('hex')
}

function label(aggregation: Aggregation<unknown>): string {
  return `${aggregation.name}@${aggregation.version}`
}
