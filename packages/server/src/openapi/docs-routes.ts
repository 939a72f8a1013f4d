import { createHash } from 'node:crypto'
import type { RouteOptions } from 'fastify'
import type { RouteModule } from '../context.ts'
import { JSON_TYPE } from '../negotiate.ts'
import { openApiDocument, type OpenApi } from './document.ts'
import { PAGE_STYLE, referencePage } from './reference-page.ts'

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64')
/** The page holds its style and loads nothing. */
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/**
 * `/openapi.json`, and `/docs`, which shows the same to people.
 *
 * @param routes all routes of the server, also those that are added later
 */
export const docsRoutes =
  (routes: readonly RouteOptions[], version: string): RouteModule =>
  (server, { tokens }) => {
    let document: OpenApi | undefined
    const described = (): OpenApi =>
      (document ??= openApiDocument(routes, { version, secured: tokens !== undefined }))
    server.get('/openapi.json', (_, reply) => reply.type(JSON_TYPE).send(JSON.stringify(described())))
    server.get('/docs', (_, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', POLICY)
        .header('x-content-type-options', 'nosniff')
        .send(referencePage(described())),
    )
    server.get('/', (_, reply) => reply.redirect('/docs'))
  }
