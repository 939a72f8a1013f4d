// The real command in a real project: what a person sees who edits the definitions while it runs.
import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formatInstant, type GroupDefinition, type Instant, parseInstant } from '@asof/core'
import { nextRun } from '../dev/due.ts'

const BIN = join(import.meta.dirname, '../bin.ts')
const MODULES = join(import.meta.dirname, '../../../../node_modules')
const NODE = ['--conditions=source', BIN]

let root = ''
let folder = ''
let port = 0
let running: ChildProcess | undefined
/** What was printed and has not been waited for. */
let printed = ''

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-dev-'))
  folder = join(root, 'my-store')
  await promisify(execFile)(process.execPath, [...NODE, 'init', 'my-store'], { cwd: root })
  await symlink(MODULES, join(root, 'node_modules'))
  port = await freePort()
})
after(async () => {
  running?.kill('SIGKILL')
  await rm(root, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Waits until something is printed, and takes what came before with it. */
async function until(wanted: RegExp): Promise<string> {
  for (let waited = 0; waited < 20_000; waited += 20) {
    const found = wanted.exec(printed)
    if (found !== null) {
      const taken = printed.slice(0, found.index + found[0].length)
      printed = printed.slice(taken.length)
      return taken
    }
    await sleep(20)
  }
  throw new Error(`never printed: ${wanted}\n${printed}`)
}

async function ask(
  service: string,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/get`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      service,
      keys: { customer: 'c001' },
      ...(service === 'fraud_model' && { request: { amount: 250 } }),
    }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function edit(change: (text: string) => string): Promise<string> {
  const file = join(folder, 'definitions.ts')
  const text = await readFile(file, 'utf8')
  await writeFile(file, change(text))
  return text
}

test('it applies, serves and materializes', async () => {
  const child = spawn(process.execPath, [...NODE, 'dev', '--port', String(port)], { cwd: folder })
  running = child
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
  assert.match(await until(/applied, revision 1[\s\S]*8 to add/), /\+ group\/customer_activity@1 {2}safe/)
  await until(new RegExp(`serving shop at http://127.0.0.1:${port}`))
  await until(/materialized customer_activity@1: 1\d\d runs, /)
  await until(/materialized customer_profile@1: \d+ rows/)
  const { status, body } = await ask('fraud_model')
  assert.equal(status, 200)
  assert.equal(typeof (body['rows'] as Record<string, unknown>[])[0]!['amount_ratio'], 'number')
  assert.equal((await ask('nothing')).status, 404)
  await until(/1 lookup, 1 lookup refused/)
})

test('a change of the definitions is applied and served', async () => {
  assert.equal((await ask('small_model')).status, 404)
  await edit((text) =>
    text.replace(
      `export default project('shop', [fraudModel])`,
      `export const smallModel = featureService('small_model', { features: [profile] })\nexport default project('shop', [fraudModel, smallModel])`,
    ),
  )
  await until(/applied, revision 2\n\+ service\/small_model {2}safe/)
  await until(/serving shop at/)
  assert.equal((await ask('small_model')).status, 200)
})

test('what is wrong is said, and what was applied before is served on, until it is repaired', async () => {
  const good = await edit((text) => `${text}\nconst broken = (\n`)
  await until(/the configuration cannot be loaded[\s\S]*SyntaxError/)
  await until(/waiting for a change; what was applied before is served on/)
  assert.equal((await ask('small_model')).status, 200)
  await edit(() => good.replace(`default: 'unknown'`, `default: 7`))
  await until(/default[\s\S]*waiting for a change; what was applied before is served on/)
  assert.equal((await ask('small_model')).status, 200)
  // A change of what a model was trained on is shown, not done.
  await edit(() => good.replace('country: string', 'land: string'))
  assert.match(
    await until(/waiting for a change; what was applied before is served on/),
    /not applied: raise the version[\s\S]*~ group\/customer_profile@1 {2}breaking[\s\S]*fraud@1 \(payments\)/,
  )
  await edit(() => good)
  await until(/nothing to apply, at revision 2/)
  await until(/serving shop at/)
})

test('code that never ends is given up once it is changed', async () => {
  const good = await edit((text) => `${text}\nwhile (true) {}\n`)
  await sleep(1_500)
  await edit(() => good)
  await until(/nothing to apply, at revision 2/)
  await until(/serving shop at/)
  assert.equal((await ask('small_model')).status, 200)
})

test('data that changes is materialized, and what is pushed is counted', async () => {
  const at = formatInstant((Date.now() * 1_000 - 60_000_000) as Instant)
  await appendFile(join(folder, 'data/profiles.csv'), `${at},c001,IS,true\n`)
  await until(/materialized customer_profile@1: 1 row\b/)
  const row = { customer: 'c002', event_timestamp: at, country: 'NZ', verified: true }
  const response = await fetch(`http://127.0.0.1:${port}/v1/groups/customer_profile/rows`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rows: [row] }),
  })
  assert.equal(response.status, 200, await response.text())
  await until(/1 row pushed/)
})

test('a port that is taken is said, and ends it', async () => {
  const { code, stderr } = await promisify(execFile)(
    process.execPath,
    [...NODE, 'dev', '--port', String(port)],
    {
      cwd: folder,
    },
  ).then(
    () => ({ code: 0, stderr: '' }),
    (error: { code: number; stderr: string }) => error,
  )
  assert.notEqual(code, 0)
  assert.match(stderr, /listens there already/)
})

test('Ctrl-C ends it all', async () => {
  const ended = new Promise((resolve) => running!.once('exit', resolve))
  running!.kill('SIGINT')
  assert.equal(await ended, 0)
  running = undefined
  await assert.rejects(ask('small_model'))
})

test('a worker whose watcher was killed ends too', async () => {
  const child = spawn(process.execPath, [...NODE, 'dev', '--port', String(port)], { cwd: folder })
  running = child
  printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  await until(/serving shop at/)
  child.kill('SIGKILL')
  for (let waited = 0; ; waited += 50) {
    if ((await ask('small_model').catch(() => undefined)) === undefined) break
    assert.ok(waited < 10_000, 'it still serves')
    await sleep(50)
  }
})

test('the next run of a group is after its interval and its delay', () => {
  const group = (every: string, delay: string): Pick<GroupDefinition, 'schedule'> =>
    ({ schedule: { every, delay, runtime: '0s', lookback: '1d' } }) as Pick<GroupDefinition, 'schedule'>
  const next = (every: string, delay: string, now: string): string =>
    formatInstant(nextRun(group(every, delay), parseInstant(now))!).slice(0, 19)
  assert.equal(next('1h', '0s', '2026-01-31T12:00:00Z'), '2026-01-31T13:00:00')
  assert.equal(next('1h', '5m', '2026-01-31T12:04:59Z'), '2026-01-31T12:05:00')
  assert.equal(next('1d', '2h', '2026-01-31T12:00:00Z'), '2026-02-01T02:00:00')
  assert.equal(nextRun({}, 0 as Instant), undefined)
})
