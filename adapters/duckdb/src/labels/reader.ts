import { AsofError, corrupt } from '@asof/core'
import { historyAnswers } from './history-answers.ts'
import type { ReaderAnswer } from './history-answers.ts'
import type { FlatHistory, HistoryFiles } from './history-files.ts'
import { AnsweringThread } from './answering-thread.ts'
import type { KeyWords } from './key-table.ts'

/** Reads history out of files: undefined where it has to be read by SQL. */
export interface HistoryReader {
  /** @throws {AsofError} `damaged_file`; or the signal's reason */
  read(request: HistoryFiles, signal: AbortSignal | undefined): Promise<FlatHistory | undefined>
  close(): Promise<void>
}

/** History of fewer rows than this is read before a thread has started. */
export const THREAD_ROWS_MIN = 50_000

/** The readers of one session, and the keys that they look for. */
export interface HistoryReaders {
  /** The one for so many rows. */
  readonly forRows: (rows: number) => HistoryReader
  /** Says that so many labels will need history. */
  readonly expect: (labels: number) => void
  /** Keys by the name of their set. */
  readonly keys: Map<string, Promise<KeyWords>>
  close(): Promise<void>
}

/** @param threads with one, everything is read in the calling thread */
export function historyReaders(threads: number): HistoryReaders {
  const inPlace = readerInPlace()
  const inThread = readerInThread()
  return {
    forRows: (rows) => (threads > 1 && rows >= THREAD_ROWS_MIN ? inThread : inPlace),
    expect: (labels) => {
      if (threads > 1 && labels >= THREAD_ROWS_MIN) inThread.start()
    },
    keys: new Map(),
    close: () => inThread.close(),
  }
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
  const started = (): NonNullable<typeof thread> => (thread ??= new AnsweringThread('reader-thread'))
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
