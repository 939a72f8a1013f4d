// Lookups of which something goes wrong on the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AsofError, connect, type ConnectOptions } from '../index.ts'
import {
  answer,
  busy,
  hangUp,
  json,
  late,
  never,
  problem,
  refusal,
  scripted,
  TOKEN,
  valueOf,
  waitFor,
  type Step,
} from './scripted-server.ts'

test('what is busy or broken is asked again, and the token is in its header alone', async () => {
  const script = [busy, hangUp, problem(429, 'unavailable', 'slow_down'), answer]
  await scripted(script, { token: TOKEN, deadline: 5_000 }, async ({ store, asked }) => {
    assert.equal(await valueOf(store, 7), 7)
    assert.equal(asked.length, 4)
    for (const { url, headers } of asked) {
      assert.equal(url, '/v1/get')
      assert.equal(headers.authorization, `Bearer ${TOKEN}`)
    }
    const left = asked.map(({ body }) => body['deadlineMs'] as number)
    assert.deepEqual(
      left,
      left.toSorted((a, b) => b - a),
    )
    assert.ok(left[0]! <= 5_000 && left[3]! > 1_000)
  })
})

test('what a retry cannot help is asked once', async () => {
  const refusals = [
    problem(400, 'invalid', 'invalid_value'),
    problem(404, 'not_found', 'service_not_found'),
    problem(409, 'conflict', 'fingerprint_mismatch'),
    problem(401, 'denied', 'unauthorized'),
    problem(500, 'internal', 'internal'),
  ]
  for (const step of refusals) {
    await scripted([step], { token: TOKEN }, async ({ store, asked }) => {
      const error = await refusal(valueOf(store, 1))
      assert.equal(error.message, `${error.code} it is`)
      assert.deepEqual(error.details, { a: 1 })
      assert.equal(asked.length, 1)
    })
  }
})

test('retries end with their number, and with the deadline', async () => {
  await scripted([busy], { retries: 2 }, async ({ store, asked }) => {
    const error = await refusal(valueOf(store, 1))
    assert.deepEqual(
      [error.kind, error.code, error.retryable, asked.length],
      ['unavailable', 'too_busy', true, 3],
    )
  })
  await scripted([busy], { retries: 0 }, async ({ store, asked }) => {
    await refusal(valueOf(store, 1))
    assert.equal(asked.length, 1)
  })
  await scripted([busy], { retries: 1_000, deadline: 150 }, async ({ store, asked }) => {
    const started = performance.now()
    await refusal(valueOf(store, 1))
    assert.ok(performance.now() - started < 400)
    assert.ok(asked.length > 1 && asked.length < 30, String(asked.length))
  })
})

test('Retry-After is waited for where there is time, and not begun where there is none', async () => {
  const wait = problem(503, 'unavailable', 'too_busy', { 'retry-after': '1' })
  await scripted([wait, answer], { deadline: 3_000 }, async ({ store }) => {
    const started = performance.now()
    assert.equal(await valueOf(store, 2), 2)
    assert.ok(performance.now() - started >= 950)
  })
  await scripted([wait, answer], { deadline: 500 }, async ({ store, asked }) => {
    const started = performance.now()
    assert.equal((await refusal(valueOf(store, 2))).code, 'too_busy')
    assert.ok(performance.now() - started < 300)
    assert.equal(asked.length, 1)
  })
})

test('a deadline is one for the whole call, and the request is given up', async () => {
  await scripted([never], {}, async ({ store, asked }) => {
    const error = await refusal(valueOf(store, 1, { deadline: 60 }))
    assert.equal(error.message, 'the feature server did not answer in time. deadline=`60`')
    assert.deepEqual([error.kind, error.code, error.retryable], ['unavailable', 'deadline_exceeded', true])
    await waitFor(() => asked[0]?.isGone === true)
    assert.equal((await refusal(valueOf(store, 1, { deadline: -1 }))).code, 'invalid_deadline')
  })
  // The head of the answer comes, its end does not.
  const cut: Step = (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).write('{"a":')
  await scripted([cut], { deadline: 60 }, async ({ store }) => {
    assert.equal((await refusal(valueOf(store, 1))).code, 'deadline_exceeded')
  })
})

test('a deadline may be longer than any that a server takes, and than any timer', async () => {
  for (const deadline of [600_001, 3_600_000, 2 ** 40, Infinity]) {
    await scripted([answer], { deadline }, async ({ store, asked }) => {
      assert.equal(await valueOf(store, 1), 1)
      assert.ok(Number(asked[0]!.body['deadlineMs']) <= 600_000)
    })
  }
})

