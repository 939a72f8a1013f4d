import { isAsofError } from './asof-error.ts'

/** One lookup that waits for its answer. */
interface Waiting<Ask, Answer> {
  readonly ask: Ask
  readonly resolve: (answer: Answer) => void
  readonly reject: (reason: unknown) => void
  isCancelled: boolean
}

/** The lookups of one tick that become one request. */
interface Gathered<Ask, Answer> {
  readonly waiting: Waiting<Ask, Answer>[]
  readonly over: AbortController
}

/** Sends some lookups as one. */
export type SendMany<Ask, Answer> = (asks: readonly Ask[], signal: AbortSignal) => Promise<readonly Answer[]>

/** Entities of one request that is made of single lookups. */
export const GATHERED_MAX = 256

/** What is wrong with a whole request: asking for each entity alone would say the same. */
const OF_THE_WHOLE: ReadonlySet<string> = new Set([
  'at_and_as_of',
  'at_in_future',
  'at_too_far_back',
  'invalid_deadline',
  'invalid_instant',
])

/**
 * Makes one request of the lookups that are asked for in one tick.
 *
 * A lookup that the server refuses does not spoil the others: the halves of a refused request are asked for apart, until the one
 * that is refused stands alone and hears why. One that is cancelled leaves the others alone; all cancelled cancel the request.
 */
export class GatheredGets<Ask, Answer> {
  readonly #open = new Map<string, Gathered<Ask, Answer>>()

  /** @param key what requests must have in common to be one */
  async ask(
    key: string,
    ask: Ask,
    signal: AbortSignal | undefined,
    send: SendMany<Ask, Answer>,
  ): Promise<Answer> {
    signal?.throwIfAborted()
    const gathered = this.#open.get(key) ?? this.#begin(key, send)
    const answer = new Promise<Answer>((resolve, reject) => {
      gathered.waiting.push({ ask, resolve, reject, isCancelled: false })
    })
    const own = gathered.waiting.at(-1)!
    if (gathered.waiting.length === GATHERED_MAX) this.#open.delete(key)
    const cancel = (): void => {
      own.isCancelled = true
      own.reject(signal?.reason)
      if (gathered.waiting.every((each) => each.isCancelled)) gathered.over.abort()
    }
    signal?.addEventListener('abort', cancel)
    try {
      return await answer
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  #begin(key: string, send: SendMany<Ask, Answer>): Gathered<Ask, Answer> {
    const gathered: Gathered<Ask, Answer> = { waiting: [], over: new AbortController() }
    this.#open.set(key, gathered)
    // After the continuations that are due in this tick, some of which ask too.
    queueMicrotask(() =>
      queueMicrotask(() => {
        if (this.#open.get(key) === gathered) this.#open.delete(key)
        void sendAll(gathered.waiting, send, gathered.over.signal)
      }),
    )
    return gathered
  }
}

async function sendAll<Ask, Answer>(
  gathered: readonly Waiting<Ask, Answer>[],
  send: SendMany<Ask, Answer>,
  signal: AbortSignal,
): Promise<void> {
  const waiting = gathered.filter((each) => !each.isCancelled)
  if (waiting.length === 0) return
  try {
    const answers = await send(
      waiting.map((each) => each.ask),
      signal,
    )
    for (const [index, each] of waiting.entries()) each.resolve(answers[index]!)
  } catch (error) {
    const canBeOne = isAsofError(error, 'invalid') && !OF_THE_WHOLE.has(error.code)
    if (waiting.length === 1 || !canBeOne) {
      for (const each of waiting) each.reject(error)
      return
    }
    const middle = Math.ceil(waiting.length / 2)
    const halves = [waiting.slice(0, middle), waiting.slice(middle)]
    await Promise.all(halves.map(async (half) => await sendAll(half, send, signal)))
  }
}
