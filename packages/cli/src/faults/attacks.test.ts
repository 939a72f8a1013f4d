// S1, S2 and S4: definitions and paths written by somebody who wants more than features, through apply, materialize and train.
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  csv,
  delta,
  entity,
  featureGroup,
  featureService,
  isAsofError,
  jsonl,
  parquet,
  parseDefinitions,
  project,
  sql,
  string,
  type Definition,
  type Project,
} from '@asof/core'
import { codeOf, NOON, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string() } })
const zero = { delay: '0s' } as const
const lines = jsonl('lines', { path: 'lines.jsonl', eventTime: 'at', created: zero })
const features = { secret: string() }
const pushed = featureGroup('pushed', { entity: user, features })
const model = featureService('model', { features: [pushed] })
const CANARY = 'canary-7f3a'

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(project('shop', [model]))
  await faults.store.apply()
  await faults.write('lines.jsonl', [{ user: 'a', at: '2024-06-01T11:00:00Z', secret: 'own' }])
  await faults.write('other.csv', `user,at,secret\na,2024-06-01T11:00:00Z,${CANARY}\n`)
  await writeFile(outside(), `user,at,secret\na,2024-06-01T11:00:00Z,${CANARY}\n`)
  await faults.store.push(pushed, [{ user: 'a', event_timestamp: NOON - SECOND, secret: CANARY }])
  await faults.store.drain()
})
after(async () => {
  await faults[Symbol.asyncDispose]()
  await rm(outside(), { force: true })
})

/** A file beside the project's folder, which nothing in it may reach. */
function outside(): string {
  return `${faults.folder}-outside.csv`
}

/** Applies definitions and computes their groups; answers the refusals, and fails when the canary came in. */
async function attempt(attacked: Project): Promise<readonly string[]> {
  const codes: string[] = []
  try {
    await faults.store.apply({ definitions: [...attacked.definitions], allowBreaking: true })
    for (const definition of attacked.definitions) {
      if (definition.kind !== 'group' || definition.compute.from === 'push') continue
      try {
        await faults.store.materialize(definition.name)
      } catch (error) {
        if (!isAsofError(error)) throw error
        codes.push(error.code)
      }
      const values = (await faults.table(definition.name)).map((row) => JSON.stringify(row['secret']))
      assert.ok(
        !values.join().includes(CANARY),
        `${definition.name} read what it should not: ${values.join()}`,
      )
    }
  } catch (error) {
    if (!isAsofError(error)) throw error
    codes.push(error.code)
  }
  return codes
}

let numbered = 0

/** A project in which some SQL is a source, or the query of a schedule, by turns. */
function sqlProject(query: string): Project {
  const n = numbered++
  if (n % 2 === 0) {
    const source = sql(`source_${n}`, { sources: [lines], query, eventTime: 'at', created: zero })
    return project('shop', [model, featureGroup(`imported_${n}`, { entity: user, features, source })])
  }
  const group = featureGroup(`scheduled_${n}`, {
    entity: user,
    features,
    sources: [lines],
    query,
    every: '1h',
  })
  return project('shop', [model, group])
}

const REFUSALS = ['denied_in_query', 'invalid_query']
const T = `'a' AS "user", TIMESTAMPTZ '2024-06-01 11:00:00+00' AS "at", TIMESTAMPTZ '2024-06-01 11:00:00+00' AS event_timestamp`

