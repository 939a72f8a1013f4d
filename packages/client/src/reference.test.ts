// docs/reference/client.md says what the code does: options, defaults and codes are the code's, and its examples compile.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '@asof/testing'
import { CONNECT_DEFAULTS } from './client.ts'
import { GATHERED_MAX } from './gather-gets.ts'

const REPOSITORY = join(import.meta.dirname, '../../..')
const page = await readFile(join(REPOSITORY, 'docs/reference/client.md'), 'utf8')
const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8')

test('the options are those of the code, with their defaults', async () => {
  const options = rowsOf('Options of `connect`')
  assert.deepEqual(
    options.map(([name]) => name),
    (await propertiesOf('client.ts', 'ConnectOptions')).map((name) => `\`${name}\``),
  )
  for (const [name = '', fallback] of options) {
    const known = (CONNECT_DEFAULTS as Readonly<Record<string, number | boolean>>)[name.replaceAll('`', '')]
    if (known !== undefined) assert.equal(fallback, `\`${String(known)}\``, name)
    else assert.ok(!fallback?.startsWith('`'), name)
  }
  const lookup = (await propertiesOf('service-types.ts', 'GetOptions')).map((name) => `\`${name}\``)
  assert.deepEqual(
    rowsOf('`get(service').map(([name]) => name),
    ['`request`', ...lookup],
  )
  const push = (await propertiesOf('service-types.ts', 'PushOptions')).map((name) => `\`${name}\``)
  assert.deepEqual(
    rowsOf('`push(group').map(([name]) => name),
    push,
  )
  assert.match(page, new RegExp(`up to ${GATHERED_MAX} entities`))
})

test('the codes and kinds are those that the code throws', async () => {
  const thrown = new Map<string, string>([
    ['invalid_url', 'invalid'], // by a function of its own
    ['answer_too_large', 'unavailable'],
    ['redirect_refused', 'unavailable'],
  ])
  let text = ''
  for (const name of await readdir(import.meta.dirname)) {
    if (name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
      text += await readFile(join(import.meta.dirname, name), 'utf8')
  }
  for (const [, kind = '', code = ''] of text.matchAll(/failure\(\s*'(\w+)',\s*'(\w+)'/g))
    thrown.set(code, kind)
  for (const [, code = ''] of text.matchAll(/refused\(\s*'(\w+_\w+)'/g)) assert.ok(thrown.has(code), code)
  const documented = rowsOf('Errors').map(([code = '', kind = '']) =>
    [code, kind].map((each) => each.replaceAll('`', '')),
  )
  assert.deepEqual(new Map(documented as [string, string][]), thrown)
})

test('the examples compile', async () => {
  await using folder = await temporaryFolder()
  const write = async (name: string, text: string): Promise<void> =>
    await writeFile(join(folder.path, name), text)
  await symlink(join(REPOSITORY, 'node_modules'), join(folder.path, 'node_modules'))
  await write('package.json', '{ "type": "module" }')
  await write(
    'features.ts',
    `import { entity, featureGroup, featureService, float64, string } from 'asof'
     const airport = entity('airport', { keys: { airport: string() } })
     export const delays = featureGroup('delays', { entity: airport, features: { delay_mean: float64() } })
     export const delayModel = featureService('delay_model', { features: [delays] })`,
  )
  await write(
    'asof.d.ts',
    `export interface Services { delay_model: { keys: { airport: string }; request: {}; vector: { delay_mean: number } } }`,
  )
  const examples = [...`${page}\n${readme}`.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    ([, code = '']) => code,
  )
  assert.equal(examples.length, 4)
  for (const [index, code] of examples.entries()) await write(`example-${index}.ts`, code)
  const files = [...examples.keys()].map((index) => `example-${index}.ts`)
  await write('tsconfig.json', JSON.stringify({ extends: join(REPOSITORY, 'tsconfig.base.json'), files }))
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder.path], { encoding: 'utf8' })
  // What other packages are at this moment is not what this test is about.
  const found = compiled.stdout
    .split('\n')
    .filter((line) => line.startsWith('example-') || line.includes('/example-'))
  assert.deepEqual(found, [])
})

/** The rows of the first table below a heading, without its head. */
function rowsOf(heading: string): string[][] {
  const section = page.slice(page.indexOf(`## ${heading}`))
  assert.ok(section.startsWith('## '), heading)
  const table = /(^\|.*\|\n)+/m.exec(section)?.[0] ?? ''
  const rows = table.trim().split('\n').slice(2)
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

/** The names of an interface's properties, in order. */
async function propertiesOf(file: string, name: string): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, file), 'utf8')
  const body = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text)?.[1] ?? ''
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, property = '']) => property)
}
