import { AsofError, corrupt } from '@asof/core'
import { historyAnswers } from './label-session-history-answers.ts'
import type { ReaderAnswer } from './label-session-history-answers.ts'
import type { FlatHistory, HistoryFiles } from './label-session-history-files.ts'
import { AnsweringThread } from './label-session-thread.ts'

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

/** Reads in a thread of its own, which is started by the first request, or by `start` for one that is to come. */
export function readerInThread(): HistoryReader & { start(): void } {
  let thread: AnsweringThread<HistoryFiles, ReaderAnswer> | undefined
  const started = (): NonNullable<typeof thread> =>
    (thread ??= new AnsweringThread('label-session-reader-thread'))
  return {
    start: started,
    read: async (request, signal) => historyOf(await started().ask(request, signal)),
    async close() {
      await thread?.close()
    },
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
      throw new AsofError('internal', 'internal', 'history could not be read', {}, { cause: answer.error })
  }
}
