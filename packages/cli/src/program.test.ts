import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXIT_CODES } from '@asof/core'
import { createProgram, examplesOf } from './program.ts'
import { EXIT_CODE_MEANINGS, leaves } from './reference-page.ts'

test('every command shows examples, and each of them parses', async () => {
  for (const command of leaves(createProgram(async () => undefined, '0.0.0'))) {
    const examples = examplesOf(command)
    assert.ok(examples.length > 0, command.name())
    for (const example of examples) {
      let ran = 0
      const program = createProgram(async () => {
        ran++
      }, '0.0.0')
      const [asof, ...words] = shellWords(example)
      assert.equal(asof, 'asof')
      await program.parseAsync(words, { from: 'user' })
      assert.equal(ran, 1, example)
    }
  }
})

test('the exit codes are those of the kinds of error', () => {
  const documented = new Map(
    EXIT_CODE_MEANINGS.flatMap(([code, kind]) => (kind === '' ? [] : [[kind, code]])),
  )
  assert.deepEqual(Object.fromEntries(documented), EXIT_CODES)
})

/** Words of a line as a shell cuts them: at spaces outside of quotes, up to a redirection. */
function shellWords(line: string): string[] {
  const words: string[] = line.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? []
  const end = words.indexOf('>')
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'))
}
