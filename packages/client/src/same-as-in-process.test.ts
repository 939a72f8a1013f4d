// The same calls in process and over HTTP, to one store: what they answer and what they refuse is the same.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FeatureStore, Value } from '@asof/core'
import { createServer } from '@asof/server'
import { nullableValueArb, propertyRuns, sameValue } from '@asof/testing'
import fc from 'fast-check'
import { everything, everyType, outing, places, served } from './faults/served-store.ts'
import { connect, type AsofError, type FeatureClient, type VectorDetails } from './index.ts'

let inProcess: FeatureStore
let client: FeatureClient
let url: string
let stop = (): void => undefined
let stopped: Promise<void>

before(async () => {
  await new Promise<void>((resolve, reject) => {
    stopped = served({}, async (both) => {
      ;({ inProcess, client, url } = both)
      resolve()
      await new Promise<void>((end) => (stop = end))
    })
    stopped.catch(reject)
  })
})
after(async () => {
  stop()
  await stopped
})

const PLACE = { is_open: true, floor: -3, name: 'Ünter: {x} 😀', mark: Uint8Array.of(0, 255), since: -1n }

/** A program that takes either. */
async function useStore(store: FeatureStore | FeatureClient): Promise<unknown> {
  const use = store as FeatureStore
  const row = { ...PLACE, event_timestamp: Date.now() * 1_000, rating: -0, visits: 2n ** 60n }
  const { at, position, ...pushed } = await use.push(places, [row], undefined, { wait: 'applied' })
  assert.ok(Number.isSafeInteger(at) && position >= 0)
  const request = { scheduled: 5n, weights: Float32Array.of(2, 0.5) }
  const first = await use.get(outing, PLACE, { request })
  const again = await use.getMany('outing', [{ keys: PLACE, request }, { keys: { ...PLACE, name: null } }], {
    at: first.$at,
    expect: first.$fingerprint,
    deadline: 10_000,
  })
  const past = await use.get(outing, PLACE, { request, asOf: at })
  return [
    pushed,
    ...[first, ...again, past].map((each) => ({ ...shown(each), $at: undefined, $eventTimes: undefined })),
  ]
}

test('one program gives the same in process and over HTTP', async () => {
  const here = await useStore(inProcess)
  const there = await useStore(client)
  assert.deepEqual(there, here)
  const [pushed, first, , missing, past] = here as readonly Record<string, unknown>[]
  assert.deepEqual(pushed, { duplicate: false, accepted: 1, quarantined: 0, superseded: 0 })
  assert.deepEqual([first?.['rating'], first?.['visits'], first?.['weighted']], [-0, 2n ** 60n, -0])
  assert.equal(first?.['$source'], 'online')
  assert.equal(past?.['$source'], 'offline')
  assert.deepEqual(missing?.['$statuses'], {
    rating: 'not_found',
    visits: 'not_found',
    weighted: 'error',
    late: 'error',
  })
  assert.deepEqual(missing?.['$flags'], {
    rating: { defaulted: true, null_key: true },
    visits: { null_key: true },
  })
})

test('a lookup at one instant is the same, whole', async () => {
  const request = { scheduled: null, weights: Float32Array.of(Number.NaN, 1) }
  const here = await inProcess.get(outing, PLACE, { request })
  const there = await client.get(outing, PLACE, { request, at: here.$at })
  assert.deepEqual(shown(there), shown(here))
  assert.deepEqual(Object.keys(there), Object.keys(here))
  assert.deepEqual(await client.getMany(outing, []), [])
})

test('a deadline may be as long as anybody likes', async () => {
  const request = { scheduled: 5n, weights: Float32Array.of(2, 0.5) }
  for (const deadline of [600_001, 2 ** 40, Infinity]) {
    assert.equal((await inProcess.get(outing, PLACE, { request, deadline })).$source, 'online')
    assert.equal((await client.get(outing, PLACE, { request, deadline })).$source, 'online')
  }
})

