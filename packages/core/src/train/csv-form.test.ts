import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FeatureType } from '@asof/core'
import { featureTypeArb, nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import * as fc from 'fast-check'
import { fromCsv, toCsv } from './csv-form.ts'
import { readCsv } from './csv-text.ts'

test('what goes into a CSV field comes out again, and no text is a formula', () => {
  const typed = featureTypeArb().chain((type) => nullableValueArb(type).map((value) => ({ type, value })))
  fc.assert(
    fc.property(typed, ({ type, value }) => {
      const field = toCsv(type, value)
      const back = fromCsv(type, field, 'field')
      // JSON has no place for the order of a map's keys that look like numbers.
      assert.ok(type.kind === 'map' || sameValue(type, back, value))
      if (type.kind === 'string' || type.kind === 'bytes')
        assert.ok(field === undefined || !/^[=+\-@\t\r]/.test(field))
    }),
    propertyRuns(),
  )
  const text: FeatureType = { kind: 'string' }
  for (const value of ['=1', "'=1", "''=1", "'a", '', '-'])
    assert.equal(fromCsv(text, toCsv(text, value), 'f'), value)
})

test('fields are split as they were joined', () => {
  const fieldArb = fc.option(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ') }), {
    nil: undefined,
  })
  const lineArb = fc.array(fieldArb, { minLength: 2, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(lineArb), fc.constantFrom('\n', '\r\n'), (lines, ending) => {
      const quoted = (field: string | undefined): string =>
        field === undefined ? '' : `"${field.replaceAll('"', '""')}"`
      const text = lines.map((line) => line.map(quoted).join(',') + ending).join('')
      assert.deepEqual(readCsv(text), lines)
    }),
    propertyRuns(),
  )
  assert.deepEqual(readCsv('a,b\n1,'), [
    ['a', 'b'],
    ['1', undefined],
  ])
})
