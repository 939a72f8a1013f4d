import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nullableValueArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import type { Instant } from '../clock/instant.ts'
import type { FeatureType, Field } from '../model/feature-type.ts'
import { STATUS_CODE } from '../model/status.ts'
import type { Value } from '../model/value.ts'
import { numericPlan } from './numeric-plan.ts'
import { encodeRow } from './row-codec.ts'
import { rowLayout } from './row-layout.ts'

const STAMP = { e: 1 as Instant, c: 2 as Instant, s: 3 }
const TYPES: readonly FeatureType[] = [
  { kind: 'bool' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'int64', as: 'number' },
  { kind: 'float32' },
  { kind: 'float64' },
  { kind: 'timestamp' },
  { kind: 'string' },
]

test('features are copied as numbers, in the order asked, beside others and from older schemas', () => {
  const caseArb = fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 20 }).chain((types) => {
    const numeric = types.flatMap((type, index) => (type.kind === 'string' ? [] : [index]))
    return fc.record({
      types: fc.constant(types),
      values: fc.tuple(...types.map(nullableValueArb)),
      indexes:
        numeric.length === 0 ? fc.constant([]) : fc.array(fc.constantFrom(...numeric), { maxLength: 25 }),
      firstSchema: fc.nat(types.length),
      written: fc.nat(1),
    })
  })
  fc.assert(
    fc.property(caseArb, ({ types, values, indexes, firstSchema, written }) => {
      const fields = types.map((type, index): Field => ({ name: `f${index}`, type }))
      const layouts = [rowLayout(0, fields.slice(0, firstSchema)), rowLayout(1, fields)]
      const had = written === 0 ? firstSchema : types.length
      const row = encodeRow(layouts[written]!, STAMP, values.slice(0, had))
      const plan = numericPlan(layouts, indexes)
      const numbers = new Float64Array(indexes.length + 2).fill(-7)
      const statuses = new Uint8Array(indexes.length + 2).fill(77)
      plan.copy(row, numbers, statuses, 1)
      assert.equal(plan.size, indexes.length)
      for (const [at, index] of indexes.entries()) {
        const [number, status] = expected(types[index]!, index < had ? values[index]! : null)
        assert.ok(Object.is(numbers[at + 1], number), `${types[index]!.kind} ${numbers[at + 1]} ${number}`)
        assert.equal(statuses[at + 1], status)
      }
      assert.deepEqual([numbers[0], numbers.at(-1), statuses[0], statuses.at(-1)], [-7, -7, 77, 77])
    }),
    propertyRuns(2),
  )
})

test('a number beyond 2^53 is an error where its feature is shown as a number', () => {
  const layout = rowLayout(0, [{ name: 'a', type: { kind: 'int64', as: 'number' } }])
  const numbers = new Float64Array(1)
  const statuses = new Uint8Array(1)
  numericPlan([layout], [0]).copy(encodeRow(layout, STAMP, [2n ** 53n]), numbers, statuses, 0)
  assert.deepEqual([...numbers, ...statuses], [Number.NaN, STATUS_CODE.error])
})

test('a tombstone has no feature, and a damaged row is refused', () => {
  const layout = rowLayout(0, [{ name: 'a', type: { kind: 'float64' } }])
  const plan = numericPlan([layout], [0, 0])
  const numbers = new Float64Array(2)
  const statuses = new Uint8Array(2)
  plan.copy(encodeRow(layout, STAMP, 'deleted'), numbers, statuses, 0)
  assert.deepEqual([...numbers, ...statuses], [Number.NaN, Number.NaN, 2, 2])
  const row = encodeRow(layout, STAMP, [1])
  assert.throws(() => plan.copy(row.subarray(0, row.length - 1), numbers, statuses, 0), { kind: 'corrupt' })
})

test('what is no number is refused by name', () => {
  const layout = rowLayout(0, [{ name: 'a', type: { kind: 'string' } }])
  assert.throws(() => numericPlan([layout], [0]), { code: 'not_numeric' })
  assert.throws(() => numericPlan([layout], [1]), { code: 'unknown_feature' })
})

function expected(type: FeatureType, value: Value | null): [number: number, status: number] {
  if (value === null) return [Number.NaN, STATUS_CODE.null]
  const number = Number(value)
  return type.kind === 'int64' && type.as === 'number' && !Number.isSafeInteger(number)
    ? [Number.NaN, STATUS_CODE.error]
    : [number, STATUS_CODE.present]
}
