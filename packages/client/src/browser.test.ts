// The built client in a real browser, against a running server: a page served by a small server that passes /v1 on.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { temporaryFolder } from '@asof/testing'
import { chromium } from 'playwright-core'
import { findChromium } from '../../../scripts/chromium.ts'
import { everything, served } from './faults/served-store.ts'

const REPOSITORY = join(import.meta.dirname, '../../..')

/** What the page does; what it cannot send back as JSON it describes. */
const PAGE_SCRIPT = `
import { connect, isAsofError } from '/client/index.js'
const store = connect(location.origin, { deadline: 10_000 })
const form = (value) => typeof value === 'bigint' ? value + 'n' : value instanceof Map ? ['Map', ...value.entries()].map(form)
  : value instanceof Uint8Array || value instanceof Float32Array ? [value.constructor.name, ...Array.from(value, form)]
  : Array.isArray(value) ? value.map(form) : typeof value === 'number' ? (Object.is(value, -0) ? '-0' : String(value))
  : value !== null && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, form(each)])) : value
const failure = async (work) => { try { await work() } catch (error) {
  return { is: isAsofError(error, 'invalid'), kind: error.kind, code: error.code, message: error.message } } }
window.use = async (rows) => {
  const typed = rows.map((row, index) => ({ ...row, user_id: BigInt(index), a_large: 2n ** 60n + 1n, a_double: NaN, a_single: -0,
    a_bytes: Uint8Array.of(0, 255), a_vector: Float32Array.of(1.5, Infinity, NaN), a_time: -1n, map_of_large: new Map([['__proto__', 9n]]) }))
  const pushed = await store.push('everything', typed, undefined, { wait: 'applied' })
  const vector = await store.get('every_type', { user_id: 0n })
  const many = await store.getMany('every_type', [{ keys: { user_id: 1n } }, { keys: { user_id: 77n } }])
  const singles = await Promise.all([0n, 1n].map((user_id) => store.get('every_type', { user_id })))
  const cancel = new AbortController()
  cancel.abort(new Error('left'))
  const result = {
    pushed: [pushed.duplicate, pushed.accepted],
    vector: form({ ...vector }),
    status: vector.$statuses.a_double,
    source: vector.$source,
    at: typeof vector.$at,
    missing: many.map((each) => each.$statuses.a_large),
    singles: singles.map((each) => form(each.a_large)),
    invalid: await failure(() => store.get('every_type', { user_id: 7 + 0.5 })),
    absent: await failure(() => store.get('nope', {})),
    cancelled: await store.get('every_type', { user_id: 0n }, { signal: cancel.signal }).catch((error) => error.message),
    late: await failure(() => store.get('every_type', { user_id: 0n }, { deadline: 0 })),
  }
  await store.close()
  return result
}
window.isReady = true
`

test('the built client works in a browser', async () => {
  const { executablePath, env } = await findChromium()
  await using built = await temporaryFolder()
  await buildClient(built.path)
  await served({}, async ({ client, url }) => {
    const site = await serveSite(built.path, url)
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox'],
      env: { ...(process.env as Record<string, string>), ...env },
    })
    try {
      const page = await browser.newPage()
      const said: string[] = []
      page.on('pageerror', (error) => said.push(error.message))
      await page.goto(site.url)
      await page.waitForFunction('window.isReady === true')
      const values = Object.fromEntries(everything.definition.features.map(({ name }) => [name, null]))
      const rows = [0, 1].map(() => ({ ...values, event_timestamp: Date.now() * 1_000 }))
      const result = (await page.evaluate(`window.use(${JSON.stringify(rows)})`)) as Record<
        string,
        unknown
      > & {
        readonly vector: Record<string, unknown>
      }
      assert.deepEqual(said, [])
      assert.deepEqual(result['pushed'], [false, 2])
      const shown = {
        a_large: '1152921504606846977n',
        a_double: 'NaN',
        a_single: '-0',
        a_time: '-1n',
        a_bool: null,
      }
      for (const [name, value] of Object.entries(shown)) assert.equal(result.vector[name], value, name)
      assert.deepEqual(result.vector['a_bytes'], ['Uint8Array', '0', '255'])
      assert.deepEqual(result.vector['a_vector'], ['Float32Array', '1.5', 'Infinity', 'NaN'])
      assert.deepEqual(result.vector['map_of_large'], ['Map', ['__proto__', '9n']])
      assert.deepEqual([result['status'], result['source'], result['at']], ['present', 'online', 'number'])
      assert.deepEqual(result['missing'], ['present', 'not_found'])
      assert.deepEqual(result['singles'], ['1152921504606846977n', '1152921504606846977n'])
      const refused = await client.get('every_type', { user_id: 7.5 }).catch((error: Error) => error.message)
      assert.deepEqual(result['invalid'], {
        is: true,
        kind: 'invalid',
        code: 'invalid_value',
        message: refused,
      })
      assert.equal((result['absent'] as { readonly code: string }).code, 'service_not_found')
      assert.equal(result['cancelled'], 'left')
      assert.equal((result['late'] as { readonly code: string }).code, 'deadline_exceeded')
      // One for the first, one for many, one for two of a tick, one for each that was refused.
      assert.equal(site.lookups(), 5)
    } finally {
      await browser.close()
      site.server.closeAllConnections()
      site.server.close()
    }
  })
})

/** Built anew, so that the test is about the sources as they are. */
async function buildClient(folder: string): Promise<void> {
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  const project = join(REPOSITORY, 'packages/client/tsconfig.build.json')
  const options = ['--outDir', folder, '--tsBuildInfoFile', join(folder, '.tsbuildinfo')]
  await promisify(execFile)(process.execPath, [tsc, '-p', project, ...options])
}

async function serveSite(
  folder: string,
  behind: string,
): Promise<{ readonly server: Server; readonly url: string; readonly lookups: () => number }> {
  let lookups = 0
  const answer = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = asked.url ?? '/'
    if (path === '/v1/get') lookups++
    if (path.startsWith('/v1/')) return passOn(behind, asked, response)
    if (path === '/') {
      const html = `<!doctype html><title>client</title><script type="module">${PAGE_SCRIPT}</script>`
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(html)
    }
    const file = /^\/client\/([a-z-]+\.js)$/.exec(path)?.[1]
    if (file === undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(join(folder, file)))
  }
  const server = createServer((asked, response) => void answer(asked, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { server, url, lookups: () => lookups }
}

function passOn(behind: string, asked: IncomingMessage, response: ServerResponse): void {
  const passed = request(behind + asked.url, { method: asked.method, headers: asked.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  passed.on('error', () => response.destroy())
  asked.pipe(passed)
}
