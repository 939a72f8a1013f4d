import { Worker } from 'node:worker_threads'
import { AsofError, corrupt } from '@asof/core'
import { historyAnswers } from './label-session-history-answers.ts'
import type { ReaderAnswer } from './label-session-history-answers.ts'
import type { FlatHistory, HistoryFiles } from './label-session-history-files.ts'

/** Reads history out of files: undefined where it has to be read by SQL. */
export interface HistoryReader {
  /** @throws {AsofError} `damaged_file`; or the signal's reason */
  read(request: HistoryFiles, signal: AbortSignal | undefined): Promise<FlatHistory | undefined>
  close(): Promise<void>
}

/** Reads in the calling thread. */
export function readerInPlace(): HistoryReader {
  const answer = historyAnswers()
  return {
    read: async (request, signal) => {
      signal?.throwIfAborted()
      return historyOf(answer(request))
    },
    close: async () => undefined,
  }
}

/** Reads in a thread of its own, which is started by the first request; one request at a time. */
export function readerInThread(): HistoryReader {
  let worker: Worker | undefined
  return {
    async read(request, signal) {
      signal?.throwIfAborted()
      worker ??= startReader()
      return historyOf(await ask(worker, request, signal))
    },
    async close() {
      await worker?.terminate()
    },
  }
}

function startReader(): Worker {
  // An import is rewritten when it is compiled, a URL is not.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./label-session-reader-thread.${extension}`, import.meta.url))
  worker.unref()
  return worker
}

async function ask(
  worker: Worker,
  request: HistoryFiles,
  signal: AbortSignal | undefined,
): Promise<ReaderAnswer> {
  const listening = new AbortController()
  try {
    return await new Promise<ReaderAnswer>((resolve, reject) => {
      const { signal: until } = listening
      const on = (event: string, listener: (value: unknown) => void): void => {
        worker.on(event, listener)
        until.addEventListener('abort', () => worker.off(event, listener), { once: true })
      }
      on('message', (answer) => resolve(answer as ReaderAnswer))
      on('error', (cause) => reject(threadFailed(cause)))
      on('exit', () => reject(threadFailed(undefined)))
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: until })
      // While an answer is waited for, the process is not done.
      worker.ref()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(request)
    })
  } finally {
    worker.unref()
    listening.abort()
  }
}

function historyOf(answer: ReaderAnswer): FlatHistory | undefined {
  switch (answer.is) {
    case 'history':
      return answer.history
    case 'beyond':
      return undefined
    case 'damaged': {
      const { path, what } = answer
      throw corrupt('damaged_file', 'a data file cannot be read: restore it or remove it', { path, what })
    }
    case 'failed':
      throw threadFailed(answer.error)
  }
}

function threadFailed(cause: unknown): AsofError {
  return new AsofError('internal', 'internal', 'history could not be read', {}, { cause })
}
