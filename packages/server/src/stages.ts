import type { Telemetry } from '@asof/core'
import type { FastifyRequest } from 'fastify'
import { traceStage, type StageName } from './tracing.ts'

/**
 * Says that a stage of a request has ended, to the latencies and to its trace.
 *
 * @param began time of `performance.now()`
 * @param service a service of the registry, where the stage is about one
 * @returns when it ended, which is when the next one begins
 */
export function endStage(
  telemetry: Telemetry,
  request: FastifyRequest,
  stage: StageName,
  began: number,
  service: string = '',
): number {
  const ended = performance.now()
  const route = request.routeOptions.url ?? ''
  telemetry.observe('asof_stage_seconds', (ended - began) / 1_000, { route, service, stage })
  traceStage(request, stage, began, ended, service === '' ? {} : { 'asof.service': service })
  return ended
}
