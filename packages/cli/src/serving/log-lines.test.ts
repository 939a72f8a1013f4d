// What `asof serve` writes about requests that want to be seen: a line each, of JSON, with nothing in it that they chose freely.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { temporaryFolder } from '@asof/testing'
import { prepareStore, startServe } from './serve-process.ts'
import { steadyProject } from './steady-load.ts'

const CANARY = 'canary7f3a'
const SPOOFED = '203.0.113.77'

test(
  'S10, S13: a log of asof serve is lines of JSON, whatever requests are made of',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await prepareStore(folder.path, steadyProject)
    await using server = await startServe(folder.path, ['--log-level', 'debug'])
    const fake = '{"level":50,"msg":"all is lost"}'
    const encoded = encodeURIComponent(`\n${fake}\r\n\u001b[31m\u2028`)
    const requests = [
      `GET /${encoded}?q=${encoded}${CANARY} HTTP/1.1\r\nhost: localhost`,
      `GET /v1/services HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\u001b[31m\r\nuser-agent: \u001b[2J${CANARY}`,
      `GET /v1/services HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: ${SPOOFED}\r\nforwarded: for=${SPOOFED}\r\nx-real-ip: ${SPOOFED}\r\nx-forwarded-host: ${SPOOFED}`,
      `GET /v1/services HTTP/1.1\r\nhost: localhost\r\nx-request-id: "}\\n${fake}`,
      `GET /v1/groups/a%0a${CANARY} HTTP/1.1\r\nhost: localhost`,
      `GET /\u001b[31m HTTP/1.1\r\nhost: localhost`,
      `${CANARY} / HTTP/1.1\r\nhost: localhost`,
      `GET / HTTP/1.1\r\nhost: localhost\r\n${CANARY}`,
      `POST /v1/get HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 42\r\n\r\n{"service":"model","keys":{"${CANARY}":"a"}}`,
    ]
    for (const request of requests) {
      const answer = await send(
        server.port,
        request.includes('\r\n\r\n') ? request : `${request}\r\nconnection: close\r\n\r\n`,
      )
      assert.match(answer, /^HTTP\/1\.1 [234]\d\d /, request)
      assert.ok(!answer.includes(SPOOFED))
      // What was asked for stands in no header of an answer.
      assert.doesNotMatch(answer.split('\r\n\r\n')[0]!, new RegExp(`${CANARY}|all is lost|\\u001b`))
    }
    assert.equal(await server.stop(), 0)
    const lines = server
      .log()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('asof: stopping'))
    assert.ok(lines.length >= 5, server.log())
    for (const line of lines) {
      assert.equal(typeof (JSON.parse(line) as { msg: unknown }).msg, 'string', line)
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f\u2028\u2029]|all is lost/)
    }
    assert.ok(!server.log().includes(CANARY), 'the log repeats what was sent')
    assert.ok(!server.log().includes(SPOOFED), 'the log believes a header')
  },
)

/** Sends a text of bytes and answers everything that comes back. */
async function send(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    said += part
    if (text.startsWith('POST')) socket.end()
  })
  socket.on('error', () => undefined)
  socket.write(text, 'latin1')
  await new Promise((resolve) => socket.once('close', resolve))
  return said
}
