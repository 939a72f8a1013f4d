// 100 features out of 10 stored rows: our rows by a compiled plan, against MessagePack maps picked by name.
import { deepStrictEqual } from 'node:assert'
import { encodeRow, numericPlan, rowLayout, rowReader, rowView, type Field, type Instant } from '@asof/core'
import { Packr } from 'msgpackr'
import { chance } from './chance.ts'
import { takeTurns, type Benchmark, type Side } from './comparison.ts'

const GROUPS = 10
const FEATURES = 10
const TOTAL = GROUPS * FEATURES
/** Vectors that are gone through in a circle: few enough to stay in the cache, as bytes that were just read are. */
const VECTORS = 2000
const TURN_MS = 100
const ROUNDS = 15

const fields: Field[] = Array.from({ length: FEATURES }, (_, index) => ({
  name: `delay_mean_${index}h`,
  type: { kind: 'float64' },
}))
const layout = rowLayout(0, [...fields])
const names = fields.map(({ name }) => name)
const packr = new Packr({ useRecords: false })

/** See the head of this file. Both read and write the same 100 numbers; our output arrays are used again. */
export const assemble: Benchmark = async ({ say }) => {
  const vectors = VECTORS
  const random = chance(7)
  const values = Array.from({ length: vectors * GROUPS }, () =>
    Array.from({ length: FEATURES }, () => Math.round(random() * 1e6) / 1e3),
  )
  const stamp = { e: 1_700_000_000_000_000 as Instant, c: 1_700_000_000_000_000 as Instant, s: 1 }
  const rows = inOneSlab(values.map((row) => encodeRow(layout, stamp, row)))
  const maps = inOneSlab(values.map((row) => packr.pack(namedValues(row))))
  const lists = inOneSlab(values.map((row) => packr.pack(row)))

  const plan = numericPlan([layout], [...fields.keys()])
  const numbers = new Float64Array(TOTAL)
  const statuses = new Uint8Array(TOTAL)
  const reader = rowReader([layout])
  const read: unknown[] = Array.from({ length: TOTAL }, () => null)

  const ways: readonly Way[] = [
    {
      name: 'asof numericPlan',
      vector(from) {
        for (let group = 0; group < GROUPS; group++) {
          plan.copy(rows[from + group]!, numbers, statuses, group * FEATURES)
        }
      },
      result: () => Array.from(numbers),
    },
    {
      name: 'asof rowReader',
      vector(from) {
        for (let group = 0; group < GROUPS; group++) {
          const row = rows[from + group]!
          const readers = reader.readersOf(row)!
          const view = rowView(row)
          for (let at = 0; at < FEATURES; at++) read[group * FEATURES + at] = readers[at]!(row, view)
        }
      },
      result: () => [...read],
    },
    {
      name: 'msgpackr maps',
      vector(from) {
        for (let group = 0; group < GROUPS; group++) {
          const map = packr.unpack(maps[from + group]!) as Record<string, number>
          for (let at = 0; at < FEATURES; at++) read[group * FEATURES + at] = map[names[at]!]
        }
      },
      result: () => [...read],
    },
    {
      name: 'msgpackr arrays',
      vector(from) {
        for (let group = 0; group < GROUPS; group++) {
          const list = packr.unpack(lists[from + group]!) as number[]
          for (let at = 0; at < FEATURES; at++) read[group * FEATURES + at] = list[at]
        }
      },
      result: () => [...read],
    },
  ]
  for (const way of ways) {
    way.vector(GROUPS)
    deepStrictEqual(way.result(), values.slice(GROUPS, 2 * GROUPS).flat(), way.name)
  }
  say(`${ways.length} ways, ${ROUNDS} turns of ${TURN_MS} ms each`)
  const sides = await takeTurns(
    ways.map((way) => sideOf(way, vectors)),
    { rounds: ROUNDS, warmUp: 3 },
  )
  return [
    {
      title: `assemble: ${TOTAL} float64 features from ${GROUPS} stored rows, one vector`,
      settings: {
        vectors,
        row_bytes: rows[0]!.length,
        map_bytes: maps[0]!.length,
        array_bytes: lists[0]!.length,
      },
      metrics: [
        { name: 'vector', unit: 'us', main: true },
        { name: 'rate', unit: 'per_second' },
      ],
      sides,
      target: { rival: 'msgpackr maps', atLeast: 20 },
      notes: ['all ways gave the same values'],
    },
  ]
}

function namedValues(row: readonly number[]): Record<string, number> {
  return Object.fromEntries(row.map((value, at) => [names[at]!, value]))
}

/** Bytes side by side in one buffer, as a store that copies what it has read into slabs hands them out. */
function inOneSlab(parts: readonly Uint8Array[]): Uint8Array[] {
  const slab = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0))
  let at = 0
  return parts.map((part) => {
    slab.set(part, at)
    at += part.length
    return slab.subarray(at - part.length, at)
  })
}

interface Way {
  readonly name: string
  /** Assembles the vector whose first row is at `from`. */
  readonly vector: (from: number) => void
  readonly result: () => unknown[]
}

function sideOf({ name, vector }: Way, vectors: number): Side {
  return {
    name,
    turn() {
      const start = performance.now()
      let done = 0
      let now = start
      do {
        for (let index = 0; index < vectors; index++) vector(index * GROUPS)
        done += vectors
        now = performance.now()
      } while (now - start < TURN_MS)
      const micros = ((now - start) * 1_000) / done
      return { vector: micros, rate: 1_000_000 / micros }
    },
  }
}
