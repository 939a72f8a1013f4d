import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MICROS, parseInstant, type Instant } from '@asof/core'
import { countOf, formatAge, formatBytes, formatCount, formatLength } from './figures.ts'

test('ages', () => {
  const now = parseInstant('2024-03-01T00:00:00Z')
  const ago = (micros: number): string => formatAge((now - micros) as Instant, now)
  assert.equal(ago(0), 'just now')
  assert.equal(ago(999_999), 'just now')
  assert.equal(ago(MICROS.second), '1 s ago')
  assert.equal(ago(119 * MICROS.second), '119 s ago')
  assert.equal(ago(2 * MICROS.minute), '2 min ago')
  assert.equal(ago(200 * MICROS.second), '3 min ago')
  assert.equal(ago(47 * MICROS.hour), '47 h ago')
  assert.equal(ago(48 * MICROS.hour), '2 d ago')
  assert.equal(ago(8_000 * MICROS.day), '21 y ago')
  assert.equal(ago(-3 * MICROS.minute), 'in 3 min')
})

test('lengths of time', () => {
  assert.equal(formatLength(MICROS.second / 2), '500ms')
  assert.equal(formatLength(MICROS.second), '1 s')
  assert.equal(formatLength(638 * MICROS.hour), '26 d')
})

test('sizes and counts', () => {
  assert.equal(formatBytes(999), '999 B')
  assert.equal(formatBytes(1_500), '1.5 kB')
  assert.equal(formatBytes(48_000_000), '48 MB')
  assert.equal(formatCount(1_234_567), '1,234,567')
  assert.deepEqual([countOf(1, 'file'), countOf(2_000, 'file')], ['1 file', '2,000 files'])
})
