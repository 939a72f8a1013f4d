// Every type over HTTP, as JSON and as MessagePack, in answers and in requests, against the same values in process.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import {
  entity,
  featureGroup,
  featureService,
  isAsofError,
  project,
  type FeatureType,
  type KeyType,
  type TypedField,
  type Value,
  valueFromJson,
} from '@asof/core'
import {
  featureTypeArb,
  keyTypeArb,
  nullableValueArb,
  propertyRuns,
  sameValue,
  scalarValueArb,
} from '@asof/testing'
import { at } from '../faults/fault-store.ts'
import { openHttpStore } from './http-store.ts'

const KEY_TYPES = 3
const unpacker = new Unpackr({ mapsAsObjects: false, int64AsType: 'bigint', useRecords: false })
const packer = new Packr({ useRecords: false, variableMapSize: true })
const PACKED = { 'content-type': 'application/vnd.msgpack', accept: 'application/vnd.msgpack' }

/** A type with two values of it, the first of them stored, and a key. */
const caseArb = fc.array(
  featureTypeArb().chain((type) => fc.record({ type: fc.constant(type), value: nullableValueArb(type) })),
  { minLength: 1, maxLength: 12 },
)
const keysArb = fc.array(
  keyTypeArb().chain((type) => fc.record({ type: fc.constant(type), value: scalarValueArb(type) })),
  { minLength: 1, maxLength: KEY_TYPES },
)

test('what is stored comes out exactly, in both forms, rows and columns', async () => {
  await fc.assert(
    fc.asyncProperty(caseArb, keysArb, async (features, keys) => {
      const owner = entity('owner', {
        keys: named(keys, 'k') as Record<string, TypedField<unknown, KeyType>>,
      })
      const group = featureGroup('things', { entity: owner, features: named(features, 'f') })
      const service = featureService('model', { features: [group] })
      await using http = await openHttpStore(project('shop', [service]))
      const key = Object.fromEntries(keys.map(({ value }, index) => [`k${index}`, value]))
      const values = Object.fromEntries(features.map(({ value }, index) => [`f${index}`, value]))
      try {
        await http.store.push(group, [{ ...key, event_timestamp: at(0), ...values }], undefined, {
          wait: 'applied',
        })
      } catch (error) {
        // Keys and rows have sizes that some of these pass.
        fc.pre(!isAsofError(error, 'invalid'))
        throw error
      }
      const vector = (await http.store.get(service, key)) as unknown as Record<string, Value | null>
      const { keys: declared } = (await http.store.servicePlan(service)).shape
      const jsonKeys = Object.fromEntries(
        declared.map(({ name, type }) => [name, jsonOfKey(type, key[name]!)]),
      )
      for (const form of ['rows', 'columns'] as const) {
        const json = await http.ask('/v1/get', { service: 'model', keys: jsonKeys, form })
        assert.equal(json.status, 200, new TextDecoder().decode(json.bytes))
        const body = packer.pack({ service: 'model', keys: key, form })
        const packed = await http.ask('/v1/get', body, { headers: PACKED })
        assert.equal(packed.status, 200, new TextDecoder().decode(packed.bytes))
        const fromJson = json.json<Found>()
        const fromPacked = unpacker.unpack(packed.bytes) as ReadonlyMap<string, unknown>
        for (const [index, { type }] of features.entries()) {
          const name = `f${index}`
          const shown = vector[name] ?? null
          const inJson = form === 'rows' ? fromJson.rows[0]![name] : fromJson.columns[name]![0]
          assert.ok(sameShown(type, valueFromJson(type, inJson, name), shown), `json ${type.kind}`)
          const inPacked =
            form === 'rows'
              ? (fromPacked.get('rows') as ReadonlyMap<string, unknown>[])[0]!.get(name)
              : (fromPacked.get('columns') as ReadonlyMap<string, unknown[]>).get(name)![0]
          assert.ok(sameShown(type, unpacked(type, inPacked), shown), `msgpack ${type.kind}`)
        }
      }
    }),
    propertyRuns(0.2),
  )
})

interface Found {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly columns: Readonly<Record<string, readonly unknown[]>>
}

function named(
  types: readonly { readonly type: FeatureType }[],
  prefix: string,
): Record<string, TypedField<unknown>> {
  return Object.fromEntries(types.map(({ type }, index) => [`${prefix}${index}`, { type }]))
}

/** A key as a client would write it in JSON. */
function jsonOfKey(type: KeyType, value: Value): unknown {
  if (type.kind === 'bytes') return Buffer.from(value as Uint8Array).toString('base64')
  if (type.kind === 'timestamp') {
    const micros = value as bigint
    const millis = Number((micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n)
    const rest = String(((micros % 1_000_000n) + 1_000_000n) % 1_000_000n).padStart(6, '0')
    return `${new Date(millis).toISOString().slice(0, -5)}.${rest}Z`
  }
  return typeof value === 'bigint' ? value.toString() : value
}

/** What a MessagePack library made, as a value of the type. */
function unpacked(type: FeatureType, value: unknown): Value | null {
  if (value === null) return null
  switch (type.kind) {
    case 'int64':
    case 'timestamp':
      return BigInt(value as bigint | number)
    case 'bytes':
      return new Uint8Array(value as Uint8Array)
    case 'vector':
      return Float32Array.from(value as number[])
    case 'list':
      return (value as unknown[]).map((each) => unpacked(type.element, each)) as Value
    case 'map':
      return new Map(
        [...(value as ReadonlyMap<string, unknown>)].map(([key, each]) => [key, unpacked(type.value, each)]),
      ) as Value
    case 'struct': {
      const fields = value as ReadonlyMap<string, unknown>
      return Object.fromEntries(
        Object.entries(type.fields).map(([name, field]) => [name, unpacked(field, fields.get(name))]),
      ) as Value
    }
    default:
      return value as Value
  }
}

/** Equal to what a program sees, in which an int64 may be a number. */
function sameShown(type: FeatureType, value: Value | null, shown: Value | null): boolean {
  return sameValue(type, value, stored(type, shown))
}

function stored(type: FeatureType, shown: Value | null): Value | null {
  if (shown === null) return null
  if (type.kind === 'int64') return BigInt(shown as number | bigint)
  if (type.kind === 'list')
    return (shown as readonly Value[]).map((each) => stored(type.element, each)) as Value
  if (type.kind === 'map') {
    return new Map(
      [...(shown as ReadonlyMap<string, Value>)].map(([key, each]) => [key, stored(type.value, each)]),
    ) as Value
  }
  if (type.kind === 'struct') {
    const fields = shown as Readonly<Record<string, Value | null>>
    return Object.fromEntries(
      Object.entries(type.fields).map(([name, field]) => [name, stored(field, fields[name] ?? null)]),
    ) as Value
  }
  return shown
}
