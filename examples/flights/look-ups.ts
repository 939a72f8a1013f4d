import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { connect } from '@asof/client'
import { formatAge, parseInstant, type FeatureStore, type Instant } from 'asof'
import { delayModel } from './definitions.ts'

const QUESTIONS = [
  { origin: 'LAX', destination: 'SFO' },
  { origin: 'ORD', destination: 'LGA' },
  { origin: 'ATL', destination: 'MIA' },
  { origin: 'DFW', destination: 'DEN' },
] as const
const REQUEST = { scheduled: BigInt(parseInstant('2001-06-30T17:00:00Z')), distance: 337 }

/** Starts `asof serve`, asks it with the client, asks the store in this process by the same call, and shows a vector. */
export async function lookUps(
  store: FeatureStore,
  folder: string,
  say: (text: string) => void,
): Promise<void> {
  const started = performance.now()
  const { server, url } = await startServer(folder)
  try {
    say(`\`asof serve\` answers at ${url} after ${(performance.now() - started).toFixed(0)} ms`)
    await using client = connect(url)
    const ask = async (turn: number) =>
      await client.get(delayModel, QUESTIONS[turn % QUESTIONS.length]!, { request: REQUEST })
    say(`over HTTP    ${await timed(ask, 3_000)}`)
    say(
      `in process   ${await timed(
        async (turn) =>
          await store.get(delayModel, QUESTIONS[turn % QUESTIONS.length]!, { request: REQUEST }),
        20_000,
      )}`,
    )
    const vector = await ask(0)
    console.log('\n   LAX to SFO                       value  status     as of')
    for (const [name, status] of Object.entries(vector.$statuses)) {
      const value = String((vector as unknown as Record<string, unknown>)[name])
      const event = vector.$eventTimes[name]
      const age =
        event === null || event === undefined ? '' : formatAge(event as Instant, vector.$at as Instant)
      console.log(`   ${name.padEnd(26)}${value.slice(0, 11).padStart(12)}  ${status.padEnd(9)}  ${age}`)
    }
  } finally {
    const ended = new Promise((done) => server.once('exit', done))
    server.kill('SIGTERM')
    await ended
  }
}

/** The server as a process of its own, on a free port. */
async function startServer(folder: string): Promise<{ readonly server: ChildProcess; readonly url: string }> {
  const bin = fileURLToPath(new URL('../../packages/cli/bin/asof.mjs', import.meta.url))
  const args = [
    'serve',
    '--project',
    folder,
    '--port',
    '0',
    '--drain-ms',
    '0',
    '--log-level',
    'error',
    '--json',
  ]
  const server = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const text of server.stdout.setEncoding('utf8')) {
    said += String(text)
    try {
      return { server, url: (JSON.parse(said) as { readonly url: string }).url }
    } catch {
      // Not all of the document is there yet.
    }
  }
  throw new Error('asof serve ended before it listened')
}

/** Lookups one after the other: how long they take, and how many there are in a second. */
async function timed(ask: (turn: number) => Promise<unknown>, turns: number): Promise<string> {
  const times: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const from = performance.now()
    await ask(turn)
    times.push(performance.now() - from)
  }
  const total = times.reduce((sum, time) => sum + time, 0)
  times.sort((a, b) => a - b)
  const at = (share: number): string => `${(times[Math.floor(times.length * share)]! * 1000).toFixed(0)} µs`
  const rate = Math.round(times.length / (total / 1000)).toLocaleString('en-US')
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, ${rate} vectors/s of 13 features, one after the other`
}
