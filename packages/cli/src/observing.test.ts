// What docs/observing.md says about metrics and traces, held to a server that `asof serve` starts.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { METRICS } from '@asof/server'

const REPOSITORY = join(import.meta.dirname, '../../..')
const TRACE = '0af7651916cd43dd8448eb211c80319c'

let folder = ''
let page = ''
before(async () => {
  page = await readFile(join(REPOSITORY, 'docs/observing.md'), 'utf8')
  folder = await mkdtemp(join(tmpdir(), 'asof-observing-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(join(REPOSITORY, 'packages/cli'), join(folder, 'node_modules/asof'))
  await symlink(join(REPOSITORY, 'node_modules/@opentelemetry'), join(folder, 'node_modules/@opentelemetry'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'tracing.mjs'), /```js\n([\s\S]*?)```/.exec(page)![1]!)
  await writeFile(
    join(folder, 'asof.config.ts'),
    `import { defineConfig, entity, featureGroup, featureService, int64, project, string } from 'asof'
     const user = entity('user', { keys: { user: string() } })
     const clicks = featureGroup('clicks', { entity: user, features: { count: int64() } })
     export default defineConfig({ project: project('shop', [featureService('model', { features: [clicks] })]) })`,
  )
})
after(async () => await rm(folder, { recursive: true, force: true }))

it('every metric is described, as the page of metrics describes it', () => {
  for (const [name, [type, help]] of Object.entries(METRICS)) {
    const shown = type === 'counter' ? `${name}_total` : name
    assert.ok(page.includes(`\n| \`${shown}\` | ${type} | ${help} |\n`), shown)
  }
  const described = [...page.matchAll(/^\| `(asof_\w+)` \|/gm)].map(([, name]) => name)
  assert.equal(described.length, Object.keys(METRICS).length)
})

it('asof serve takes part in traces once an SDK is loaded first, and counts', async () => {
  const run = (...args: string[]): ReturnType<typeof spawn> =>
    spawn(process.execPath, ['--conditions=source', ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const bin = join(import.meta.dirname, 'bin.ts')
  await once(run(bin, 'apply'), 'close')
  const server = run(
    '--import',
    './tracing.mjs',
    bin,
    'serve',
    '--port',
    '0',
    '--json',
    '--drain-ms',
    '0',
    '--log-level',
    'info',
  )
  let [out, log] = ['', '']
  server.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
  server.stderr!.setEncoding('utf8').on('data', (text: string) => (log += text))
  const closed = once(server, 'close')
  try {
    for (let waited = 0; !/"url":\s*"http/.test(out) && waited < 500; waited++) await pause(20)
    const url = /"url":\s*"(http[^"]+)"/.exec(out)?.[1]
    assert.ok(url !== undefined, log)
    const headers = { 'content-type': 'application/json', traceparent: `00-${TRACE}-b7ad6b7169203331-01` }
    const body = JSON.stringify({ service: 'model', keys: { user: 'ann' } })
    const answer = await fetch(`${url}/v1/get`, { method: 'POST', headers, body })
    assert.equal(answer.status, 200, await answer.text())
    const now = new Date().toISOString()
    const rows = [
      { user: 'ann', event_timestamp: now, count: 1 },
      { user: 'bob', event_timestamp: new Date(Date.now() + 60_000).toISOString(), count: 1 },
    ]
    await fetch(`${url}/v1/groups/clicks/rows`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ rows, wait: 'applied' }),
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    for (const name of ['asof_rows_applied_total', 'asof_rows_held_total', 'asof_group_lag_seconds']) {
      assert.match(
        metrics,
        new RegExp(`^${name}\\{group="clicks@1"\\} `, 'm'),
        'by one name, so that they can be joined',
      )
    }
    for (const [, name] of metrics.matchAll(/^# TYPE (asof_\w+) /gm)) {
      assert.ok(page.includes(`\`${name!}\``), `${name} is not described`)
    }
    assert.match(metrics, /^asof_values_total\{service="model",status="not_found"\} 1$/m)
  } finally {
    server.kill('SIGTERM')
    await closed
  }
  for (const name of ['POST /v1/get', 'lookup', 'write']) assert.match(out, new RegExp(`name: '${name}'`))
  assert.ok(out.includes(`traceId: '${TRACE}'`))
  const lines = log.trim().split('\n')
  const line = lines
    .map((each) => JSON.parse(each) as Record<string, unknown>)
    .find(({ route }) => route === '/v1/get')
  assert.deepEqual([line!['msg'], line!['status']], ['answered', 200])
})

async function pause(ms: number): Promise<void> {
  await new Promise((go) => setTimeout(go, ms))
}
