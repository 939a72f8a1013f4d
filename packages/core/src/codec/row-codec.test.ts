import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldsArb, nullableValueArb, propertyRuns, sameValues, stampArb } from '@asof/testing'
import * as fc from 'fast-check'
import type { Instant } from '../clock/instant.ts'
import { AsofError } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { FeatureType, Field } from '../model/feature-type.ts'
import type { Stamp } from '../model/feature-row.ts'
import type { Value } from '../model/value.ts'
import { decodeRow, encodeRow, patchStamp, rowReader } from './row-codec.ts'
import { FLAGS_AT, isDeleted, ROW_HEADER_BYTES, rowLayout, rowView, schemaIdOf } from './row-layout.ts'

interface Sample {
  readonly fields: readonly Field[]
  readonly stamp: Stamp
  readonly values: readonly (Value | null)[]
}

const sampleArb: fc.Arbitrary<Sample> = fieldsArb().chain((fields) =>
  fc.record({
    fields: fc.constant(fields),
    stamp: stampArb(),
    values: fc.tuple(...fields.map((field) => nullableValueArb(field.type))),
  }),
)

const STAMP: Stamp = { e: 1 as Instant, c: 2 as Instant, s: 3 }

function typesOf(fields: readonly Field[]): FeatureType[] {
  return fields.map((field) => field.type)
}

function field(name: string, type: FeatureType): Field {
  return { name, type }
}

test('a row comes out bit for bit, whole and field by field, and equal rows are equal bytes', () => {
  fc.assert(
    fc.property(sampleArb, fc.nat(300), ({ fields, stamp, values }, schemaId) => {
      const layout = rowLayout(schemaId, fields)
      const row = encodeRow(layout, stamp, values)
      const decoded = decodeRow(layout, row)
      assert.deepEqual(decoded.stamp, stamp)
      assert.equal(decoded.deleted, false)
      assert.ok(sameValues(typesOf(fields), decoded.values, values))
      assert.deepEqual(decoded.values.map(keysInOrder), values.map(keysInOrder))
      const view = rowView(row)
      assert.ok(
        sameValues(
          typesOf(fields),
          layout.readers.map((read) => read(row, view)),
          values,
        ),
      )
      assert.equal(schemaIdOf(row), schemaId)
      assert.deepEqual(encodeRow(rowLayout(schemaId, fields), stamp, decoded.values), row)
    }),
    propertyRuns(2),
  )
})

test('a row is read alike where it lies inside a larger buffer that is then overwritten', () => {
  fc.assert(
    fc.property(sampleArb, fc.nat(9), ({ fields, stamp, values }, offset) => {
      const layout = rowLayout(0, fields)
      const row = encodeRow(layout, stamp, values)
      const shared = Buffer.alloc(row.length + 20, 0xff)
      shared.set(row, offset)
      const decoded = decodeRow(layout, shared.subarray(offset, offset + row.length))
      shared.fill(0x55)
      assert.ok(sameValues(typesOf(fields), decoded.values, values))
    }),
    propertyRuns(),
  )
})

test('a row that is cut short or too long is corrupt', () => {
  fc.assert(
    fc.property(sampleArb, fc.nat(), ({ fields, stamp, values }, cut) => {
      const layout = rowLayout(0, fields)
      const row = encodeRow(layout, stamp, values)
      const reader = rowReader([layout])
      for (const damaged of [row.subarray(0, cut % row.length), Uint8Array.of(...row, 0)]) {
        assert.throws(() => decodeRow(layout, damaged), { kind: 'corrupt' })
        assert.throws(() => reader.decode(damaged), { kind: 'corrupt' })
        assert.throws(() => reader.readersOf(damaged), { kind: 'corrupt' })
      }
    }),
    propertyRuns(),
  )
})

test('a row with flipped bits is read as some other row of the same types, or refused as an error of ours', () => {
  const damageArb = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(sampleArb, damageArb, ({ fields, stamp, values }, damage) => {
      const layout = rowLayout(0, fields)
      const row = encodeRow(layout, stamp, values)
      for (const [at, bits] of damage) row[at % row.length]! ^= bits
      try {
        const decoded = decodeRow(layout, row)
        // What was read is sound: it can be written again.
        encodeRow(layout, decoded.stamp, decoded.deleted ? 'deleted' : decoded.values)
        if (!decoded.deleted) for (const read of layout.readers) read(row, rowView(row))
      } catch (error) {
        assert.ok(error instanceof AsofError, String(error))
        assert.ok(error.kind === 'corrupt' || error.code === 'unknown_schema', error.message)
      }
    }),
    propertyRuns(3),
  )
})

