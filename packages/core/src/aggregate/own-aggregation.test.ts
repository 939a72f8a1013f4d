import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkAgainstNaive, checkAggregationLaws, given, stateBytes, stateOf } from '@asof/testing'
import * as fc from 'fast-check'
import { AsofError } from '../errors/asof-error.ts'
import type { Stamp } from '../model/feature-row.ts'
import { aggregation, AggregationRegistry, type AggregationSpec } from './own-aggregation.ts'
import { StateReader } from './state-bytes.ts'

const stamp = { e: 0, c: 0, s: 0 } as unknown as Stamp
const value = fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { freq: 5 })

const bitXor: AggregationSpec<{ bits: number; count: number }> = {
  name: 'bit_xor',
  version: 1,
  input: { kind: 'int32' },
  output: { kind: 'int32' },
  stateBytesMax: 8,
  empty: () => ({ bits: 0, count: 0 }),
  add(state, value) {
    state.bits ^= value as number
    state.count += 1
  },
  retract(state, value) {
    state.bits ^= value as number
    state.count -= 1
  },
  merge(into, from) {
    into.bits ^= from.bits
    into.count += from.count
  },
  finish: (state) => ({ value: state.count === 0 ? null : state.bits }),
  encode: (state) => new Uint8Array(Int32Array.of(state.bits, state.count).buffer),
  decode(bytes) {
    const [bits, count] = new Int32Array(bytes.buffer, bytes.byteOffset, 2) as unknown as [number, number]
    return { bits, count }
  },
}

test('an aggregation of one’s own is one like the built-in ones, and never sees a null', () => {
  const registry = new AggregationRegistry()
  const own = aggregation(bitXor, registry)
  checkAggregationLaws(own, { value })
  checkAgainstNaive(own, value, (events) => {
    const numbers = given(events.map((event) => event.value)) as number[]
    return { value: numbers.length === 0 ? null : numbers.reduce((a, b) => a ^ b, 0) }
  })
  assert.equal(registry.find('bit_xor@1'), own)
  assert.equal(registry.find('bit_xor@2'), undefined)
})

test('an order of merges that matters is allowed where it is declared', () => {
  const text: AggregationSpec<{ text: string }> = {
    name: 'joined',
    version: 1,
    input: { kind: 'string' },
    output: { kind: 'string' },
    stateBytesMax: 10_000,
    commutative: false,
    empty: () => ({ text: '' }),
    add: (state, value) => void (state.text += value as string),
    merge: (into, from) => void (into.text += from.text),
    finish: (state) => ({ value: state.text }),
    encode: (state) => new TextEncoder().encode(state.text),
    decode: (bytes) => ({ text: new TextDecoder().decode(bytes) }),
  }
  const words = { value: fc.constantFrom('a', 'b', null) }
  checkAggregationLaws(aggregation(text, new AggregationRegistry()), words)
  const claimed = aggregation({ ...text, commutative: true }, new AggregationRegistry())
  assert.throws(() => checkAggregationLaws(claimed, words), /joined@1: merge is commutative/)
})

test('one name has one aggregation', () => {
  const registry = new AggregationRegistry()
  const own = aggregation(bitXor, registry)
  assert.doesNotThrow(() => registry.add(own))
  assert.throws(() => aggregation({ ...bitXor }, registry), { code: 'aggregation_exists', kind: 'conflict' })
  assert.ok(aggregation({ ...bitXor, version: 2 }, registry).state === 'bit_xor@2')
})

test('without retract there is none', () => {
  const spec = { ...bitXor }
  delete spec.retract
  assert.equal('retract' in aggregation(spec, new AggregationRegistry()), false)
})

test('what is not sound is refused, and so is a state larger than declared', () => {
  const refused: readonly (readonly [Partial<typeof bitXor>, string])[] = [
    [{ name: 'Bit' }, 'invalid_name'],
    [{ version: 0 }, 'invalid_aggregation'],
    [{ stateBytesMax: -1 }, 'invalid_aggregation'],
    [{ input: { kind: 'vector', size: 0 } }, 'invalid_type'],
  ]
  for (const [part, code] of refused) {
    assert.throws(() => aggregation({ ...bitXor, ...part }, new AggregationRegistry()), { code })
  }
  const small = aggregation({ ...bitXor, stateBytesMax: 7 }, new AggregationRegistry())
  assert.throws(() => stateBytes(small, small.empty()), { code: 'state_too_large' })
  const own = aggregation(bitXor, new AggregationRegistry())
  const bytes = stateBytes(own, stateOf(own, [{ value: 7, stamp }]))
  assert.throws(
    () => own.decode(new StateReader(bytes.subarray(0, 5))),
    (error) => error instanceof AsofError && error.code === 'corrupt_state',
  )
})
