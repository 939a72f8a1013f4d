import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AsofError, EXIT_CODES, type ErrorKind } from '@asof/core'
import { reportError } from './report-error.ts'

const PEOPLE = { json: false, debug: false, interrupted: false }

test('the exit code follows the kind', () => {
  for (const [kind, exitCode] of Object.entries(EXIT_CODES)) {
    const report = reportError(new AsofError(kind as ErrorKind, 'x', 'it broke', { n: 1n }), PEOPLE)
    assert.deepEqual(report, { exitCode, text: 'asof: it broke. n=`1`\n' })
  }
})

test('an error of another copy of the class is known by its shape', () => {
  const foreign = Object.assign(new Error('gone'), {
    name: 'AsofError',
    kind: 'not_found',
    code: 'x',
    details: {},
  })
  assert.deepEqual(reportError(foreign, PEOPLE), { exitCode: 3, text: 'asof: gone\n' })
})

test('says what to do next, and shows a stack to those who ask', () => {
  const error = new AsofError('conflict', 'breaking_change', 'a breaking change')
  assert.match(reportError(error, PEOPLE).text, /--allow-breaking/)
  assert.doesNotMatch(reportError(error, PEOPLE).text, /report-error\.test/)
  assert.match(reportError(error, { ...PEOPLE, debug: true }).text, /report-error\.test/)
})

test('what is no error of asof is internal', () => {
  const { exitCode, text } = reportError(new TypeError('x is not a function'), PEOPLE)
  assert.equal(exitCode, 1)
  assert.match(text, /^asof: something unexpected failed: x is not a function; ASOF_DEBUG=1/)
})

test('an error is a JSON document to programs', () => {
  const error = new AsofError('unavailable', 'busy', 'it is busy', { rows: 2n ** 60n })
  const { exitCode, text } = reportError(error, { ...PEOPLE, json: true })
  assert.equal(exitCode, 5)
  assert.deepEqual(JSON.parse(text), {
    error: {
      code: 'busy',
      kind: 'unavailable',
      message: 'it is busy. rows=`1152921504606846976`',
      retryable: true,
      details: { rows: '1152921504606846976' },
    },
  })
  assert.equal(reportError(error, { json: true, debug: false, interrupted: true }).exitCode, 130)
})

test('a value in a message cannot move the cursor', () => {
  assert.equal(
    reportError(new AsofError('invalid', 'x', 'bad', { name: '\u001b[2J' }), PEOPLE).text,
    'asof: bad. name=` [2J`\n',
  )
})
