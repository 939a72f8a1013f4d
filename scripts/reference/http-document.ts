import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFeatureStore, project } from 'asof'
import { createServer, metricsRoute, serverMetrics, type TokenCheck } from '@asof/server'
import type { OpenApi } from '../../packages/server/src/openapi/document.ts'

const ANY_TOKEN: TokenCheck = { check: () => ({ scope: 'read', name: 'reference' }) }

/** The OpenAPI document of a server as `asof serve` makes it with a token file. */
export async function httpDocument(): Promise<OpenApi> {
  const projectFolder = await mkdtemp(join(tmpdir(), 'asof-reference-'))
  try {
    await using store = await openFeatureStore({ project: project('reference', []), projectFolder })
    await using server = createServer({
      store,
      tokens: ANY_TOKEN,
      incoming: projectFolder,
      watchers: [metricsRoute(serverMetrics())],
    })
    const url = '/openapi.json'
    const answer = await server.fastify.inject({ url, headers: { authorization: 'Bearer reference' } })
    if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}: ${answer.body}`)
    return answer.json<OpenApi>()
  } finally {
    await rm(projectFolder, { recursive: true, force: true })
  }
}