test('an older row is read under every newer schema, with null for what it lacks', () => {
  const historyArb = fieldsArb({ minLength: 1, maxLength: 8 }).chain((fields) =>
    fc.record({
      fields: fc.constant(fields),
      // Each feature joins at some schema; the later order need not be the earlier.
      joins: fc.tuple(...fields.map(() => fc.nat(2))),
      stamp: stampArb(),
      values: fc.tuple(...fields.map((one) => nullableValueArb(one.type))),
    }),
  )
  fc.assert(
    fc.property(historyArb, ({ fields, joins, stamp, values }) => {
      const valueOf = new Map(fields.map((one, index) => [one.name, values[index] ?? null]))
      const schemas = [0, 1, 2].map((id) => {
        const chosen = fields.filter((_, index) => joins[index]! <= id)
        return id === 2 ? chosen.toReversed() : chosen
      })
      const layouts = schemas.map((schema, id) => rowLayout(id, schema))
      const reader = rowReader(layouts)
      assert.equal(reader.newest, layouts[2])
      for (const [id, schema] of schemas.entries()) {
        const row = encodeRow(
          layouts[id]!,
          stamp,
          schema.map((one) => valueOf.get(one.name) ?? null),
        )
        const names = new Set(schema.map((one) => one.name))
        const expected = reader.newest.fields.map((one) =>
          names.has(one.name) ? valueOf.get(one.name)! : null,
        )
        const view = rowView(row)
        const types = typesOf(reader.newest.fields)
        assert.deepEqual(reader.decode(row).stamp, stamp)
        assert.ok(sameValues(types, reader.decode(row).values, expected))
        assert.ok(
          sameValues(
            types,
            reader.readersOf(row)!.map((read) => read(row, view)),
            expected,
          ),
        )
      }
    }),
    propertyRuns(),
  )
})

test('an unknown schema, a changed type and a gap among schemas are refused by name', () => {
  const old = rowLayout(0, [field('a', { kind: 'int32' })])
  const newer = rowLayout(1, [field('a', { kind: 'int32' }), field('b', { kind: 'string' })])
  const row = encodeRow(newer, STAMP, [1, 'x'])
  assert.throws(() => rowReader([old]).decode(row), { kind: 'conflict', code: 'unknown_schema' })
  assert.throws(() => decodeRow(old, row), { code: 'unknown_schema' })
  assert.throws(() => rowReader([old, rowLayout(1, [field('a', { kind: 'int64' })])]), {
    code: 'schema_changed',
  })
  assert.throws(() => rowReader([newer]), { code: 'invalid_schemas' })
  assert.throws(() => rowReader([]), { code: 'invalid_schemas' })
  // How an int64 is shown may change, for it is stored alike.
  const shown = rowLayout(1, [field('a', { kind: 'int64', as: 'number' })])
  const before = rowLayout(0, [field('a', { kind: 'int64' })])
  assert.deepEqual(rowReader([before, shown]).decode(encodeRow(before, STAMP, [7n])).values, [7n])
})

test('a tombstone is its header alone, under any schema', () => {
  const layout = rowLayout(0, [field('a', { kind: 'int32' })])
  const row = encodeRow(layout, STAMP, 'deleted')
  const reader = rowReader([layout, rowLayout(1, [])])
  assert.equal(row.length, ROW_HEADER_BYTES)
  assert.ok(isDeleted(row))
  assert.deepEqual(decodeRow(layout, row), { stamp: STAMP, deleted: true, values: [] })
  assert.deepEqual(reader.decode(row), { stamp: STAMP, deleted: true, values: [] })
  assert.equal(reader.readersOf(row), undefined)
  assert.throws(() => decodeRow(layout, Uint8Array.of(...row, 0)), { kind: 'corrupt' })
})

test('a stamp is patched into a copy', () => {
  const layout = rowLayout(0, [field('a', { kind: 'string' })])
  const row = encodeRow(layout, STAMP, ['x'])
  const stamp = { e: 1 as Instant, c: 9 as Instant, s: -4 }
  const patched = patchStamp(row, stamp)
  assert.deepEqual(decodeRow(layout, patched), { stamp, deleted: false, values: ['x'] })
  assert.deepEqual(decodeRow(layout, row).stamp, STAMP)
  assert.throws(() => patchStamp(row.subarray(0, 24), stamp), { kind: 'corrupt' })
})

test('a partial row is refused and names what is absent', () => {
  const layout = rowLayout(0, [field('a', { kind: 'int32' }), field('b', { kind: 'int32' })])
  assert.throws(() => encodeRow(layout, STAMP, [1]), { code: 'partial_row', message: /absent=`b`/ })
  const holed = [undefined, 1] as unknown as Value[]
  assert.throws(() => encodeRow(layout, STAMP, holed), { code: 'partial_row', message: /absent=`a`/ })
  assert.throws(() => encodeRow(layout, STAMP, [1, 2, 3]), { code: 'partial_row' })
})

