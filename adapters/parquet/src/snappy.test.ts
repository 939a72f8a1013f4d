import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { uncompressSnappy } from './snappy.ts'

interface Literal {
  readonly bytes: Uint8Array
  /** Bytes that its length takes beyond those that it needs. */
  readonly wider: number
}
interface Copy {
  readonly back: number
  readonly length: number
  readonly kind: 1 | 2 | 3
}

/** Decodes in the fewest words: undefined for what is not whole. */
function naive(block: Uint8Array, size: number): Uint8Array | undefined {
  const page: number[] = []
  let at = 0
  const take = (bytes: number): number => {
    let value = 0
    for (let i = 0; i < bytes; i++) value += (block[at++] ?? Number.NaN) * 256 ** i
    return value
  }
  let declared = 0
  for (let shift = 0, byte = 128; byte >= 128; shift++) {
    byte = take(1)
    declared += (byte & 127) * 128 ** shift
    if (Number.isNaN(byte) || shift > 4) return undefined
  }
  if (declared !== size) return undefined
  while (at < block.length) {
    const tag = take(1)
    const upper = tag >>> 2
    if (tag % 4 === 0) {
      const length = upper < 60 ? upper + 1 : take(upper - 59) + 1
      if (!(at + length <= block.length && page.length + length <= size)) return undefined
      for (let i = 0; i < length; i++) page.push(take(1))
      continue
    }
    const length = tag % 4 === 1 ? (upper % 8) + 4 : upper + 1
    const offset = tag % 4 === 1 ? (tag >>> 5) * 256 + take(1) : take(tag % 4 === 2 ? 2 : 4)
    if (!(offset > 0 && offset <= page.length && page.length + length <= size)) return undefined
    for (let i = 0; i < length; i++) page.push(page[page.length - offset]!)
  }
  return page.length === size ? Uint8Array.from(page) : undefined
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
}

function low(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256)
}

function encode(steps: readonly (Literal | Copy)[]): { readonly block: Uint8Array; readonly size: number } {
  const bytes: number[] = []
  let size = 0
  for (const step of steps) {
    if ('bytes' in step) {
      const length = step.bytes.length
      const needed = length <= 60 ? 0 : length <= 256 ? 1 : 2
      const width = Math.min(4, needed + step.wider)
      bytes.push(
        ...(width === 0 ? [(length - 1) * 4] : [(59 + width) * 4, ...low(length - 1, width)]),
        ...step.bytes,
      )
      size += length
      continue
    }
    if (size === 0) continue
    const offset = (step.back % Math.min(size, step.kind === 1 ? 2047 : 65_535)) + 1
    const length = step.kind === 1 ? (step.length % 8) + 4 : step.length
    const tag =
      step.kind === 1 ? 1 + (length - 4) * 4 + Math.floor(offset / 256) * 32 : step.kind + (length - 1) * 4
    bytes.push(tag, ...low(offset, step.kind === 1 ? 1 : step.kind === 2 ? 2 : 4))
    size += length
  }
  return { block: Uint8Array.from([...varint(size), ...bytes]), size }
}

const stepArb = fc.oneof(
  fc.record({
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.uint8Array({ minLength: 55, maxLength: 70 }),
      fc.integer({ min: 200, max: 700 }).map((length) => Uint8Array.from({ length }, (_, i) => i * 7)),
    ),
    wider: fc.constantFrom(0, 0, 0, 1, 4),
  }),
  fc.record({
    back: fc.oneof(fc.nat(20), fc.nat(5_000)),
    length: fc.integer({ min: 1, max: 64 }),
    kind: fc.constantFrom(1 as const, 2 as const, 3 as const),
  }),
)
const stepsArb = fc.array(stepArb, { maxLength: 120 })

test('blocks of all kinds of steps are decoded', () => {
  fc.assert(
    fc.property(stepsArb, (steps) => {
      const { block, size } = encode(steps)
      const page = naive(block, size)
      assert.ok(page !== undefined)
      assert.deepEqual(uncompressSnappy(block, size)?.slice(), page)
    }),
    propertyRuns(2),
  )
})

test('a block that was damaged or cut gives what the naive decoder gives, or nothing', () => {
  let refused = 0
  const changesArb = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
  fc.assert(
    fc.property(
      stepsArb,
      changesArb,
      fc.nat(),
      fc.integer({ min: -2, max: 2 }),
      (steps, changes, cut, more) => {
        const { block, size } = encode(steps)
        for (const [at, to] of changes) block[at % block.length] = to
        const part = cut % 3 === 0 ? block.subarray(0, cut % (block.length + 1)) : block
        const asked = Math.max(0, size + (cut % 5 === 0 ? more : 0))
        const page = naive(part, asked)
        if (page === undefined) refused++
        assert.deepEqual(uncompressSnappy(part, asked)?.slice(), page)
      },
    ),
    propertyRuns(2),
  )
  assert.ok(refused > 0)
})
