import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instant } from '../clock/instant.ts'
import type { FeatureType, Field } from '../model/feature-type.ts'
import type { Value } from '../model/value.ts'
import { decodeRow, encodeRow } from './row-codec.ts'
import { rowLayout, rowView } from './row-layout.ts'

const STRING: FeatureType = { kind: 'string' }
const BYTES: FeatureType = { kind: 'bytes' }
const LIST: FeatureType = { kind: 'list', element: { kind: 'int32' } }
const MAP: FeatureType = { kind: 'map', value: { kind: 'int32' } }
const MAP_OF_TWO = new Map([
  ['a', 1],
  ['b', 2],
])

/**
 * What is damaged, the row's types and values, where its values begin to differ (bytes after the header of 29), and
 * the bytes there instead. The row's length still is what it says.
 */
const DAMAGES: readonly (readonly [
  string,
  readonly FeatureType[],
  readonly Value[],
  number,
  readonly number[],
])[] = [
  ['a bool of 2', [{ kind: 'bool' }], [true], 1, [2]],
  ['a timestamp past 9999', [{ kind: 'timestamp' }], [0n], 8, [0x7f]],
  ['short text that is no UTF-8', [STRING], ['é'], 5, [0xff]],
  ['short text that is half a character', [STRING], ['a'], 5, [0x80]],
  ['long text that is no UTF-8', [STRING], ['x'.repeat(50)], 40, [0xc3]],
  ['a surrogate in UTF-8', [STRING], ['abc'], 5, [0xed, 0xa0, 0x80]],
  ['an end before its start', [STRING, STRING, STRING], ['ab', '', 'cd'], 5, [1]],
  ['an end past the row', [STRING, STRING], ['ab', 'cd'], 1, [200]],
  ['an end near 2^32', [STRING, STRING], ['ab', 'cd'], 1, [0xff, 0xff, 0xff, 0xff]],
  [
    'a vector of three bytes',
    [{ kind: 'vector', size: 1 }, BYTES],
    [Float32Array.of(1), Uint8Array.of(1)],
    1,
    [3],
  ],
  ['a list with bytes left over', [LIST], [[1, 2]], 5, [1]],
  ['a list of more than there is', [LIST], [[1, 2]], 5, [3]],
  ['a list of 2^31', [LIST], [[1, 2]], 8, [0x80]],
  ['a list without its count', [LIST, BYTES], [[], Uint8Array.of(1)], 1, [3]],
  ['a map with a key twice', [MAP], [MAP_OF_TWO], 23, [97]],
  ['a map with a null key', [MAP], [MAP_OF_TWO], 13, [1]],
  ['a map whose keys end outside', [MAP], [MAP_OF_TWO], 9, [255]],
  ['a map with another count', [MAP], [MAP_OF_TWO], 5, [1]],
  ['a map without its sections', [BYTES, MAP], [Uint8Array.of(1), new Map()], 1, [3]],
  ['a map whose keys end far outside', [MAP], [MAP_OF_TWO], 5, [0, 0x40, 0, 0, 255, 255, 255, 127]],
  [
    'a list that ends past the row',
    [LIST, BYTES],
    [[1], Uint8Array.of(1)],
    1,
    [255, 0, 0, 0, 10, 0, 0, 0, 40],
  ],
  [
    'a struct cut short',
    [{ kind: 'struct', fields: { a: { kind: 'int64' } } }, BYTES],
    [{ a: 1n }, Uint8Array.of(1)],
    1,
    [8],
  ],
]

test('damage inside a row of the right length is found, whole and field by field', () => {
  for (const [what, types, values, at, bytes] of DAMAGES) {
    const fields = types.map((type, index): Field => ({ name: `f${index}`, type }))
    const layout = rowLayout(0, fields)
    const row = encodeRow(layout, { e: 0 as Instant, c: 0 as Instant, s: 0 }, values)
    assert.equal(decodeRow(layout, row).values.length, types.length)
    row.set(bytes, 29 + at)
    assert.throws(() => decodeRow(layout, row), { kind: 'corrupt', code: 'corrupt_row' }, what)
    const view = rowView(row)
    assert.throws(() => layout.readers.map((read) => read(row, view)), { code: 'corrupt_row' }, what)
  }
})