function hostileSql(folder: string): readonly string[] {
  const file = `${folder}/other.csv`
  const own = `${folder}/.asof/offline/shop/pushed/v1`
  return [
    `SELECT ${T}, secret FROM read_csv('${file}')`,
    `SELECT ${T}, content AS secret FROM read_text('${file}')`,
    `SELECT ${T}, content::VARCHAR AS secret FROM read_blob('${file}')`,
    `SELECT ${T}, file AS secret FROM glob('${folder}/*')`,
    `SELECT ${T}, secret FROM '${file}'`,
    `SELECT ${T}, secret FROM "${file}"`,
    `SELECT ${T}, secret FROM read_parquet('${own}/*.parquet')`,
    `SELECT ${T}, (SELECT max(secret) FROM read_csv('${file}')) AS secret FROM lines`,
    `WITH x AS (SELECT * FROM read_csv('/etc/passwd')) SELECT ${T}, x::VARCHAR AS secret FROM x`,
    `SELECT ${T}, secret FROM lines UNION ALL SELECT ${T}, secret FROM read_csv('${file}')`,
    `SELECT ${T}, getenv('HOME') AS secret`,
    `SELECT ${T}, current_setting('temp_directory') AS secret`,
    `SELECT ${T}, path AS secret FROM duckdb_databases()`,
    `SELECT ${T}, sql AS secret FROM duckdb_tables()`,
    `SELECT ${T}, value AS secret FROM duckdb_settings()`,
    `SELECT ${T}, table_name AS secret FROM information_schema.tables`,
    `SELECT ${T}, secret FROM pushed`,
    `SELECT ${T}, secret FROM main.lines`,
    `SELECT ${T}, query AS secret FROM query('SELECT * FROM read_csv(''${file}'')') AS q(query)`,
    `SELECT ${T}, q::VARCHAR AS secret FROM query_table('${file}') AS q`,
    `COPY (SELECT 1) TO '${folder}/stolen.csv'`,
    `COPY lines TO '${folder}/stolen.csv'`,
    `EXPORT DATABASE '${folder}/stolen'`,
    `ATTACH '${folder}/stolen.db'`,
    `SET enable_external_access = true`,
    `SET lock_configuration = false`,
    `RESET allowed_directories`,
    `PRAGMA database_list`,
    `INSTALL httpfs`,
    `LOAD '${folder}/x.duckdb_extension'`,
    `CALL pragma_version()`,
    `CREATE TABLE stolen AS SELECT 1`,
    `CREATE MACRO lines() AS TABLE SELECT 1`,
    `DROP TABLE found`,
    `DELETE FROM lines`,
    `INSERT INTO lines SELECT * FROM lines`,
    `SELECT ${T}, 'x' AS secret FROM lines; COPY (SELECT 1) TO '${folder}/stolen.csv'`,
    `SELECT ${T}, 'x' AS secret FROM lines; SELECT 1`,
    `SELECT ${T}, 'x' AS secret FROM lines) ; COPY (SELECT 1) TO '${folder}/stolen.csv'; SELECT * FROM (SELECT 1`,
    `SELECT ${T}, 'x' AS secret FROM lines) UNION ALL SELECT * FROM read_csv('${file}') --`,
    `DESCRIBE lines`,
    `EXPLAIN ANALYZE SELECT 1`,
    `VALUES (1); ATTACH ':memory:' AS x`,
    '',
    ';',
    '-- nothing',
    'SELECT',
    '\0',
  ]
}

test('S1: SQL of a definition reads its declared sources and does nothing else', async () => {
  const before = (await readdir(faults.folder)).sort()
  for (const query of hostileSql(faults.folder)) {
    let attacked: Project
    try {
      attacked = sqlProject(query)
    } catch (error) {
      assert.ok(isAsofError(error, 'invalid'), `${query}: ${String(error)}`)
      continue
    }
    const codes = await attempt(attacked)
    assert.equal(codes.length, 1, `${query}: ${codes.join()}`)
    assert.ok(REFUSALS.includes(codes[0]!), `${query}: ${codes[0]}`)
  }
  assert.deepEqual((await readdir(faults.folder)).sort(), before, 'nothing was written')
})

test('S1: what a value says is a value', async () => {
  const values = [
    `'; DROP TABLE found; --`,
    `"); COPY (SELECT 1) TO 'stolen.csv'; --`,
    `\${CANARY}`,
    `{{7*7}}`,
    `$(id)`,
  ]
  await faults.write(
    'lines.jsonl',
    values.map((secret, n) => ({ user: `${secret}${n}`, at: '2024-06-01T11:00:00Z', secret })),
  )
  const source = sql('quoted', {
    sources: [lines],
    query: `SELECT * FROM lines WHERE secret <> '"; --'`,
    eventTime: 'at',
    created: zero,
  })
  const group = featureGroup('quoting', { entity: user, features, source })
  assert.deepEqual(await attempt(project('shop', [model, group])), [])
  const rows = await faults.table('quoting')
  assert.deepEqual(new Set(rows.map((row) => row['secret'])), new Set(values))
})

test('S2: a source outside the project is refused: up, absolute, by a link, by a URI', async () => {
  const name = `${faults.folder.split('/').at(-1)}-outside.csv`
  await symlink(outside(), join(faults.folder, 'link.csv'))
  await symlink(dirname(faults.folder), join(faults.folder, 'up'))
  await mkdir(join(faults.folder, 'dir'), { recursive: true })
  await symlink(outside(), join(faults.folder, 'dir', 'inner.csv'))
  const paths = [
    `../${name}`,
    `dir/../../${name}`,
    outside(),
    '/etc/passwd',
    'link.csv',
    `up/${name}`,
    'dir/*.csv',
    `../*-outside.csv`,
    `up/*.csv`,
    `file://${outside()}`,
    'http://127.0.0.1:1/x.csv',
    's3://bucket/x.csv',
    `..%2f${name}`,
    '..',
    '.',
    '*',
    '**/*.csv',
    '~/x.csv',
  ]
  for (const [index, path] of paths.entries()) {
    for (const [kind, make] of Object.entries({ csv, jsonl, parquet, delta })) {
      const source = make(`${kind}_${index}`, { path, eventTime: 'at', created: zero })
      const group = featureGroup(`${kind}_group_${index}`, { entity: user, features, source })
      const codes = await attempt(project('shop', [model, group]))
      assert.equal(codes.length, 1, `${kind} ${path}: ${codes.join()}`)
    }
  }
})

