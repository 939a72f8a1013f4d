import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RejectedRow } from '../ports/compute-engine.ts'
import { RefusedRows } from './refused-rows.ts'

const refused = (row: string, reason = 'null_key', column?: string): RejectedRow => ({ reason, column, row })

test('a row is counted once for each reason and column, over all batches of a call', () => {
  const rows = new RefusedRows('a@1')
  const first = [refused('1'), refused('2'), { ...refused('1'), run: 7 as never }, refused('1', 'future')]
  assert.deepEqual(rows.count({ rejected: first, rejectedCount: 4 }), {
    quarantined: 3,
    reasons: { null_key: 2, future: 1 },
  })
  const second = [refused('2'), refused('2', 'null_key', 'k'), refused('3')]
  assert.deepEqual(rows.count({ rejected: second, rejectedCount: 3 }), {
    quarantined: 2,
    reasons: { null_key: 2 },
  })
  const another = new RefusedRows('a@1')
  assert.equal(another.count({ rejected: second, rejectedCount: 3 }).quarantined, 3)
})

test('what is refused beyond what is listed is counted as it comes', () => {
  const rows = new RefusedRows('a@1')
  const many = { rejected: [refused('1')], rejectedCount: 11 }
  assert.deepEqual(rows.count(many), { quarantined: 11, reasons: { null_key: 1 } })
  assert.deepEqual(rows.count(many), { quarantined: 10, reasons: {} })
})
