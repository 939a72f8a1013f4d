// The docs are what the code is: pages made from it, links, words, and codes that doc comments promise.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { EXIT_CODES } from '@asof/core'
import { errorCatalogue, sourceFiles } from './reference/error-catalogue.ts'
import { referencePages } from './reference/pages.ts'

const REPOSITORY = join(import.meta.dirname, '..')

test('every page of the reference that is made from code is as the code is now', async () => {
  const stale = (await referencePages()).flatMap(({ path, text }) => {
    const there = existsSync(join(REPOSITORY, path)) ? read(path) : ''
    if (there === text) return []
    const [lines, before] = [text.split('\n'), there.split('\n')]
    const line = lines.findIndex((one, index) => one !== before[index])
    return [`${path}:${line + 1} should be: ${lines[line] ?? 'the end'}`]
  })
  assert.deepEqual(stale, [], 'the code gives other pages: run `npm run docs`')
})

test('the index names every page of the reference, and no link of the docs leads nowhere', () => {
  const index = read('docs/reference/README.md')
  for (const page of globSync('docs/reference/*.md', { cwd: REPOSITORY })) {
    const name = page.split('/').at(-1)!
    if (name !== 'README.md') assert.ok(index.includes(`](${name})`), `docs/reference/README.md: ${name}`)
  }
  for (const page of ['README.md', ...globSync('docs/**/*.md', { cwd: REPOSITORY })]) {
    for (const [, to = ''] of read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(to)) continue
      assert.ok(existsSync(join(REPOSITORY, dirname(page), to)), `${page}: there is no ${to}`)
    }
  }
})

test('the words of the glossary are sorted, each once', () => {
  const words = [...read('docs/glossary.md').matchAll(/^\| ([^|]+?) \|/gm)].map(([, word]) => word!).slice(1)
  assert.ok(words.length > 30)
  assert.deepEqual(words, [...new Set(words)].sort())
})

test('every code that a doc comment promises is among the errors', () => {
  const codes = new Set(errorCatalogue().map(({ code }) => code))
  const promised = sourceFiles().flatMap((file) =>
    [...read(file).matchAll(/@throws \{AsofError\}((?:(?!\*\/|\n \* @|\n \*\n)[\s\S])*)/g)].flatMap(
      ([, says = '']) =>
        [...says.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, code]) => ({ file, code: code! })),
    ),
  )
  assert.ok(promised.length > 100)
  assert.deepEqual(
    promised.filter(({ code }) => !codes.has(code) && !Object.hasOwn(EXIT_CODES, code)),
    [],
  )
})

function read(file: string): string {
  return readFileSync(join(REPOSITORY, file), 'utf8')
}
