import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RouteModule, ServerContext } from './context.ts'
import { JSON_TYPE } from './negotiate.ts'

/** How often the delay of the event loop is measured, and forgotten, in milliseconds. */
const DELAY_RESOLUTION_MS = 20
const DELAY_WINDOW_MS = 5_000

/** `/livez` and `/readyz`: whether the process runs, and whether requests should be sent to it. */
export const healthRoutes: RouteModule = (server, context) => {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  let before = 0
  const forget = setInterval(() => {
    before = delay.max / 1e6
    delay.reset()
  }, DELAY_WINDOW_MS)
  forget.unref()
  server.addHook('onClose', (_, done) => {
    clearInterval(forget)
    delay.disable()
    done()
  })

  const config = { scope: 'open', probe: true } as const
  server.get(
    '/livez',
    {
      config,
      schema: {
        summary: 'Whether the process runs',
        tags: ['health'],
        operationId: 'livez',
        response: { 200: STATE },
      },
    },
    (_, reply) => reply.type(JSON_TYPE).send('{"status":"alive"}'),
  )
  server.get(
    '/readyz',
    {
      config,
      schema: {
        summary: 'Whether requests should be sent here',
        description:
          'Answers 503 while the server starts and from the moment it is told to stop, so that a balancer turns to others.',
        tags: ['health'],
        operationId: 'readyz',
        response: { 200: STATE, 503: STATE },
      },
    },
    (_, reply) => {
      const status = readiness(context, Math.max(before, delay.max / 1e6))
      const ready = status === 'ready' || status === 'degraded'
      return reply
        .code(ready ? 200 : 503)
        .type(JSON_TYPE)
        .send(JSON.stringify({ status }))
    },
  )
}

const STATE = {
  type: 'object',
  required: ['status'],
  properties: {
    status: { type: 'string', enum: ['alive', 'ready', 'degraded', 'starting', 'draining', 'closed'] },
  },
} as const

function readiness(
  { state, limits }: ServerContext,
  delayMs: number,
): ServerContext['state']['stage'] | 'degraded' {
  if (state.stage !== 'ready') return state.stage
  const busy = state.inFlight >= limits.requestsInFlightMax || delayMs > limits.eventLoopDelayMsMax
  return busy ? 'degraded' : 'ready'
}
