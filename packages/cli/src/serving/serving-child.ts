// Serves a store with the limits that it is given, and tells how much memory it holds: `serving-child.ts FOLDER LIMITS`; says
// where, once it answers. A stall stops everything for as many milliseconds as it is asked to.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, metricsRoute, serverMetrics, type RouteModule, type ServerLimits } from '@asof/server'
import { openFeatureStore } from '../embedded.ts'
import { definitionsProject } from '../find-project.ts'

const [folder, limits] = process.argv.slice(2)
const config = { scope: 'open', probe: true, hidden: true } as const
const testRoutes: RouteModule = (server, { state }) => {
  server.get('/test/state', { config }, (_, reply) => reply.send({ ...state }))
  server.get('/test/memory', { config }, (_, reply) => {
    for (let turn = 0; turn < 3; turn++) globalThis.gc!()
    return reply.send(process.memoryUsage())
  })
  server.get<{ Querystring: { ms: string } }>('/test/stall', { config }, (request, reply) => {
    const end = performance.now() + Number(request.query.ms)
    while (performance.now() < end);
    return reply.send({})
  })
}
const found = await definitionsProject(join(folder!, 'definitions.json'))
const metrics = serverMetrics()
const { telemetry } = metrics
const store = await openFeatureStore({
  ...found.config,
  projectFolder: folder!,
  memoryMb: 256,
  threads: 1,
  telemetry,
})
store.start()
const server = createServer({
  store,
  telemetry,
  limits: JSON.parse(limits ?? '{}') as Partial<ServerLimits>,
  incoming: join(folder!, '.asof/incoming'),
  watchers: [metricsRoute(metrics)],
  routes: [testRoutes],
})
const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
writeSync(1, `${JSON.stringify({ url })}\n`)
