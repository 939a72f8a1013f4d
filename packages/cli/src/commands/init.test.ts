import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAsofError, parseInstant } from '@asof/core'
import { sampleShop } from '../sample-shop.ts'
import { openTerminal } from '../terminal.ts'
import { init } from './init.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-init-'))
})
after(async () => await rm(root, { recursive: true, force: true }))

/** What the command answers with `--json`. */
async function initialized(folder: string): Promise<{ readonly files: string[]; readonly next: string[] }> {
  let printed = ''
  const stream = { write: (text: string) => (printed += text) }
  const { signal } = new AbortController()
  await init(openTerminal({ stdout: stream, stderr: stream, json: true, signal, env: {} }), {}, folder)
  return JSON.parse(printed) as { files: string[]; next: string[] }
}

test('a new folder holds a project that names itself, and says what to do next', async () => {
  const folder = join(root, 'deep', 'My Store')
  const { files, next } = await initialized(folder)
  assert.deepEqual(
    files,
    (await readdir(folder, { recursive: true })).filter((name) => name !== 'data').sort(),
  )
  const described = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >
  assert.equal(described['name'], 'my-store')
  assert.deepEqual(Object.keys(described['dependencies'] as object), ['asof'])
  assert.match(next[0]!, /^cd '.*My Store'$/)
  const readme = await readFile(join(folder, 'README.md'), 'utf8')
  assert.match(readme, /"event_timestamp": "20\d\d-/)
  for (const line of next.slice(1)) assert.ok(readme.includes(line), line)
})

test('what is installed above need not be installed again', async () => {
  assert.ok((await initialized(join(root, 'alone'))).next.includes('npm install'))
  await mkdir(join(root, 'workspace/node_modules/asof'), { recursive: true })
  assert.ok(!(await initialized(join(root, 'workspace/store'))).next.includes('npm install'))
})

test('nothing is written over, but a repository without a file yet is empty', async () => {
  const taken = join(root, 'taken')
  await mkdir(taken)
  await writeFile(join(taken, 'notes.txt'), 'mine')
  await assert.rejects(initialized(taken), (error) => isAsofError(error, 'conflict'))
  await assert.rejects(initialized(join(taken, 'notes.txt')), (error) => isAsofError(error, 'invalid'))
  assert.deepEqual(await readdir(taken), ['notes.txt'])
  const repository = join(root, 'repository')
  await mkdir(join(repository, '.git'), { recursive: true })
  await initialized(repository)
  assert.ok((await readdir(repository)).includes('.gitignore'))
})

test('the sample is the same for the same hour, ends with it, and knows each label', () => {
  const shop = sampleShop(parseInstant('2026-01-31T12:34:56Z'))
  assert.deepEqual(shop, sampleShop(parseInstant('2026-01-31T12:00:00Z')))
  const rows = (text: string): string[][] =>
    text
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
  const times = rows(shop.payments).map(([, time]) => time!)
  assert.deepEqual(times, times.toSorted())
  assert.ok(times[0]! >= '2026-01-24T12:00:00Z' && times.at(-1)! < '2026-01-31T12:00:00Z')
  const payments = new Set(rows(shop.payments).map(([, ...payment]) => payment.join()))
  const labels = rows(shop.labels)
  for (const [customer, time, amount] of labels) assert.ok(payments.has([time, customer, amount].join()))
  const frauds = labels.filter(([, , , fraud]) => fraud === 'true').length
  assert.ok(frauds > 10 && frauds < labels.length / 10, String(frauds))
})