test('S2: labels and groups are no way out either', async () => {
  const train = (labels: string, to = join(faults.folder, 'set')) =>
    faults.store.train('model', { labels, at: 'at', to })
  for (const labels of [
    outside(),
    `../${outside().split('/').at(-1)}`,
    'link.csv',
    '/etc/passwd',
    'up',
    '..',
    '',
  ]) {
    const error = await refusal(async () => await train(labels), `labels ${labels}`)
    assert.ok(
      ['path_outside_project', 'labels_not_found', 'invalid_path'].includes(error.code),
      `${labels}: ${error.code}`,
    )
  }
  for (const group of ['../pushed', 'pushed@1/../..', 'pushed/v1', '', '..', 'pushed@-1', 'pushed@01']) {
    assert.equal(await codeOf(async () => await faults.store.materialize(group)), 'group_not_found')
  }
  for (const name of ['../../x.parquet', 'a/b.parquet', '/etc/passwd', 'x.parquet\0', '']) {
    assert.equal((await refusal(() => faults.parts.staging.localPath(name), name)).code, 'invalid_path')
  }
  for (const table of ['../x', 'shop/../../x', '/x', 'shop/\0', '']) {
    const error = await refusal(async () => await faults.parts.offline.snapshot(table), `table ${table}`)
    assert.equal(error.code, 'invalid_path')
  }
})

test('S2: a Delta log that names files outside its table is refused, and nothing of them is read', async () => {
  const add = (path: string): object => ({
    add: { path, partitionValues: {}, size: 100, modificationTime: 0, dataChange: true },
  })
  const name = outside().split('/').at(-1)!
  const paths = [
    `../../${name}`,
    outside(),
    `file://${outside()}`,
    `..%2f..%2f${name}`,
    '%2e%2e/other.csv',
    'a/../../other.csv',
  ]
  const log = await readFile(
    join(faults.folder, '.asof/offline/shop/pushed/v1/_delta_log/00000000000000000000.json'),
    'utf8',
  )
  const [protocol, metaData] = ['protocol', 'metaData'].map((action) =>
    log.split('\n').find((line) => line.includes(`"${action}"`))!,
  )
  for (const [index, path] of paths.entries()) {
    await faults.write(
      `table_${index}/_delta_log/00000000000000000000.json`,
      [protocol, metaData, JSON.stringify(add(path)), ''].join('\n'),
    )
    const source = delta(`foreign_${index}`, {
      path: `table_${index}`,
      eventTime: 'event_timestamp',
      created: zero,
    })
    const group = featureGroup(`foreign_group_${index}`, { entity: user, features, source })
    const codes = await attempt(project('shop', [model, group]))
    assert.equal(codes.length, 1, path)
    assert.doesNotMatch(codes[0]!, /internal|query_failed/, path)
  }
})

test('S4: definitions that come as JSON bring no code, and code that is named is not run', async () => {
  const marker = join(faults.folder, 'ran')
  await faults.write(
    'evil.mjs',
    `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(marker)}, '')\nexport default () => ({ x: 1 })\n`,
  )
  const onDemand = (code: unknown): unknown => ({
    kind: 'on_demand',
    name: 'evil',
    version: 1,
    inputs: [{ name: 'secret', from: { group: 'pushed', version: 1, feature: 'secret' } }],
    features: [{ name: 'x', type: { kind: 'int32' } }],
    code,
  })
  const read = (definition: unknown): readonly Definition[] =>
    parseDefinitions(
      JSON.stringify({
        asof: 1,
        project: 'shop',
        definitions: [...project('shop', [model]).definitions, definition],
      }),
    ).definitions
  const fingerprint = 'a'.repeat(64)
  const refused = [
    { module: 'evil.mjs', fingerprint, source: 'process.exit(1)' },
    { module: 'evil.mjs', fingerprint, compute: '() => process.exit(1)' },
    '() => ({ x: 1 })',
    { eval: '1' },
  ]
  for (const code of refused) assert.equal((await refusal(() => read(onDemand(code)))).kind, 'invalid')
  const group = featureService('evil_model', { features: [pushed] }).definition
  const service = {
    ...group,
    features: [{ name: 'x', group: 'evil', version: 1, feature: 'x', keys: { user: 'user' } }],
  }
  const modules = [
    'evil.mjs',
    join(faults.folder, 'evil.mjs'),
    `file://${faults.folder}/evil.mjs`,
    'data:text/javascript,process.exit(1)',
  ]
  for (const module of modules) {
    const definitions = read(onDemand({ module, fingerprint }))
    const [withService] = [
      parseDefinitions(JSON.stringify({ asof: 1, project: 'shop', definitions: [...definitions, service] }))
        .definitions,
    ]
    await faults.store.apply({ definitions: withService, allowBreaking: true })
    const asked = async () => await faults.store.get('evil_model', { user: 'a' })
    assert.equal(await codeOf(asked), 'on_demand_code_missing')
    const trained = async () =>
      await faults.train('evil_model', {
        user: [{ kind: 'string' }, ['a']],
        at: [{ kind: 'timestamp' }, [BigInt(NOON)]],
      })
    assert.equal(await codeOf(trained), 'on_demand_code_missing')
  }
  assert.ok(!(await readdir(faults.folder)).includes('ran'))
})
