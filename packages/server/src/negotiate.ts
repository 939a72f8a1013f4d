import { MEDIA_TYPE } from '@asof/client'
import { AsofError, invalid, parseStrictJson } from '@asof/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RouteModule } from './context.ts'
import { decodeMessagePack } from './messagepack/decode.ts'
import { encodeMessagePack } from './messagepack/encode.ts'

/** The forms that requests and answers have. */
export type Form = 'json' | 'msgpack'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads bodies strictly: JSON without a digit lost or a property doubled, MessagePack without extensions. */
export const bodyReaders: RouteModule = (server, { limits }) => {
  server.removeAllContentTypeParsers()
  const options = { parseAs: 'buffer' as const }
  server.addContentTypeParser(MEDIA_TYPE.json, options, (request, body, done) => {
    try {
      checkPlain(request)
      if ((body as Buffer).length === 0)
        throw invalid('invalid_json', 'the body is empty: send a JSON object')
      done(null, parseStrictJson(utf8(body as Buffer), limits.bodyDepthMax))
    } catch (error) {
      done(error as Error)
    }
  })
  server.addContentTypeParser(MEDIA_TYPE.msgpack, options, (request, body, done) => {
    try {
      checkPlain(request)
      done(null, topLevelNumbers(decodeMessagePack(body as Buffer, limits.bodyDepthMax)))
    } catch (error) {
      done(error as Error)
    }
  })
}

/** The form in which a request's body came. */
export function bodyForm(request: FastifyRequest): Form {
  const type = request.headers['content-type'] ?? ''
  return type.trimStart().toLowerCase().startsWith(MEDIA_TYPE.msgpack) ? 'msgpack' : 'json'
}

/**
 * The form in which a request wants its answer: JSON unless it would rather have MessagePack.
 *
 * @throws {AsofError} `not_acceptable` where it takes neither
 */
export function answerForm(request: FastifyRequest): Form {
  const { accept } = request.headers
  if (accept === undefined || accept === '*/*' || accept === MEDIA_TYPE.json) return 'json'
  if (accept === MEDIA_TYPE.msgpack) return 'msgpack'
  let best: { readonly form: Form; readonly weight: number } | undefined
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase())
    const form = FORM_OF_TYPE[type]
    const weight = Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1)
    if (form !== undefined && weight > (best?.weight ?? 0)) best = { form, weight }
  }
  if (best !== undefined) return best.form
  throw new AsofError('invalid', 'not_acceptable', 'this path answers JSON or MessagePack', {
    json: MEDIA_TYPE.json,
    msgpack: MEDIA_TYPE.msgpack,
  })
}

/** Sends a plain document in the form that the request wants; a bigint is a string of digits in JSON. */
export function answer(request: FastifyRequest, reply: FastifyReply, document: object): FastifyReply {
  if (answerForm(request) === 'msgpack') {
    return reply.type(MEDIA_TYPE.msgpack).send(encodeMessagePack(document))
  }
  return reply.type(JSON_TYPE).send(jsonText(document))
}

/** Content type of JSON answers. */
export const JSON_TYPE: string = `${MEDIA_TYPE.json}; charset=utf-8`

/** JSON in which a bigint is a string of digits. */
export function jsonText(document: unknown): string {
  return JSON.stringify(document, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
}

const FORM_OF_TYPE: Readonly<Record<string, Form | undefined>> = {
  [MEDIA_TYPE.json]: 'json',
  [MEDIA_TYPE.msgpack]: 'msgpack',
  '*/*': 'json',
  'application/*': 'json',
}

/** Refuses a compressed body and one in another character set. */
function checkPlain(request: FastifyRequest): void {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers
  if (encoding.toLowerCase() !== 'identity') {
    throw new AsofError('invalid', 'unsupported_media_type', 'send the body as it is, not compressed')
  }
  const charset = /charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw new AsofError('invalid', 'unsupported_media_type', 'send the body as UTF-8')
  }
}

function utf8(body: Buffer): string {
  try {
    return UTF8.decode(body)
  } catch {
    throw invalid('invalid_json', 'not UTF-8')
  }
}

/** Instants, sequences and the like stand at the top of a body, and are numbers whatever their width. */
function topLevelNumbers(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const object = body as Record<string, unknown>
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) object[name] = Number(value)
  }
  return body
}
