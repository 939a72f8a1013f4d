/// <reference lib="esnext.disposable" preserve="true" />
import type { FeatureVector } from './feature-vector.ts'

/** What a service is asked with and what it answers, by name. `asof types` writes these for each service. */
export interface ServiceTypes {
  readonly keys: object
  readonly request: object
  readonly vector: object
}

/** A declared service, as `featureService()` makes it: its name, and its types for the compiler alone. */
export interface DeclaredService {
  readonly definition: { readonly kind: 'service'; readonly name: string }
  readonly $types?: ServiceTypes
}

/** A declared group, as `featureGroup()` makes it. */
export interface DeclaredGroup {
  readonly definition: { readonly kind: 'group'; readonly name: string; readonly version: number }
}

/** The same record, each value or null. */
export type Nullable<Record> = { readonly [Name in keyof Record]: Record[Name] | null }

/** The types of a declared service, or of one of `asof types`. */
export type TypesOf<Service> = Service extends ServiceTypes
  ? Service
  : Service extends { readonly $types?: infer Types }
    ? Extract<Types, ServiceTypes>
    : ServiceTypes

/** The entity key of a lookup: every join key by its name in the request. A null part answers `not_found`. */
export type KeysOf<Service> = Nullable<TypesOf<Service>['keys']>
/** The request inputs of a lookup, by name. */
export type RequestOf<Service> = Nullable<TypesOf<Service>['request']>
/** The features of a service by name, each a value or null. */
export type VectorOf<Service> = Nullable<TypesOf<Service>['vector']>
/** A vector with the types that its service declares. */
export type TypedVector<Service> = FeatureVector & VectorOf<Service>

/** What a lookup may say beside its keys. */
export interface GetOptions {
  /** The decision time, in microseconds since 1970; now by default. At most an hour back. */
  readonly at?: number
  /** Any past instant, in microseconds since 1970, answered from history. */
  readonly asOf?: number
  /** The fingerprint that the model was trained on; another one is refused. */
  readonly expect?: string
  /** Milliseconds for the whole call, retries included. */
  readonly deadline?: number
  /** Cancels the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** One entity of a lookup of many. */
export interface Question<Service> {
  readonly keys: KeysOf<Service>
  readonly request?: RequestOf<Service>
}

/** A row to push: the entity's keys, `event_timestamp`, and every feature, or `_deleted: true` and no feature. */
export type PushRow = Readonly<Record<string, unknown>>

/** Names a push, so that a repeat is a duplicate. A client makes names of its own where none is given. */
export interface PushName {
  readonly producer: string
  /** Whole, rising per producer. */
  readonly sequence: number
}

/** What a push may say beside its rows. */
export interface PushOptions {
  /** Answers once lookups see the rows. */
  readonly wait?: 'applied'
  /** Milliseconds for the whole call, retries and the pushes before it included. */
  readonly deadline?: number
  /** Cancels the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What became of a push. */
export interface PushResult {
  /** The same name, or a later one of its producer, was appended before; nothing was done. */
  readonly duplicate: boolean
  readonly accepted: number
  /** Rows refused because they are dated too far ahead. */
  readonly quarantined: number
  readonly position: number
  /** Instant of append, in microseconds since 1970. */
  readonly at: number
  /** Rows older than what is stored under their keys; with `wait` alone. */
  readonly superseded?: number
}

/** Any name where no services are listed; none but the listed ones otherwise. */
type AnyName<Services> = [keyof Services] extends [never] ? string : never

/** The types behind a listed name; a declared service has its own. */
type Listed<Services, Service> = Service extends keyof Services ? Services[Service] : Service

/**
 * A feature store over the network: the calls of one in process, and what they answer.
 *
 * @typeParam Services what `asof types` wrote; without it services are given as they were declared, or by any name
 */
export interface FeatureClient<Services extends object = object> extends AsyncDisposable {
  /** The features of one entity. */
  get<Service extends DeclaredService | (keyof Services & string)>(
    service: Service | AnyName<Services>,
    keys: KeysOf<Listed<Services, Service>>,
    options?: GetOptions & { readonly request?: RequestOf<Listed<Services, Service>> },
  ): Promise<TypedVector<Listed<Services, Service>>>

  /** The features of many entities, in the order asked, duplicates included; one request. */
  getMany<Service extends DeclaredService | (keyof Services & string)>(
    service: Service | AnyName<Services>,
    questions: readonly Question<Listed<Services, Service>>[],
    options?: GetOptions,
  ): Promise<TypedVector<Listed<Services, Service>>[]>

  /** Appends whole rows to a group, durably: all, or none. A group is `name`, `name@version`, or as it was declared. */
  push(
    group: string | DeclaredGroup,
    rows: readonly PushRow[],
    name?: PushName,
    options?: PushOptions,
  ): Promise<PushResult>

  /** Takes no more calls, and waits for those under way. */
  close(): Promise<void>
}

/**
 * Lookups of one service, in process or over the network: the type of a parameter that takes either.
 *
 * @example
 * ```ts
 * async function score(store: Lookups<typeof delayModel>) {
 *   const vector = await store.get(delayModel, { airport: 'LAX' }, { request: { scheduled } })
 *   return vector.delay_mean ?? 0
 * }
 * await score(store) // 12.5
 * ```
 */
export interface Lookups<Service> {
  get(
    service: Service,
    keys: KeysOf<Service>,
    options?: Omit<GetOptions, 'signal'> & { readonly request?: RequestOf<Service> },
  ): Promise<VectorDetails & VectorOf<Service>>
  getMany(
    service: Service,
    questions: readonly Question<Service>[],
    options?: Omit<GetOptions, 'signal'>,
  ): Promise<(VectorDetails & VectorOf<Service>)[]>
}

/** What is known about the features of a vector. */
export type VectorDetails = Pick<FeatureVector, keyof FeatureVector>
