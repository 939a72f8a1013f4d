// Lookups over HTTP: 100 features from 10 groups, against Fastify answering with a ready-made object of that size, and
// against Feast's server in Python with Redis behind it. Servers run on one core, the driver on the other.
import { execFile } from 'node:child_process'
import { deepStrictEqual } from 'node:assert'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { chance } from './chance.ts'
import { takeTurns, type Benchmark, type Comparison, type Sample, type Side } from './comparison.ts'
import { filledFeast } from './feast.ts'
import { load } from './load-driver.ts'
import { FEATURES, GROUPS, openStores, userId, valueOf } from './lookup-data.ts'
import { startServer, type ServerProcess } from './server-process.ts'

const USERS = 100_000
/** Users that Feast has: enough that nothing is asked for twice in a row. */
const FEAST_USERS = 2_000
const ROUNDS = 7
const TURN_MS = 1_500
const CONNECTIONS = 16
/** Entities of a request for many. */
const MANY = 100
const PORTS = { asof: 18_701, fastify: 18_702, fastifyMany: 18_703, feast: 18_704, redis: 18_705 } as const

const run = promisify(execFile)
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const NODE = ['--conditions=source'] as const

/** See the head of this file. */
export const http: Benchmark = async (setting) => {
  const { small, say } = setting
  await onCore(1)
  const users = small ? USERS / 10 : USERS
  const folder = join('.cache', 'bench', `lookup-${users}`)
  await (await openStores(folder, users, setting))[Symbol.asyncDispose]()
  await using servers = new AsyncDisposableStack()
  const start = async (file: string, port: number, ...args: string[]): Promise<ServerProcess> =>
    servers.use(await startServer({ command: process.execPath, args: [...NODE, here(file), ...args], port }))
  await start('http-asof.ts', PORTS.asof, folder, String(PORTS.asof))
  const roll = chance(3)
  const some = (below: number, count: number): string[] =>
    Array.from({ length: count }, () => userId(Math.floor(roll() * below)))
  const asks = (entities: number): string[] =>
    Array.from({ length: 200 }, () => asofBody(some(users, entities)))
  for (const [port, entities] of [
    [PORTS.fastify, 1],
    [PORTS.fastifyMany, MANY],
  ] as const) {
    const file = join(folder, `answer-${entities}.json`)
    writeFileSync(file, await checkedAnswer(some(users, entities)))
    await start('http-fastify.ts', port, String(port), file)
  }
  const feast = await startFeast(servers, say)

  const side = (name: string, port: number, bodies: readonly string[], path = '/v1/get'): Side => ({
    name,
    turn: async () => await turn(port, path, bodies),
  })
  const feastAsks = (entities: number): string[] =>
    Array.from({ length: 50 }, () => feastBody(some(FEAST_USERS, entities)))
  const comparisons: Comparison[] = []
  for (const [entities, fastify] of [
    [1, PORTS.fastify],
    [MANY, PORTS.fastifyMany],
  ] as const) {
    say(`${ROUNDS} turns of each side, ${entities} ${entities === 1 ? 'entity' : 'entities'} a request`)
    const sides = await takeTurns(
      [
        side('asof', PORTS.asof, asks(entities)),
        side(FASTIFY, fastify, asks(entities)),
        ...(feast ? [side(FEAST_SIDE, PORTS.feast, feastAsks(entities), '/get-online-features')] : []),
      ],
      { rounds: small ? 3 : ROUNDS, warmUp: 1 },
    )
    const title = `http: ${entities === 1 ? 'one entity' : `${entities} entities`}, ${GROUPS * FEATURES} features from ${GROUPS} groups, JSON`
    const settings = { users, connections: CONNECTIONS, entities }
    const common = { settings, metrics: METRICS, notes: NOTES }
    const target = { rival: FASTIFY, atLeast: 0.5 }
    comparisons.push({ title, ...common, sides, ...(entities === 1 && { target }) })
    if (feast) {
      const rivals = sides.filter(({ name }) => name !== FASTIFY)
      comparisons.push({
        title: `${title}, against Feast`,
        ...common,
        sides: rivals,
        target: { rival: FEAST_SIDE, atLeast: 50 },
      })
    }
  }
  return comparisons
}

