import { MEDIA_TYPE } from '@asof/client'
import type { FastifySchema, RouteOptions } from 'fastify'
import { STATUS_TITLES } from '../problem.ts'

/** An OpenAPI 3.1 document, as far as this server writes one. */
export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly security: readonly object[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: object
}

/** One method of one path. */
export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly security?: readonly object[]
  /** What a token must allow; not there where none is asked for. */
  readonly 'x-asof-scope'?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: true; readonly content: Content }
  readonly responses: Readonly<Record<string, Response>>
}

/** A parameter of a path or a query. */
export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly description?: string
  readonly schema: Schema
}

/** Bodies by content type. */
export type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>

/** What one status answers. */
export type Response =
  | { readonly description: string; readonly content?: Content }
  | { readonly $ref: string }

/** A JSON schema, as far as it is looked into here. */
export interface Schema {
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly [name: string]: unknown
}

const TAGS: readonly (readonly [string, string])[] = [
  ['get', 'Looking up features.'],
  ['push', 'Bringing rows into the store.'],
  ['registry', 'What there is, who owns it, and who reads it.'],
  ['health', 'Whether the server runs and how it does.'],
]

const DESCRIPTION = [
  'Bodies are JSON (`application/json`) or MessagePack (`application/vnd.msgpack`), by the content type; answers by `accept`, JSON by default.',
  'In JSON an int64 is a string of digits (a number where it is declared `as: number`), bytes are base64, a timestamp is RFC 3339 UTC with six decimals, and `NaN`, `Infinity`, `-Infinity` and `-0` are strings; in MessagePack every float keeps its bits, an int64 is an integer, an instant a whole number of microseconds since 1970.',
  'Every error is a problem (RFC 9457) with a stable `code`. `x-request-id` is echoed.',
].join('\n\n')

/** Problems that any request can meet; those of requests with a body beside them. */
const PROBLEMS = [400, 404, 406, 408, 431, 500, 503] as const
const PROBLEMS_OF_BODIES = [409, 413, 415, 429, 504] as const
const PROBLEMS_OF_TOKENS = [401, 403] as const

/**
 * The document of the routes that a server has, made from the schemas by which it checks requests.
 *
 * @param secured whether the server asks for tokens
 */
export function openApiDocument(
  routes: readonly RouteOptions[],
  { version, secured }: { readonly version: string; readonly secured: boolean },
): OpenApi {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) {
    const { schema, config } = route
    const method = String(route.method).toLowerCase()
    if (schema?.operationId === undefined || config?.hidden === true || method === 'head') continue
    const path = route.url.replaceAll(/:([a-z]+)/g, '{$1}')
    paths[path] = { ...paths[path], [method]: operationOf(schema, method, config?.scope ?? 'read', secured) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'asof feature server', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: TAGS.map(([name, description]) => ({ name, description })),
    security: secured ? [{ token: [] }] : [],
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      responses: Object.fromEntries(
        Object.entries(STATUS_TITLES).map(([status, title]) => [
          `Problem${status}`,
          problemAnswer(status, title),
        ]),
      ),
      ...(secured && {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of the server.' } },
      }),
    },
  }
}

function operationOf(schema: FastifySchema, method: string, scope: string, secured: boolean): Operation {
  const { summary = '', description, tags = [], operationId = '', example } = schema
  const open = scope === 'open'
  const parameters = [...parametersOf(schema.params, 'path'), ...parametersOf(schema.querystring, 'query')]
  const problems = [
    ...PROBLEMS,
    ...(method === 'get' ? [] : PROBLEMS_OF_BODIES),
    ...(secured && !open ? PROBLEMS_OF_TOKENS : []),
  ]
  const own = Object.entries((schema.response ?? {}) as Readonly<Record<string, Schema>>)
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    tags,
    ...(open ? { security: [] } : { 'x-asof-scope': scope }),
    ...(parameters.length > 0 && { parameters }),
    ...(schema.body !== undefined && {
      requestBody: { required: true as const, content: contentOf(schema.body as Schema, example) },
    }),
    responses: Object.fromEntries([
      ...problems.map(
        (status) => [String(status), { $ref: `#/components/responses/Problem${status}` }] as const,
      ),
      ...own.map(
        ([status, body]) =>
          [
            status,
            {
              description: body.description ?? STATUS_TITLES[Number(status)] ?? 'Done.',
              content: contentOf(body),
            },
          ] as const,
      ),
    ]),
  }
}

/** By content type: as the route says, or the two forms that every document has. */
function contentOf(schema: Schema, example?: unknown): Content {
  if ('content' in schema) return schema['content'] as Content
  const json = { schema, ...(example !== undefined && { example }) }
  const { description } = schema
  return {
    [MEDIA_TYPE.json]: json,
    // The same document; its integers and bytes are no JSON, so that a schema of JSON would not describe it.
    [MEDIA_TYPE.msgpack]: { schema: description === undefined ? {} : { description } },
  }
}

function parametersOf(given: unknown, place: 'path' | 'query'): Parameter[] {
  const { properties = {}, required = [] } = (given ?? {}) as Schema
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema,
  }))
}

const PROBLEM: Schema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'kind', 'code', 'retryable', 'details'],
  properties: {
    type: { type: 'string', format: 'uri', description: '`urn:asof:problem:CODE`' },
    title: { type: 'string', description: 'The status in words.' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', description: 'What to do.' },
    kind: {
      type: 'string',
      enum: ['invalid', 'not_found', 'conflict', 'unavailable', 'denied', 'corrupt', 'closed', 'internal'],
    },
    code: { type: 'string', description: 'Stable across releases.' },
    retryable: { type: 'boolean', description: 'Whether the same request may succeed later.' },
    details: { type: 'object', description: 'Names and values of the message.' },
  },
}

function problemAnswer(status: string, title: string): object {
  const description = WHEN[Number(status)] ?? title
  return {
    description,
    content: { [MEDIA_TYPE.problem]: { schema: { $ref: '#/components/schemas/Problem' } } },
  }
}

/** When each status is answered. */
const WHEN: Readonly<Record<number, string>> = {
  400: 'The request is not as described, or names a value of another type than declared.',
  401: 'No token, or one that is not known.',
  403: 'The token does not allow this.',
  404: 'What is named does not exist.',
  405: 'The path does not take the method.',
  406: 'The path answers none of the accepted content types.',
  408: 'The request did not arrive in time.',
  409: 'The state forbids it: another fingerprint than expected, a newer definition.',
  413: 'The body is larger than the path takes.',
  415: 'The path does not take the content type, or the body is compressed.',
  429: 'Too many requests; `retry-after` says when to come back.',
  431: 'The headers are larger than the server takes.',
  500: 'Something failed inside; the log of the server says what.',
  503: 'The server starts, stops or has too much to do; `retry-after` says when to come back.',
  504: 'The deadline passed.',
}
