// Every command about the registry, parsed and run against one store, as people and as programs see it.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FeatureStore, instant } from '@asof/core'
import { embeddedParts } from './embedded.ts'
import { definitionsProject } from './find-project.ts'
import { createProgram } from './program.ts'
import { openTerminal } from './terminal.ts'

const NUMBER = { kind: 'float64' }
const entity = { kind: 'entity', name: 'airport', keys: [{ name: 'airport', type: { kind: 'string' } }] }
const flights = {
  kind: 'source',
  name: 'flights',
  description: 'rows \u001b]0;of\u0007 flights',
  reads: { format: 'jsonl', path: 'flights.jsonl' },
  eventTime: { column: 'scheduled', zone: 'UTC' },
  created: { delay: '1h' },
  owner: 'data',
}
const hourly = {
  kind: 'group',
  name: 'hourly',
  entity: 'airport',
  compute: {
    from: 'query',
    query:
      'SELECT airport, time_bucket(INTERVAL 1 HOUR, scheduled::TIMESTAMPTZ) AS event_timestamp, avg(delay) AS delay_mean FROM flights GROUP BY ALL',
    sources: ['flights'],
  },
  schedule: { every: '1h' },
  features: [{ name: 'delay_mean', type: NUMBER, description: 'mean delay in minutes' }],
  owner: 'ops-ml',
  tags: ['gold'],
}
const newer = { ...hourly, version: 2 }
const old = { ...hourly, status: 'deprecated', deprecation: { after: '2030-06-30', replacement: 'hourly@2' } }
const model = {
  kind: 'service',
  name: 'delay_model',
  features: [{ name: 'delay_mean', group: 'hourly', feature: 'delay_mean', keys: { airport: 'airport' } }],
  consumers: [{ model: 'delay', version: '7', team: 'risk' }],
  owner: 'ops-ml',
}

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-registry-'))
  await writeFile(
    join(folder, 'flights.jsonl'),
    '{"airport":"LAX","scheduled":"2024-01-01T00:10:00Z","delay":5,"taxi":1}\n',
  )
})
after(async () => await rm(folder, { recursive: true, force: true }))

/** Makes the project's file hold these definitions. */
async function defined(...definitions: object[]): Promise<void> {
  await writeFile(join(folder, 'flights.json'), JSON.stringify({ asof: 1, project: 'flights', definitions }))
}

/** What a command prints. */
async function asof(...args: string[]): Promise<string> {
  let printed = ''
  const stdout = { write: (text: string) => (printed += text) }
  const program = createProgram(async (json, work) => {
    const signal = new AbortController().signal
    await work(openTerminal({ stdout, stderr: { write: () => true }, json, signal, env: { NO_COLOR: '1' } }))
  }, '0.0.0')
  await program.parseAsync([...args, '--project', join(folder, 'flights.json')], { from: 'user' })
  return printed
}

async function answer<T>(...args: string[]): Promise<T> {
  return JSON.parse(await asof(...args, '--json')) as T
}

test('search, show and impact answer for what is applied', async () => {
  await defined(entity, flights, hourly, model)
  await asof('apply', '--message', 'first')
  assert.match(
    await asof('search', 'dealy', 'maen'),
    /flights\.hourly@1:delay_mean +float64 +ops-ml +active +mean delay/,
  )
  for (const args of [
    ['search', 'rows'],
    ['show', 'flights'],
  ]) {
    const printed = await asof(...args)
    assert.ok(
      printed.includes('rows \\u001b]0;of\\u0007 flights') && !printed.includes('\u001b'),
      args.join(' '),
    )
  }
  assert.equal(await asof('search', 'nothing_like_it'), 'nothing found for nothing_like_it\n')
  const found = await answer<{ total: number; results: { id: string }[] }>(
    'search',
    'tag:gold',
    'kind:feature',
  )
  assert.deepEqual([found.total, found.results[0]?.id], [1, 'flights.group/hourly@1:delay_mean'])

  const shown = await asof('show', 'hourly:delay_mean')
  for (const line of [
    /type +float64/,
    /owner +ops-ml/,
    /every +1h/,
    /services +delay_model/,
    /models +delay@7 \(risk\)/,
  ]) {
    assert.match(shown, line)
  }
  assert.match(await asof('show', 'delay_model'), /fingerprint +[0-9a-f]{64}/)
  assert.match(await asof('show', 'model/delay@7'), /team +risk/)
  await assert.rejects(asof('show', 'nobody'), { code: 'reference_not_found', message: /`asof search`/ })
  await assert.rejects(asof('show', 'huorly:delay_mean'), {
    code: 'reference_not_found',
    message: /alike=`flights\.group\/hourly@1:delay_mean`/,
  })
  const { firstApplied } = await answer<{ firstApplied: string }>('show', 'hourly')
  assert.match(firstApplied, /^\d{4}-\d\d-\d\dT.*Z$/)
})

test('impact goes by column where the query tells', async () => {
  const impact = async (of: string): Promise<string[]> =>
    (await answer<{ features: string[] }>('impact', of)).features
  assert.deepEqual(await impact('source/flights:delay'), ['flights.group/hourly@1:delay_mean'])
  assert.deepEqual(await impact('source/flights:taxi'), [])
  assert.match(
    await asof('impact', 'flights'),
    /tell\n +ops-ml: group\/hourly@1, service\/delay_model\n +risk: model\/delay@7/,
  )
  assert.equal(await asof('impact', 'source/flights:taxi'), 'nothing rests on source/flights:taxi\n')
  await assert.rejects(asof('impact'), { code: 'invalid_argument' })
  await assert.rejects(asof('impact', 'flights', '--plan'), { code: 'invalid_argument' })
})

