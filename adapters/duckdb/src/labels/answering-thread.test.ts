import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FilesAnswer, FilesQuestion } from './flat-files.ts'
import { AnsweringThread } from './answering-thread.ts'

test('a thread answers in order, and one that has ended is told as such to whoever asks or waits', async () => {
  const thread = new AnsweringThread<FilesQuestion, FilesAnswer>('writer-thread')
  const answers = await Promise.all([thread.ask({ is: 'end' }), thread.ask({ is: 'begin', files: [] })])
  assert.deepEqual(answers, [
    { is: 'done', files: [] },
    { is: 'done', files: [] },
  ])
  const failed = await thread.ask({
    is: 'begin',
    files: [{ path: '/nowhere/at/all.parquet', fields: [], rows: 0, createdBy: 'test' }],
  })
  assert.ok(failed.is === 'failed' && failed.code === 'ENOENT')
  const closing = thread.close()
  await assert.rejects(thread.ask({ is: 'end' }), { code: 'internal' })
  await closing
  await assert.rejects(thread.ask({ is: 'end' }), { code: 'internal' })
})

test('a module that is not there fails its questions', async () => {
  const thread = new AnsweringThread<string, string>('nobody')
  await assert.rejects(thread.ask('anything'), (error: Error) => {
    assert.match((error.cause as Error).message, /nobody/)
    return true
  })
  await thread.close()
})

test('who asks with a signal need not wait', async () => {
  const thread = new AnsweringThread<FilesQuestion, FilesAnswer>('writer-thread')
  const controller = new AbortController()
  const asked = thread.ask({ is: 'end' }, controller.signal)
  controller.abort(new Error('enough'))
  await assert.rejects(asked, /enough/)
  // The answer that nobody waits for is not taken for another's.
  const next = await thread.ask({
    is: 'begin',
    files: [{ path: '/nowhere/at/all', fields: [], rows: 0, createdBy: '' }],
  })
  assert.equal(next.is, 'failed')
  await thread.close()
})
