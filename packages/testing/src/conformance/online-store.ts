import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  compareBytes,
  compareStampBytes,
  encodeStamp,
  type Instant,
  type OnlineRow,
  type OnlineStore,
} from '@asof/core'
import * as fc from 'fast-check'
import { propertyRuns } from '../property-runs.ts'
import { key, keysOf, request, row, rowOf, text, valueOf } from './online-rows.ts'
import { onlineSteps, playStep } from './online-script.ts'

/** One empty online store to test, and how to get at it. */
export interface OnlineStoreSetup {
  /** A handle on it; each call as another process would open it. The suite disposes what it opened. */
  readonly open: () => Promise<OnlineStore>
  readonly dispose?: () => Promise<void>
}

/**
 * What every online store must do, as tests of node:test.
 *
 * @param make gives a new, empty store for each test
 * @example
 * ```ts
 * onlineStoreConformance('memory', async () => {
 *   const online = memoryOnlineStore()
 *   return { open: async () => online }
 * })
 * ```
 */
export function onlineStoreConformance(name: string, make: () => Promise<OnlineStoreSetup>): void {
  const on = async (
    body: (store: OnlineStore, open: () => Promise<OnlineStore>) => Promise<void>,
  ): Promise<void> => {
    const setup = await make()
    const opened: OnlineStore[] = []
    const open = async (): Promise<OnlineStore> => {
      const store = await setup.open()
      opened.push(store)
      return store
    }
    try {
      await body(await open(), open)
    } finally {
      for (const store of opened) await store[Symbol.asyncDispose]()
      await setup.dispose?.()
    }
  }

  describe(`online store: ${name}`, () => {
    it('provisions once, lists tables by name, and forgets a dropped one with its rows', () =>
      on(async (store) => {
        assert.deepEqual(await store.tables(), [])
        for (const table of ['b', 'a', 'b', 'c/d@2#recent']) await store.provision(table)
        assert.deepEqual(await store.tables(), ['a', 'b', 'c/d@2#recent'])
        await store.write('b', [row('k', 1)])
        await store.provision('b')
        assert.equal(await valueOf(store, 'b', 'k'), '1')
        await store.drop('b')
        await store.drop('never there')
        assert.deepEqual(await store.tables(), ['a', 'c/d@2#recent'])
        await store.provision('b')
        assert.equal(await valueOf(store, 'b', 'k'), undefined)
        assert.deepEqual(await keysOf(store, 'b'), [])
      }))

    it('refuses a table that is not there: read, write, scan and remove', () =>
      on(async (store) => {
        await store.provision('there')
        const refused = { code: 'table_not_found', kind: 'not_found' }
        await assert.rejects(store.read([request('there', 'k'), request('gone', 'k')]), refused)
        await assert.rejects(store.write('gone', [row('k', 1)]), refused)
        await assert.rejects(store.write('gone', []), refused)
        await assert.rejects(store.remove('gone', [key('k')]), refused)
        await assert.rejects(keysOf(store, 'gone'), refused)
        await store.drop('there')
        await assert.rejects(store.read([request('there', 'k')]), refused)
        await assert.rejects(store.write('there', [row('k', 1)]), refused)
      }))

    it('answers reads in the order asked, over several tables, with misses and repeats', () =>
      on(async (store) => {
        for (const table of ['a', 'b', 'c']) await store.provision(table)
        await store.write('a', [row('k', 1), row('l', 2)])
        await store.write('b', [row('k', 3)])
        assert.deepEqual(await store.read([]), [])
        const asked = [
          ['b', 'k'],
          ['a', 'l'],
          ['c', 'k'],
          ['a', 'k'],
          ['b', 'k'],
          ['a', 'm'],
        ] as const
        const found = await store.read(asked.map(([table, k]) => request(table, k)))
        assert.deepEqual(
          found.map((payload) => payload && text(payload)),
          ['3', '2', undefined, '1', '3', undefined],
        )
      }))

    it('keeps keys of any bytes apart: empty, prefixes of each other, 512 long', () =>
      on(async (store) => {
        const keys = [[], [0], [0, 0], [0, 255], [255], [255, 255], [255, 0]].map((bytes) =>
          Uint8Array.from(bytes),
        )
        keys.push(new Uint8Array(512).fill(65), new Uint8Array(512).fill(255))
        // The neighbours must neither see these keys nor lose theirs.
        for (const table of ['a', 'b', 'c']) await store.provision(table)
        await store.write(
          'a',
          keys.map((bytes) => rowOf(bytes, 1, 'a')),
        )
        await store.write(
          'c',
          keys.map((bytes) => rowOf(bytes, 1, 'c')),
        )
        await store.write(
          'b',
          keys.map((bytes, index) => rowOf(bytes, 1, `b${index}`)),
        )
        const found = await store.read(keys.map((bytes) => ({ table: 'b', key: bytes })))
        assert.deepEqual(
          found.map((payload) => text(payload!)),
          keys.map((_, index) => `b${index}`),
        )
        const sorted = [...keys].sort(compareBytes).map((bytes) => Buffer.from(bytes).toString('hex'))
        for (const table of ['a', 'b', 'c']) assert.deepEqual(await keysOf(store, table, {}, 'hex'), sorted)
        await store.drop('b')
        for (const table of ['a', 'c']) assert.deepEqual(await keysOf(store, table, {}, 'hex'), sorted)
      }))

    it('replaces a row by one with a greater stamp alone, and counts what changed', () =>
      on(async (store) => {
        await store.provision('t')
        const write = async (...rows: OnlineRow[]): Promise<number> => (await store.write('t', rows)).applied
        assert.equal(await write(), 0)
        assert.equal(await write(row('k', 5)), 1)
        assert.equal(await write(row('k', 5, 'the same stamp again')), 0)
        assert.equal(await write(row('k', 4)), 0)
        assert.equal(await valueOf(store, 't', 'k'), '5')
        assert.equal(await write(row('k', 6), row('l', 1), row('k', 4)), 2)
        assert.equal(await write(row('k', 7), row('k', 9), row('k', 8), row('l', 1)), 1)
        assert.equal(await valueOf(store, 't', 'k'), '9')
        // An event before 1970 is less than one after it: stamps compare as bytes.
        assert.equal(await write(row('m', -5)), 1)
        assert.equal(await write(row('m', -6), row('m', 3)), 1)
        assert.equal(await valueOf(store, 't', 'm'), '3')
      }))

    it('ends in the same state whatever the order and the parts of the writes', () =>
      on(async (store, open) => {
        const stores = [store, await open()]
        const rows = fc.array(
          fc.record({ key: fc.constantFrom('a', 'b', 'c'), e: fc.nat(3), c: fc.nat(2), s: fc.nat(2) }),
          { minLength: 1, maxLength: 12 },
        )
        let table = 0
        await fc.assert(
          fc.asyncProperty(
            rows.chain((given) =>
              fc.tuple(
                fc.constant(given),
                fc.shuffledSubarray([...given.keys()], { minLength: given.length }),
                fc.array(fc.integer({ min: 1, max: 4 }), {
                  minLength: given.length,
                  maxLength: given.length,
                }),
              ),
            ),
            async ([given, order, parts]) => {
              const here = `t${table++}`
              await store.provision(here)
              const expected = new Map<string, OnlineRow>()
              for (const { key: k, e, c, s } of given) {
                const offered = rowOf(
                  key(k),
                  encodeStamp({ e: e as Instant, c: c as Instant, s }),
                  `${k}${e}${c}${s}`,
                )
                const held = expected.get(k)
                if (held === undefined || compareStampBytes(offered.stamp, held.stamp) > 0)
                  expected.set(k, offered)
              }
              const writes: Promise<unknown>[] = []
              let [from, part] = [0, 0]
              while (from < order.length) {
                const to = from + parts[part++]!
                const batch = order.slice(from, to).map((index) => {
                  const { key: k, e, c, s } = given[index]!
                  return rowOf(
                    key(k),
                    encodeStamp({ e: e as Instant, c: c as Instant, s }),
                    `${k}${e}${c}${s}`,
                  )
                })
                writes.push(stores[part % 2]!.write(here, batch))
                from = to
              }
              await Promise.all(writes)
              for (const [k, { payload }] of expected)
                assert.equal(await valueOf(store, here, k), text(payload))
              assert.deepEqual(await keysOf(store, here), [...expected.keys()].sort())
              await store.drop(here)
            },
          ),
          propertyRuns(0.5),
        )
      }))

    it('keeps each payload whole: of its stamp alone, of a quarter of a megabyte', () =>
      on(async (store) => {
        await store.provision('t')
        const large = rowOf(key('large'), 1, 'x'.repeat(256 * 1024))
        await store.write('t', [rowOf(key('small'), 1, ''), large, rowOf(key('next'), 1, 'y')])
        const found = await store.read(['large', 'small', 'next'].map((k) => request('t', k)))
        assert.deepEqual(
          found.map((payload) => payload?.length),
          [24 + 256 * 1024, 24, 25],
        )
        assert.ok(Buffer.from(found[0]!).equals(large.payload))
        assert.deepEqual(await keysOf(store, 't'), ['large', 'next', 'small'])
      }))

    it('refuses a payload that does not begin with its stamp, and writes nothing of the call', () =>
      on(async (store) => {
        await store.provision('t')
        const good = row('good', 1)
        const bad: OnlineRow[] = [
          { ...row('k', 1), stamp: row('k', 2).stamp },
          { ...row('k', 1), stamp: new Uint8Array(23) },
          { ...row('k', 1), payload: new Uint8Array(23) },
        ]
        for (const wrong of bad) {
          await assert.rejects(store.write('t', [good, wrong]), {
            code: 'invalid_online_row',
            kind: 'invalid',
          })
        }
        assert.deepEqual(await keysOf(store, 't'), [])
      }))

    it('keeps no hold on the bytes given', () =>
      on(async (store) => {
        await store.provision('t')
        const given = row('k', 1)
        await store.write('t', [given])
        given.key.fill(0)
        given.payload.fill(0)
        assert.equal(await valueOf(store, 't', 'k'), '1')
      }))

    it('scans from and to bounds in byte order, as many as asked', () =>
      on(async (store) => {
        await store.provision('t')
        const names = Array.from({ length: 1_200 }, (_, index) => `k${String(index).padStart(4, '0')}`)
        await store.write(
          't',
          [...names].reverse().map((k) => row(k, 1)),
        )
        assert.deepEqual(await keysOf(store, 't'), names)
        assert.deepEqual(
          await keysOf(store, 't', { from: key('k0003'), to: key('k0006') }),
          names.slice(3, 6),
        )
        assert.deepEqual(await keysOf(store, 't', { from: key('k00035') }), names.slice(4))
        assert.deepEqual(await keysOf(store, 't', { to: key('k') }), [])
        assert.deepEqual(await keysOf(store, 't', { from: key('k0009'), to: key('k0009') }), [])
        assert.deepEqual(await keysOf(store, 't', { from: key('k0009'), to: key('k0001') }), [])
        for (const limit of [0, 1, 500, 501, 1_200, 9_999]) {
          assert.deepEqual(await keysOf(store, 't', { limit }), names.slice(0, limit))
        }
        for await (const scanned of store.scan('t', { from: key('k0700'), limit: 1 })) {
          assert.equal(Buffer.from(scanned.key).toString(), 'k0700')
          assert.deepEqual([...scanned.stamp], [...scanned.payload.subarray(0, 24)])
          assert.equal(text(scanned.payload), '1')
        }
      }))

    it('goes on scanning while rows are written, and may be left early', () =>
      on(async (store) => {
        await store.provision('t')
        const names = Array.from({ length: 1_100 }, (_, index) => `k${String(index).padStart(4, '0')}`)
        await store.write(
          't',
          names.map((k) => row(k, 1)),
        )
        const seen: string[] = []
        for await (const scanned of store.scan('t')) {
          seen.push(Buffer.from(scanned.key).toString())
          if (seen.length % 400 === 0)
            await store.write('t', [row(`k0500-${seen.length}`, 1), row('k0500', seen.length)])
        }
        assert.deepEqual(
          seen.filter((k) => k.length === 5),
          names,
        )
        for await (const scanned of store.scan('t')) {
          assert.ok(scanned)
          break
        }
        assert.equal(await valueOf(store, 't', 'k0500'), '800')
      }))

    it('sees in a scan what was written before the call', () =>
      on(async (store, open) => {
        const other = await open()
        await store.provision('t')
        for (let round = 1; round <= 3; round++) {
          await other.write('t', [row(`k${round}`, 1)])
          assert.equal((await keysOf(store, 't')).length, round)
        }
      }))

    it('removes keys whatever their stamp, and an older row may follow', () =>
      on(async (store) => {
        await store.provision('t')
        await store.write('t', [row('a', 9), row('b', 9), row('c', 9)])
        await store.remove('t', [key('a'), key('c'), key('unknown'), key('a')])
        await store.remove('t', [])
        assert.deepEqual(await keysOf(store, 't'), ['b'])
        assert.equal((await store.write('t', [row('a', 1)])).applied, 1)
        assert.equal(await valueOf(store, 't', 'a'), '1')
      }))

    it('shows one handle what another did: rows, removals, dropped and renewed tables', () =>
      on(async (store, open) => {
        const other = await open()
        await store.provision('t')
        await store.write('t', [row('k', 1)])
        assert.equal(await valueOf(other, 't', 'k'), '1')
        await other.drop('t')
        await assert.rejects(store.read([request('t', 'k')]), { code: 'table_not_found' })
        await other.provision('t')
        await other.provision('u')
        await other.write('t', [row('k', 1, 'anew')])
        assert.equal(await valueOf(store, 't', 'k'), 'anew')
        assert.equal(await valueOf(store, 'u', 'k'), undefined)
        // Renewed once more, behind a handle that has just read it and reads it beside another table.
        await other.drop('t')
        await other.provision('t')
        await other.write('t', [row('k', 1, 'again')])
        const found = await store.read([request('t', 'k'), request('u', 'k'), request('t', 'l')])
        assert.deepEqual(
          found.map((payload) => payload && text(payload)),
          ['again', undefined, undefined],
        )
        assert.equal((await store.write('t', [row('k', 2)])).applied, 1)
        assert.equal(await valueOf(other, 't', 'k'), '2')
      }))

    it('keeps everything when it is opened anew', () =>
      on(async (store, open) => {
        await store.provision('t')
        await store.provision('empty')
        await store.write('t', [row('k', 1), row('l', 2)])
        await store[Symbol.asyncDispose]()
        const again = await open()
        assert.deepEqual(await again.tables(), ['empty', 't'])
        assert.equal(await valueOf(again, 't', 'l'), '2')
        assert.equal((await again.write('t', [row('l', 1)])).applied, 0)
      }))

    it('does what a map of maps does, for any script', () =>
      on(async (store, open) => {
        const stores = [store, await open()]
        await fc.assert(
          fc.asyncProperty(fc.array(fc.tuple(fc.nat(1), onlineSteps), { maxLength: 20 }), async (script) => {
            const model = new Map<string, Map<string, number>>()
            for (const [by, action] of script) await playStep(stores[by]!, model, action)
            for (const left of await store.tables()) await store.drop(left)
          }),
          propertyRuns(0.5),
        )
      }))
  })
}
