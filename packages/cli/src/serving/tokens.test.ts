// Who may ask what: `asof serve` with a token file and without one, over every path that its own document has.
import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '@asof/testing'
import { listeningOf } from './listening.ts'
import { prepareStore, runAsof, startServe, type ServeProcess } from './serve-process.ts'
import { steadyProject } from './steady-load.ts'

const [READER, WRITER, LATER] = ['r'.repeat(40), 'w'.repeat(32), 'L'.repeat(64)] as const
const PARAMETERS: Readonly<Record<string, string>> = { group: 'clicks', name: 'model' }
/** What everybody may ask, and what changes something: a path that joins them does so here too. */
const OPEN = ['GET /livez', 'GET /readyz']
const WRITING = ['POST /v1/groups/{group}/batches', 'POST /v1/groups/{group}/rows', 'POST /v1/consumers']
/** Paths that are for people, and not part of the document. */
const BESIDE = ['GET /', 'GET /docs', 'GET /openapi.json', 'GET /metrics', 'GET /nowhere', 'PUT /v1/get']

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly security?: readonly object[] }>>>
  >
}

test(
  'S11: each path asks for a token that allows it, as its document says',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const file = join(folder.path, 'tokens')
    await writeFile(file, `# who may\n${READER} read dashboard\n${WRITER} write pipeline\n`)
    await using server = await startServe(folder.path, ['--token-file', file, '--log-level', 'info'])
    const described = await fetch(`${server.url}/openapi.json`, { headers: bearer(READER) })
    const { paths } = (await described.json()) as Document
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.ok(operations.length >= 9, operations.join(', '))
    const all = new Set([...operations, ...BESIDE])
    for (const operation of all) {
      const [method = '', path = ''] = operation.split(' ')
      const ask = async (headers: Record<string, string>, query = ''): Promise<Response> => {
        const url = `${server.url}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => PARAMETERS[name]!)}${query}`
        const answer = await fetch(url, {
          method,
          redirect: 'manual',
          headers: { ...(method !== 'GET' && { 'content-type': 'application/json' }), ...headers },
          ...(method !== 'GET' && { body: '{}' }),
        })
        await answer.arrayBuffer()
        return answer
      }
      const open = OPEN.includes(operation)
      const writing = WRITING.includes(operation)
      for (const headers of [
        {},
        bearer('x'.repeat(40)),
        bearer(`${READER}r`),
        bearer(READER.slice(1)),
        bearer(READER.toUpperCase()),
        { authorization: READER },
        { authorization: `Basic ${Buffer.from(`${READER}:`).toString('base64')}` },
        { 'x-api-key': WRITER, cookie: `token=${WRITER}` },
        { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-user': 'admin', forwarded: 'for=127.0.0.1' },
      ]) {
        const refused = await ask(headers)
        if (open) assert.equal(refused.status, 200, operation)
        else {
          assert.equal(refused.status, 401, `${operation} ${JSON.stringify(headers)}`)
          assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer/)
        }
      }
      if (!open)
        assert.equal((await ask({}, `?token=${WRITER}&access_token=${WRITER}`)).status, 401, operation)
      const [read, write] = [await ask(bearer(READER)), await ask(bearer(WRITER))]
      assert.equal(read.status === 403, writing, `${operation}: ${read.status}`)
      assert.ok(![401, 403].includes(write.status), `${operation}: ${write.status}`)
      for (const answer of [read, write]) assert.notEqual(answer.status, 500, operation)
      // HEAD is not a way around GET.
      if (method === 'GET' && !open) {
        assert.equal(
          (await fetch(`${server.url}${path.replace(/\{.*/, 'model')}`, { method: 'HEAD' })).status,
          401,
        )
      }
      if (operations.includes(operation)) {
        const { security } = paths[path]![method.toLowerCase()]!
        assert.equal(security?.length === 0, open, `the document about ${operation}`)
      }
    }
    // No answer allows a page of another origin anything.
    for (const method of ['OPTIONS', 'GET']) {
      const cors = await fetch(`${server.url}/v1/services`, {
        method,
        headers: {
          ...bearer(READER),
          origin: 'https://evil.example',
          'access-control-request-method': 'POST',
        },
      })
      assert.deepEqual(
        [...cors.headers.keys()].filter((name) => name.startsWith('access-control')),
        [],
      )
    }

    await readAgain(server, file)
    assert.equal(await server.stop(), 0)
    for (const token of [READER, WRITER, LATER])
      assert.ok(!server.log().includes(token), 'the log repeats a token')
  },
)

/** The file is read again when it changes, and a broken one leaves the tokens as they were. */
async function readAgain(server: ServeProcess, file: string): Promise<void> {
  const status = async (token: string): Promise<number> => {
    const answer = await fetch(`${server.url}/v1/services`, { headers: bearer(token) })
    await answer.arrayBuffer()
    return answer.status
  }
  const until = async (token: string, wanted: number): Promise<void> => {
    for (let turn = 0; (await status(token)) !== wanted; turn++) {
      assert.ok(turn < 200, `the token is not ${wanted} after a while`)
      await sleep(25)
    }
  }
  assert.deepEqual([await status(READER), await status(LATER)], [200, 401])
  await writeFile(`${file}.new`, `${LATER} read\n`)
  await rename(`${file}.new`, file)
  await until(LATER, 200)
  assert.equal(await status(READER), 401, 'who is not in it any more is out')
  await writeFile(file, `${READER} admin\n`)
  for (let turn = 0; !server.log().includes('not usable'); turn++) {
    assert.ok(turn < 200, 'a broken file is not told')
    assert.equal(await status(LATER), 200)
    await sleep(25)
  }
  assert.deepEqual([await status(LATER), await status(READER)], [200, 401])
}

test(
  'P15: without tokens it listens on this machine alone, and refuses any other address',
  { timeout: 60_000 },
  async (it) => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    const project = ['--project', join(folder.path, 'definitions.json')]
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      const refused = await runAsof(['serve', ...project, '--json', '--host', host, '--port', '0'])
      assert.equal(refused.code, 6, refused.stderr)
      assert.equal(
        (JSON.parse(refused.stderr) as { error: { code: string } }).error.code,
        'token_file_needed',
      )
      assert.equal(refused.stdout, '')
    }
    const file = join(folder.path, 'tokens')
    for (const text of ['', '# nobody\n', 'short read\n', `${READER}\n`]) {
      await writeFile(file, text)
      const refused = await runAsof(['serve', ...project, '--json', '--port', '0', '--token-file', file])
      assert.equal(refused.code, 2, refused.stderr)
      assert.equal(
        (JSON.parse(refused.stderr) as { error: { code: string } }).error.code,
        'invalid_token_file',
      )
      assert.ok(!refused.stderr.includes(READER))
    }
    {
      await using server = await startServe(folder.path)
      const listening = await listeningOf(server.process.pid!)
      if (listening === undefined) it.diagnostic('this kernel does not tell what a process listens on')
      else assert.deepEqual(listening, [`127.0.0.1:${server.port}`])
    }
    await writeFile(file, `${READER} read\n`)
    await using server = await startServe(folder.path, ['--host', '0.0.0.0', '--token-file', file])
    assert.deepEqual((await listeningOf(server.process.pid!)) ?? [`0.0.0.0:${server.port}`], [
      `0.0.0.0:${server.port}`,
    ])
    assert.equal((await fetch(`http://127.0.0.1:${server.port}/v1/services`)).status, 401)
  },
)

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}
