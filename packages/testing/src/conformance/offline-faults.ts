import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { OfflineStore } from '@asof/core'
import { faultyObjectStore } from '../faults/faulty-object-store.ts'
import type { FaultPlan } from '../faults/faulty-object-store.ts'
import { append, COLUMNS, rowsIn, rowsOf, SCHEMA, snapshotOf, staged } from './offline-rows.ts'
import type { OfflineStoreSetup } from './offline-rows.ts'

/** The part of the conformance suite in which every call to the object store fails once, alone and as the last of a process. */
export function offlineStoreFaults(
  name: string,
  on: (body: (setup: OfflineStoreSetup) => Promise<void>) => Promise<void>,
): void {
  describe(`offline store under faults: ${name}`, () => {
    for (const files of [false, true]) {
      it(`is as before or as after when any one call fails in an append of ${files ? 'files' : 'rows'}`, () =>
        on(async (setup) => {
          for (const when of ['before', 'after'] as const) {
            for (const afterwards of ['dies', 'recovers'] as const) {
              const table = `${when}/${afterwards}`
              await setup.open().ensure(table, SCHEMA)
              let failAt = 1
              // Each time with the next sequence, and so over a checkpoint too.
              while (await failsOnce(setup, table, { failAt, when, afterwards }, failAt, files)) failAt++
              assert.ok(failAt > 5, 'every place was seen')
            }
          }
        }))
    }

    it('is as before or as after when any one call fails in making or widening a table', () =>
      on(async (setup) => {
        for (const when of ['before', 'after'] as const) {
          for (let failAt = 1, hasFailed = true; hasFailed; failAt++) {
            hasFailed = false
            const table = `${when}${failAt}`
            const wider = {
              ...SCHEMA,
              columns: [...COLUMNS, { name: 'w', type: { kind: 'bool' }, nullable: true }],
            } as const
            for (const schema of [SCHEMA, wider]) {
              const objects: { faulty?: ReturnType<typeof faultyObjectStore> } = {}
              const store = setup.open(
                (inner) => (objects.faulty = faultyObjectStore(inner, { failAt, when, afterwards: 'dies' })),
              )
              await store.ensure(table, schema).catch(() => undefined)
              hasFailed ||= objects.faulty?.hasFailed === true
              const seen = (await setup.open().snapshot(table))?.schema.columns.length ?? 0
              const [before, after] = schema === SCHEMA ? [0, 3] : [3, 4]
              assert.ok(seen === before || seen === after)
              await setup.open().ensure(table, schema)
              assert.equal((await snapshotOf(setup.open(), table)).schema.columns.length, after)
            }
          }
        }
      }))
  })
}

/** One append through a store of which one call fails; answers whether a call did fail. */
async function failsOnce(
  setup: OfflineStoreSetup,
  table: string,
  plan: FaultPlan,
  sequence: number,
  files: boolean,
): Promise<boolean> {
  const given = rowsOf(1, `s${sequence}r`)
  const localPath = files ? (await staged(setup, given, `staged/${table}/${sequence}`))[0] : ''
  const attempt = (store: OfflineStore) =>
    files
      ? store.append(table, { files: [{ localPath }], writers: [{ writer: 'w', sequence }], sortBy: [] })
      : append(store, table, sequence, given)
  const objects: { faulty?: ReturnType<typeof faultyObjectStore> } = {}
  const store = setup.open((inner) => (objects.faulty = faultyObjectStore(inner, plan)))
  const acknowledged = await attempt(store).then(
    () => true,
    () => false,
  )
  const seen = (await rowsIn(setup, await snapshotOf(setup.open(), table))).length
  const place = JSON.stringify(plan)
  assert.ok(seen === sequence || (seen === sequence - 1 && !acknowledged), `${place}: ${seen} rows`)
  const retried = await attempt(setup.open())
  assert.equal(retried.duplicate, seen === sequence, place)
  const rows = await rowsIn(setup, await snapshotOf(setup.open(), table))
  assert.equal(new Set(rows.map(({ k }) => k)).size, sequence, place)
  assert.equal(rows.length, sequence, place)
  // Not every process dies; what the dead ones left undone beside the append itself, such as a checkpoint, others do.
  await setup.open().append(table, { writers: [{ writer: 'healthy', sequence }], sortBy: [] })
  return objects.faulty?.hasFailed === true
}
