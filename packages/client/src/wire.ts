/**
 * The requests and answers of the feature server, as plain JSON types. The server implements them, the client speaks them.
 *
 * A request is JSON (`application/json`) or MessagePack (`application/vnd.msgpack`), by its content-type; an answer by `accept`,
 * JSON by default. Values have one form for each type:
 *
 * | type | JSON | MessagePack |
 * |---|---|---|
 * | bool, int32, string | as they are | as they are |
 * | int64 | string of digits (a number where declared `as: 'number'`) | int |
 * | float32, float64 | number; `"NaN"`, `"Infinity"`, `"-Infinity"`, `"-0"` as strings | float32, float64 |
 * | bytes | base64 | bin |
 * | timestamp | RFC 3339 UTC with six decimals | int64, microseconds since 1970 |
 * | vector, list | array | array |
 * | map, struct | object | map |
 *
 * An instant is RFC 3339 UTC with six decimals in JSON, int64 microseconds in MessagePack; what is sent may also be a whole
 * number of microseconds. In MessagePack an integer is one whatever its width, as writers choose the shortest: what it is read as
 * is said by the declared type alone.
 *
 * @module
 */

/** Any JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** A scalar type, as definitions write it. */
export type WireScalarType =
  | { readonly kind: 'bool' | 'int32' | 'float32' | 'float64' | 'string' | 'bytes' | 'timestamp' }
  | { readonly kind: 'int64'; readonly as?: 'number' }

/** A feature's type, as definitions write it. */
export type WireType =
  | WireScalarType
  | { readonly kind: 'vector'; readonly size: number }
  | { readonly kind: 'list'; readonly element: WireScalarType }
  | { readonly kind: 'map'; readonly value: WireScalarType }
  | { readonly kind: 'struct'; readonly fields: Readonly<Record<string, WireScalarType>> }

/** An instant in a request: RFC 3339 text, or microseconds since 1970. */
export type WireInstant = string | number

/** What is known about one value. */
export type WireStatus = 'present' | 'null' | 'not_found' | 'expired' | 'error'

/** What is said beside a status; absent where it does not hold. */
export interface WireFlags {
  /** The pipeline behind the group is later than its freshness promise. */
  readonly stale?: true
  /** The declared default stands in for `not_found` or `expired`. */
  readonly defaulted?: true
  /** A part of the key was null. */
  readonly null_key?: true
}

/** One entity of a request for several. */
export interface WireEntity {
  readonly keys: Readonly<Record<string, unknown>>
  /** Inputs of on-demand features; the request's own where absent. */
  readonly request?: Readonly<Record<string, unknown>>
}

/** What an answer may carry beside the values. */
export type WireInclude = 'statuses' | 'event_times' | 'flags' | 'types'

/** `POST /v1/get`: the features of one entity or of many. */
export interface GetRequest {
  /** Exactly one of `service` and `features`. */
  readonly service?: string
  /** `group:feature` or `group@version:feature`. */
  readonly features?: readonly string[]
  /** Exactly one of `keys` and `entities`. */
  readonly keys?: Readonly<Record<string, unknown>>
  readonly entities?: readonly WireEntity[]
  readonly request?: Readonly<Record<string, unknown>>
  readonly at?: WireInstant
  readonly asOf?: WireInstant
  /** The fingerprint that the model was trained on; another one is refused. */
  readonly expect?: string
  /** Milliseconds that are left of the caller's deadline. */
  readonly deadlineMs?: number
  /** `rows` by default. */
  readonly form?: 'rows' | 'columns'
  readonly include?: readonly WireInclude[]
}

/** What every answer to a get says. */
export interface GetAnswerHead {
  readonly service?: string
  /** Revision of the registry; absent before the first. */
  readonly revision?: number
  readonly fingerprint: string
  readonly at: string
  readonly source: 'online' | 'offline'
  /** Names of the features, in order. */
  readonly features: readonly string[]
  readonly types?: Readonly<Record<string, WireType>>
  readonly deprecated?: readonly {
    readonly group: string
    readonly after?: string
    readonly replacement?: string
  }[]
}

/** An answer with one object for each entity, in the order asked. */
export interface GetRowsAnswer extends GetAnswerHead {
  readonly rows: readonly Readonly<Record<string, Json>>[]
  readonly statuses?: readonly Readonly<Record<string, WireStatus>>[]
  readonly eventTimes?: readonly Readonly<Record<string, string | null>>[]
  /** Only features that have any. */
  readonly flags?: readonly Readonly<Record<string, WireFlags>>[]
}

/** An answer with one array for each feature, over the entities in the order asked. */
export interface GetColumnsAnswer extends GetAnswerHead {
  readonly columns: Readonly<Record<string, readonly Json[]>>
  readonly statuses?: Readonly<Record<string, readonly WireStatus[]>>
  readonly eventTimes?: Readonly<Record<string, readonly (string | null)[]>>
  /** Only features that have any, null for the entities where they have none. */
  readonly flags?: Readonly<Record<string, readonly (WireFlags | null)[]>>
}

/** What `POST /v1/get` answers. */
export type GetAnswer = GetRowsAnswer | GetColumnsAnswer

/** `POST /v1/groups/{group}/rows`: whole rows, appended durably, all or none. */
export interface PushRequest {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** With `sequence`, names the push: a repeat is answered as a duplicate. */
  readonly producer?: string
  readonly sequence?: number
  readonly wait?: 'applied'
}

/** What a push answers. */
export interface PushAnswer {
  readonly duplicate: boolean
  readonly accepted: number
  readonly quarantined: number
  readonly position: number
  readonly at: string
  /** Rows older than what is stored under their keys; with `wait` alone. */
  readonly superseded?: number
}

/** What `POST /v1/groups/{group}/batches` answers. */
export interface BatchAnswer extends PushAnswer {
  /** Rows of the file that were quarantined because they are no rows of the group. */
  readonly rejected: number
}

/** `POST /v1/consumers`: a model that reads a service. */
export interface ConsumerRequest {
  readonly service: string
  readonly model: string
  readonly version: string
  readonly team: string
}

/** The kinds of errors, as in process. */
export type WireErrorKind =
  | 'invalid'
  | 'not_found'
  | 'conflict'
  | 'unavailable'
  | 'denied'
  | 'corrupt'
  | 'closed'
  | 'internal'

/** Problem details (RFC 9457), `application/problem+json`: what every error answers. */
export interface Problem {
  /** `urn:asof:problem:CODE`. */
  readonly type: string
  /** The kind in words. */
  readonly title: string
  readonly status: number
  /** The message of the error, its values last, as in process. */
  readonly detail: string
  readonly kind: WireErrorKind
  readonly code: string
  readonly retryable: boolean
  /** Names and values of the message; a bigint as a string of digits. */
  readonly details: Readonly<Record<string, string | number | boolean | null>>
}

/** Paths of the server. */
export const PATHS: {
  readonly get: string
  readonly rows: (group: string) => string
  readonly batches: (group: string) => string
} = {
  get: '/v1/get',
  rows: (group) => `/v1/groups/${encodeURIComponent(group)}/rows`,
  batches: (group) => `/v1/groups/${encodeURIComponent(group)}/batches`,
}

/** Content types of requests and answers. */
export const MEDIA_TYPE = {
  json: 'application/json',
  msgpack: 'application/vnd.msgpack',
  problem: 'application/problem+json',
} as const
