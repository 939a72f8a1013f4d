import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Aggregation, type Stamp, type StateReader, type StateWriter, type Value } from '@asof/core'
import * as fc from 'fast-check'
import { checkAggregationLaws } from './aggregation-laws.ts'
import { checkAgainstNaive } from './equals-naive.ts'

interface Numbers {
  numbers: number[]
}

/** All values, sorted: plainly an aggregation, into which faults are planted below. */
const sound: Aggregation<Numbers> = {
  name: 'all',
  version: 1,
  input: { kind: 'int32' },
  output: { kind: 'list', element: { kind: 'int32' } },
  state: 'all',
  stateBytesMax: 1_000,
  commutative: true,
  empty: () => ({ numbers: [] }),
  add(state, value) {
    if (value === null) return
    state.numbers.push(value as number)
    state.numbers.sort((a, b) => a - b)
  },
  retract(state, value) {
    if (value !== null) state.numbers.splice(state.numbers.indexOf(value as number), 1)
  },
  merge(into, from) {
    into.numbers = [...into.numbers, ...from.numbers].sort((a, b) => a - b)
  },
  finish: (state) => ({ value: state.numbers.length === 0 ? null : [...state.numbers] }),
  encode(state, into) {
    into.whole(state.numbers.length)
    for (const number of state.numbers) into.float64(number)
  },
  decode: (from) => ({ numbers: Array.from({ length: from.whole() }, () => from.float64()) }),
}

const FAULTS: Readonly<Record<string, [law: RegExp, planted: Partial<Aggregation<Numbers>>]>> = {
  'a sum in floats': [
    /merge is associative/,
    {
      empty: () => ({ numbers: [0] }),
      add: (state, value) => void (state.numbers = [state.numbers[0]! + 0.1 * (value as number)]),
      merge: (into, from) => void (into.numbers = [into.numbers[0]! + from.numbers[0]!]),
    },
  ],
  'a merge that loses': [/neutral/, { merge: (into, from) => void (into.numbers = [...from.numbers]) }],
  'a merge that takes a value twice only where both have it': [
    /empty is neutral on the right/,
    {
      merge: (into, from) =>
        void (into.numbers = [...new Set([...into.numbers, ...from.numbers])].sort((a, b) => a - b)),
    },
  ],
  'a merge that keeps the other state': [
    /keeps nothing of from/,
    {
      merge(into, from) {
        if (into.numbers.length === 0) into.numbers = from.numbers
        else sound.merge(into, from)
      },
    },
  ],
  'a merge that empties the other state': [
    /leaves from as it was/,
    {
      merge(into, from) {
        sound.merge(into, from)
        from.numbers = []
      },
    },
  ],
  'a state that keeps the order of adds': [
    /empty is neutral on the right/,
    { add: (state, value) => void state.numbers.push(value as number) },
  ],
  'an encoding without its end': [
    /decode ends where encode did/,
    {
      encode(state: Numbers, into: StateWriter) {
        for (const number of state.numbers) into.float64(number)
      },
      decode(from: StateReader) {
        const numbers: number[] = []
        while (from.end - from.at >= 8) numbers.push(from.float64())
        return { numbers }
      },
    },
  ],
  'an encoding that loses': [
    /round-trips/,
    {
      decode(from: StateReader) {
        const { numbers } = sound.decode(from)
        return { numbers: numbers.map(Math.abs).sort((a, b) => a - b) }
      },
    },
  ],
  'a state longer than it says': [/more than stateBytesMax/, { stateBytesMax: 20 }],
  'a finish that changes': [
    /finish and encode change nothing/,
    {
      finish(state: Numbers) {
        return { value: state.numbers.pop() ?? null }
      },
    },
  ],
  'a retract that takes another': [/retract undoes/, { retract: (state) => void state.numbers.pop() }],
}

const value = fc.integer({ min: -20, max: 20 })

test('a sound aggregation passes', () => {
  checkAggregationLaws(sound, { value: fc.option(value) })
})

for (const [name, [law, planted]] of Object.entries(FAULTS)) {
  test(`${name} is found, with a counter-example`, () => {
    const broken = { ...sound, ...planted }
    assert.throws(
      () => checkAggregationLaws(broken, { value }),
      (error) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, law)
        assert.match(error.message, /Counterexample: \[\[/)
        return true
      },
    )
  })
}

test('a stamp that is kept and not copied is found', () => {
  interface Last {
    stamp: Stamp | null
    value: Value | null
  }
  const last: Aggregation<Last> = {
    ...sound,
    retract: undefined as never,
    empty: () => ({ stamp: null, value: null }),
    add(state, value, stamp) {
      if (state.stamp !== null && state.stamp.s > stamp.s) return
      state.stamp = stamp
      state.value = value
    },
    merge(into, from) {
      if (from.stamp !== null) this.add(into, from.value, from.stamp)
    },
    finish: (state) => ({ value: state.value }),
    encode(state, into) {
      into.whole(state.stamp === null ? 0 : 1)
      if (state.stamp === null) return
      into.signed(BigInt(state.stamp.s))
      into.signed(BigInt(state.value as number))
    },
    decode(from) {
      if (from.whole() === 0) return this.empty()
      const stamp = { e: 0, c: 0, s: Number(from.signed()) } as unknown as Stamp
      return { stamp, value: Number(from.signed()) }
    },
  }
  assert.throws(
    () => checkAggregationLaws(last, { value }),
    /adding an event equals merging the state of it alone/,
  )
})

test('a function that is an aggregation, but not the one that it should be, is found', () => {
  const naive = (numbers: number[]): number[] | null =>
    numbers.length === 0 ? null : numbers.toSorted((a, b) => b - a)
  assert.throws(
    () =>
      checkAgainstNaive(sound, value, (events) => ({
        value: naive(events.map((event) => event.value as number)),
      })),
    /Counterexample/,
  )
})
