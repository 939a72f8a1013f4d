import type { FeatureStore, Telemetry } from '@asof/core'
import type { FastifyInstance } from 'fastify'
import type { ServerLimits } from './limits.ts'

/** What a token may be used for; `write` includes `read`. */
export type Scope = 'read' | 'write'

/** Where the server says what happens: structured, and never with a key or a feature value. */
export interface ServerLog {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** Says nothing. */
export const silentLog: ServerLog = { debug() {}, info() {}, warn() {}, error() {} }

/** Where a server stands in its life: it goes through these once, from left to right. */
export type Stage = 'starting' | 'ready' | 'draining' | 'closed'

/** What changes while a server runs, for those who watch it. */
export interface ServerState {
  stage: Stage
  /** Requests being answered now. */
  inFlight: number
  /** Connections open now. */
  connections: number
}

/** Tells a bearer token's scope and name; undefined for one that is not known. */
export interface TokenCheck {
  check(token: string): { readonly scope: Scope; readonly name: string } | undefined
}

/** What every route module works with. */
export interface ServerContext {
  readonly store: FeatureStore
  readonly log: ServerLog
  readonly telemetry: Telemetry
  readonly limits: ServerLimits
  readonly state: ServerState
  /** Absent where the server asks for no tokens. */
  readonly tokens: TokenCheck | undefined
}

/**
 * A part of the server: adds its hooks and routes. A route says in `config.scope` what a token must allow (`read` where it
 * says nothing, `open` for none) and in its `schema` what it takes and answers, from which requests are checked and the
 * OpenAPI document is made.
 */
export type RouteModule = (server: FastifyInstance, context: ServerContext) => void

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a token must allow; `read` by default, `open` for nothing. */
    scope?: Scope | 'open'
    /** Not held back when the server has too much to do, and not counted: for probes. */
    probe?: boolean
    /** Not part of the OpenAPI document. */
    hidden?: boolean
  }
  interface FastifySchema {
    /** One line, for the reference. */
    summary?: string
    description?: string
    /** The section of the reference. */
    tags?: readonly string[]
    operationId?: string
    /** A body that works with the flights example. */
    example?: unknown
  }
}