test('a value of another type is never written', () => {
  const wrong: readonly (readonly [FeatureType, unknown])[] = [
    [{ kind: 'bool' }, 1],
    [{ kind: 'int32' }, 1.5],
    [{ kind: 'int32' }, 2 ** 31],
    [{ kind: 'int32' }, '12'],
    [{ kind: 'int64' }, 7],
    [{ kind: 'int64' }, 2n ** 63n],
    [{ kind: 'float32' }, 0.1],
    [{ kind: 'float32' }, '1'],
    [{ kind: 'float64' }, 1n],
    [{ kind: 'string' }, '\ud800'],
    [{ kind: 'string' }, 1],
    [{ kind: 'bytes' }, 'x'],
    [{ kind: 'timestamp' }, 253_402_300_800_000_000n],
    [{ kind: 'vector', size: 2 }, Float32Array.of(1)],
    [{ kind: 'vector', size: 1 }, [1]],
    [{ kind: 'list', element: { kind: 'int32' } }, ['x']],
    [{ kind: 'list', element: { kind: 'int32' } }, new Map()],
    [{ kind: 'map', value: { kind: 'int32' } }, { a: 1 }],
    [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, {}],
    [{ kind: 'struct', fields: { a: { kind: 'int32' } } }, 1],
  ]
  for (const [type, value] of wrong) {
    const layout = rowLayout(0, [field('a', type)])
    assert.throws(() => encodeRow(layout, STAMP, [value as Value]), { code: 'invalid_value' }, type.kind)
  }
})

test('NaN is one value in a scalar, and keeps its payload in a vector', () => {
  const negativeNaN = new Float64Array(BigUint64Array.of(0xfff8_0000_0000_0001n).buffer)[0]!
  const payload = new Float32Array(Uint32Array.of(0xffc1_2345, 0x8000_0000).buffer)
  const layout = rowLayout(0, [
    field('f', { kind: 'float64' }),
    field('g', { kind: 'float32' }),
    field('v', { kind: 'vector', size: 2 }),
  ])
  const row = encodeRow(layout, STAMP, [negativeNaN, negativeNaN, payload])
  assert.deepEqual(row, encodeRow(layout, STAMP, [Number.NaN, Number.NaN, payload]))
  const vector = decodeRow(layout, row).values[2] as Float32Array
  assert.deepEqual([...new Uint32Array(vector.buffer)], [0xffc1_2345, 0x8000_0000])
})

test('a struct and a map keep names that mean something to JavaScript', () => {
  const struct: FeatureType = {
    kind: 'struct',
    fields: Object.fromEntries([['__proto__', { kind: 'int32' }]]),
  }
  const map: FeatureType = { kind: 'map', value: { kind: 'int32' } }
  const layout = rowLayout(0, [field('s', struct), field('m', map)])
  const value = Object.create(null) as Record<string, number>
  value['__proto__'] = 5
  const [decoded, entries] = decodeRow(
    layout,
    encodeRow(layout, STAMP, [value, new Map([['__proto__', 6]])]),
  ).values
  assert.equal(Object.getPrototypeOf(decoded), null)
  assert.equal((decoded as Record<string, number>)['__proto__'], 5)
  assert.deepEqual([...(entries as Map<string, number>)], [['__proto__', 6]])
})

test('a row is as large as its limit and no larger, and writing goes on afterwards', () => {
  const layout = rowLayout(0, [field('a', { kind: 'bytes' })])
  const room = LIMITS.rowBytesMax - layout.fixedEnd
  assert.equal(encodeRow(layout, STAMP, [new Uint8Array(room)]).length, LIMITS.rowBytesMax)
  assert.throws(() => encodeRow(layout, STAMP, [new Uint8Array(room + 1)]), { code: 'row_too_large' })
  assert.deepEqual(decodeRow(layout, encodeRow(layout, STAMP, [Uint8Array.of(7)])).values, [Uint8Array.of(7)])
})

test('too many features, and a format from the future, are refused by name', () => {
  const many = Array.from({ length: LIMITS.groupFeaturesMax + 1 }, (_, index) =>
    field(`f${index}`, { kind: 'bool' }),
  )
  assert.throws(() => rowLayout(0, many), { code: 'too_many_features' })
  const layout = rowLayout(0, many.slice(1))
  const row = encodeRow(
    layout,
    STAMP,
    layout.fields.map((_, index) => index % 3 === 0),
  )
  assert.equal(decodeRow(layout, row).values.length, LIMITS.groupFeaturesMax)
  row[FLAGS_AT] = 2
  assert.throws(() => decodeRow(layout, row), { code: 'unknown_row_format' })
})

/** The keys of a map in their order, which sameness of values leaves out. */
function keysInOrder(value: Value | null): string[] | undefined {
  return value instanceof Map ? [...(value as Map<string, unknown>).keys()] : undefined
}
