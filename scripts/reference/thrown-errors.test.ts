import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportedTexts, thrownErrors } from './thrown-errors.ts'

test('errors are read from a source: literals, choices, constants, and functions that hand them on', () => {
  const source = `
    // throw invalid('in_a_comment', 'no')
    const shown = /'\`/.test(name) ? 'invalid("in_a_text", 1)' : ''
    throw invalid('plain', 'it is' + " plain")
    throw new AsofError(is(a, b) ? 'denied' : 'conflict', 'two_kinds', \`more than \${LIMITS.rowsMax}, \${what}\`)
    const text =
      a ?
        'one'
      : b ? 'two' : 'three'
    throw conflict('choice', text, { a: b ? 1 : 2 }, { retryable: true })
    function failed<A, B>(map: Map<A, B>, code: string, kind = 'none'): Error {
      return new AsofError('corrupt', code, 'the same for all', {}, { retryable: false })
    }
    throw failed(map, 'handed_on')
  `
  const { thrown, unread } = thrownErrors(source, (name) => (name === 'LIMITS.rowsMax' ? ['7'] : undefined))
  assert.deepEqual(unread, [])
  assert.deepEqual(thrown, [
    { kind: 'invalid', code: 'plain', texts: ['it is plain'] },
    { kind: 'denied', code: 'two_kinds', texts: ['more than 7, …'] },
    { kind: 'conflict', code: 'two_kinds', texts: ['more than 7, …'] },
    { kind: 'conflict', code: 'choice', texts: ['one', 'two', 'three'], retryable: true },
    { kind: 'corrupt', code: 'handed_on', texts: ['the same for all'], retryable: false },
  ])
})

test('an error that cannot be read is told by its line, and never left out', () => {
  const source =
    "throw invalid(error.code, 'text')\nthrow invalid(`${a}_b`, 'text')\nthrow invalid('code', textOf(a))"
  assert.deepEqual(thrownErrors(source), { thrown: [], unread: [1, 2, 3] })
})

test('constants of other sources are read by how they are used', () => {
  const source =
    "export const A = ['x', 'y'] as const\nexport const B = { rowsMax: 1_000 } as const\nexport const C = 'c'"
  assert.deepEqual(Object.fromEntries(exportedTexts(source)), {
    'A[0]': ['x'],
    'A[1]': ['y'],
    'A.join(, )': ['x, y'],
    'B.rowsMax': ['1000'],
    C: ['c'],
  })
})
