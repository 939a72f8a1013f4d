// What docs/start.md tells a newcomer works when it is followed: its files written, its commands run, in order.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

const REPOSITORY = join(import.meta.dirname, '../../..')
const BIN = join(import.meta.dirname, 'bin.ts')

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asof-docs-'))
  // The package as a user has it installed: by name, in node_modules.
  await mkdir(join(folder, 'node_modules'))
  await symlink(join(REPOSITORY, 'packages/cli'), join(folder, 'node_modules/asof'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
})
after(async () => await rm(folder, { recursive: true, force: true }))

test('docs/start.md can be followed', async () => {
  const page = await readFile(join(REPOSITORY, 'docs/start.md'), 'utf8')
  const [config] = blocks(page, 'ts')
  assert.ok(config !== undefined && config.startsWith('// asof.config.ts'))
  await writeFile(join(folder, 'asof.config.ts'), config)
  const commands = blocks(page, '').flatMap((block) => block.split('\n').filter((line) => line.trim() !== ''))
  assert.ok(commands.length >= 6)
  const outputs = new Map<string, string>()
  let at = folder
  for (const line of commands) {
    const command = line.replace(/\s+#.*$/, '')
    if (command.startsWith('cd ')) at = join(at, command.slice('cd '.length))
    // The package is there already, in the folder above.
    else if (command !== 'npm install') outputs.set(command, await run(command, at))
  }
  const vector = outputs.get('npx asof get fraud_model customer=c001 --request amount=250') ?? ''
  assert.match(vector, /amount_ratio +[\d.]+ +present/)
  assert.match(outputs.get('npx asof get recommender user=ann') ?? '', /rating\s+4\.5\s+present/)
  const set =
    outputs.get('npx asof train recommender --labels labels.jsonl --at asked_at --to sets/first') ?? ''
  assert.match(set, /^recommender: 1 label,/)
  assert.match(set, /rating +float64 +1 /)
})

test('the first lines of the README compile and run as they stand, on the data that they name', async () => {
  const page = await readFile(join(REPOSITORY, 'README.md'), 'utf8')
  const [example] = blocks(page, 'ts')
  assert.ok(example?.includes('openFeatureStore'))
  const project = join(folder, 'readme')
  await mkdir(join(project, 'data'), { recursive: true })
  await writeFile(
    join(project, 'example.ts'),
    `${example}\nconsole.log(vector.delay_mean, set.manifest.labels.rows)\n`,
  )
  await writeFile(
    join(project, 'make.ts'),
    `import { DuckDBInstance } from '@duckdb/node-api'
     const connection = await (await DuckDBInstance.create(':memory:')).connect()
     await connection.run("COPY (SELECT TIMESTAMP '2024-01-01 10:30:00' AS date, TIMESTAMP '2024-01-01 10:50:00' AS landed, 'LAX' AS origin, 12 AS delay) TO 'data/flights.parquet'")
     await connection.run("COPY (SELECT TIMESTAMPTZ '2024-01-01 11:30:00+00' AS scheduled, 'LAX' AS airport) TO 'data/labels.parquet'")`,
  )
  await symlink(join(REPOSITORY, 'node_modules/@duckdb'), join(folder, 'node_modules/@duckdb'))
  const node = [process.execPath, '--conditions=source']
  await shell([...node, 'make.ts'], project)
  const printed = await shell([...node, 'example.ts'], project)
  assert.match(printed, /^12 1\s*$/)
})

/** The texts of a page's fenced blocks of one language. */
function blocks(page: string, language: string): string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2]!)
}

/** One line of the page: `npx asof …` is the command of this repository, the rest is the shell's. */
async function run(command: string, at: string): Promise<string> {
  const asof = `"${process.execPath}" --conditions=source "${BIN}"`
  return await shell(['sh', '-c', command.replace(/^npx asof/, asof)], at)
}

async function shell([file, ...args]: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)(file!, args, { cwd, env: { ...process.env, TZ: 'UTC' } })
  return stdout
}
