import type { RouteModule } from './context.ts'
import { endStage } from './stages.ts'
import { METRICS_TYPE, type ServerMetrics } from './metrics.ts'

/** `GET /metrics`, and the time that each request takes. */
export const metricsRoute =
  (metrics: ServerMetrics): RouteModule =>
  (server, { store, state, telemetry }) => {
    server.addHook('preHandler', (request, reply, done) => {
      if (request.body !== undefined) {
        endStage(telemetry, request, 'parse', performance.now() - reply.elapsedTime)
      }
      done()
    })
    server.addHook('onResponse', (request, reply, done) => {
      const { config, url = 'none' } = request.routeOptions
      if (config.probe !== true) {
        telemetry.observe('asof_request_seconds', reply.elapsedTime / 1_000, {
          method: request.method,
          route: url,
          status: String(reply.statusCode),
        })
      }
      done()
    })
    server.get(
      '/metrics',
      {
        config: { probe: true },
        schema: {
          summary: 'Counters, latencies and gauges for Prometheus',
          tags: ['health'],
          operationId: 'metrics',
          response: { 200: { content: { 'text/plain': { schema: { type: 'string' } } } } },
        },
      },
      async (_, reply) => reply.type(METRICS_TYPE).send(await metrics.text(store, state)),
    )
  }
