import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { sameValues } from '@asof/testing'
import { INSTANT_MAX, INSTANT_MIN, type Instant, TIMESTAMP_MAX, TIMESTAMP_MIN } from '../clock/instant.ts'
import type { FeatureType, Field, KeyType } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { KeyValues, Value } from '../model/value.ts'
import { decodeEntityKey, encodeEntityKey, onlineKey, parseOnlineKey } from './entity-key.ts'
import { decodeRow, encodeRow } from './row-codec.ts'
import { rowLayout } from './row-layout.ts'
import { decodeStamp, encodeStamp } from './stamp.ts'

/*
 * Stored bytes outlive the program that wrote them, so no line of these files ever changes; a new case adds one. Each
 * line is a name and hex. After adding a case run once with ASOF_GOLDEN=write, and see that nothing else changed.
 */

const FIRST: Stamp = { e: 1_704_067_200_000_000 as Instant, c: 1_704_067_260_000_001 as Instant, s: 42 }

const STAMPS: Readonly<Record<string, Stamp>> = {
  zero: { e: 0 as Instant, c: 0 as Instant, s: 0 },
  'first of 2024': FIRST,
  'before 1970, imported': { e: -1 as Instant, c: -1 as Instant, s: -1 },
  least: { e: INSTANT_MIN, c: INSTANT_MIN, s: Number.MIN_SAFE_INTEGER },
  greatest: { e: INSTANT_MAX, c: INSTANT_MAX, s: Number.MAX_SAFE_INTEGER },
}

const scalars: readonly FeatureType[] = [
  { kind: 'bool' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'float32' },
  { kind: 'float64' },
  { kind: 'string' },
  { kind: 'bytes' },
  { kind: 'timestamp' },
]
const containers: readonly FeatureType[] = [
  { kind: 'vector', size: 3 },
  { kind: 'list', element: { kind: 'int32' } },
  { kind: 'list', element: { kind: 'string' } },
  { kind: 'map', value: { kind: 'float64' } },
  { kind: 'struct', fields: { city: { kind: 'string' }, floor: { kind: 'int32' }, open: { kind: 'bool' } } },
]

const ROWS: Readonly<
  Record<string, readonly [types: readonly FeatureType[], values: readonly (Value | null)[]]>
> = {
  'no features': [[], []],
  scalars: [scalars, [true, -7, 2n ** 53n + 1n, 0.5, 0.1, 'héllo 😀', Uint8Array.of(0, 255), TIMESTAMP_MAX]],
  'scalars, all null': [scalars, scalars.map(() => null)],
  'scalars, edges': [
    scalars,
    [false, -(2 ** 31), -(2n ** 63n), -0, Number.NaN, '', Uint8Array.of(), TIMESTAMP_MIN],
  ],
  infinities: [
    [{ kind: 'float64' }, { kind: 'float64' }, { kind: 'float32' }],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
  ],
  containers: [
    containers,
    [
      Float32Array.of(1, -0, Number.POSITIVE_INFINITY),
      [1, null, 3],
      ['a', null, ''],
      new Map<string, number | null>([
        ['b', 1.5],
        ['__proto__', null],
      ]),
      { city: 'Łódź', floor: null, open: true },
    ],
  ],
  'containers, empty or null': [
    containers,
    [null, [], null, new Map(), { city: null, floor: null, open: null }],
  ],
}

const KEYS: Readonly<Record<string, readonly [types: readonly KeyType[], key: KeyValues]>> = {
  global: [[], []],
  airport: [[{ kind: 'string' }], ['LAX']],
  separators: [
    [{ kind: 'string' }, { kind: 'string' }],
    ['a:b{}%/', 'c\0\n😀'],
  ],
  'all kinds': [
    [{ kind: 'bool' }, { kind: 'int32' }, { kind: 'int64' }, { kind: 'bytes' }, { kind: 'timestamp' }],
    [false, -1, -(2n ** 63n), Uint8Array.of(0, 65, 255), -1n],
  ],
}

function layoutOf(types: readonly FeatureType[]): ReturnType<typeof rowLayout> {
  return rowLayout(
    3,
    types.map((type, index): Field => ({ name: `f${index}`, type })),
  )
}

test('stamps are written as they always were', () => {
  const golden = goldenFile(
    'stamps',
    mapValues(STAMPS, (stamp) => encodeStamp(stamp)),
  )
  for (const [name, stamp] of Object.entries(STAMPS))
    assert.deepEqual(decodeStamp(golden.get(name)!), stamp, name)
})

test('rows are written as they always were, and read', () => {
  const golden = goldenFile('rows', {
    ...mapValues(ROWS, ([types, values]) => encodeRow(layoutOf(types), FIRST, values)),
    tombstone: encodeRow(layoutOf(scalars), FIRST, 'deleted'),
  })
  for (const [name, [types, values]] of Object.entries(ROWS)) {
    const decoded = decodeRow(layoutOf(types), golden.get(name)!)
    assert.deepEqual(decoded.stamp, FIRST)
    assert.ok(sameValues(types, decoded.values, values), name)
  }
  assert.ok(decodeRow(layoutOf(scalars), golden.get('tombstone')!).deleted)
})

test('keys are written as they always were, and read', () => {
  const table = { namespace: 'feature_store', entity: 'thing', group: 'facts' }
  const keys = mapValues(KEYS, ([types, key], name) => ({
    ...table,
    version: name === 'airport' ? 2 : 1,
    entityKey: encodeEntityKey(types, key),
  }))
  const golden = goldenFile('keys', mapValues(keys, onlineKey))
  for (const [name, [types, key]] of Object.entries(KEYS)) {
    const parsed = parseOnlineKey(golden.get(name)!)
    assert.deepEqual(parsed, keys[name], name)
    assert.ok(sameValues(types, decodeEntityKey(types, parsed.entityKey), key), name)
  }
})

/** Asserts that a golden file holds exactly these bytes, and answers what it holds. */
function goldenFile(
  name: string,
  made: Readonly<Record<string, Uint8Array>>,
): ReadonlyMap<string, Uint8Array> {
  const url = new URL(`golden/${name}.golden`, import.meta.url)
  const lines = Object.entries(made).map(
    ([entry, bytes]) => `${entry}: ${Buffer.from(bytes).toString('hex')}\n`,
  )
  if (process.env['ASOF_GOLDEN'] === 'write') writeFileSync(url, lines.join(''))
  const text = readFileSync(url, 'utf8')
  assert.equal(lines.join(''), text, `${name}.golden: stored bytes would no longer be the same`)
  return new Map(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(': '))
      .map(([entry, hex]) => [entry!, Uint8Array.from(Buffer.from(hex!, 'hex'))]),
  )
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From, name: string) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]))
}
