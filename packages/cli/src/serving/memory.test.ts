// A server that has answered very many requests holds no more memory than one that has answered some.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '@asof/testing'
import { prepareStore, startProcess } from './serve-process.ts'
import { memoryOf, sendLoad, steadyProject } from './steady-load.ts'

const WARM_UP = 20_000
const REQUESTS = 30_000
/**
 * Whatever a server keeps of a request, its id, its path or a timer, takes more than these 32 bytes; so one that keeps something
 * passes this bound, and what compiled code and caches of a fixed size still grow by stays below it.
 */
const GROWTH_MAX = 32 * REQUESTS

test('memory does not grow with the number of requests', { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder()
  await prepareStore(folder.path, steadyProject)
  const child = join(import.meta.dirname, 'serving-child.ts')
  await using server = await startProcess(['--expose-gc', child, folder.path])
  await sendLoad(server.port, WARM_UP)
  const before = await memoryOf(server.url)
  const statuses = await sendLoad(server.port, REQUESTS, WARM_UP)
  const after = await memoryOf(server.url)
  assert.deepEqual(new Set(statuses.keys()), new Set([200, 400, 404]))
  assert.equal(
    [...statuses.values()].reduce((sum, count) => sum + count),
    REQUESTS,
  )
  const growth = after.heapUsed + after.external - before.heapUsed - before.external
  assert.ok(growth < GROWTH_MAX, `${growth} bytes more after ${REQUESTS} requests`)
})
