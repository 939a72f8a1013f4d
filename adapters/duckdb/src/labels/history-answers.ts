import { BeyondReader, DamagedFile, PageMemory } from '@asof/parquet'
import { readHistoryFiles } from './history-files.ts'
import type { FlatHistory, HistoryFiles } from './history-files.ts'

/** What the thread answers to one request. */
export type ReaderAnswer =
  | { readonly is: 'history'; readonly history: FlatHistory }
  /** Another reader has to do it. */
  | { readonly is: 'beyond'; readonly reason: string }
  | { readonly is: 'damaged'; readonly path: string; readonly what: string }
  | { readonly is: 'failed'; readonly error: unknown }

/** Answers requests with memory that is kept between them. */
export function historyAnswers(): (request: HistoryFiles) => ReaderAnswer {
  const memory = { pages: new PageMemory(), tables: new Map() }
  return (request) => {
    try {
      const history = readHistoryFiles(request, memory)
      if (typeof history === 'string') return { is: 'beyond', reason: history }
      const { rows, keyIds, e, c, s, deleted, features } = history
      return { is: 'history', history: { rows, keyIds, e, c, s, deleted, features } }
    } catch (error) {
      if (error instanceof BeyondReader) return { is: 'beyond', reason: error.message }
      if (error instanceof DamagedFile) return { is: 'damaged', path: error.path, what: error.what }
      return { is: 'failed', error }
    }
  }
}
