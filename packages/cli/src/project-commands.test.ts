// Commands that work on a project, run in one process against a store of their own, as people and as programs see them.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { createProgram } from './program.ts'
import { reportError } from './report-error.ts'
import { openTerminal } from './terminal.ts'

const root = await mkdtemp(join(tmpdir(), 'asof-project-'))
after(async () => await rm(root, { recursive: true, force: true }))

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'project-'))
})

interface Done {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command as the program does; what it throws is thrown. */
async function asof(...args: string[]): Promise<Done> {
  const done = { code: 0, stdout: '', stderr: '' }
  const stdout = { write: (text: string) => (done.stdout += text) }
  const stderr = { write: (text: string) => (done.stderr += text) }
  const program = createProgram(async (json, work) => {
    const signal = new AbortController().signal
    done.code = (await work(openTerminal({ stdout, stderr, json, signal, env: { NO_COLOR: '1' } }))) ?? 0
  }, '0.0.0')
  await program.parseAsync([...args, '--project', join(folder, 'shop.json')], { from: 'user' })
  return done
}

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user', type: { kind: 'string' } }] }
const INT = { kind: 'int32' }

function source(name: string, more: object = {}): object {
  const reads = { format: 'jsonl', path: `${name}.jsonl` }
  return { kind: 'source', name, reads, eventTime: { column: 'at' }, created: { delay: '0s' }, ...more }
}

function group(name: string, more: object = {}): object {
  const compute = { from: 'source', source: name }
  return { kind: 'group', name, entity: 'user', compute, features: [{ name: 'n', type: INT }], ...more }
}

async function defined(...definitions: object[]): Promise<void> {
  await write('shop.json', JSON.stringify({ asof: 1, project: 'shop', definitions: [user, ...definitions] }))
}

async function write(file: string, content: string | readonly object[]): Promise<void> {
  const text =
    typeof content === 'string' ? content : content.map((row) => `${JSON.stringify(row)}\n`).join('')
  await writeFile(join(folder, file), text)
}

const ROW = { user: 'ann', at: '2024-01-01T10:00:00Z', n: 3 }

test('materialize: a group that fails does not stop the others, and is said with its reason', async () => {
  await defined(...['a', 'b', 'c', 'd'].flatMap((name) => [source(name), group(name)]))
  await write('a.jsonl', [ROW])
  await write('c.jsonl', [{ user: 'ann', at: ROW.at }])
  await write('d.jsonl', [ROW])
  await asof('apply')
  const { code, stdout, stderr } = await asof('materialize')
  assert.equal(code, 3, 'of the first failure, which is that b has no file')
  assert.match(stdout, /\na@1 +0 +1 .*\nd@1 +0 +1 /)
  assert.match(stderr, /^asof: failed: b@1, c@1\nasof: .*no file.*source=`b`.*\nasof: .*group=`c@1`/m)
  const again = await asof('materialize', '--json')
  const { groups, failed } = JSON.parse(again.stdout) as {
    groups: { group: string }[]
    failed: { group: string; error: { code: string } }[]
  }
  assert.deepEqual([again.code, again.stderr], [3, ''])
  assert.deepEqual(
    groups.map((each) => each.group),
    ['a@1', 'd@1'],
  )
  assert.deepEqual(
    failed.map((each) => [each.group, each.error.code]),
    [
      ['b@1', 'source_file_not_found'],
      ['c@1', 'missing_column'],
    ],
  )
  await assert.rejects(asof('materialize', 'b'), { code: 'source_file_not_found' })
})

test('an import that appends nothing is not the first one, and the source may be mended until rows are stored', async () => {
  const csv = { reads: { format: 'csv', path: 'a.csv' } }
  const zoned = (zone: string) => source('a', { ...csv, eventTime: { column: 'at', zone } })
  const model = {
    kind: 'service',
    name: 'model',
    features: [{ name: 'n', group: 'a', feature: 'n', keys: { user: 'user' } }],
  }
  await defined(zoned('UTC'), group('a'), model)
  await write('a.csv', 'user,at,n\n')
  await asof('apply')
  await asof('materialize')
  await write('a.csv', 'user,at,n\nann,2024-01-01 10:00:00,much\n')
  assert.match(
    (await asof('materialize')).stdout,
    /1 row refused.*\na@1: no row fitted, so nothing was imported/,
  )
  await defined(zoned('Europe/Vienna'), group('a'), model)
  assert.match(
    (await asof('plan')).stdout,
    /source\/a {2}safe\n +eventTime changes; no row of a@1 is stored yet/,
  )
  await asof('apply')
  await write('a.csv', 'user,at,n\nann,2024-01-01 10:00:00,3\n')
  await asof('materialize')
  const past = await asof('get', 'model', 'user=ann', '--as-of', '2024-01-01T09:00:00Z', '--json')
  const { features } = JSON.parse(past.stdout) as { features: { n: { value: number } } }
  assert.equal(features.n.value, 3, 'known when the source says, at ten in Vienna')
  await defined(zoned('UTC'), group('a'), model)
  assert.match((await asof('plan')).stdout, /source\/a {2}breaking/)
  await assert.rejects(asof('apply'), { code: 'breaking_change' })
})

test('who works with definitions that are not applied is told so, people only', async () => {
  const pushed = { compute: { from: 'push' } }
  await defined(group('a', pushed))
  const row = JSON.stringify({ user: 'ann', event_timestamp: ROW.at, n: 3 })
  assert.equal((await asof('status')).stderr, '', 'nothing is applied yet, which is said anyway')
  await asof('apply')
  assert.equal((await asof('push', 'a', '--row', row)).stderr, '')
  await defined(group('a', { ...pushed, ttl: '1h' }), group('b', pushed))
  for (const args of [['status'], ['push', 'a', '--row', row], ['materialize']]) {
    assert.equal(
      (await asof(...args)).stderr,
      'definitions were changed and not applied: run `asof apply` (2 changes)\n',
      args[0],
    )
  }
  assert.equal((await asof('status', '--json')).stderr, '')
  await asof('apply', '--allow-breaking')
  assert.equal((await asof('status')).stderr, '')
})

test('plan and apply warn of files and columns that are not there, and refuse a zone that there is not', async () => {
  const renamed = group('a', { key: { user: 'person' } })
  await defined(source('a'), renamed, source('b', { created: { column: 'known' } }), source('c'))
  await write('a.jsonl', [{ user: 'ann', AT: ROW.at }])
  await write('c.jsonl', [ROW])
  const lines = (text: string) => text.split('\n').filter((line) => line.startsWith('!'))
  const planned = lines((await asof('plan')).stdout)
  assert.deepEqual(planned.slice(0, 1), ['! source/a: it has no column person, n, which a@1 reads'])
  assert.match(planned[1]!, /^! source\/b: the source names no file. .*path=`b\.jsonl`$/)
  const applied = JSON.parse((await asof('apply', '--json')).stdout) as {
    committed: boolean
    sourceWarnings: { source: string }[]
  }
  assert.deepEqual([applied.committed, applied.sourceWarnings.map((each) => each.source)], [true, ['a', 'b']])
  assert.deepEqual(lines((await asof('plan')).stdout), [], 'nothing changes, so nothing is looked at')
  await defined(source('a', { eventTime: { column: 'at', zone: 'Europe/Wien' } }))
  await assert.rejects(asof('plan'), { code: 'unknown_zone', message: /zone=`Europe\/Wien`/ })
})

test('quarantine: show says what to do, and drop takes out what is not wanted, once it is said twice', async () => {
  await defined(source('a'), group('a'))
  await write('a.jsonl', [ROW, { ...ROW, user: null }, { ...ROW, user: null, n: 4 }])
  await asof('apply')
  await asof('materialize')
  const { rows } = JSON.parse((await asof('quarantine', 'list', '--json')).stdout) as {
    rows: { id: string }[]
  }
  const [first, second] = rows.map(({ id }) => id) as [string, string]
  const shown = (await asof('quarantine', 'show', first)).stdout
  assert.match(
    shown,
    new RegExp(`mend it where .*\n.*quarantine retry ${first}.*\n.*quarantine drop ${first} --yes`),
  )
  await assert.rejects(asof('quarantine', 'drop', first), { code: 'not_confirmed' })
  await assert.rejects(asof('quarantine', 'drop', '--yes'), { code: 'invalid_argument' })
  assert.equal((await asof('quarantine', 'drop', first, '--yes')).stdout, '1 row dropped\n')
  assert.match((await asof('quarantine', 'list')).stdout, new RegExp(`^ID.*\n${second}.*\n$`))
  assert.equal((await asof('quarantine', 'drop', '--group', 'a', '--yes')).stdout, '1 row dropped\n')
  assert.equal((await asof('quarantine', 'drop', '--all')).stdout, 'nothing is in quarantine\n')
})

test('a name that there is not is answered with those that may have been meant', async () => {
  const pushed = { compute: { from: 'push' } }
  const feature = { name: 'n', group: 'orders', feature: 'n', keys: { user: 'user' } }
  await defined(group('orders', pushed), { kind: 'service', name: 'delay_model', features: [feature] })
  await asof('apply')
  const similar =
    (code: string, names: string) => (error: { code: string; details: { similar?: string } }) => {
      assert.deepEqual([error.code, error.details.similar], [code, names])
      assert.match(
        reportError(error, { json: false, debug: false, interrupted: false }).text,
        /did you mean /,
      )
      return true
    }
  await assert.rejects(asof('get', 'dealy_model', 'user=ann'), similar('service_not_found', 'delay_model'))
  await write('labels.jsonl', [ROW])
  const train = ['--labels', join(folder, 'labels.jsonl'), '--at', 'at', '--to', join(folder, 'set')]
  await assert.rejects(asof('train', 'delay', ...train), similar('service_not_found', 'delay_model'))
  await assert.rejects(asof('push', 'order', '--row', '{}'), similar('group_not_found', 'orders'))
  await assert.rejects(asof('push', 'orders@2', '--row', '{}'), similar('group_not_found', 'orders@1'))
})

test('push takes a file of CSV as one batch, also from elsewhere, and says what did not fit', async () => {
  const pushed = { compute: { from: 'push' } }
  await defined(group('a', pushed))
  await asof('apply')
  const file = join(root, 'rows.CSV')
  await writeFile(file, `user,event_timestamp,n\nann,${ROW.at},3\nbob,${ROW.at},much\n`)
  const named = ['--producer', 'nightly', '--from-sequence', '1']
  assert.equal(
    (await asof('push', 'a', file, ...named)).stdout,
    '1 row appended to a; refused: 1 row invalid_value, see `asof quarantine list`\n',
  )
  assert.match((await asof('push', 'a', file, ...named)).stdout, /had been appended to a before/)
  await write('more.csv', `user,event_timestamp,n\ncid,${ROW.at},4\n`)
  const more = JSON.parse((await asof('push', 'a', join(folder, 'more.csv'), '--json')).stdout) as object
  assert.deepEqual(
    { ...more, position: 0, at: '' },
    {
      group: 'a',
      duplicate: false,
      accepted: 1,
      quarantined: 0,
      rejected: 0,
      unchanged: 0,
      reasons: {},
      position: 0,
      at: '',
    },
  )
  assert.match((await asof('status')).stdout, /\na@1 +active +2 /)
  await assert.rejects(asof('push', 'a', join(root, 'none.parquet')), { code: 'file_not_found' })
  assert.deepEqual(await readdir(join(folder, '.asof', 'temp')), [], 'the copy is gone')
})

test('retry reads a row of a source as the source declares it: its zone, its unit, its names', async () => {
  const named = { key: { user: 'person' } }
  const created = { column: 'known' }
  const known = '2024-01-01T00:00:00Z'
  await defined(
    source('a', { eventTime: { column: 'at', zone: 'Europe/Vienna' }, created }),
    group('a', named),
    source('b', { eventTime: { column: 'ms', unit: 'ms' }, created }),
    group('b', named),
    {
      kind: 'service',
      name: 'model',
      features: [{ name: 'n', group: 'a', feature: 'n', keys: { user: 'user' } }],
    },
  )
  // Ahead of its time, and mended by waiting: the row itself fits.
  const soon = Date.now() + 302_900
  const vienna = new Date(soon).toLocaleString('sv-SE', { timeZone: 'Europe/Vienna' })
  await write('a.jsonl', [{ person: 'ann', at: vienna, known, n: 3, more: 1 }])
  await write('b.jsonl', [{ person: 'ann', ms: soon, known, n: 3 }])
  await asof('apply')
  await asof('materialize')
  const list = JSON.parse((await asof('quarantine', 'list', '--json')).stdout) as {
    rows: { reason: string }[]
  }
  assert.deepEqual(
    list.rows.map(({ reason }) => reason),
    ['future', 'future'],
  )
  await new Promise((go) => setTimeout(go, Math.max(0, soon - 300_000 + 50 - Date.now())))
  assert.match((await asof('quarantine', 'retry', '--all')).stdout, /^2 accepted, 0 refused/)
  assert.equal((await asof('quarantine', 'list')).stdout, 'nothing is in quarantine\n')
})