test('every value of every type, pushed and looked up over HTTP', async () => {
  const { features } = everything.definition
  const row = fc.record(Object.fromEntries(features.map(({ name, type }) => [name, nullableValueArb(type)])))
  let user = 0n
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 4 }), async (rows) => {
      const keyed = rows.map((each) => ({ user_id: user++, event_timestamp: Date.now() * 1_000, ...each }))
      await client.push(everything, keyed, undefined, { wait: 'applied' })
      const questions = keyed.map(({ user_id }) => ({ keys: { user_id } }))
      const here = await inProcess.getMany(everyType, questions)
      const there = await client.getMany(everyType, questions, { at: here[0]!.$at })
      const single = await Promise.all(questions.map(async ({ keys }) => await client.get(everyType, keys)))
      for (const [index, vector] of here.entries()) {
        const pushed = rows[index]!
        for (const { name, type } of features) {
          const [a, b, c] = [vector, there[index], single[index]].map((each) => valueOf(each, name))
          // What a number cannot hold is an error in process, and so it is here.
          assert.ok(sameValue(type, a!, b!) && sameValue(type, a!, c!), `${name} differs`)
          if (!isCount(name))
            assert.ok(sameValue(type, pushed[name] as Value, b!), `${name} came back otherwise`)
        }
        assert.deepEqual(shown(there[index]!), shown(vector))
      }
    }),
    propertyRuns(0.2),
  )
})

test('what is refused in process is refused over HTTP, with the same words', async () => {
  type Refused = (store: FeatureStore) => Promise<unknown>
  const any = (value: unknown): never => value as never
  const now = Date.now() * 1_000
  const row = { ...PLACE, event_timestamp: now, rating: 1, visits: 1n }
  const refused: readonly Refused[] = [
    async (store) => await store.get('nope', {}),
    async (store) => await store.get(outing, any({ ...PLACE, floor: '3' })),
    async (store) => await store.get(outing, any({ ...PLACE, floor: 1.5 })),
    async (store) => await store.get(outing, any({ ...PLACE, name: 7 })),
    async (store) => await store.get(outing, any({ ...PLACE, is_open: 1 })),
    async (store) => await store.get(outing, any({ ...PLACE, mark: 'AA==' })),
    async (store) => await store.get(outing, any({ ...PLACE, since: '2024-01-01T00:00:00Z' })),
    async (store) => await store.get(everyType, any({ user_id: '7' })),
    async (store) => await store.get(everyType, any({ user_id: 2n ** 63n })),
    async (store) => await store.get(outing, any({ floor: 1 })),
    async (store) => await store.get(outing, any({ ...PLACE, other: 1 })),
    async (store) => await store.get(outing, PLACE, { request: any({ nope: 1 }) }),
    async (store) => await store.get(outing, PLACE, { request: any({ scheduled: 1.5 }) }),
    async (store) => await store.get(outing, PLACE, { request: any({ weights: [1] }) }),
    async (store) => await store.get(outing, PLACE, { at: any(now / 1_000) }),
    async (store) => await store.get(outing, PLACE, { at: any(now + 0.5) }),
    async (store) => await store.get(outing, PLACE, { asOf: any(Number.NaN) }),
    async (store) => await store.get(outing, PLACE, { at: any(1e300) }),
    async (store) => await store.get(outing, PLACE, { at: any('2024-01-01T00:00:00Z') }),
    async (store) => await store.get(outing, PLACE, { at: any(now), asOf: any(now) }),
    async (store) => await store.get(outing, PLACE, { at: any(now - 2 * 3_600_000_000) }),
    async (store) => await store.get(outing, PLACE, { asOf: any(now + 3_600_000_000) }),
    async (store) => await store.get(outing, PLACE, { expect: 'another' }),
    async (store) => await store.get(outing, PLACE, { deadline: -1 }),
    async (store) => await store.getMany(outing, [{ keys: PLACE }, { keys: any({ ...PLACE, floor: 'x' }) }]),
    async (store) => await store.push('nope', [row]),
    async (store) => await store.push(places, []),
    async (store) => await store.push(places, [row, { ...row, floor: 'x' }]),
    async (store) => await store.push(places, [{ ...row, visits: undefined }]),
    async (store) => await store.push(places, [{ ...row, visits: 1.5 }]),
    async (store) => await store.push(places, [{ ...row, unknown: 1 }]),
    async (store) => await store.push(places, [{ ...row, name: null }]),
    async (store) => await store.push(places, [{ ...row, event_timestamp: now / 1_000 }]),
    async (store) => await store.push(places, [{ ...row, event_timestamp: '2024-02-30T00:00:00Z' }]),
    async (store) => await store.push(places, [{ ...row, _deleted: true }]),
    async (store) => await store.push(places, [row], { producer: 'asof:x', sequence: 1 }),
  ]
  for (const [index, work] of refused.entries()) {
    const here = await refusal(work(inProcess), index)
    const there = await refusal(work(client as unknown as FeatureStore), index)
    const facts = ({ name, message, kind, code, retryable, details }: AsofError): unknown => ({
      name,
      message,
      kind,
      code,
      retryable,
      details: Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined)),
    })
    assert.deepEqual(facts(there), facts(here))
  }
})