test('a server that is not there is unavailable, and named', async () => {
  await scripted([answer], {}, async ({ url, store }) => {
    await store.close()
    const gone = connect('http://127.0.0.1:1', { token: TOKEN, retries: 1 })
    const error = await refusal(valueOf(gone, 1))
    assert.deepEqual([error.kind, error.code, error.retryable], ['unavailable', 'server_unreachable', true])
    assert.match(error.message, /server=`http:\/\/127\.0\.0\.1:1`$/)
    const closed = await refusal(valueOf(store, 1))
    assert.deepEqual([closed.kind, closed.code], ['closed', 'store_closed'])
    assert.ok(url)
  })
})

test('an answer that is not ours is an error that says so', async () => {
  const html =
    (status: number): Step =>
    (response) =>
      void response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>')
  const cutJson: Step = (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end('{"columns":')
  const strange = [
    html(200),
    html(404),
    cutJson,
    json(200, null),
    json(200, []),
    json(200, { hello: 'world' }),
    json(200, { fingerprint: 'f', at: '2024', features: ['n'], columns: { n: [1] }, types: {} }),
    json(200, {
      fingerprint: 'f',
      at: '2024-01-01T00:00:00.000000Z',
      features: ['n'],
      columns: { n: [] },
      types: {},
    }),
    json(400, { type: 'about:blank', title: 'no' }, { 'content-type': 'application/problem+json' }),
  ]
  for (const step of strange) {
    await scripted([step], { token: TOKEN }, async ({ store, asked }) => {
      const error = await refusal(valueOf(store, 1))
      assert.deepEqual([error.kind, error.code, error.retryable], ['unavailable', 'not_an_answer', false])
      assert.equal(asked.length, 1)
      assert.doesNotMatch(error.message, /Sign in|hello/)
    })
  }
  await scripted([html(502), answer], {}, async ({ store }) => assert.equal(await valueOf(store, 3), 3))
})

test('an answer that is too large is not read to its end', async () => {
  let written = 0
  const huge: Step = async (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const chunk = Buffer.alloc(65_536, 32)
    while (!response.destroyed && written < 100_000_000) {
      written += chunk.length
      if (!response.write(chunk)) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  await scripted([huge], { answerBytesMax: 1_000_000, deadline: 5_000 }, async ({ store, asked }) => {
    const error = await refusal(valueOf(store, 1))
    assert.deepEqual([error.code, error.retryable], ['answer_too_large', false])
    await waitFor(() => asked[0]?.isGone === true)
    assert.ok(written < 50_000_000, String(written))
  })
})

test('a redirect is refused, and the token goes nowhere else', async () => {
  await scripted([answer], {}, async (elsewhere) => {
    const redirect: Step = (response) =>
      void response.writeHead(307, { location: `${elsewhere.url}/v1/get` }).end()
    await scripted([redirect], { token: TOKEN }, async ({ store }) => {
      assert.equal((await refusal(valueOf(store, 1))).code, 'redirect_refused')
    })
    assert.equal(elsewhere.asked.length, 0)
  })
})

test('a hedge is a second request where the first is slow, and the slow one is cancelled', async () => {
  await scripted([late(2_000, answer), answer], { hedge: { afterMs: 40 } }, async ({ store, asked }) => {
    const started = performance.now()
    assert.equal(await valueOf(store, 9), 9)
    assert.ok(performance.now() - started < 900)
    assert.equal(asked.length, 2)
    await waitFor(() => asked[0]!.isGone)
    assert.ok(!asked[1]!.isGone)
  })
  // The second fails: the first still counts.
  await scripted([late(120, answer), busy], { hedge: { afterMs: 30 }, retries: 0 }, async ({ store }) => {
    assert.equal(await valueOf(store, 9), 9)
  })
  // What is quick is asked once, and what says no is not asked again.
  await scripted([answer], { hedge: { afterMs: 500 } }, async ({ store, asked }) => {
    await valueOf(store, 9)
    assert.equal(asked.length, 1)
  })
  await scripted([late(60, answer)], {}, async ({ store, asked }) => {
    await valueOf(store, 9)
    assert.equal(asked.length, 1)
  })
})

test('a lookup is cancelled by its signal, with the reason of the signal', async () => {
  for (const batch of [true, false]) {
    await scripted([never], { batch }, async ({ store, asked }) => {
      const cancel = new AbortController()
      const reason = new Error('the user left')
      const work = valueOf(store, 1, { signal: cancel.signal })
      await waitFor(() => asked.length === 1)
      cancel.abort(reason)
      await assert.rejects(work, reason)
      await waitFor(() => asked[0]!.isGone)
      await assert.rejects(valueOf(store, 1, { signal: cancel.signal }), reason)
      assert.equal(asked.length, 1)
    })
  }
})

test('lookups of one tick are one request, of equal options alone', async () => {
  await scripted([answer], {}, async ({ store, asked }) => {
    const tick = Array.from({ length: 300 }, async (_, k) => await valueOf(store, k))
    assert.deepEqual(
      await Promise.all(tick),
      Array.from({ length: 300 }, (_, k) => k),
    )
    assert.deepEqual(
      asked.map(({ body }) => (body['entities'] as unknown[]).length),
      [256, 44],
    )
    await Promise.all([valueOf(store, 1), valueOf(store, 1, { expect: 'f1' }), valueOf(store, 1, { at: 5 })])
    assert.equal(asked.length, 5)
  })
  await scripted([answer], { batch: false }, async ({ store, asked }) => {
    await Promise.all([valueOf(store, 1), valueOf(store, 2)])
    assert.equal(asked.length, 2)
  })
  await scripted([late(50, answer)], {}, async ({ store, asked }) => {
    const cancel = new AbortController()
    const cancelled = valueOf(store, 1, { signal: cancel.signal })
    const other = valueOf(store, 2)
    await waitFor(() => asked.length === 1)
    cancel.abort()
    await assert.rejects(cancelled)
    assert.equal(await other, 2)
  })
})

test('one that is refused does not spoil the lookups beside it', async () => {
  const picky: Step = (response, asked) => {
    const keys = (asked.body['entities'] as { readonly keys: { readonly k: number } }[]).map(
      (each) => each.keys.k,
    )
    const bad = keys.filter((k) => k === 13 || k === 40)
    return (bad.length === 0 ? answer : problem(400, 'invalid', `bad_among_${keys.length}`))(response, asked)
  }
  await scripted([picky], {}, async ({ store, asked }) => {
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, k) => await valueOf(store, k)),
    )
    for (const [k, one] of settled.entries()) {
      if (k !== 13 && k !== 40) assert.deepEqual(one, { status: 'fulfilled', value: k })
      else assert.equal(one.status === 'rejected' && (one.reason as AsofError).code, 'bad_among_1')
    }
    assert.ok(asked.length < 25, String(asked.length))
  })
  // What is wrong with all of them is asked once.
  await scripted([problem(400, 'invalid', 'at_too_far_back')], {}, async ({ store, asked }) => {
    await Promise.allSettled([valueOf(store, 1, { at: 1 }), valueOf(store, 2, { at: 1 })])
    assert.equal(asked.length, 1)
  })
})

