import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const BIN = join(import.meta.dirname, 'bin.ts')
const CONFIG = `
import { defineConfig, entity, featureGroup, featureService, float64, int32, int64, jsonl, onDemand, project, request, string, timestamp } from 'asof'

const airport = entity('airport', { keys: { airport: string() } })
const flights = jsonl('flights', { path: 'flights.jsonl', eventTime: 'scheduled', created: { delay: '1h' } })
const hourly = featureGroup('hourly', {
  entity: airport, sources: [flights], every: '1h', lookback: '3h',
  query: \`SELECT airport, time_bucket(INTERVAL 1 HOUR, scheduled::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 count(*) AS flights, avg(delay) AS delay_mean FROM flights GROUP BY ALL\`,
  features: { flights: int64(), delay_mean: float64() },
})
const notes = featureGroup('notes', { entity: airport, features: { runway_id: int64(), note: string({ default: 'none' }) } })
const ask = request('ask', { fields: { scheduled: timestamp() } })
const context = onDemand('context', {
  module: import.meta.url,
  inputs: { scheduled: ask.field('scheduled') },
  features: { hour: int32() },
  compute: ({ scheduled }) => ({ hour: scheduled === null ? null : Number((scheduled / 3_600_000_000n) % 24n) }),
})
const model = featureService('model', { features: [hourly, notes, context], consumers: [{ model: 'delays', version: '7', team: 'ops' }] })
export default defineConfig({ project: project('flights', [model]) })
`
const FLIGHTS = [
  ['LAX', '2024-01-01T00:10:00Z', 5],
  ['LAX', '2024-01-01T00:20:00Z', 15],
  ['SFO', '2024-01-01T00:30:00Z', 30],
  ['LAX', '2024-01-01T01:30:00Z', 1],
  [null, '2024-01-01T01:30:00Z', 1],
]

let root: string
/** A project with a configuration; the tests share it, in order. */
let folder: string

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-cli-'))
  folder = join(root, 'project')
  await mkdir(join(root, 'alone'))
  await mkdir(join(folder, 'deeper'), { recursive: true })
  await symlink(join(import.meta.dirname, '../../../node_modules'), join(root, 'node_modules'))
  await writeFile(join(folder, 'asof.config.ts'), CONFIG)
  await write(
    'flights.jsonl',
    FLIGHTS.map(([airport, scheduled, delay]) => ({ airport, scheduled, delay })),
  )
})
after(() => rm(root, { recursive: true, force: true }))

