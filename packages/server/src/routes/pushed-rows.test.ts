import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  checkValue,
  jsonForm,
  parseStrictJson,
  valueFromJson,
  valueToJson,
  type FeatureType,
  type Value,
} from '@asof/core'
import { featureTypeArb, propertyRuns, sameValue, valueArb } from '@asof/testing'
import { decodeMessagePack } from '../messagepack/decode.ts'
import { encodeMessagePack } from '../messagepack/encode.ts'
import { packedForm } from './pushed-rows.ts'

const typed = featureTypeArb().chain((type) => valueArb(type).map((value) => ({ type, value })))

describe('a pushed value', () => {
  it('comes out of MessagePack as it went in', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        const bytes = encodeMessagePack(plain(value))
        const read = checkValue(type, packedForm(type, decodeMessagePack(bytes, 8)), 'value')
        assert.ok(sameValue(type, read, quiet(type, value)))
      }),
      propertyRuns(),
    )
  })

  it('comes out of JSON as it went in', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        const read = valueFromJson(
          type,
          jsonForm(type, parseStrictJson(JSON.stringify(valueToJson(type, value)))),
          'value',
        )
        assert.ok(sameValue(type, read, quiet(type, value)))
      }),
      propertyRuns(),
    )
  })

  it('is what it is whatever the width of its integers', () => {
    assert.equal(packedForm({ kind: 'int64' }, 5), 5n)
    assert.equal(packedForm({ kind: 'float64' }, 5n), 5)
    assert.equal(packedForm({ kind: 'int32' }, 2n ** 60n + 1n), 2n ** 60n + 1n)
    assert.equal(packedForm({ kind: 'int64' }, 0.5), 0.5)
    assert.equal(packedForm({ kind: 'string' }, 5n), 5n)
    assert.deepEqual(packedForm({ kind: 'vector', size: 2 }, [1n, 0.5]), [1, 0.5])
  })
})

/** A map as an encoder of another language writes it. */
function plain(value: unknown): unknown {
  if (value instanceof Float32Array) return [...value]
  return value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value
}

/** What a NaN inside a vector carries has no form in an array. */
function quiet(type: FeatureType, value: Value): Value | null {
  return value instanceof Float32Array ? checkValue(type, [...value], 'value') : value
}
