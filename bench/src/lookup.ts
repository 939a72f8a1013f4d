// `get` of 100 features from 10 groups in LMDB, through the whole of FeatureStore, against `getBinaryFast` of one value of
// the same 800 bytes out of an LMDB with as many entries: the price of everything that asof does for an answer.
import { deepStrictEqual } from 'node:assert'
import { join } from 'node:path'
import { onlineTable } from '@asof/core'
import { openLmdbOnlineStore } from '@asof/lmdb'
import { chance } from './chance.ts'
import { quantile, takeTurns, type Benchmark, type Sample, type Side } from './comparison.ts'
import {
  FEATURES,
  GROUPS,
  openStores,
  profile,
  userId,
  VALUE_BYTES,
  valueOf,
  type LookUpStores,
} from './lookup-data.ts'

const USERS = 1_000_000
const ROUNDS = 11
const TURN_MS = 300
/** Entities of one `getMany`. */
const MANY = 100

/** See the head of this file. Users are asked for at random, each side for the same ones. */
export const lookup: Benchmark = async (setting) => {
  const users = setting.small ? USERS / 10 : USERS
  const folder = join('.cache', 'bench', `lookup-${users}`)
  await using stores = await openStores(folder, users, setting)
  await using online = await openLmdbOnlineStore(stores.onlineFolder)
  await checkAnswers(stores, users)

  const { store, plain } = stores
  const numbers = new Float64Array(GROUPS * FEATURES)
  const tables = Array.from({ length: GROUPS }, (_, group) =>
    onlineTable('bench', { name: `group_${group}`, version: 1 }),
  )
  const plans = await Promise.all(tables.map((_, group) => store.groupPlan(`group_${group}`)))
  setting.say(`${ROUNDS} turns of ${TURN_MS} ms each`)
  const options = { rounds: ROUNDS, warmUp: 3 }
  const random = (): (() => number) => {
    const roll = chance(11)
    return () => Math.floor(roll() * users)
  }
  const one = await takeTurns(
    [
      asyncSide('asof get', random(), async (user) => {
        await store.get(profile, { user: userId(user) })
      }),
      asyncSide('asof, its 10 rows as bytes', random(), async (user) => {
        await online.read(
          plans.map((plan, group) => ({ table: tables[group]!, key: plan.onlineKey(userId(user)) })),
        )
      }),
      syncSide('getBinaryFast of 800 bytes', random(), (user) => {
        plain.getBinaryFast(userId(user))
      }),
      syncSide('the same, 100 doubles read out', random(), (user) => {
        const bytes = plain.getBinaryFast(userId(user))!
        const view = new DataView(bytes.buffer, bytes.byteOffset, VALUE_BYTES)
        for (let at = 0; at < numbers.length; at++) numbers[at] = view.getFloat64(at * 8, true)
      }),
    ],
    options,
  )
  const many = await takeTurns(
    [
      asyncSide(
        `asof getMany`,
        random(),
        async (_, next) => {
          const questions = Array.from({ length: MANY }, () => ({ keys: { user: userId(next()) } }))
          await store.getMany(profile, questions)
        },
        MANY,
      ),
      asyncSide('asof get', random(), async (user) => {
        await store.get(profile, { user: userId(user) })
      }),
      syncSide('getBinaryFast of 800 bytes', random(), (user) => {
        plain.getBinaryFast(userId(user))
      }),
    ],
    options,
  )
  const settings = { users, groups: GROUPS, features: GROUPS * FEATURES, value_bytes: VALUE_BYTES }
  return [
    {
      title: `lookup: one entity, ${GROUPS * FEATURES} features from ${GROUPS} groups in LMDB`,
      settings,
      metrics: [
        { name: 'call', unit: 'us', main: true },
        { name: 'p50', unit: 'us' },
        { name: 'p99', unit: 'us' },
        { name: 'rate', unit: 'per_second' },
      ],
      sides: one,
      notes: [
        'call: mean of a turn without a clock in it; p50 and p99: calls timed one by one, clock included',
        'all answers were checked on a sample of users; everything is in the page cache',
      ],
    },
    {
      title: `lookup: ${MANY} entities at once, by entity`,
      settings: { ...settings, entities: MANY },
      metrics: [
        { name: 'entity', unit: 'us', main: true },
        { name: 'p50', unit: 'us' },
        { name: 'p99', unit: 'us' },
        { name: 'rate', unit: 'per_second' },
      ],
      sides: many,
      notes: ['p50 and p99 of whole calls, divided by their entities'],
    },
  ]
}

async function checkAnswers({ store, plain }: LookUpStores, users: number): Promise<void> {
  const roll = chance(5)
  for (let round = 0; round < 100; round++) {
    const user = Math.floor(roll() * users)
    const expected = Array.from({ length: GROUPS * FEATURES }, (_, at) =>
      valueOf(user, Math.floor(at / FEATURES), at % FEATURES),
    )
    const vector = await store.get(profile, { user: userId(user) })
    const read = vector as unknown as Record<string, number>
    const names = expected.map((_, at) => `group_${Math.floor(at / FEATURES)}_value_${at % FEATURES}`)
    deepStrictEqual(
      names.map((name) => read[name]),
      expected,
    )
    const bytes = plain.getBinaryFast(userId(user))!
    deepStrictEqual([...new Float64Array(new Uint8Array(bytes.subarray(0, VALUE_BYTES)).buffer)], expected)
  }
}

/** Half of a turn without a clock in it, for the mean; half with each call timed, for the quantiles. */
function asyncSide(
  name: string,
  next: () => number,
  call: (user: number, next: () => number) => Promise<void>,
  entities = 1,
): Side {
  return {
    name,
    async turn() {
      const start = performance.now()
      let calls = 0
      let now = start
      do {
        for (let index = 0; index < 32; index++) await call(next(), next)
        calls += 32
        now = performance.now()
      } while (now - start < TURN_MS / 2)
      const mean = (now - start) / calls
      const times: number[] = []
      const end = now + TURN_MS / 2
      do {
        const before = performance.now()
        await call(next(), next)
        now = performance.now()
        times.push(now - before)
      } while (now < end)
      return sampleOf(mean, times, entities)
    },
  }
}

function syncSide(name: string, next: () => number, call: (user: number) => void): Side {
  return {
    name,
    turn() {
      const start = performance.now()
      let calls = 0
      let now = start
      do {
        for (let index = 0; index < 256; index++) call(next())
        calls += 256
        now = performance.now()
      } while (now - start < TURN_MS / 2)
      const mean = (now - start) / calls
      const times: number[] = []
      const end = now + TURN_MS / 2
      do {
        const before = performance.now()
        call(next())
        now = performance.now()
        times.push(now - before)
      } while (now < end)
      return sampleOf(mean, times, 1)
    },
  }
}

/** @param mean milliseconds of a call, as are the times */
function sampleOf(mean: number, times: number[], entities: number): Sample {
  const sorted = Float64Array.from(times).sort()
  const micros = 1_000 / entities
  return {
    call: mean * micros,
    entity: mean * micros,
    p50: quantile(sorted, 0.5) * micros,
    p99: quantile(sorted, 0.99) * micros,
    rate: 1_000 / (mean / entities),
  }
}