test('a model is registered, named by what would break it, and taken off', async () => {
  assert.match(
    await asof('consumers', 'add', 'delay_model', 'late@1', '--team', 'growth'),
    /late@1 \(growth\) reads delay_model/,
  )
  assert.match(
    await asof('consumers', 'add', 'delay_model', 'late@1', '--team', 'growth'),
    /it is so already/,
  )
  assert.match(await asof('consumers', 'list'), /late@1 +growth +registered/)
  await assert.rejects(asof('consumers', 'add', 'delay_model', 'late', '--team', 'growth'), {
    code: 'invalid_argument',
  })
  await defined(entity, flights, { ...hourly, ttl: '1d' }, model)
  assert.match(
    await asof('impact', '--plan'),
    /consumers: delay@7 \(risk\), late@1 \(growth\)[^]*growth: model\/late@1/,
  )
  await assert.rejects(asof('apply'), { code: 'breaking_change', message: /late@1 \(growth\)/ })
  const { committed } = await answer<{ committed: boolean }>('consumers', 'remove', 'delay_model', 'late@1')
  assert.equal(committed, true)
  await assert.rejects(asof('consumers', 'remove', 'delay_model', 'late@1'), { code: 'consumer_not_found' })
})

test('what is deprecated is said by plan, search, show and status', async () => {
  await defined(entity, flights, old, newer, model)
  const warning =
    /! service\/delay_model reads hourly@1: deprecated, kept until 2030-06-30; read hourly@2; tell delay@7 \(risk\)/
  assert.match(await asof('plan'), warning)
  assert.match(await asof('apply', '--message', 'second'), warning)
  assert.match(await asof('plan'), /nothing to change[^]*deprecated/)
  for (const args of [['search', 'hourly'], ['show', 'hourly@1'], ['status']]) {
    assert.match(await asof(...args), /deprecated, kept until 2030-06-30; read hourly@2/, args.join(' '))
  }
  assert.match(
    await asof('get', 'delay_model', 'airport=LAX'),
    /hourly@1 is deprecated, kept until 2030-06-30/,
  )
})

test('revisions are listed, compared and restored', async () => {
  assert.equal(await asof('impact', '--plan'), 'nothing breaks: `asof plan` shows what changes\n')
  const { revisions } = await answer<{ revisions: { number: number; message: string; added: number }[] }>(
    'revisions',
    'list',
  )
  assert.deepEqual(
    revisions.map(({ number, message, added }) => [number, message, added]),
    [
      [4, 'second', 1],
      [3, 'late@1 reads delay_model no more', 0],
      [2, 'late@1 reads delay_model', 0],
      [1, 'first', 4],
    ],
  )
  assert.match(await asof('revisions', 'list', '--limit', '1'), /4 +just now .* \+1 ~1 +second/)
  assert.match(
    await asof('revisions', 'diff', '1'),
    /\+ group\/hourly@2[^]*1 to add, 1 to change, 0 to remove/,
  )
  assert.match(await asof('revisions', 'diff', '1', '2'), /\+ consumer delay_model late@1 \(growth\)/)
  assert.equal(await asof('revisions', 'diff', '2', '2'), 'flights is the same at revisions 2 and 2\n')
  await assert.rejects(asof('revisions', 'diff', 'first'), { code: 'invalid_argument' })
  assert.match(await asof('revisions', 'restore', '1'), /restored: flights is at revision 5, as it was at 1/)
  assert.match(await asof('revisions', 'restore', '1'), /nothing to change/)
  await assert.rejects(asof('revisions', 'restore', '99'), { code: 'revision_not_found' })
})

test('a process sees its own changes at once, and those of others within a second', async () => {
  let now = Date.now() * 1_000
  const opened = async (): Promise<FeatureStore> => {
    const { config, projectFolder } = await definitionsProject(join(folder, 'flights.json'))
    const wall = (): ReturnType<typeof instant> => instant(now)
    const { parts, project } = await embeddedParts({ ...config, projectFolder, wall })
    return new FeatureStore(parts, project)
  }
  await defined(entity, flights, old, newer, model)
  await using one = await opened()
  await using other = await opened()
  const total = async (store: FeatureStore, query: string): Promise<number> =>
    (await store.search(query)).total
  assert.deepEqual([await total(one, 'hourly@2'), await total(other, 'hourly@2')], [0, 0])
  await one.apply()
  assert.ok((await total(one, 'hourly@2')) > 0)
  now += 2_000_000
  assert.ok((await total(other, 'hourly@2')) > 0)
  await other.addConsumer('delay_model', { model: 'm', version: '1', team: 'growth' })
  assert.equal((await other.show('model/m@1')).consumer?.team, 'growth')
  assert.deepEqual(
    (await other.lineage('hourly@1:delay_mean', 'down')).nodes.map(({ id }) => id),
    [
      'flights.group/hourly@1:delay_mean',
      'flights.service/delay_model:delay_mean',
      'flights.model/delay@7',
      'flights.model/m@1',
    ],
  )
  await one.close()
  await assert.rejects(one.search('delay'), { code: 'store_closed' })
})
