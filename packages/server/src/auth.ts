import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { AsofError, invalid } from '@asof/core'
import { isLoopback } from './connections.ts'
import type { RouteModule, Scope, ServerLog, TokenCheck } from './context.ts'

/** One token of a file, by its hash alone. */
interface KnownToken {
  readonly hash: Buffer
  readonly scope: Scope
  readonly name: string
}

const LINE = /^([A-Za-z0-9_.~-]{32,512})[ \t]+(read|write)(?:[ \t]+([A-Za-z0-9_.@-]{1,63}))?$/

/**
 * Reads a token file: a line `TOKEN read|write [name]` each, `#` begins a comment.
 *
 * @throws {AsofError} `invalid_token_file` with the line's number, never its text
 */
export function parseTokens(text: string): readonly KnownToken[] {
  const tokens: KnownToken[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const match = LINE.exec(line)
    if (match === null) {
      throw invalid(
        'invalid_token_file',
        'write a line as TOKEN read|write [name]; a token has at least 32 of A-Z a-z 0-9 _ . ~ -',
        { line: index + 1 },
      )
    }
    const [, token = '', scope, name = `line ${index + 1}`] = match
    tokens.push({ hash: sha256(token), scope: scope as Scope, name })
  }
  if (tokens.length > 0) return tokens
  throw invalid('invalid_token_file', 'the token file holds no token')
}

/** How long a token file is believed to be unchanged, in milliseconds. */
const FILE_AGE_MAX_MS = 1_000

/**
 * Tokens of a file, which is read again when it changes. A changed file that cannot be read leaves the tokens as they were, and
 * the log says so.
 *
 * @param nowMs tells the time in milliseconds
 * @throws {AsofError} `invalid_token_file`, also for a file that is not there
 */
export function tokenFile(path: string, log: ServerLog, nowMs: () => number = Date.now): TokenCheck {
  // First its stamp: a change while it is read is seen at the next look.
  let stamp = stampOf(path)
  let tokens = readTokens(path)
  let lookedAt = nowMs()
  const refresh = (): void => {
    const now = nowMs()
    if (now - lookedAt < FILE_AGE_MAX_MS) return
    lookedAt = now
    const seen = stampOf(path)
    if (seen === stamp) return
    stamp = seen
    try {
      tokens = readTokens(path)
      log.info({ tokens: tokens.length }, 'the token file was read again')
    } catch (error) {
      const { code, details } = error as AsofError
      log.error({ code, line: details['line'] }, 'the token file is not usable; the tokens before hold')
    }
  }
  return {
    check(token) {
      refresh()
      const hash = sha256(token)
      let found: KnownToken | undefined
      // All of them, so that the time taken tells nothing about which one it is.
      for (const known of tokens) if (timingSafeEqual(known.hash, hash)) found = known
      return found
    },
  }
}

/**
 * Refuses to listen where other machines can ask, unless they need a token for it.
 *
 * @throws {AsofError} `token_file_needed`
 */
export function checkHost(host: string, secured: boolean): void {
  if (secured || host === 'localhost' || isLoopback(host)) return
  throw new AsofError(
    'denied',
    'token_file_needed',
    'other machines may ask only with a token: give --token-file, or --host 127.0.0.1',
    { host },
  )
}

/** The names under which this machine alone is asked. */
const OWN_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

/**
 * Asks for a token that allows what the route does. A server without tokens answers only those who call it by a name of this
 * machine: a page in a browser that has made its own name point here is not one of them.
 */
export const authentication: RouteModule = (server, { tokens }) => {
  if (tokens === undefined) {
    server.addHook('onRequest', (request, _, done) => {
      if (OWN_HOST.test(request.headers.host ?? 'localhost')) return done()
      done(new AsofError('denied', 'host_not_allowed', 'ask by a name of this machine, or use tokens'))
    })
    return
  }
  server.addHook('onRequest', (request, reply, done) => {
    const { scope = 'read' } = request.routeOptions.config
    if (scope === 'open') return done()
    const token = /^Bearer +([A-Za-z0-9_.~+/=-]{1,1024})$/i.exec(request.headers.authorization ?? '')?.[1]
    const known = token === undefined ? undefined : tokens.check(token)
    if (known === undefined) {
      void reply.header('www-authenticate', 'Bearer realm="asof"')
      const text = 'send a token of this server: authorization: Bearer TOKEN'
      return done(new AsofError('denied', 'unauthorized', text))
    }
    if (scope === 'write' && known.scope !== 'write') {
      return done(new AsofError('denied', 'scope_missing', 'this token may read only', { needs: scope }))
    }
    done()
  })
}

function readTokens(path: string): readonly KnownToken[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw invalid('invalid_token_file', 'the token file cannot be read', { file: path })
  }
  return parseTokens(text)
}

/** Changes whenever the file does, also when it goes and comes back. */
function stampOf(path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path)
    return `${mtimeMs}/${ctimeMs}/${size}/${ino}`
  } catch {
    return 'none'
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
