import { failure, type AsofError } from './asof-error.ts'
import { call, Deadline, within, type CallRules } from './call.ts'
import { instantOf } from './decode-value.ts'
import { encodeMsgpack } from './encode-msgpack.ts'
import { exchange, notAnAnswer, type Fetch, type Server } from './exchange.ts'
import { checkAnswer, compileTypes, FeatureVector, type Decoders } from './feature-vector.ts'
import { GatheredGets } from './gather-gets.ts'
import { PushLine } from './push-line.ts'
import type {
  DeclaredGroup,
  DeclaredService,
  FeatureClient,
  GetOptions,
  PushName,
  PushOptions,
  PushResult,
  PushRow,
} from './service-types.ts'
import {
  PATHS,
  type GetColumnsAnswer,
  type GetRequest,
  type Json,
  type PushAnswer,
  type PushRequest,
  type WireEntity,
} from './wire.ts'

/** How a client behaves. */
export interface ConnectOptions {
  /** Bearer token of the server, where it asks for one. */
  readonly token?: string
  /** Milliseconds for a whole call, retries included, where the call does not say; 1000 by default. */
  readonly deadline?: number
  /** How often a request is sent again when the server cannot be reached or is busy; 3 by default, 0 for never. */
  readonly retries?: number
  /** Sends a second request when a lookup has no answer after so many milliseconds, and takes the first good answer; off by default. */
  readonly hedge?: false | { readonly afterMs: number }
  /** Makes one request of lookups of one service in one tick; true by default. */
  readonly batch?: boolean
  /** The largest answer that is read; 64 MiB by default. */
  readonly answerBytesMax?: number
  /** Sends requests; the platform's own by default. */
  readonly fetch?: Fetch
}

/** What a client does where nothing else is said. */
export const CONNECT_DEFAULTS = {
  deadline: 1_000,
  retries: 3,
  hedge: false,
  batch: true,
  answerBytesMax: 67_108_864,
} as const

/** Fingerprints whose types are kept. */
const FINGERPRINTS_MAX = 1_000

/** The longest deadline that a server is told of; a caller may wait longer. */
const SERVER_DEADLINE_MS_MAX = 600_000

interface AnyQuestion {
  readonly keys: Readonly<Record<string, unknown>>
  readonly request?: Readonly<Record<string, unknown>> | undefined
}

type AnyOptions = GetOptions & { readonly request?: Readonly<Record<string, unknown>> }

/**
 * Connects to a feature server. Nothing is sent before the first call; connections are kept open by the platform.
 *
 * @typeParam Services the services of the project, as `asof types` writes them
 * @param url of the server: `http://127.0.0.1:8700`, also with a path before `/v1`
 * @throws {AsofError} `invalid_url`, `invalid_token`, `invalid_option`
 * @example
 * ```ts
 * const store = connect(url, { deadline: 2_000 })
 * const row = { user_id: 'bob', event_timestamp: '2024-01-01T10:00:00Z', orders: 3 }
 * const { accepted } = await store.push(userStats, [row])
 * accepted // 1
 * await store.close()
 * ```
 */
export function connect<Services extends object = object>(
  url: string,
  options: ConnectOptions = {},
): FeatureClient<Services> {
  // What the overloads promise the compiler is one and the same at run time.
  return new HttpClient(url, options) as unknown as FeatureClient<Services>
}

class HttpClient {
  readonly #server: Server
  readonly #rules: CallRules
  readonly #gathered: GatheredGets<AnyQuestion, FeatureVector> | undefined
  readonly #pushes = new PushLine()
  readonly #decoders = new Map<string, Decoders>()
  /** The fingerprint of each service, as it was answered last. */
  readonly #fingerprints = new Map<string, string>()
  readonly #underWay = new Set<Promise<unknown>>()
  #isClosed = false

