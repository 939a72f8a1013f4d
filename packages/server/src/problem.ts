import type { Problem } from '@asof/client'
import { AsofError, HTTP_STATUS, type ErrorDetails } from '@asof/core'

/** Codes that HTTP has a status of its own for, whatever their kind. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  deadline_exceeded: 504,
  payload_too_large: 413,
  push_too_large: 413,
  unsupported_media_type: 415,
  not_acceptable: 406,
  method_not_allowed: 405,
  unauthorized: 401,
  request_timeout: 408,
  headers_too_large: 431,
  too_many_requests: 429,
}

/** The words of each status that the server answers with. */
export const STATUS_TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** HTTP status of an error. */
export function statusOf(error: AsofError): number {
  return STATUS_BY_CODE[error.code] ?? HTTP_STATUS[error.kind]
}

/**
 * An error as it leaves the server. What failed inside (a status from 500 on, `unavailable` aside) is named by its code alone:
 * its message may speak of files of the machine, and belongs into the log.
 */
export function problemOf(error: AsofError): Problem {
  const status = statusOf(error)
  const inside = error.kind === 'internal' || error.kind === 'corrupt'
  const details = inside ? {} : shownDetails(error.details)
  return {
    type: `urn:asof:problem:${error.code}`,
    title: STATUS_TITLES[status] ?? 'Error',
    status,
    detail: inside ? 'something failed inside the server; its log says what' : messageOf(error, details),
    kind: error.kind,
    code: error.code,
    retryable: error.retryable,
    details,
  }
}

/** Any error as an AsofError: one of fastify by what it means, an unknown one as `internal`. */
export function asofErrorOf(error: unknown): AsofError {
  if (isAsofShaped(error)) return error
  const { code, statusCode, validation, validationContext } = error as FastifyShaped
  if (validation !== undefined) return invalidRequest(validation, validationContext)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || statusCode === 413) {
    return new AsofError('invalid', 'payload_too_large', 'the body is larger than this path takes')
  }
  if (code?.startsWith('FST_ERR_CTP_INVALID_MEDIA_TYPE') === true || statusCode === 415) {
    return new AsofError(
      'invalid',
      'unsupported_media_type',
      'send a content type that this path takes: application/json to look up or to push, text/csv for a batch; /docs has all',
    )
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new AsofError('invalid', 'invalid_request', 'the request is not one that this server reads')
  }
  return new AsofError('internal', 'internal', 'something unexpected failed', {}, { cause: error })
}

interface FastifyShaped {
  readonly code?: string
  readonly statusCode?: number
  readonly validation?: readonly ValidationFault[]
  readonly validationContext?: string
}

/** What a schema found. */
interface ValidationFault {
  readonly instancePath?: string
  readonly keyword?: string
  readonly message?: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** A project may have brought its own copy of the class, so it is known by its shape. */
function isAsofShaped(error: unknown): error is AsofError {
  return error instanceof Error && error.name === 'AsofError' && (error as AsofError).kind in HTTP_STATUS
}

/** Says where and what is wrong by the schema's own words: they never repeat a value. */
function invalidRequest(faults: readonly ValidationFault[], context: string | undefined): AsofError {
  const [fault] = faults
  const what = context ?? 'request'
  const name = fault?.params?.['additionalProperty'] ?? fault?.params?.['missingProperty']
  const path = `${what}${(fault?.instancePath ?? '').replaceAll('/', '.')}`
  const absent = faults.flatMap(({ keyword, instancePath, params }) => {
    const missing = params?.['missingProperty']
    const isSame = keyword === 'required' && instancePath === fault?.instancePath
    return isSame && typeof missing === 'string' ? [missing] : []
  })
  const text =
    absent.length > 0
      ? `the ${what} lacks a property: ${absent.join(' or ')}`
      : fault?.keyword === 'additionalProperties'
        ? `the ${what} has a property that this path does not take`
        : `the ${what} is not as described`
  return new AsofError('invalid', 'invalid_request', text, {
    path: path.slice(0, 200),
    rule: fault?.message,
    ...(typeof name === 'string' && { property: name.slice(0, 63) }),
  })
}

/** Details that hold what the system or an engine said: paths, lines of files. */
const FOREIGN: ReadonlySet<string> = new Set(['reason', 'duckdb'])

function shownDetails(details: ErrorDetails): Problem['details'] {
  const shown: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(details)) {
    // A file of the machine is nobody's business outside it, nor is what another program says in its own words.
    if (value === undefined || FOREIGN.has(name)) continue
    if (typeof value === 'string' && value.startsWith('/')) continue
    shown[name] = typeof value === 'bigint' ? value.toString() : value
  }
  return shown
}

/** The message without the values behind it, then those that may be shown. */
function messageOf(error: AsofError, details: Problem['details']): string {
  const first = Object.entries(error.details).find(([, value]) => value !== undefined)?.[0]
  const end = first === undefined ? -1 : error.message.indexOf(`. ${first}=\``)
  const text = end < 0 ? error.message : error.message.slice(0, end)
  const values = Object.entries(details).map(([name, value]) => `${name}=\`${String(value)}\``)
  return values.length === 0 ? text : `${text}. ${values.join(' ')}`
}
