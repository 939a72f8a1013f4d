import { Worker } from 'node:worker_threads'
import { AsofError } from '@asof/core'

/**
 * A thread that answers each message by one message, in order. It ends with its owner: nothing waits for it to be done.
 */
export class AnsweringThread<Question, Answer> {
  readonly #worker: Worker
  readonly #waiting: Waiting<Answer>[] = []
  #failure: AsofError | undefined

  /** @param name of a module beside this one, without its extension */
  constructor(name: string) {
    // An import is rewritten when it is compiled, a URL is not.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./${name}.${extension}`, import.meta.url))
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#settle()?.resolve(answer))
    this.#worker.on('error', (cause) => this.#fail(cause))
    this.#worker.on('exit', (code) => this.#fail(new Error(`the thread ended with ${code}`)))
  }

  /** @throws {AsofError} `internal` when the thread has ended; or the signal's reason, the answer then being nobody's */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    const listening = new AbortController()
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.push({ resolve, reject })
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { signal: listening.signal })
        // While an answer is waited for, the process is not done.
        this.#worker.ref()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        this.#worker.postMessage(question)
      })
    } finally {
      listening.abort()
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #settle(): Waiting<Answer> | undefined {
    const first = this.#waiting.shift()
    if (this.#waiting.length === 0) this.#worker.unref()
    return first
  }

  #fail(cause: unknown): void {
    this.#failure ??= new AsofError('internal', 'internal', 'a thread failed', {}, { cause })
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure)
  }
}

/** Whoever waits for an answer. */
interface Waiting<Answer> {
  resolve(answer: Answer): void
  reject(error: unknown): void
}
