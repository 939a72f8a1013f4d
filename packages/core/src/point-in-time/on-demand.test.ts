import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instant } from '../clock/instant.ts'
import type { OnDemandDefinition } from '../model/definition.ts'
import type { OnDemandFunction } from '../model/on-demand.ts'
import { STATUSES } from '../model/status.ts'
import type { Value } from '../model/value.ts'
import { evaluateOnDemand } from './on-demand.ts'

const definition: OnDemandDefinition = {
  kind: 'on_demand',
  name: 'context',
  version: 1,
  inputs: [{ name: 'x', from: { request: 'r', field: 'x' } }],
  features: [
    { name: 'double', type: { kind: 'float64' } },
    { name: 'count', type: { kind: 'int64' } },
  ],
  code: { module: 'context.ts', fingerprint: 'f' },
}
const AT = 1_000_000 as Instant

function answers(
  compute: (inputs: Readonly<Record<string, unknown>>, at: Instant) => unknown,
  x?: Value,
): unknown[] {
  const inputs = x === undefined ? undefined : { x }
  const { values, statuses } = evaluateOnDemand(definition, compute as OnDemandFunction, inputs, AT)
  return values.map((value, index) => [value, STATUSES[statuses[index]!]])
}

const FAILED = [
  [null, 'error'],
  [null, 'error'],
]

test('values of the declared types are present, null is null, and the instant is given', () => {
  assert.deepEqual(
    answers(({ x }, at) => ({ double: (x as number) * 2, count: BigInt(at) }), 2),
    [
      [4, 'present'],
      [1_000_000n, 'present'],
    ],
  )
  assert.deepEqual(
    answers(() => ({ double: Number.NaN, count: null }), 2),
    [
      [Number.NaN, 'present'],
      [null, 'null'],
    ],
  )
})

test('a value of another type, or none, is the error of that feature alone', () => {
  assert.deepEqual(
    answers(() => ({ double: 1, count: 1 }), 2),
    [
      [1, 'present'],
      [null, 'error'],
    ],
  )
  assert.deepEqual(
    answers(() => ({ count: 1n }), 2),
    [
      [null, 'error'],
      [1n, 'present'],
    ],
  )
})

test('a throw, a promise and a bare value are the error of the whole group', () => {
  assert.deepEqual(
    answers(() => {
      throw new Error('boom')
    }, 2),
    FAILED,
  )
  assert.deepEqual(
    answers(() => Promise.resolve({ double: 1, count: 1n }), 2),
    FAILED,
  )
  assert.deepEqual(
    answers(() => 7, 2),
    FAILED,
  )
})

test('an input in error is an error without a call', () => {
  let calls = 0
  assert.deepEqual(
    answers(() => {
      calls++
      return { double: 1, count: 1n }
    }),
    FAILED,
  )
  assert.equal(calls, 0)
})
