import assert from 'node:assert/strict'
import { type Aggregation, type Outcome, StateReader, type Value } from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'
import { type AggregateEvent, aggregateEventsArb, stateBytes, stateOf } from './aggregation-laws.ts'

/**
 * Holds an aggregation equal to a naive function of all its events, to the last bit: over random events,
 * delivered in random order into random pieces, which are stored and read back and merged in a random tree,
 * and, where there is `retract`, with other events added and taken back on the way.
 *
 * @param naive the outcome over all events, which come in no order
 * @throws {Error} with the smallest counter-example
 */
export function checkAgainstNaive<State>(
  aggregation: Aggregation<State>,
  value: fc.Arbitrary<Value | null>,
  naive: (events: readonly AggregateEvent[]) => Outcome,
  options: { readonly eventsMax?: number; readonly share?: number } = {},
): void {
  const cases = fc.tuple(
    aggregateEventsArb(value, options.eventsMax ?? 24),
    fc.nat({ max: 8 }),
    fc.array(fc.nat(), { minLength: 8, maxLength: 64 }),
  )
  fc.assert(
    fc.property(cases, ([all, taken, choices]) => {
      const extra = aggregation.retract === undefined ? [] : all.slice(0, taken)
      const events = all.slice(extra.length)
      const state = assembled(aggregation, all, choices)
      for (const event of extra) aggregation.retract?.(state, event.value, event.stamp)
      assert.deepEqual(aggregation.finish(state), naive(events), `${aggregation.name}@${aggregation.version}`)
      assert.deepEqual(
        stateBytes(aggregation, state),
        stateBytes(aggregation, stateOf(aggregation, events)),
        'equal multisets give equal bytes',
      )
    }),
    { ...propertyRuns(options.share ?? 1), includeErrorInReport: true },
  )
}

/** The state of all events by way of pieces that the choices make, order, store and merge. */
function assembled<State>(
  aggregation: Aggregation<State>,
  events: readonly AggregateEvent[],
  choices: readonly number[],
): State {
  let next = 0
  const choose = (below: number): number => choices[next++ % choices.length]! % below
  const count = 1 + choose(5)
  const pieces = Array.from({ length: count }, (): AggregateEvent[] => [])
  for (const event of events) {
    const piece = pieces[choose(count)]!
    piece.splice(aggregation.commutative ? choose(piece.length + 1) : piece.length, 0, event)
  }
  const states = pieces.map((piece) => stateOf(aggregation, piece))
  while (states.length > 1) {
    const at = choose(states.length - 1)
    const [into, from] = states.splice(at, 2) as [State, State]
    aggregation.merge(into, choose(2) === 0 ? from : stored(aggregation, from))
    states.splice(at, 0, choose(2) === 0 ? into : stored(aggregation, into))
  }
  return states[0]!
}

function stored<State>(aggregation: Aggregation<State>, state: State): State {
  return aggregation.decode(new StateReader(stateBytes(aggregation, state)))
}
