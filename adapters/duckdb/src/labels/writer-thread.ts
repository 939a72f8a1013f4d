// The thread that writes training sets: it answers each part of a chunk by one message.
import { parentPort } from 'node:worker_threads'
import { flatFilesAnswers } from './flat-files.ts'
import type { FilesQuestion } from './flat-files.ts'

const answer = flatFilesAnswers()
parentPort!.on('message', (question: FilesQuestion) => {
  // Only the end of a chunk takes more than this turn, and nothing is asked before it is answered.
  void answer(question).then((answered) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    parentPort!.postMessage(answered)
  })
})
