import { failure } from './asof-error.ts'
import type { Outcome } from './exchange.ts'
import type { Json } from './wire.ts'

/** How often a call is tried, and how long it may take. */
export interface CallRules {
  /** Milliseconds for the whole call, every try and wait included. */
  readonly deadline: number
  /** How often a request is sent again. */
  readonly retries: number
  /** Milliseconds after which a second request is sent beside the first; undefined for never. */
  readonly hedgeAfterMs: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Sends one request. */
export type Send = (signal: AbortSignal, leftMs: number) => Promise<Outcome>

/** The longest wait that timers of all platforms know. */
const TIMER_MS_MAX = 2_147_483_647
/** The first wait before a retry is at most this, each later one twice the one before. */
const BACKOFF_MS = 20
const BACKOFF_MS_MAX = 1_000

/** The time that a call has: it begins when this is made. */
export class Deadline {
  readonly ms: number
  readonly #end: number

  /** @throws {AsofError} `invalid_deadline` */
  constructor(ms: number) {
    if (!(ms >= 0)) throw failure('invalid', 'invalid_deadline', 'a deadline is a number of milliseconds')
    this.ms = ms
    this.#end = performance.now() + ms
  }

  /** Milliseconds until it is over; none or fewer when it is. */
  get left(): number {
    return Math.min(this.#end - performance.now(), TIMER_MS_MAX)
  }
}

/**
 * Sends a request until it is answered, while there is time: what failed on the way is sent again, after a random wait.
 *
 * @throws {AsofError} what the last try met, or `deadline_exceeded`; the signal's reason where it is cancelled
 */
export async function call(
  deadline: Deadline,
  rules: Omit<CallRules, 'deadline'>,
  send: Send,
): Promise<Json> {
  const { signal, retries, hedgeAfterMs } = rules
  let failed: Failed | undefined
  return await within(
    deadline,
    signal,
    async (over) => {
      for (let tries = 0; ; tries++) {
        const outcome = await hedged(deadline, hedgeAfterMs, over, send)
        if (outcome.ok) return outcome.json
        if (over.aborted || !outcome.again || tries >= retries) throw outcome.error
        failed = outcome
        const wait = (outcome.afterMs ?? 0) + fullJitter(tries)
        // There is no use in waiting for what the deadline forbids.
        if (wait >= deadline.left) throw outcome.error
        await sleep(wait, over)
      }
    },
    () => failed?.error,
  )
}

/**
 * Works until the deadline, or until the signal says otherwise.
 *
 * @param work its signal says that nobody waits for it any more
 * @param met what went wrong on the way, as the cause
 * @throws {AsofError} `deadline_exceeded`; the signal's reason where it is cancelled
 */
export async function within<T>(
  deadline: Deadline,
  signal: AbortSignal | undefined,
  work: (over: AbortSignal) => Promise<T>,
  met: () => unknown = () => undefined,
): Promise<T> {
  signal?.throwIfAborted()
  if (deadline.left <= 0) throw deadlineExceeded(deadline, undefined)
  const over = new AbortController()
  const stopped = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => {
      reject(signal?.aborted === true ? signal.reason : deadlineExceeded(deadline, met()))
    })
  })
  stopped.catch(() => undefined)
  const stop = (): void => over.abort()
  const timer = setTimeout(stop, Math.max(0, deadline.left))
  signal?.addEventListener('abort', stop)
  try {
    // First, as what is stopped rejects too, and has less to say.
    return await Promise.race([stopped, work(over.signal)])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

function deadlineExceeded(deadline: Deadline, cause: unknown): Error {
  const text = 'the feature server did not answer in time'
  const options = cause === undefined ? {} : { cause }
  return failure('unavailable', 'deadline_exceeded', text, { deadline: deadline.ms }, options)
}

type Failed = Outcome & { readonly ok: false }

/** One request, and a second one beside it where the first is slow: the first good answer counts, the other is cancelled. */
async function hedged(
  deadline: Deadline,
  afterMs: number | undefined,
  signal: AbortSignal,
  send: Send,
): Promise<Outcome> {
  const left = (): number => Math.max(1, Math.floor(deadline.left))
  if (afterMs === undefined) return await send(signal, left())
  const cancelBoth = new AbortController()
  const cancel = (): void => cancelBoth.abort()
  signal.addEventListener('abort', cancel)
  try {
    const first = send(cancelBoth.signal, left())
    const early = await Promise.race([first, sleep(afterMs, cancelBoth.signal)])
    if (early !== undefined || signal.aborted) return await first
    return await firstGood([first, send(cancelBoth.signal, left())])
  } finally {
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}

/** The first good outcome; where there is none, or one says that no retry helps, that one. */
async function firstGood(both: readonly Promise<Outcome>[]): Promise<Outcome> {
  const [outcome, place] = await Promise.race(both.map(async (each, index) => [await each, index] as const))
  if (outcome.ok || !outcome.again) return outcome
  return await both[1 - place]!
}

/** A random wait: callers that failed together do not come back together. */
function fullJitter(tries: number): number {
  return Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** tries)
}

async function sleep(ms: number, signal: AbortSignal): Promise<undefined> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(ms, TIMER_MS_MAX))
    signal.addEventListener('abort', done)
  })
}
