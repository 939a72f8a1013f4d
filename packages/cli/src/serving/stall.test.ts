// F34: a server whose event loop stands still, and what it does with the requests that came meanwhile.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '@asof/testing'
import { PlainAsker, requestBytes } from './plain-asker.ts'
import { prepareStore, startProcess } from './serve-process.ts'
import { steadyProject } from './steady-load.ts'

const STALL_MS = 1_500
const IN_FLIGHT_MAX = 20
const PUSHES = 200

test(
  'F34: after a stall a server says degraded, sheds what is too much, and recovers',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const limits = { requestsInFlightMax: IN_FLIGHT_MAX }
    const child = join(import.meta.dirname, 'serving-child.ts')
    await using server = await startProcess(['--expose-gc', child, folder.path, JSON.stringify(limits)])
    const readiness = async (): Promise<unknown> => {
      const answer = await fetch(`${server.url}/readyz`)
      return [answer.status, await answer.json()]
    }
    // A machine that is busy may have been slow to start it.
    for (let turn = 0; turn < 300 && !JSON.stringify(await readiness()).includes('"ready"'); turn++)
      await sleep(50)
    assert.deepEqual(await readiness(), [200, { status: 'ready' }])

    const askers = await Promise.all(
      Array.from({ length: PUSHES }, async () => await PlainAsker.open(server.port)),
    )
    const stalled = fetch(`${server.url}/test/stall?ms=${STALL_MS}`)
    // Once it stands still, far more comes than it may carry at once.
    await sleep(STALL_MS / 5)
    const row = { event_timestamp: Date.now() * 1_000, count: '1', score: 0 }
    const answers = askers.map(
      async (asker, number) =>
        await asker.ask(
          requestBytes(
            '/v1/groups/clicks/rows',
            JSON.stringify({ rows: [{ ...row, user: `u${number}` }], producer: `p${number}`, sequence: 1 }),
          ),
        ),
    )
    await stalled
    assert.deepEqual(await readiness(), [200, { status: 'degraded' }])
    const statuses = Map.groupBy(await Promise.all(answers), (status) => status)
    assert.deepEqual(new Set(statuses.keys()), new Set([200, 503]))
    // Whatever was taken is there, and nothing else is.
    const entities = askers.map((_, number) => ({ keys: { user: `u${number}` } }))
    const taken = await fetch(`${server.url}/v1/get`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service: 'model', entities, include: ['statuses'], form: 'columns' }),
    })
    assert.equal(taken.status, 200)

    const state = (await (await fetch(`${server.url}/test/state`)).json()) as { inFlight: number }
    assert.equal(state.inFlight, 0, 'nothing is left waiting')
    for (const asker of askers) asker[Symbol.dispose]()
    const page = await (await fetch(`${server.url}/metrics`)).text()
    const shed = Number(/^asof_requests_shed_total (\d+)$/m.exec(page)?.[1])
    assert.equal(shed, statuses.get(503)!.length)
    // The delay is forgotten after a while, and the server is ready as before.
    for (let turn = 0; turn < 300; turn++) {
      if (JSON.stringify(await readiness()).includes('"ready"')) return
      await sleep(50)
    }
    assert.fail('the server stays degraded')
  },
)