const FASTIFY = 'Fastify, a ready-made object'
const FEAST_SIDE = 'Feast 0.67, Redis, one worker'
const METRICS: Comparison['metrics'] = [
  { name: 'rate', unit: 'per_second', main: true },
  { name: 'p50', unit: 'us' },
  { name: 'p99', unit: 'us' },
  { name: 'alone', unit: 'us' },
]
const NOTES = [
  `rate, p50 and p99 over ${CONNECTIONS} connections that each ask again at once; alone: median of one connection`,
  'each server on one core, the driver on the other; our answers and those of Feast were checked on a sample',
]

async function turn(port: number, path: string, bodies: readonly string[]): Promise<Sample> {
  const many = await load({ port, path, bodies, connections: CONNECTIONS, milliseconds: TURN_MS })
  const one = await load({ port, path, bodies, connections: 1, milliseconds: TURN_MS / 3 })
  return { rate: many.rate, p50: many.p50, p99: many.p99, alone: one.p50 }
}

function asofBody(users: readonly string[]): string {
  const entities = users.map((user) => ({ keys: { user } }))
  return JSON.stringify(
    entities.length === 1
      ? { service: 'profile', ...entities[0] }
      : { service: 'profile', entities, form: 'columns' },
  )
}

function feastBody(users: readonly string[]): string {
  const features = names().map(({ group, name }) => `group_${group}:${name}`)
  return JSON.stringify({ features, entities: { user: users } })
}

function names(): { readonly group: number; readonly at: number; readonly name: string }[] {
  return Array.from({ length: GROUPS * FEATURES }, (_, index) => {
    const [group, at] = [Math.floor(index / FEATURES), index % FEATURES]
    return { group, at, name: `group_${group}_value_${at}` }
  })
}

/** What our server answers, as text; every value is looked at once. */
async function checkedAnswer(users: readonly string[]): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${PORTS.asof}/v1/get`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: asofBody(users),
  })
  const text = await response.text()
  const answer = JSON.parse(text) as {
    readonly rows?: readonly Readonly<Record<string, number>>[]
    readonly columns?: Readonly<Record<string, readonly number[]>>
  }
  for (const { group, at, name } of names()) {
    const values = answer.rows?.map((row) => row[name]) ?? answer.columns?.[name]
    deepStrictEqual(
      values,
      users.map((user) => valueOf(Number(user.slice(1)), group, at)),
      name,
    )
  }
  return text
}

/** Starts Redis and Feast; false, with the reason said, where they cannot be had. */
async function startFeast(servers: AsyncDisposableStack, say: (line: string) => void): Promise<boolean> {
  try {
    const feast = await filledFeast(servers, { ports: PORTS, users: FEAST_USERS, say })
    servers.use(await startServer(feast))
    await checkFeast()
    return true
  } catch (error) {
    say(`without Feast: ${(error as Error).message.slice(0, 500)}`)
    return false
  }
}

async function checkFeast(): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${PORTS.feast}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: feastBody([userId(7)]),
  })
  const answer = (await response.json()) as {
    readonly metadata: { readonly feature_names: readonly string[] }
    readonly results: readonly { readonly values: readonly unknown[] }[]
  }
  // In an order of its own.
  const found = answer.results.map(({ values }, at) => [answer.metadata.feature_names[at], values[0]])
  const values = Object.fromEntries(found) as Readonly<Record<string, unknown>>
  for (const { group, at, name } of names()) deepStrictEqual(values[name], valueOf(7, group, at), name)
}

/** Keeps this process on one core, so that what is measured has the other; where the machine can. */
async function onCore(core: number): Promise<void> {
  if (!existsSync('/usr/bin/taskset')) return
  const cores = readFileSync('/proc/cpuinfo', 'utf8').match(/^processor/gm)?.length ?? 1
  if (cores > core) await run('/usr/bin/taskset', ['-a', '-cp', String(core), String(process.pid)])
}
