// Servers that are stopped and started one after the other, as a rollout does, behind a balancer that honours /readyz.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { entity, featureGroup, featureService, int64, project, string } from '@asof/core'
import { temporaryFolder } from '@asof/testing'
import { Balancer } from './balancer.ts'
import { PlainAsker, requestBytes } from './plain-asker.ts'
import { prepareStore, startServe, type ServeProcess } from './serve-process.ts'

const CLIENTS = 8
const user = entity('user', { keys: { user: string() } })
const clicks = featureGroup('clicks', { entity: user, features: { count: int64() } })
const shop = project('shop', [featureService('model', { features: [clicks] })])

test('F35: servers that get SIGTERM under load fail no request', { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder()
  await prepareStore(folder.path, shop)
  const servers: ServeProcess[] = []
  try {
    for (let at = 0; at < 2; at++) servers.push(await startServe(folder.path))
    const ports = servers.map(({ port }) => port)
    await using balancer = await Balancer.open(ports)
    const statuses = new Map<number, number>()
    const load = { isOver: false }
    const client = async (number: number): Promise<void> => {
      let asker = await PlainAsker.open(balancer.port)
      for (let turn = 0; !load.isOver; turn++) {
        if (asker.isOver) asker = await PlainAsker.open(balancer.port)
        const row = { user: `u${number}`, event_timestamp: Date.now() * 1_000, count: String(turn) }
        const push = { rows: [row], producer: `p${number}`, sequence: turn }
        const asked =
          turn % 5 === 0
            ? requestBytes('/v1/groups/clicks/rows', JSON.stringify(push))
            : requestBytes('/v1/get', JSON.stringify({ service: 'model', keys: { user: row.user } }))
        const status = await asker.ask(asked).catch(() => 0)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        await sleep(2)
      }
      asker[Symbol.dispose]()
    }
    const clients = Promise.all(Array.from({ length: CLIENTS }, async (_, number) => await client(number)))
    for (const [at, port] of ports.entries()) {
      const other = ports[1 - at]!
      await progress(balancer, port)
      const stopped = servers[at]!.stop()
      await balancer.until(port, false)
      await progress(balancer, other)
      assert.equal(await stopped, 0, servers[at]!.log())
      servers[at] = await startServe(folder.path, ['--port', String(port)])
      await balancer.until(port, true)
      await progress(balancer, port)
    }
    load.isOver = true
    await clients
    assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]))
    // What was acknowledged by a server that is gone is there.
    const asked = await fetch(`${servers[1]!.url}/v1/get`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        service: 'model',
        entities: Array.from({ length: CLIENTS }, (_, number) => ({ keys: { user: `u${number}` } })),
      }),
    })
    const { rows } = (await asked.json()) as { rows: { count: string | null }[] }
    assert.ok(rows.every(({ count }) => count !== null))
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
})

/** Waits until a server has answered some more. */
async function progress(balancer: Balancer, port: number): Promise<void> {
  const before = balancer.answered.get(port)!
  while (balancer.answered.get(port)! < before + 100) await sleep(5)
}
