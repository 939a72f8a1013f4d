// Ten thousand connections that say nothing, and some that drip: what they cost the others is nothing, and they do not stay.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '@asof/testing'
import { PlainAsker, requestBytes } from './plain-asker.ts'
import { prepareStore, startProcess } from './serve-process.ts'
import { steadyProject } from './steady-load.ts'

const CHILD = join(import.meta.dirname, 'serving-child.ts')
const DRIPPING = 200
/** Files that a process may have open beside its connections. */
const SPARE_FILES = 500
const REQUESTS = 6_000
const ASKING = 8

test(
  'S12: ten thousand connections that say nothing cost the others nothing',
  { timeout: 120_000 },
  async (it) => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    await using server = await startProcess([
      '--expose-gc',
      CHILD,
      folder.path,
      JSON.stringify({ headersTimeoutMs: 6_000 }),
    ])
    const filesMax = Number(execFileSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })) || 1_000_000
    const silent = Math.min(10_000, filesMax - DRIPPING - SPARE_FILES)
    await ask(server.port)
    const before = await ask(server.port)
    const crowd = spawn(
      process.execPath,
      [
        '--conditions=source',
        join(import.meta.dirname, 'crowd-child.ts'),
        ...[server.port, silent, DRIPPING].map(String),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const ended = once(crowd, 'close')
    const lines = createInterface(crowd.stdout)[Symbol.asyncIterator]()
    // While they come, too.
    const [meanwhile, opened] = await Promise.all([ask(server.port), lines.next()])
    assert.deepEqual(JSON.parse(String(opened.value)), {
      open: true,
      opened: silent + DRIPPING,
      closed: 0,
      failed: 0,
    })
    const during = await ask(server.port)
    const state = (await (await fetch(`${server.url}/test/state`)).json()) as { connections: number }
    assert.ok(state.connections >= silent + DRIPPING, `${state.connections} connections`)
    for (const { statuses } of [before, meanwhile, during]) {
      assert.deepEqual([...statuses], [[200, REQUESTS]])
    }
    const closed = JSON.parse(String((await lines.next()).value)) as object
    assert.deepEqual(closed, { open: false, opened: silent + DRIPPING, closed: silent + DRIPPING, failed: 0 })
    await ended
    const shown = ({ p50, p99 }: Asked): string => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
    it.diagnostic(
      `${silent} silent, ${DRIPPING} dripping; before: ${shown(before)}; during: ${shown(during)}`,
    )
    it.diagnostic(
      `ratio p50 ${(during.p50 / before.p50).toFixed(2)}, p99 ${(during.p99 / before.p99).toFixed(2)}`,
    )
  },
)

test(
  'S12: connections beyond the limit are closed, and those within go on',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const limits = { headersTimeoutMs: 1_000, connectionsMax: 100 }
    await using server = await startProcess(['--expose-gc', CHILD, folder.path, JSON.stringify(limits)])
    using asker = await PlainAsker.open(server.port)
    const get = requestBytes('/v1/get', JSON.stringify({ service: 'model', keys: { user: 'a' } }))
    assert.equal(await asker.ask(get), 200)
    const sockets: Socket[] = []
    const counts = { closed: 0 }
    for (let number = 0; number < 300; number++) {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume().once('close', () => counts.closed++)
      sockets.push(socket)
    }
    while (counts.closed < 201) await sleep(10)
    assert.equal(await asker.ask(get), 200)
    // The rest says nothing for too long, and leaves room.
    while (counts.closed < 300) await sleep(10)
    using later = await PlainAsker.open(server.port)
    assert.deepEqual([await later.ask(get), await asker.ask(get)], [200, 200])
  },
)

test(
  'S12: a connection carries so many requests, headers so many lines, and no more',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const limits = { requestsPerConnectionMax: 20 }
    await using server = await startProcess(['--expose-gc', CHILD, folder.path, JSON.stringify(limits)])
    const live = requestBytes('/livez')
    using asker = await PlainAsker.open(server.port)
    // All at once: each is answered, in order, and the last one says that it is the last.
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => await asker.ask(live)))
    assert.deepEqual(new Set(statuses), new Set([200]))
    assert.ok(asker.isOver)
    const crowded = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`x-${at}`, '1']))
    using other = await PlainAsker.open(server.port)
    assert.equal(await other.ask(requestBytes('/livez', undefined, crowded)), 431)
    assert.equal(await (await PlainAsker.open(server.port)).ask(live), 200)
  },
)

interface Asked {
  readonly statuses: ReadonlyMap<number, number>
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** Requests of those who do say something. */
async function ask(port: number): Promise<Asked> {
  const statuses = new Map<number, number>()
  const times: number[] = []
  const get = requestBytes('/v1/get', JSON.stringify({ service: 'model', keys: { user: 'a' } }))
  let asked = 0
  await Promise.all(
    Array.from({ length: ASKING }, async () => {
      using asker = await PlainAsker.open(port)
      while (asked++ < REQUESTS) {
        const start = performance.now()
        const status = await asker.ask(get)
        times.push(performance.now() - start)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }),
  )
  times.sort((a, b) => a - b)
  return { statuses, p50: times[times.length >> 1]!, p99: times[Math.floor(times.length * 0.99)]! }
}
