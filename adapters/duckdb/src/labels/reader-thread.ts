// The thread that reads history: it answers each request by one message.
import { parentPort } from 'node:worker_threads'
import { historyAnswers } from './history-answers.ts'
import type { HistoryFiles } from './history-files.ts'

const answer = historyAnswers()
parentPort!.on('message', (request: HistoryFiles) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage(answer(request))
})
