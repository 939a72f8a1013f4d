// `asof serve` as a process: where it listens, what it prints, how it stops.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const BIN = join(import.meta.dirname, '../bin.ts')
const CONFIG = `
import { bool, defineConfig, entity, featureGroup, featureService, float64, int64, onDemand, project, request, string, timestamp, vector } from 'asof'
const user = entity('user', { keys: { user: string() } })
const stats = featureGroup('stats', { entity: user, features: { score: float64({ default: 0.25 }) } })
const ask = request('ask', { fields: { amount: int64({ as: 'number' }), big: int64(), when: timestamp(), near: vector(2) } })
const context = onDemand('context', {
  module: import.meta.url,
  inputs: { amount: ask.field('amount'), big: ask.field('big'), when: ask.field('when'), near: ask.field('near') },
  features: { whole: bool() },
  compute: (inputs) => ({ whole: Object.values(inputs).every((value) => value !== null) }),
})
export default defineConfig({ project: project('shop', [featureService('model', { features: [stats, context] })]) })
`
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-serve-'))
  await symlink(join(import.meta.dirname, '../../../../node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'asof.config.ts'), CONFIG)
  assert.equal((await ended(asof(['apply']))).code, 0)
})
after(async () => await rm(folder, { recursive: true, force: true }))

interface Running {
  readonly child: ChildProcess
  readonly said: { out: string; err: string }
}

function asof(args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--conditions=source', BIN, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '', NODE_COMPILE_CACHE: join(folder, 'compiled') },
  })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text))
  return { child, said }
}

async function ended({ child, said }: Running): Promise<{ code: number | null; out: string; err: string }> {
  if (child.exitCode === null) await new Promise((resolve) => child.once('close', resolve))
  return { code: child.exitCode, ...said }
}

interface Serving {
  readonly url: string
  readonly example: string
}

/** Waits for what it prints once it answers. */
async function answering(running: Running): Promise<Serving> {
  for (let turn = 0; turn < 1_000; turn++) {
    try {
      return JSON.parse(running.said.out) as Serving
    } catch {
      assert.equal(running.child.exitCode, null, running.said.err)
      await sleep(10)
    }
  }
  throw new Error('it never answered')
}

test('serves, says how to try it, and ends without failing anybody', async () => {
  const running = asof(['serve', '--port', '0', '--drain-ms', '300', '--log-level', 'info', '--json'])
  const { url, example } = await answering(running)
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  const body = /-d '(.*)'$/.exec(example)?.[1]
  const ask = async (): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/v1/get`, { method: 'POST', headers, body: body! })
    await response.arrayBuffer()
    return response.status
  }
  assert.equal(await ask(), 200)
  assert.deepEqual(Object.keys((JSON.parse(body!) as { request: object }).request).sort(), [
    'amount',
    'big',
    'near',
    'when',
  ])
  const rows = {
    rows: [{ user: 'ann', event_timestamp: '2024-06-01T12:00:00Z', score: 4.5 }],
    wait: 'applied',
  }
  const pushed = await fetch(`${url}/v1/groups/stats/rows`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rows),
  })
  assert.equal(pushed.status, 200)
  assert.match(await (await fetch(`${url}/metrics`)).text(), /asof_request_seconds_count/)

  running.child.kill('SIGTERM')
  // A balancer that honours /readyz: it sends requests as long as it is told to.
  let served = 0
  while ((await fetch(`${url}/readyz`)).ok) {
    assert.equal(await ask(), 200)
    served++
  }
  assert.equal(await ask(), 200, 'what was on its way is answered all the same')
  const { code, err } = await ended(running)
  assert.equal(code, 0, `${served} ${err}`)
  const lines = err
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; route?: string })
  assert.ok(lines.some(({ msg, route }) => msg === 'answered' && route === '/v1/get'))
  assert.equal(lines.at(-1)?.msg, 'stopped')
  assert.doesNotMatch(err, /ann|4\.5/)

  // What was pushed is there for the next one.
  const again = asof(['get', 'model', 'user=ann', '--json'])
  const { out } = await ended(again)
  assert.equal((JSON.parse(out) as { features: { score: { value: number } } }).features.score.value, 4.5)
})

test('refuses what it should not do, with the exit code that says why', async () => {
  const [open, missing, wrong, port] = await Promise.all([
    ended(asof(['serve', '--host', '0.0.0.0', '--port', '0', '--json'])),
    ended(asof(['serve', '--token-file', 'none', '--port', '0', '--json'])),
    ended(asof(['serve', '--log-level', 'all'])),
    ended(asof(['serve', '--port', 'http', '--json'])),
  ])
  const codeOf = ({ err }: { err: string }): string =>
    (JSON.parse(err) as { error: { code: string } }).error.code
  assert.deepEqual([open.code, codeOf(open)], [6, 'token_file_needed'])
  assert.deepEqual([missing.code, codeOf(missing)], [2, 'invalid_token_file'])
  assert.equal(wrong.code, 2)
  assert.deepEqual([port.code, codeOf(port)], [2, 'invalid_argument'])
})