async function write(file: string, rows: readonly object[]): Promise<void> {
  await writeFile(join(folder, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

interface Done {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real command. */
async function asof(
  args: readonly string[],
  options: { cwd?: string; stdin?: string; interrupt?: boolean } = {},
): Promise<Done> {
  const child = spawn(process.execPath, ['--conditions=source', BIN, ...args], {
    cwd: options.cwd ?? folder,
    // Each child strips the types of the same sources; one does it for all.
    env: { ...process.env, NO_COLOR: '', ASOF_DEBUG: '', NODE_COMPILE_CACHE: join(root, 'compiled') },
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  if (options.interrupt === true) {
    // More of empty lines than a pipe holds: once they are taken the command is at work, and waits for more.
    child.stdin.write(`${' '.repeat(100_000)}\n`.repeat(20), () => child.kill('SIGINT'))
  } else {
    child.stdin.end(options.stdin ?? '')
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code: await ended, stdout, stderr }
}

/** The answer of a command that must succeed, as JSON. */
async function answer<T>(
  args: readonly string[],
  options: { cwd?: string; stdin?: string } = {},
): Promise<T> {
  const { code, stdout, stderr } = await asof([...args, '--json'], options)
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  return JSON.parse(stdout) as T
}

/** The error of a command that must fail, as JSON. */
async function failure(
  args: readonly string[],
  options: { cwd?: string; stdin?: string } = {},
): Promise<{ exit: number | null; code: string; kind: string; message: string; hint?: string }> {
  const { code, stdout, stderr } = await asof([...args, '--json'], options)
  assert.equal(stdout, '')
  const { error } = JSON.parse(stderr) as { error: { code: string; kind: string; message: string } }
  return { ...error, exit: code }
}

test('help is there without a store, and a wrong command says where it is', async () => {
  const [help, unknown, missing] = await Promise.all([
    asof(['get', '--help']),
    asof(['gett']),
    failure(['get']),
  ])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /Usage: asof get .*Examples:\n {2}\$ asof get/s)
  assert.deepEqual([unknown.code, unknown.stdout], [2, ''])
  assert.match(unknown.stderr, /^asof: unknown command 'gett' \(Did you mean get\?\); see `asof --help`\n$/)
  assert.deepEqual([missing.exit, missing.code], [2, 'usage'])
})

test('without a project it says what to do', async () => {
  const { code, stderr } = await asof(['status'], { cwd: join(root, 'alone') })
  assert.equal(code, 3)
  assert.match(stderr, /^asof: no project here: make asof\.config\.ts .*--project\. folder=`.*alone`\n$/)
  assert.equal((await failure(['status', '--project', join(root, 'alone')])).code, 'project_not_found')
})

test('plan, apply, and apply again', async () => {
  assert.equal((await failure(['materialize'])).code, 'nothing_applied')
  const plan = await answer<{ changes: { id: string; change: string }[] }>(['plan'])
  assert.deepEqual(
    plan.changes.map(({ id, change }) => `${change} ${id}`),
    [
      'add entity/airport',
      'add source/ask',
      'add source/flights',
      'add group/hourly@1',
      'add group/notes@1',
      'add on_demand/context@1',
      'add service/model',
    ],
  )
  const applied = await asof(['apply', '--message', 'first'], { cwd: join(folder, 'deeper') })
  assert.equal(applied.code, 0, applied.stderr)
  assert.match(
    applied.stdout,
    /\+ group\/hourly@1 {2}safe\n.*7 to add.*\n\napplied: flights is at revision 1\n$/s,
  )
  const again = await answer<{ committed: boolean; revision: number }>(['apply'])
  assert.deepEqual([again.committed, again.revision], [false, 1])
})

test('materialize computes what is due, and says what was refused', async () => {
  const range = ['--from', '2024-01-01T00:00:00Z', '--to', '2024-01-01T06:00:00Z']
  const { code, stdout, stderr } = await asof(['materialize', ...range])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^GROUP {5}RUNS {2}ROWS .*\nhourly@1 +6 +3 .*2024-01-01T06:00:00\.000000Z\n/)
  assert.match(stdout, /null_key\nsee `asof quarantine list`\n$/)
  const { groups } = await answer<{ groups: { group: string; rows: number; runs: number }[] }>([
    'materialize',
    'hourly',
    ...range,
  ])
  assert.deepEqual(
    groups.map(({ group, rows, runs }) => [group, rows, runs]),
    [['hourly@1', 0, 0]],
  )
})

test('push: line by line, exact integers, named batches, and what was appended where one fails', async () => {
  const row = (index: number): object => ({
    airport: `A${index}`,
    event_timestamp: '2024-01-01T02:00:00Z',
    runway_id: index,
    note: null,
  })
  const rows = Array.from({ length: 10_001 }, (_, index) => row(index))
  await write('rows.jsonl', [...rows, { ...row(0), note: 7 }])
  const named = ['--producer', 'nightly', '--from-sequence', '1']
  const failed = await failure(['push', 'notes', 'rows.jsonl', ...named])
  assert.deepEqual([failed.exit, failed.code], [2, 'invalid_value'])
  assert.match(
    failed.message,
    /repeat the same command.*file=`rows\.jsonl` line=`10002` column=`note`.*appended=`lines 1 to 10000`/,
  )
  await write('rows.jsonl', rows)
  const mended = await answer<{ accepted: number; duplicate: number }>([
    'push',
    'notes',
    'rows.jsonl',
    ...named,
  ])
  assert.deepEqual([mended.accepted, mended.duplicate], [1, 10_000])

  const lines = [
    '{"airport":"LAX","event_timestamp":"2024-01-01T03:00:00Z","runway_id":9007199254740993,"note":"a"}',
    '{"airport":"SFO","event_timestamp":"2999-01-01T00:00:00Z","runway_id":1,"note":"b"}',
  ]
  const late = lines[1]!.replace('2999', '2150')
  const pushed = await answer<Record<string, unknown>>(['push', 'notes', '-'], {
    stdin: `${lines[0]}\n${late}\n`,
  })
  assert.deepEqual([pushed['accepted'], pushed['quarantined'], pushed['duplicate']], [1, 1, 0])
  for (const [stdin, message] of [
    ['{"airport":"LAX","airport":"SFO"}', /twice.*line=`1` appended=`nothing`/],
    [`${lines[0]}\n{"airport":`, /not JSON.*line=`2`/],
    ['', /no row/],
  ] as const) {
    const refused = await failure(['push', 'notes', '-'], { stdin })
    assert.equal(refused.exit, 2)
    assert.match(refused.message, message)
  }
})

test('get: values by type, in the past, and refusals by kind', async () => {
  assert.match((await failure(['get', 'model'])).message, /^give each key as name=value\. absent=`airport`$/)
  const scheduled = ['--request', 'scheduled=2024-01-01T12:00:00Z']
  const vector = await answer<{ source: string; features: Record<string, object> }>([
    'get',
    'model',
    'airport=LAX',
    ...scheduled,
  ])
  const at = '2024-01-01T02:00:00.000000Z'
  assert.equal(vector.source, 'online')
  assert.deepEqual(vector.features, {
    flights: { value: '1', status: 'present', eventTime: at },
    delay_mean: { value: 1, status: 'present', eventTime: at },
    runway_id: { value: '9007199254740993', status: 'present', eventTime: '2024-01-01T03:00:00.000000Z' },
    note: { value: 'a', status: 'present', eventTime: '2024-01-01T03:00:00.000000Z' },
    hour: { value: 12, status: 'present', eventTime: null },
  })
  const [past, unknown, other, wrong] = await Promise.all([
    asof(['get', 'model', 'airport=LAX', '--as-of', '2024-01-01T02:30:00Z']),
    failure(['get', 'nobody', 'airport=LAX']),
    failure(['get', 'model', 'airport=LAX', '--expect', 'abc']),
    failure(['get', 'model', 'plane=LAX']),
  ])
  assert.equal(past.stderr, 'not given, so null: scheduled\n')
  assert.match(past.stdout, /^model of airport=LAX as of 2024-01-01T02:30:00\.000000Z \(offline\)\n/)
  assert.match(past.stdout, /\nflights +2 +present +90 min ago\n/)
  assert.match(past.stdout, /\nnote +none +not_found +defaulted\n/)
  assert.deepEqual([unknown.exit, unknown.code], [3, 'service_not_found'])
  assert.deepEqual([other.exit, other.code], [4, 'fingerprint_mismatch'])
  assert.deepEqual([wrong.exit, wrong.code], [2, 'unknown_name'])
})

test('train, and verify finds a changed byte', async () => {
  await write('labels.jsonl', [
    { airport: 'LAX', decided: '2024-01-01T02:30:00Z', scheduled: '2024-01-01T12:00:00Z', late: true },
    { airport: 'SFO', decided: '2024-01-01T05:00:00Z', scheduled: null, late: false },
  ])
  const to = join(root, 'sets', 'delays')
  const train = ['train', 'model', '--labels', 'labels.jsonl', '--at', 'decided', '--to', '../sets/delays']
  const set = await answer<{ folder: string; manifest: { labels: { rows: number } } }>(train)
  assert.deepEqual([set.folder, set.manifest.labels.rows], [to, 2])
  const [again, verified] = await Promise.all([failure(train), asof(['verify', '../sets/delays', '--all'])])
  assert.deepEqual(
    [again.exit, again.code, again.hint],
    [4, 'output_exists', 'choose another `--to`, or give `--overwrite`'],
  )
  assert.equal(verified.code, 0, verified.stderr)
  assert.match(verified.stdout, /^ok: 1 file checked by hash, 2 rows/)
  const part = join(to, 'part-00000.parquet')
  const bytes = await readFile(part)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(part, bytes)
  const damaged = await asof(['verify', '../sets/delays', '--json'])
  assert.equal(damaged.code, 7)
  const found = JSON.parse(damaged.stdout) as { ok: boolean; damaged: string[] }
  assert.deepEqual([found.ok, found.damaged], [false, ['part-00000.parquet']])
})

test('table looks into a Delta table', async () => {
  const path = '.asof/offline/flights/hourly/v1'
  const [shown, history, files, cat, none] = await Promise.all([
    asof(['table', 'show', path]),
    answer<{ versions: { version: number }[] }>(['table', 'history', path]),
    answer<{ files: { rows: number }[] }>(['table', 'files', path, '--version', '0']),
    answer<{ rows: object[] }>(['table', 'cat', path, '--limit', '1']),
    failure(['table', 'show', '.asof']),
  ])
  assert.match(shown.stdout, /\nrows +3 in 1 file, .*\nCOLUMN +TYPE .*\nairport +string/s)
  assert.deepEqual(
    history.versions.map(({ version }) => version),
    [1, 0],
  )
  assert.deepEqual(files.files, [])
  assert.deepEqual(cat.rows, [
    {
      airport: 'LAX',
      event_timestamp: '2024-01-01T01:00:00.000000Z',
      created_timestamp: '2024-01-01T02:00:00.000000Z',
      seq: '0',
      is_deleted: false,
      flights: '2',
      delay_mean: 10,
    },
  ])
  assert.deepEqual([none.exit, none.code], [3, 'table_not_found'])
})

test('quarantine: list, show, retry', async () => {
  const { total, rows } = await answer<{
    total: number
    rows: { id: string; group: string; reason: string }[]
  }>(['quarantine', 'list'])
  assert.deepEqual(
    [total, rows.map(({ group, reason }) => `${group} ${reason}`)],
    [2, ['hourly@1 null_key', 'notes@1 future']],
  )
  const { id } = rows[1]!
  const row = await answer<{ row: object }>(['quarantine', 'show', id])
  assert.deepEqual((row.row as { note: string }).note, 'b')
  const [retried, nothing] = await Promise.all([
    asof(['quarantine', 'retry', id]),
    failure(['quarantine', 'retry']),
  ])
  assert.equal(retried.stdout, '0 accepted, 1 refused again and kept in quarantine\n')
  assert.deepEqual([nothing.exit, nothing.code], [2, 'invalid_argument'])
})

test('status shows where each group stands', async () => {
  const { stdout } = await asof(['status'])
  assert.match(stdout, /^flights at revision 1, applied .* ago\n\nGROUP +STATUS +ROWS /)
  assert.match(stdout, /\nhourly@1 +active +3 +1 +\d+ [dy] ago +1 +0 +0\n/)
  assert.match(stdout, /\nnotes@1 +active +10,002 /)
})

test('restate does runs again', async () => {
  const { groups } = await answer<{ groups: { runs: number }[] }>([
    'restate',
    'hourly',
    '2024-01-01T00:00:00Z..2024-01-01T02:00:00Z',
  ])
  assert.equal(groups[0]?.runs, 2)
  assert.equal((await failure(['restate', 'hourly', '2024-01-01'])).code, 'invalid_range')
})

test('what export prints, apply takes; a breaking change names whom it breaks', async () => {
  const exported = await asof(['export'])
  assert.equal(exported.code, 0, exported.stderr)
  await writeFile(join(folder, 'definitions.json'), exported.stdout)
  assert.equal((await answer<{ committed: boolean }>(['apply', 'definitions.json'])).committed, false)
  const json = JSON.parse(exported.stdout) as { definitions: { kind: string }[] }
  const fewer = { ...json, definitions: json.definitions.filter(({ kind }) => kind !== 'service') }
  await writeFile(join(folder, 'fewer.json'), JSON.stringify(fewer))
  const refused = await failure(['apply', 'fewer.json'])
  assert.deepEqual([refused.exit, refused.code], [4, 'breaking_change'])
  assert.match(refused.message, /delays@7 \(ops\)/)
  assert.match(refused.hint ?? '', /--allow-breaking/)
  assert.equal((await answer<{ revision: number }>(['apply', 'fewer.json', '--allow-breaking'])).revision, 2)
})

test('a file of definitions is a project by itself, but for on-demand functions', async () => {
  const alone = join(root, 'alone')
  await copyFile(join(folder, 'definitions.json'), join(alone, 'with-code.json'))
  const refused = await failure(['apply', 'with-code.json'], { cwd: alone })
  assert.deepEqual([refused.exit, refused.code], [2, 'code_missing'])
  const json = JSON.parse(await readFile(join(folder, 'definitions.json'), 'utf8')) as {
    definitions: { kind: string; name: string; features: { group: string }[] }[]
  }
  const definitions = json.definitions
    .filter(({ kind }) => kind !== 'on_demand')
    .map((each) =>
      each.kind === 'service'
        ? { ...each, features: each.features.filter(({ group }) => group !== 'context') }
        : each,
    )
  await writeFile(join(alone, 'definitions.json'), JSON.stringify({ ...json, definitions }))
  const applied = await answer<{ revision: number }>(['apply', 'definitions.json', '--store', 'here'], {
    cwd: alone,
  })
  assert.equal(applied.revision, 1)
  const project = ['--project', 'definitions.json', '--store', 'here']
  const row = { airport: 'LAX', event_timestamp: '2024-01-01T00:00:00Z', runway_id: '7', note: null }
  await answer(['push', 'notes', '--row', JSON.stringify(row), ...project], { cwd: alone })
  const vector = await answer<{ features: Record<string, { value: unknown }> }>(
    ['get', 'model', 'airport=LAX', ...project],
    {
      cwd: alone,
    },
  )
  assert.equal(vector.features['runway_id']?.value, '7')
})

test('Ctrl-C stops what waits, with exit code 130', async () => {
  const { code, stdout, stderr } = await asof(['push', 'notes', '-'], { interrupt: true })
  assert.deepEqual([code, stdout], [130, ''])
  assert.match(stderr, /asof: stopping.*\nasof: interrupted: what was committed before stays/s)
  assert.doesNotMatch(stderr, /at .*\.ts:/)
})

test('help loads nothing but commander', async () => {
  for (const file of ['bin.ts', 'program.ts', 'program-registry.ts']) {
    const text = await readFile(join(import.meta.dirname, file), 'utf8')
    const imported = [...text.matchAll(/^import (?!type ).* from '(.*)'$/gm)].map(([, name]) => name!)
    for (const name of imported) assert.match(name, /^(node:.*|commander|\.\/program(-registry)?\.ts)$/, file)
  }
})