test('close takes no more calls, and waits for those under way', async () => {
  await scripted([late(60, answer)], {}, async ({ store }) => {
    const under = valueOf(store, 4)
    await store.close()
    const soon = new Promise((resolve) => setImmediate(resolve))
    assert.equal(await Promise.race([under, soon]), 4)
    await assert.rejects(store.push('g', [{}]), { code: 'store_closed' })
  })
})

test('types are asked for until they are known, and again when the fingerprint changes', async () => {
  const as =
    (fingerprint: string, type: object, value: unknown, always = false): Step =>
    (response, asked) => {
      const withTypes = always || (asked.body['include'] as string[]).includes('types')
      void json(200, {
        fingerprint,
        at: '2024-01-01T00:00:00.000000Z',
        source: 'online',
        features: ['n'],
        columns: { n: [value] },
        statuses: { n: ['present'] },
        eventTimes: { n: [null] },
        ...(withTypes && { types: { n: type } }),
      })(response, asked)
    }
  const int64 = as('a', { kind: 'int64' }, '5')
  const float = as('b', { kind: 'float64' }, 'NaN')
  await scripted([int64, int64, float, float, float], {}, async ({ store, asked }) => {
    const values: unknown[] = []
    for (let index = 0; index < 4; index++) values.push(await valueOf(store, 1))
    assert.deepEqual(values, [5n, 5n, Number.NaN, Number.NaN])
    const included = asked.map(({ body }) => (body['include'] as string[]).includes('types'))
    assert.deepEqual(included, [true, false, false, true, false])
  })
})

test('what a client is made with is checked, and no message repeats a secret', async () => {
  const refused: readonly [string, ConnectOptions, string][] = [
    ['nonsense-secret', {}, 'invalid_url'],
    ['ftp://secret', {}, 'invalid_url'],
    ['http://user:secret@host', {}, 'invalid_url'],
    ['http://host/?token=secret', {}, 'invalid_url'],
    ['http://host', { token: 'secret\nsecret' }, 'invalid_token'],
    ['http://host', { deadline: Number.NaN }, 'invalid_deadline'],
    ['http://host', { retries: -1 }, 'invalid_option'],
    ['http://host', { hedge: { afterMs: Number.NaN } }, 'invalid_option'],
  ]
  for (const [url, options, code] of refused) {
    assert.throws(
      () => connect(url, options),
      (error: AsofError) =>
        error.code === code && !/secret@|token=|secret\n|-secret|\/secret/.test(error.message),
    )
  }
})
