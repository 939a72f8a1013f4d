import { AsofError } from '@asof/core'
import type { RouteModule } from './context.ts'

/** Turns requests away while as many as the server can carry are under way: a quick refusal helps more than a late answer. */
export const admission: RouteModule = (server, { state, limits, telemetry }) => {
  server.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.probe === true) return done()
    if (state.inFlight >= limits.requestsInFlightMax) {
      telemetry.count('asof_requests_shed', 1)
      return done(
        new AsofError('unavailable', 'overloaded', 'the server has too much to do; come back later'),
      )
    }
    state.inFlight++
    // Once for each answer, sent or not.
    reply.raw.once('close', () => state.inFlight--)
    done()
  })
}
