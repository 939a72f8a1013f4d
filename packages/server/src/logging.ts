import { AsofError } from '@asof/core'
import { destination, pino, stdTimeFunctions, type DestinationStream } from 'pino'
import type { RouteModule, ServerLog } from './context.ts'

/** A log of JSON lines, and what is left to do when its process ends. */
export interface JsonLog extends ServerLog {
  /** Writes what is still on its way. */
  flush(): void
}

/** How much is said. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * A log of JSON lines to stderr. Secrets are taken out of every text: tokens, keys of APIs, user names and passwords in URLs.
 *
 * @param to another place for the lines
 * @example
 * ```ts
 * const log = jsonLog({ level: 'warn' })
 * log.warn({ folder: 'https://ann:pass@example.com' }, 'it is late')
 * log.flush()
 * ```
 */
export function jsonLog(
  options: { readonly level?: LogLevel; readonly to?: DestinationStream } = {},
): JsonLog {
  const to = options.to ?? destination({ dest: 2, sync: false })
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redactedFields(fields, 0) },
    },
    to,
  )
  return {
    debug: (fields, message) => logger.debug(fields, redacted(message)),
    info: (fields, message) => logger.info(fields, redacted(message)),
    warn: (fields, message) => logger.warn(fields, redacted(message)),
    error: (fields, message) => logger.error(fields, redacted(message)),
    flush() {
      if ('flushSync' in to && typeof to.flushSync === 'function') (to.flushSync as () => void)()
    },
  }
}

/**
 * One line for each request but those of probes: what was asked by its template, never by its address, which may hold a key;
 * how it ended, how long it took and how large the answer was.
 */
export const requestLog: RouteModule = (server, { log }) => {
  server.addHook('onResponse', (request, reply, done) => {
    const { config, url = 'none' } = request.routeOptions
    if (config.probe !== true) {
      log.info(
        {
          request: request.id,
          method: request.method,
          route: url,
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime * 1_000) / 1_000,
          bytes: Number(reply.getHeader('content-length') ?? 0),
        },
        'answered',
      )
    }
    done()
  })
}

const HIDDEN = '[redacted]'
const SECRET_FIELD =
  /^(authorization|proxy-authorization|x-api-key|api[-_]?key|cookie|set-cookie|password|secret|token)$/i
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[A-Za-z0-9_.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [
    /\b((?:proxy-)?authorization|x-api-key|api[-_]?key|password|secret|token)(["']?\s*[:=]\s*["']?)[^\s"',;&}]+/gi,
    `$1$2${HIDDEN}`,
  ],
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${HIDDEN}@`],
]

/** A text without what gives access to something. */
export function redacted(text: string): string {
  return SECRET_TEXT.reduce((rest, [secret, instead]) => rest.replaceAll(secret, instead), text)
}

/** Levels of fields that are looked through; what lies deeper is not logged. */
const DEPTH_MAX = 5

function redactedFields(fields: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_FIELD.test(name) ? HIDDEN : redactedValue(value, depth + 1),
    ]),
  )
}

function redactedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redacted(value)
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) return loggedError(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEPTH_MAX) return undefined
  if (Array.isArray(value)) return value.map((each) => redactedValue(each, depth + 1))
  return redactedFields(value as Record<string, unknown>, depth)
}

/** How far back causes are told. */
const CAUSES_MAX = 3

/**
 * An error as it may be logged: what it is and where it was thrown. Messages of others than asof may repeat what they were
 * given, a line of a file or a value, so that only those of the system and of the language remain, without what they quote.
 */
export function loggedError(error: unknown, causes: number = CAUSES_MAX): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    ...(typeof code === 'string' && { code }),
    message: loggedMessage(error),
    at: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 8)
      .map((line) => redacted(line.trim())),
    ...(error.cause !== undefined && causes > 0 && { cause: loggedError(error.cause, causes - 1) }),
  }
}

function loggedMessage(error: Error): string | undefined {
  if (error instanceof AsofError || error.name === 'AsofError') {
    const [first] =
      Object.entries((error as AsofError).details).find(([, value]) => value !== undefined) ?? []
    const end = first === undefined ? -1 : error.message.indexOf(`. ${first}=\``)
    return redacted(end < 0 ? error.message : error.message.slice(0, end))
  }
  const isOfSystem = typeof (error as { syscall?: unknown }).syscall === 'string'
  if (!isOfSystem && error.name !== 'TypeError' && error.name !== 'ReferenceError') return undefined
  return redacted(error.message.replaceAll(/(["'`]).*?\1|-?\d[\d.]*/g, '…'))
}
