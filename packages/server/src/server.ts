import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { MEDIA_TYPE } from '@asof/client'
import { AsofError, silentTelemetry, type FeatureStore, type Telemetry } from '@asof/core'
import Fastify, { type FastifyInstance, type FastifyReply, type RouteOptions } from 'fastify'
import { admission } from './admission.ts'
import { authentication, checkHost } from './auth.ts'
import {
  silentLog,
  type RouteModule,
  type ServerContext,
  type ServerLog,
  type TokenCheck,
} from './context.ts'
import { connectionCaps } from './connections.ts'
import { errorAnswers, malformedRequest } from './error-answers.ts'
import { healthRoutes } from './health.ts'
import { docsRoutes } from './openapi/docs-routes.ts'
import { SERVER_LIMITS, type ServerLimits } from './limits.ts'
import { bodyReaders } from './negotiate.ts'
import { asofErrorOf, problemOf } from './problem.ts'
import { batchRoute } from './routes/batch-route.ts'
import { catalogRoutes } from './routes/catalog-routes.ts'
import { getRoute } from './routes/get-route.ts'
import { pushRoute } from './routes/push-route.ts'
import { registryRoutes } from './routes/registry-routes.ts'

/** What a server is made of. */
export interface ServerOptions {
  readonly store: FeatureStore
  /** Who may ask; without it the server asks for no tokens, and should listen on this machine alone. */
  readonly tokens?: TokenCheck
  readonly log?: ServerLog
  readonly telemetry?: Telemetry
  readonly limits?: Partial<ServerLimits>
  /**
   * Folder for the bodies of batches while they arrive, where the store's engine can read and on a disk with room for them;
   * without it no batches are taken.
   */
  readonly incoming?: string
  /** Version of this program, for the OpenAPI document. */
  readonly version?: string
  /** Hooks that come before everything else: metrics, traces, logs. */
  readonly watchers?: readonly RouteModule[]
  /** Routes beside the server's own. */
  readonly routes?: readonly RouteModule[]
}

/** The feature server. */
export interface FeatureServer extends AsyncDisposable {
  readonly fastify: FastifyInstance
  /**
   * Begins to answer; resolves with where.
   *
   * @throws {AsofError} `token_file_needed` for an address of others without tokens; `address_in_use`, `unknown_host`
   */
  listen(options: { readonly host: string; readonly port: number }): Promise<{ readonly url: string }>
  /**
   * Stops without failing a request: `/readyz` says no at once, requests are answered for `drainMs` more, each of them the last
   * of its connection; then what is under way may end. The store is its owner's to close.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>
}

/** The hooks and routes of every server, in the order in which they are added. */
const ROUTES: readonly RouteModule[] = [healthRoutes, getRoute, pushRoute, catalogRoutes, registryRoutes]

/**
 * Makes a feature server over a store.
 *
 * @example
 * ```ts
 * await using server = createServer({ store })
 * const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
 * ```
 */
export function createServer(options: ServerOptions): FeatureServer {
  const limits: ServerLimits = { ...SERVER_LIMITS, ...options.limits }
  const context: ServerContext = {
    store: options.store,
    log: options.log ?? silentLog,
    telemetry: options.telemetry ?? silentTelemetry,
    tokens: options.tokens,
    limits,
    state: { stage: 'starting', inFlight: 0, connections: 0 },
  }
  const fastify = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.requestsPerConnectionMax,
    trustProxy: false,
    requestIdHeader: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: (request) => saneId(request.headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: malformedRequest,
    frameworkErrors: (error, _, reply) => {
      const problem = problemOf(asofErrorOf(error))
      // The types of this callback know no route, so none of the statuses either.
      const answering = reply as unknown as FastifyReply
      void answering.code(problem.status).type(MEDIA_TYPE.problem).send(JSON.stringify(problem))
    },
    http: {
      headersTimeout: limits.headersTimeoutMs,
      maxHeaderSize: limits.headersBytesMax,
      connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5_000),
      insecureHTTPParser: false,
    },
    // A request is taken as it is: nothing is coerced, filled in or left out.
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false },
    },
  })
  fastify.setSerializerCompiler(() => (document) => JSON.stringify(document))
  const routes: RouteOptions[] = []
  fastify.addHook('onRoute', (route) => void routes.push(route))
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id)
    if (context.state.stage === 'draining') void reply.header('connection', 'close')
    done()
  })
  const modules = [
    ...(options.watchers ?? []),
    connectionCaps,
    errorAnswers,
    authentication,
    admission,
    bodyReaders,
    ...ROUTES,
    ...(options.incoming === undefined ? [] : [batchRoute(options.incoming)]),
    ...(options.routes ?? []),
    docsRoutes(routes, options.version ?? '0'),
  ]
  for (const add of modules) add(fastify, context)
  refuseOtherMethods(fastify, routes)

  let closing: Promise<void> | undefined
  const close = async (drainMs: number): Promise<void> => {
    context.state.stage = 'draining'
    if (drainMs > 0) await new Promise((resolve) => setTimeout(resolve, drainMs))
    const late = setTimeout(() => fastify.server.closeAllConnections(), limits.stopMsMax)
    await fastify.close()
    clearTimeout(late)
    context.state.stage = 'closed'
  }
  return {
    fastify,
    async listen({ host, port }) {
      checkHost(host, options.tokens !== undefined)
      try {
        await fastify.listen({ host, port })
      } catch (error) {
        throw listenError(error, host, port)
      }
      context.state.stage = 'ready'
      const { address, port: bound, family } = fastify.server.address() as AddressInfo
      return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}` }
    },
    async close({ drainMs = 0 } = {}) {
      await (closing ??= close(drainMs))
    },
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}

/** Why a server cannot listen, in words. */
function listenError(error: unknown, host: string, port: number): unknown {
  const { code } = error as NodeJS.ErrnoException
  const where = { host, port }
  if (code === 'EADDRINUSE') {
    return new AsofError('unavailable', 'address_in_use', 'something listens there already', where)
  }
  if (code === 'EACCES') return new AsofError('denied', 'address_denied', 'this port may not be used', where)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new AsofError('invalid', 'unknown_host', 'no such address; give one of this machine', where)
  }
  return error
}

/** Answers 405, with what is allowed, where a path is known and the method is not. */
function refuseOtherMethods(fastify: FastifyInstance, routes: readonly RouteOptions[]): void {
  for (const [url, of] of Map.groupBy(routes, (route) => route.url)) {
    const known = new Set(of.flatMap(({ method }) => method))
    if (known.has('GET')) known.add('HEAD')
    const others = fastify.supportedMethods.filter((method) => !known.has(method))
    const allow = [...known].sort().join(', ')
    fastify.route({
      url,
      method: others,
      config: { hidden: true },
      onRequest: (request, reply, done) => {
        void reply.header('allow', allow)
        done(
          new AsofError('invalid', 'method_not_allowed', 'this path does not take the method', {
            method: request.method,
            allow,
          }),
        )
      },
      handler: () => undefined,
    })
  }
}

/** An id that a client gave, where it cannot be anything else. */
function saneId(given: string | string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[A-Za-z0-9._:-]{1,64}$/.test(given) ? given : undefined
}