  constructor(url: string, options: ConnectOptions) {
    const given: Required<Pick<ConnectOptions, keyof typeof CONNECT_DEFAULTS>> = {
      ...CONNECT_DEFAULTS,
      ...present(options),
    }
    const hedgeAfterMs = given.hedge ? given.hedge.afterMs : undefined
    checkOption('retries', given.retries)
    checkOption('answerBytesMax', given.answerBytesMax)
    checkOption('hedge.afterMs', hedgeAfterMs ?? 0)
    this.#server = {
      url: checkUrl(url),
      token: checkToken(options.token),
      fetch: options.fetch ?? (async (to, init) => await fetch(to, init)),
      answerBytesMax: given.answerBytesMax,
    }
    this.#rules = {
      deadline: new Deadline(given.deadline).ms,
      retries: given.retries,
      hedgeAfterMs,
      signal: undefined,
    }
    this.#gathered = given.batch ? new GatheredGets() : undefined
  }

  async get(
    service: string | DeclaredService,
    keys: AnyQuestion['keys'],
    options: AnyOptions = {},
  ): Promise<FeatureVector> {
    const { request, signal, ...shared } = options
    const question = { keys, request }
    const name = serviceName(service)
    return await this.#during(async () => {
      const deadline = this.#begin(shared)
      const send = async (
        asked: readonly AnyQuestion[],
        over: AbortSignal | undefined,
      ): Promise<FeatureVector[]> => await this.#ask(name, asked, shared, deadline, over)
      if (this.#gathered === undefined) return (await send([question], signal))[0]!
      const key = JSON.stringify([name, shared.at, shared.asOf, shared.expect, deadline.ms])
      return await this.#gathered.ask(key, question, signal, send)
    })
  }

  async getMany(
    service: string | DeclaredService,
    questions: readonly AnyQuestion[],
    options: AnyOptions = {},
  ): Promise<FeatureVector[]> {
    return await this.#during(
      async () =>
        await this.#ask(serviceName(service), questions, options, this.#begin(options), options.signal),
    )
  }

  async push(
    group: string | DeclaredGroup,
    rows: readonly PushRow[],
    given?: PushName,
    options: PushOptions = {},
  ): Promise<PushResult> {
    return await this.#during(async () => {
      const { wait, signal } = options
      const deadline = this.#begin(options)
      const path = PATHS.rows(groupName(group))
      const inTime = async (turn: Promise<void>): Promise<void> => {
        await within(deadline, signal, async () => await turn)
      }
      return await this.#pushes.send(given, inTime, async (name) => {
        const asked: PushRequest = { rows, ...name, ...(wait !== undefined && { wait }) }
        const body = encodeMsgpack(asked)
        const rules = { ...this.#rules, hedgeAfterMs: undefined, signal }
        const json = await call(
          deadline,
          rules,
          async (over) => await exchange(this.#server, path, body, over),
        )
        return this.#read(() => pushResultOf(json))
      })
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#underWay)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Asks for the types too until those of the service's fingerprint are known. */
  async #ask(
    service: string,
    questions: readonly AnyQuestion[],
    options: AnyOptions,
    deadline: Deadline,
    signal: AbortSignal | undefined,
  ): Promise<FeatureVector[]> {
    const { at, asOf, expect, request } = options
    let known = this.#decoders.has(this.#fingerprints.get(service) ?? '')
    for (;;) {
      const asked: GetRequest = {
        service,
        entities: questions.map(entityOf),
        ...present({ request, at, asOf, expect }),
        form: 'columns',
        include: known ? INCLUDE : [...INCLUDE, 'types'],
      }
      const rules = { ...this.#rules, signal }
      const json = await call(deadline, rules, async (over, leftMs) => {
        const body = encodeMsgpack({ ...asked, deadlineMs: Math.min(leftMs, SERVER_DEADLINE_MS_MAX) })
        return await exchange(this.#server, PATHS.get, body, over)
      })
      const answer = json as unknown as GetColumnsAnswer
      const vectors = this.#read(() => this.#vectors(service, answer, questions.length))
      if (vectors !== undefined) return vectors
      // The definitions changed since the types were asked for.
      if (!known) throw notAnAnswer(this.#server)
      known = false
    }
  }

  /** Undefined where the types of the answer are not known. */
  #vectors(service: string, answer: GetColumnsAnswer, count: number): FeatureVector[] | undefined {
    const { fingerprint, types } = answer
    if (types !== undefined && !this.#decoders.has(fingerprint)) {
      if (this.#decoders.size >= FINGERPRINTS_MAX) this.#decoders.clear()
      this.#decoders.set(fingerprint, compileTypes(types))
    }
    const decoders = this.#decoders.get(fingerprint)
    if (decoders === undefined) return undefined
    checkAnswer(answer, count)
    this.#fingerprints.set(service, fingerprint)
    return Array.from({ length: count }, (_, place) => new FeatureVector(answer, place, decoders))
  }

  /** What is wrong with a call before anything is sent, as in process. */
  #begin({ at, asOf, deadline }: Pick<AnyOptions, 'at' | 'asOf' | 'deadline'>): Deadline {
    for (const given of [at, asOf]) {
      if (given !== undefined && typeof given !== 'number') {
        const text = 'not an instant: give microseconds since 1970 as a number'
        throw failure('invalid', 'invalid_instant', text, { got: typeof given })
      }
      if (given !== undefined && !Number.isInteger(given)) {
        const text = 'not an instant between 1900 and 2200 in microseconds'
        throw failure('invalid', 'invalid_instant', text, { value: given })
      }
    }
    if (at !== undefined && asOf !== undefined) {
      throw failure(
        'invalid',
        'at_and_as_of',
        'at is about the recent past and asOf about any: give one of them',
      )
    }
    return new Deadline(deadline ?? this.#rules.deadline)
  }

  #read<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw notAnAnswer(this.#server, cause)
    }
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw failure('closed', 'store_closed', 'this feature store was closed')
    const working = work()
    this.#underWay.add(working)
    try {
      return await working
    } finally {
      this.#underWay.delete(working)
    }
  }
}

