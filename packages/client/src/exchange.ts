import { AsofError, failure, type ErrorKind } from './asof-error.ts'
import { MEDIA_TYPE, type Json, type Problem } from './wire.ts'

/** What the client needs of `fetch`; the one of the platform has it. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>

/** What the client gives to `fetch`. */
export interface FetchInit {
  readonly method: 'POST'
  readonly headers: Record<string, string>
  readonly body: Uint8Array<ArrayBuffer>
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

/** What the client reads of a response. */
export interface FetchResponse {
  readonly status: number
  readonly type: string
  readonly headers: { get(name: string): string | null }
  readonly body: { getReader(): BodyReader } | null
}

interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/** Where the server is, and how it is spoken to. */
export interface Server {
  /** Without a slash at its end. */
  readonly url: string
  readonly token: string | undefined
  readonly fetch: Fetch
  readonly answerBytesMax: number
}

/** What became of one request. */
export type Outcome =
  | { readonly ok: true; readonly json: Json }
  | {
      readonly ok: false
      readonly error: AsofError
      /** The same request may well succeed in a moment. */
      readonly again: boolean
      /** The server asked to wait so many milliseconds. */
      readonly afterMs?: number
    }

/** A part of the way is down or busy, not the request wrong. */
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Sends one request and reads its answer, whatever it is; never rejects. */
export async function exchange(
  server: Server,
  path: string,
  body: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<Outcome> {
  let response: FetchResponse
  let text: string | undefined
  try {
    response = await server.fetch(server.url + path, {
      method: 'POST',
      headers: {
        'content-type': MEDIA_TYPE.msgpack,
        accept: `${MEDIA_TYPE.json}, ${MEDIA_TYPE.problem}`,
        ...(server.token !== undefined && { authorization: `Bearer ${server.token}` }),
      },
      body,
      redirect: 'manual',
      signal,
    })
    text = await bodyOf(response, server.answerBytesMax)
  } catch (cause) {
    const text = 'the feature server cannot be reached, or the connection broke'
    return {
      ok: false,
      error: failure('unavailable', 'server_unreachable', text, { server: server.url }, { cause }),
      again: true,
    }
  }
  if (text === undefined) {
    const details = { server: server.url, answerBytesMax: server.answerBytesMax }
    return refused(
      'answer_too_large',
      'the answer is larger than the limit answerBytesMax; ask for less at once',
      details,
    )
  }
  return outcomeOf(server, response, text)
}

function outcomeOf(server: Server, response: FetchResponse, text: string): Outcome {
  const { status } = response
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    return refused('redirect_refused', 'the server points elsewhere: connect to that address itself', {
      server: server.url,
    })
  }
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  const isProblem = type === MEDIA_TYPE.problem
  const json = isProblem || type === MEDIA_TYPE.json ? parse(text) : undefined
  if (status === 200 && !isProblem && json !== undefined) return { ok: true, json }
  const afterMs = retryAfter(response.headers.get('retry-after'))
  const error =
    (isProblem && problemError(json)) ||
    failure(
      'unavailable',
      'not_an_answer',
      status === 200 && type === MEDIA_TYPE.json
        ? 'the answer is not whole'
        : 'what answers there is no feature server, or something in between answered',
      { server: server.url, status, type: type.slice(0, 63) },
      { retryable: AGAIN.has(status) },
    )
  return { ok: false, error, again: AGAIN.has(status), ...(afterMs !== undefined && { afterMs }) }
}

/** The error that an answer which is not as described stands for. */
export function notAnAnswer(server: Server, cause?: unknown): AsofError {
  const text = 'the answer is not the one that was asked for: the server may be of another version'
  return failure('unavailable', 'not_an_answer', text, { server: server.url }, { cause, retryable: false })
}

function refused(code: string, text: string, details: AsofError['details']): Outcome {
  return { ok: false, error: failure('unavailable', code, text, details, { retryable: false }), again: false }
}

const KINDS: readonly ErrorKind[] = [
  'invalid',
  'not_found',
  'conflict',
  'unavailable',
  'denied',
  'corrupt',
  'closed',
  'internal',
]

/** The error that a problem tells of; undefined where it is not one of this server. */
function problemError(json: Json | undefined): AsofError | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const { kind, code, detail, details, retryable } = json as unknown as Partial<Problem>
  if (kind === undefined || !KINDS.includes(kind) || typeof code !== 'string' || typeof detail !== 'string') {
    return undefined
  }
  const shown = typeof details === 'object' && details !== null ? details : {}
  return new AsofError(kind, code, detail, shown, { retryable: retryable === true })
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Reads a body; undefined where it is larger than it may be, of which no more is read. */
async function bodyOf(response: FetchResponse, bytesMax: number): Promise<string | undefined> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const utf8 = new TextDecoder('utf-8')
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done || value === undefined) return text + utf8.decode()
    length += value.length
    if (length > bytesMax) {
      // Told, not waited for: what is left of the answer is of no interest.
      reader.cancel().catch(() => undefined)
      return undefined
    }
    text += utf8.decode(value, { stream: true })
  }
}

/** Milliseconds from a `Retry-After` of seconds or of a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
