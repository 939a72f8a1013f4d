import assert from 'node:assert/strict'
import type { OnlineStore } from '@asof/core'
import * as fc from 'fast-check'
import { key, keysOf, request, row, text } from './online-rows.ts'

/** One thing to do to a store. */
export type OnlineStep =
  | { does: 'provision' | 'drop'; table: string }
  | { does: 'write'; table: string; rows: [string, number][] }
  | { does: 'remove' | 'read'; table: string; names: string[] }
  | { does: 'scan'; table: string; from: string; to: string; limit: number }

const table = fc.constantFrom('t0', 't1', 't2')
const name = fc.constantFrom('', 'a', 'ab', 'b', 'ba')
/** Any step of a script. */
export const onlineSteps: fc.Arbitrary<OnlineStep> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('provision', 'drop'), table }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('write'),
      table,
      rows: fc.array(fc.tuple(name, fc.nat(5)), { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constantFrom('remove', 'read'), table, names: fc.array(name) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('scan'),
      table,
      from: name,
      to: name,
      limit: fc.nat(4),
    }),
  },
)

/** Does one step of a script, on the store and on the model, and compares. */
export async function playStep(
  store: OnlineStore,
  model: Map<string, Map<string, number>>,
  step: OnlineStep,
): Promise<void> {
  const rows = model.get(step.table)
  if (rows === undefined && step.does !== 'provision' && step.does !== 'drop') {
    if (step.does === 'read' && step.names.length === 0) return
    const refused = { code: 'table_not_found' }
    if (step.does === 'write') await assert.rejects(store.write(step.table, []), refused)
    else if (step.does === 'remove')
      await assert.rejects(store.remove(step.table, step.names.map(key)), refused)
    else if (step.does === 'read')
      await assert.rejects(store.read(step.names.map((k) => request(step.table, k))), refused)
    else await assert.rejects(keysOf(store, step.table), refused)
    return
  }
  switch (step.does) {
    case 'provision':
      await store.provision(step.table)
      if (rows === undefined) model.set(step.table, new Map())
      break
    case 'drop':
      await store.drop(step.table)
      model.delete(step.table)
      break
    case 'write': {
      const before = new Map(rows)
      for (const [k, stamp] of step.rows) if (stamp > (rows!.get(k) ?? -1)) rows!.set(k, stamp)
      const changed = [...rows!].filter(([k, stamp]) => before.get(k) !== stamp).length
      const answer = await store.write(
        step.table,
        step.rows.map(([k, stamp]) => row(k, stamp)),
      )
      assert.equal(answer.applied, changed)
      break
    }
    case 'remove':
      await store.remove(step.table, step.names.map(key))
      for (const k of step.names) rows!.delete(k)
      break
    case 'read': {
      const found = await store.read(step.names.map((k) => request(step.table, k)))
      assert.deepEqual(
        found.map((payload) => payload && text(payload)),
        step.names.map((k) => rows!.get(k)?.toString()),
      )
      break
    }
    case 'scan': {
      const { from, to, limit } = step
      const expected = [...rows!.keys()].filter((k) => k >= from && k < to).sort()
      const range = { from: key(from), to: key(to), limit }
      assert.deepEqual(await keysOf(store, step.table, range), expected.slice(0, limit))
      break
    }
    default:
      step satisfies never
  }
}
