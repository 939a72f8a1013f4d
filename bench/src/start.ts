// From nothing to the first answer, and what a server that rests holds: `asof serve` as it is installed, over the project
// that `asof init` writes, against Feast's server in Python.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { takeTurns, type Benchmark, type Sample } from './comparison.ts'
import { filledFeast } from './feast.ts'
import { startServer, type ServerCommand } from './server-process.ts'

const PORTS = { asof: 18_711, feast: 18_712, redis: 18_713 } as const
const ROUNDS = 5
const REST_MS = 1_500
const BIN = fileURLToPath(new URL('../../packages/cli/bin/asof.mjs', import.meta.url))

const run = promisify(execFile)

/** See the head of this file. */
export const start: Benchmark = async ({ say }) => {
  await using servers = new AsyncDisposableStack()
  // Inside the repository, so that the project's definitions find the package.
  const folder = resolve('.cache', 'bench', 'start')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(dirname(folder), { recursive: true })
  for (const args of [
    ['init', folder],
    ...[['apply'], ['materialize']].map((each) => [...each, '--project', folder]),
  ]) {
    await run(process.execPath, [BIN, ...args])
  }
  const asof: ServerCommand = {
    command: process.execPath,
    args: [BIN, 'serve', '--port', String(PORTS.asof), '--project', folder],
    port: PORTS.asof,
  }
  const ask = { service: 'fraud_model', keys: { customer: 'c001' }, request: { amount: 250 } }
  const feast = await filledFeast(servers, { ports: PORTS, users: 100, say }).catch((error: Error) => {
    say(`without Feast: ${error.message.slice(0, 500)}`)
  })
  const feastAsk = { features: ['group_0:group_0_value_0'], entities: { user: ['u00000007'] } }
  const sides = await takeTurns(
    [
      { name: 'asof serve', turn: async () => await started(asof, '/v1/get', ask) },
      ...(feast
        ? [
            {
              name: 'Feast 0.67, one worker',
              turn: async () => await started(feast, '/get-online-features', feastAsk),
            },
          ]
        : []),
    ],
    { rounds: ROUNDS, warmUp: 1 },
  )
  return [
    {
      title: 'start: from nothing to the first answer',
      settings: { rest_ms: REST_MS },
      metrics: [
        { name: 'answer', unit: 's', main: true },
        { name: 'resident', unit: 'bytes' },
      ],
      sides,
      notes: [`resident: memory of all its processes, ${REST_MS} ms after the first answer`],
    },
  ]
}

/** Starts a server, asks until it answers, and looks at its memory when it has rested. */
async function started(command: ServerCommand, path: string, body: object): Promise<Sample> {
  const from = performance.now()
  await using server = await startServer(command)
  const text = JSON.stringify(body)
  const headers = { 'content-type': 'application/json' }
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${command.port}${path}`, {
      method: 'POST',
      headers,
      body: text,
    }).catch(() => undefined)
    await response?.text()
    if (response?.status === 200) break
    await sleep(5)
  }
  const answer = (performance.now() - from) / 1_000
  await sleep(REST_MS)
  return { answer, resident: residentBytes(server.process.pid!) }
}

/** Resident memory of a process and of those that it started; NaN where the system does not tell. */
function residentBytes(pid: number): number {
  const task = `/proc/${pid}`
  if (!existsSync(task)) return Number.NaN
  const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`${task}/status`, 'utf8'))?.[1]) * 1_024
  const children = readFileSync(`${task}/task/${pid}/children`, 'utf8').trim()
  return children === ''
    ? own
    : children.split(' ').reduce((sum, child) => sum + residentBytes(Number(child)), own)
}
