import { AsofError } from '@asof/core'
import type { RouteModule } from './context.ts'

/** Turns requests away while as many as the server can carry are under way: a quick refusal helps more than a late answer. */
export const admission: RouteModule = (server, { state, limits, telemetry }) => {
  const admitted = new WeakSet<object>()
  server.addHook('onRequest', (request, _, done) => {
    if (request.routeOptions.config.probe === true) return done()
    if (state.inFlight >= limits.requestsInFlightMax) {
      telemetry.count('asof_requests_shed', 1)
      return done(
        new AsofError('unavailable', 'overloaded', 'the server has too much to do; come back later'),
      )
    }
    state.inFlight++
    admitted.add(request.raw)
    request.raw.once('close', () => leave(request.raw))
    done()
  })
  server.addHook('onResponse', (request, _, done) => {
    leave(request.raw)
    done()
  })

  /** Once for each request, however it ends. */
  function leave(request: object): void {
    if (admitted.delete(request)) state.inFlight--
  }
}