/** What a vector of a lookup in process knows. */
const INCLUDE = ['statuses', 'event_times', 'flags'] as const

function entityOf({ keys, request }: AnyQuestion): WireEntity {
  return request === undefined ? { keys } : { keys, request }
}

type Present<Record> = { readonly [Name in keyof Record]?: Exclude<Record[Name], undefined> }

/** The properties that are not undefined. */
function present<Record extends object>(record: Record): Present<Record> {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as Present<Record>
}

function pushResultOf(json: Json): PushResult {
  const { duplicate, accepted, quarantined, position, at, superseded } = json as unknown as PushAnswer
  return {
    duplicate,
    accepted,
    quarantined,
    position,
    at: instantOf(at),
    ...(superseded !== undefined && { superseded }),
  }
}

function serviceName(service: string | DeclaredService): string {
  return typeof service === 'string' ? service : service.definition.name
}

function groupName(group: string | DeclaredGroup): string {
  return typeof group === 'string' ? group : `${group.definition.name}@${group.definition.version}`
}

/** The message never repeats the URL: somebody may have written a secret into it. */
function checkUrl(url: string): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw invalidUrl('not a URL such as http://127.0.0.1:8700')
  }
  if (!/^https?:$/.test(parsed.protocol))
    throw invalidUrl('the URL of a feature server begins with http:// or https://')
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalidUrl('a URL is no place for secrets: give the token as an option')
  }
  if (parsed.search !== '' || parsed.hash !== '')
    throw invalidUrl('the URL of a feature server ends with its path')
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '')
}

function invalidUrl(text: string): AsofError {
  return failure('invalid', 'invalid_url', text)
}

/** Checked here, as the platform's own message would repeat it. */
function checkToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\w.~+/=-]+$/.test(token)) return token
  throw failure(
    'invalid',
    'invalid_token',
    'a token is letters, digits and _ . ~ -, without spaces or line breaks',
  )
}

function checkOption(name: string, value: number): void {
  if (value >= 0) return
  throw failure('invalid', 'invalid_option', 'an option that is no whole number from 0 on', { option: name })
}
