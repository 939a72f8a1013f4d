// Pushes of which something goes wrong on the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  busy,
  hangUp,
  late,
  never,
  problem,
  pushed,
  refusal,
  scripted,
  type Step,
} from './scripted-server.ts'

test('a push is named once, whatever becomes of its requests, and the next has the next number', async () => {
  await scripted([hangUp, busy, pushed], { deadline: 5_000 }, async ({ store, asked }) => {
    const results = await Promise.all([
      store.push('g', [{ a: 1 }]),
      store.push('g@2', [{ a: 2 }], undefined, { wait: 'applied' }),
    ])
    assert.deepEqual(results[0], {
      duplicate: false,
      accepted: 1,
      quarantined: 0,
      position: 3,
      at: 1_704_067_200_000_000,
    })
    const producer = asked[0]!.body['producer']
    assert.match(String(producer), /^client:[0-9a-f]{32}$/)
    assert.deepEqual(
      asked.map(({ url, body }) => [url, body['producer'], body['sequence'], body['wait']]),
      [1, 1, 1, 2].map((sequence) =>
        sequence === 1
          ? ['/v1/groups/g/rows', producer, 1, undefined]
          : ['/v1/groups/g%402/rows', producer, 2, 'applied'],
      ),
    )
  })
})

test('pushes of one producer go one after the other, of two beside each other', async () => {
  let inFlight = 0
  let most = 0
  const counted: Step = async (response, asked) => {
    most = Math.max(most, ++inFlight)
    await late(20, pushed)(response, asked)
    inFlight--
  }
  await scripted([counted], {}, async ({ store }) => {
    await Promise.all([1, 2, 3].map(async () => await store.push('g', [{}])))
    assert.equal(most, 1)
    await Promise.all(
      [1, 2].map(async (n) => await store.push('g', [{}], { producer: `p${n}`, sequence: 1 })),
    )
    assert.equal(most, 2)
  })
})

test('a push of unknown outcome is named in its error, and no later push overtakes its name', async () => {
  await scripted([never, pushed], {}, async ({ store, asked }) => {
    const error = await refusal(store.push('g', [{ a: 1 }], undefined, { deadline: 50 }))
    const { producer, sequence } = error.details as { readonly producer: string; readonly sequence: number }
    assert.deepEqual(
      [error.kind, error.code, error.retryable, sequence],
      ['unavailable', 'deadline_exceeded', true, 1],
    )
    await store.push('g', [{ a: 2 }])
    await store.push('g', [{ a: 1 }], { producer, sequence })
    const [first, next, repeat] = asked.map(({ body }) => [body['producer'], body['sequence']])
    assert.deepEqual(repeat, first)
    assert.equal(next?.[1], 1)
    assert.notEqual(next?.[0], producer)
  })
  // What was refused was not appended: its name is spent, and the producer goes on.
  await scripted([problem(400, 'invalid', 'partial_row'), pushed], {}, async ({ store, asked }) => {
    assert.equal((await refusal(store.push('g', [{}]))).code, 'partial_row')
    await store.push('g', [{ a: 2 }])
    assert.equal(asked[1]!.body['producer'], asked[0]!.body['producer'])
    assert.equal(asked[1]!.body['sequence'], 2)
  })
})

test('a push that waits in line ends with its own deadline, and is never sent', async () => {
  await scripted([late(300, pushed)], {}, async ({ store, asked }) => {
    const first = store.push('g', [{ a: 1 }])
    const error = await refusal(store.push('g', [{ a: 2 }], undefined, { deadline: 30 }))
    assert.deepEqual([error.code, error.details], ['deadline_exceeded', { deadline: 30 }])
    await first
    await store.push('g', [{ a: 3 }])
    assert.deepEqual(
      asked.map(({ body }) => body['sequence']),
      [1, 2],
    )
  })
})
