import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { startProgress } from './progress-report.ts'
import { jsonDocument, openTerminal, wantsColours, type Terminal, type TextStream } from './terminal.ts'
import { textTable } from './text-table.ts'

interface Recorded extends TextStream {
  text: string
}

function stream(isTTY: boolean): Recorded {
  return {
    isTTY,
    columns: 80,
    text: '',
    write(text) {
      this.text += text
      return true
    },
  }
}

function terminal(json: boolean, isTTY = false): { terminal: Terminal; stdout: Recorded; stderr: Recorded } {
  const [stdout, stderr] = [stream(isTTY), stream(isTTY)]
  const signal = new AbortController().signal
  return { terminal: openTerminal({ stdout, stderr, json, signal, env: {} }), stdout, stderr }
}

test('a table has aligned columns, figures to the right, and no border', () => {
  const rows = [
    { name: 'a', count: 5 },
    { name: 'longer', count: 1_000 },
  ]
  const columns = [
    { title: 'NAME', cell: (row: (typeof rows)[0]) => row.name },
    { title: 'ROWS', cell: (row: (typeof rows)[0]) => String(row.count), align: 'right' },
  ] as const
  assert.equal(
    textTable(columns, rows, terminal(false).terminal.colours),
    ['NAME    ROWS', 'a          5', 'longer  1000'].join('\n'),
  )
  // Colours take no room.
  const coloured = textTable(columns, rows, terminal(false, true).terminal.colours)
  assert.equal(
    stripVTControlCharacters(coloured),
    ['NAME    ROWS', 'a          5', 'longer  1000'].join('\n'),
  )
  assert.ok(coloured.includes('\u001b[1m'))
})

test('an answer is text, or one JSON document', () => {
  const people = terminal(false)
  people.terminal.answer({ a: 1 }, () => 'one')
  people.terminal.note('by the way')
  assert.deepEqual([people.stdout.text, people.stderr.text], ['one\n', 'by the way\n'])
  const programs = terminal(true)
  programs.terminal.answer({ a: 2n ** 63n, b: undefined }, () => 'one')
  programs.terminal.note('by the way')
  assert.deepEqual(JSON.parse(programs.stdout.text), { a: '9223372036854775808' })
  assert.equal(programs.stderr.text, '')
  assert.equal(jsonDocument(null), 'null')
})

test('colours are for terminals, unless told not to', () => {
  assert.equal(wantsColours(stream(true), {}), true)
  assert.equal(wantsColours(stream(false), {}), false)
  assert.equal(wantsColours(stream(true), { NO_COLOR: '1' }), false)
  assert.equal(wantsColours(stream(true), { NO_COLOR: '' }), true)
  assert.equal(wantsColours(stream(true), { TERM: 'dumb' }), false)
})

test('progress: lines where nobody watches, a bar on a terminal, nothing for what is quick', async () => {
  const quick = stream(false)
  startProgress(quick, 'work').stop()
  assert.equal(quick.text, '')

  const log = stream(false)
  const lines = startProgress(log, 'work', 5)
  lines.update({ done: 1_200, total: 3_000, unit: 'runs' })
  await sleep(30)
  lines.stop()
  const shown = log.text
  assert.match(shown, /^(work: 1,200 of 3,000 runs\n)+$/)
  await sleep(20)
  assert.equal(log.text, shown)

  const watched = stream(true)
  const bar = startProgress(watched, 'work', 5)
  bar.update({ done: 42, total: 100, unit: '%' })
  await sleep(30)
  bar.stop()
  assert.match(watched.text, /work .*42%/)
})
