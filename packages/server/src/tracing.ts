import {
  context,
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import type { RouteModule } from './context.ts'
import { asofErrorOf } from './problem.ts'

/** The stages of a request, each a span below the request's own. */
export type StageName = 'parse' | 'lookup' | 'assemble' | 'write' | 'push' | 'stage'

const TRACER = '@asof/server'

/** Spans of requests under way that are recorded. */
const recorded = new WeakMap<FastifyRequest, { readonly span: Span; readonly context: Context }>()

/** What stands for the tracer while no SDK is registered. */
const NONE = new ProxyTracerProvider().getDelegate()

/** Whether somebody records spans: an SDK was registered, as by `node --import ./tracing.mjs`. */
function isTraced(): boolean {
  const provider = trace.getTracerProvider()
  return !(provider instanceof ProxyTracerProvider && provider.getDelegate() === NONE)
}

/**
 * A span for each request but those of probes, a child of the caller's by `traceparent`. Without an SDK it costs a comparison.
 * Attributes are those that OpenTelemetry prescribes for HTTP, less whatever could hold a key or a value: no path, no query, no
 * header, no address.
 */
export const tracing: RouteModule = (server) => {
  server.addHook('onRequest', (request, reply, done) => {
    const { config, url: route } = request.routeOptions
    if (config.probe === true || !isTraced()) return done()
    const parent = propagation.extract(ROOT_CONTEXT, request.headers)
    const span = trace.getTracer(TRACER).startSpan(
      route === undefined ? request.method : `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          ...(route !== undefined && { 'http.route': route }),
          'url.scheme': request.protocol,
          'network.protocol.version': request.raw.httpVersion,
        },
      },
      parent,
    )
    const own = trace.setSpan(parent, span)
    if (span.isRecording()) recorded.set(request, { span, context: own })
    // However the request ends, its answer is closed once.
    reply.raw.once('close', () => {
      span.setAttribute('http.response.status_code', reply.statusCode)
      if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      if (!reply.raw.writableFinished) span.setAttribute('error.type', 'client_gone')
      span.end()
    })
    context.with(own, done)
  })
  server.addHook('onError', (request, _, error, done) => {
    recorded.get(request)?.span.setAttribute('error.type', asofErrorOf(error).code)
    done()
  })
}

/** Adds a stage that has ended to the trace of its request; times are those of `performance.now()`. */
export function traceStage(
  request: FastifyRequest,
  stage: StageName,
  began: number,
  ended: number,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const own = recorded.get(request)
  if (own === undefined) return
  trace.getTracer(TRACER).startSpan(stage, { startTime: began, attributes }, own.context).end(ended)
}