test('a bad key among lookups of one tick costs itself alone', async () => {
  const keys = Array.from({ length: 9 }, (_, index) => ({
    user_id: index === 4 ? ('x' as never) : BigInt(index),
  }))
  const settled = await Promise.allSettled(keys.map(async (key) => await client.get(everyType, key)))
  assert.deepEqual(
    settled.map(({ status }) => status === 'fulfilled'),
    keys.map((_, index) => index !== 4),
  )
  const here = await refusal(inProcess.get(everyType, keys[4]!), 0)
  assert.equal((settled[4] as PromiseRejectedResult).reason.message, here.message)
})

test('a push is appended once, whatever is repeated', async () => {
  const row = { user_id: -5n, event_timestamp: Date.now() * 1_000 }
  const values = Object.fromEntries(everything.definition.features.map(({ name }) => [name, null]))
  const name = { producer: 'one', sequence: 1 }
  const first = await client.push(everything, [{ ...row, ...values }], name)
  const repeat = await client.push(everything, [{ ...row, ...values }], name)
  assert.deepEqual([first.duplicate, first.accepted], [false, 1])
  assert.deepEqual([repeat.duplicate, repeat.accepted], [true, 0])
  assert.ok(url.startsWith('http://127.0.0.1:'))
})

test('a token opens what its scope says, and is refused without a trace', async () => {
  const [reads, writes] = ['r', 'w'].map((letter) => letter.repeat(40)) as [string, string]
  const scopes = new Map([[reads, { scope: 'read', name: 'model' } as const]])
  await using server = createServer({
    store: inProcess,
    tokens: {
      check: (token) => scopes.get(token) ?? (token === writes ? { scope: 'write', name: 'p' } : undefined),
    },
  })
  const { url: guarded } = await server.listen({ host: '127.0.0.1', port: 0 })
  const rows = [{ ...PLACE, event_timestamp: Date.now() * 1_000, rating: 1, visits: null }]
  const as = async (
    token: string | undefined,
    work: (store: FeatureClient) => Promise<unknown>,
  ): Promise<string> => {
    await using store = connect(guarded, { deadline: 20_000, ...(token !== undefined && { token }) })
    const error = await work(store).then(
      () => undefined,
      (reason: unknown) => reason as AsofError,
    )
    assert.ok(token === undefined || !`${error?.stack} ${JSON.stringify(error)}`.includes(token))
    return error === undefined ? 'ok' : error.kind
  }
  const get = async (store: FeatureClient): Promise<unknown> => await store.get(everyType, { user_id: 1n })
  const push = async (store: FeatureClient): Promise<unknown> => await store.push(places, rows)
  const answers = [
    as(reads, get),
    as(reads, push),
    as(writes, get),
    as(writes, push),
    as(undefined, get),
    as('x'.repeat(40), get),
  ]
  assert.deepEqual(await Promise.all(answers), ['ok', 'denied', 'ok', 'ok', 'denied', 'denied'])
})

/** Values and what is known of them. */
function shown(vector: VectorDetails): Record<string, unknown> {
  const { $statuses, $flags, $eventTimes, $at, $fingerprint, $source } = vector
  return { ...vector, $statuses, $flags, $eventTimes, $at, $fingerprint, $source }
}

function valueOf(vector: unknown, name: string): Value | null {
  return (vector as Readonly<Record<string, Value | null>>)[name]!
}

/** Shown as a number, or with one inside: another form than that which was pushed. */
function isCount(name: string): boolean {
  return name === 'a_count' || name === 'counts' || name === 'map_of_count' || name === 'a_struct'
}

async function refusal(work: Promise<unknown>, index: number): Promise<AsofError> {
  return await work.then(
    () => assert.fail(`number ${index} was answered`),
    (reason: unknown) => reason as AsofError,
  )
}
