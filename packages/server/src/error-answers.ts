import type { Socket } from 'node:net'
import { MEDIA_TYPE } from '@asof/client'
import { AsofError } from '@asof/core'
import type { RouteModule } from './context.ts'
import { loggedError } from './logging.ts'
import { asofErrorOf, problemOf, STATUS_TITLES } from './problem.ts'

/** Answers every error as a problem, and says in the log what failed inside. */
export const errorAnswers: RouteModule = (server, { log, limits }) => {
  server.setErrorHandler((error, request, reply) => {
    const known = asofErrorOf(error)
    const problem = problemOf(known)
    if (problem.status >= 500 && problem.status !== 503) {
      log.error(
        { request: request.id, route: request.routeOptions.url, code: known.code, error: loggedError(known) },
        'a request failed',
      )
    }
    if (problem.status === 503 || problem.status === 429) {
      void reply.header('retry-after', String(limits.retryAfterSeconds))
    }
    return reply.code(problem.status).type(MEDIA_TYPE.problem).send(JSON.stringify(problem))
  })
  server.setNotFoundHandler(() => {
    throw new AsofError(
      'not_found',
      'path_not_found',
      'there is no such path; /docs describes those there are',
    )
  })
}

const PARSER_STATUS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'the headers are larger than this server takes'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'the request did not arrive in time'],
}

/** Answers what is no HTTP, and closes the connection. */
export function malformedRequest(error: { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, code, text] = PARSER_STATUS[error.code ?? ''] ?? [
    400,
    'malformed_http',
    'this is no HTTP/1.1',
  ]
  const problem = { ...problemOf(new AsofError('invalid', code, text)), status, title: STATUS_TITLES[status] }
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_TITLES[status]}\r\ncontent-type: ${MEDIA_TYPE.problem}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
