import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { createProgram } from '../program.ts'
import { leaves } from '../reference-page.ts'
import { completionLines } from './completion.ts'

const BIN = join(import.meta.dirname, '../bin.ts')
const MODULES = join(import.meta.dirname, '../../../../node_modules')
const program = createProgram(async () => undefined, '0.0.0')

let root = ''
let folder = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-completion-'))
  folder = join(root, 'my-store')
  await run('asof init my-store', root)
  await symlink(MODULES, join(root, 'node_modules'))
  await run('asof apply', folder)
  await mkdir(join(folder, 'deeper'))
})
after(async () => await rm(root, { recursive: true, force: true }))

/** A line of a shell in which `asof` is the command from its sources. */
async function run(line: string, cwd: string): Promise<string> {
  const bin = join(root, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(
    join(bin, 'asof'),
    `#!/bin/sh\nexec "${process.execPath}" --conditions=source "${BIN}" "$@"\n`,
  )
  await chmod(join(bin, 'asof'), 0o755)
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` }
  return (await promisify(execFile)('bash', ['--norc', '-c', line], { cwd, env })).stdout
}

/** The candidates for the last of some words, in the project's folder; `(files)` where the shell offers files. */
async function candidates(...words: string[]): Promise<string> {
  const lines = (await completionLines(program, words)).split('\n')
  const directive = Number(lines.pop()!.slice(1))
  return [...lines.map((line) => line.split('\t')[0]!), ...((directive & 4) === 0 ? ['(files)'] : [])].join(
    ' ',
  )
}

test('commands, options, their choices and names of the project are completed', async () => {
  const at = ['--project', folder]
  assert.equal(await candidates('mat'), 'materialize')
  assert.equal(await candidates('quarantine', ''), 'list show retry drop help')
  assert.equal(await candidates('quarantine', 'list', '--li'), '--limit')
  assert.equal(await candidates('train', 'fraud_model', '--format', ''), 'parquet csv delta')
  assert.equal(await candidates('train', 'fraud_model', '--labels', 'da'), '(files)')
  assert.equal(await candidates('train', 'fraud_model', '--labels=x', '--st'), '--statuses --strict --store')
  assert.equal(await candidates('complete', ''), 'bash zsh fish')
  assert.equal(await candidates('get', ...at, ''), 'fraud_model')
  assert.equal(await candidates('get', ...at, 'fraud_model', ''), 'customer=')
  assert.equal(await candidates('get', ...at, 'fraud_model', 'customer=c'), '')
  assert.equal(await candidates('get', ...at, 'fraud_model', 'customer=c1', ''), '')
  assert.equal(await candidates('get', ...at, 'fraud_model', '--request', ''), 'amount=')
  assert.equal(await candidates('materialize', ...at, ''), 'customer_activity customer_profile')
  assert.equal(await candidates('materialize', ...at, 'customer_profile', ''), 'customer_activity')
  assert.equal(
    await candidates('lineage', ...at, 'customer_a'),
    'customer_activity customer_activity:payments customer_activity:amount_mean customer_activity:amount_max',
  )
  assert.equal(await candidates('lineage', ...at, 'customer_activity:p'), 'customer_activity:payments')
  assert.equal(await candidates('lineage', ...at, 'c'), 'customer_activity customer_profile customer')
  assert.equal(await candidates('lineage', ...at, 'payment_in_context:h'), 'payment_in_context:hour')
})

test('whatever goes wrong is kept from whoever pressed a key', async () => {
  assert.equal(await candidates('get', '--project', join(root, 'absent'), ''), '')
  assert.equal(await candidates('get', '--store', join(root, 'bin'), ''), '')
  assert.equal(await candidates('frobnicate', '--what', 'ever', ''), '')
  await writeFile(join(root, 'broken.json'), '{')
  assert.equal(await candidates('get', '--project', join(root, 'broken.json'), ''), '')
})

test('what a description says stays in its line, and moves no cursor', async () => {
  const own = new Command()
  own.command('evil').summary('a\u001B[2J\u001B]0;b\u0007\tc\n:0\u202Ed\u2028e')
  assert.equal(await completionLines(own, ['ev']), 'evil\ta [2J ]0;b c :0 d e\n:4')
})

test('every command can be completed to its end', async () => {
  for (const command of leaves(program)) {
    const words: string[] = []
    for (let at: typeof command | null = command; at.parent !== null; at = at.parent) words.unshift(at.name())
    assert.ok((await candidates(...words)).split(' ').includes(words.at(-1)!), words.join(' '))
    assert.match(await candidates(...words, '--'), /--json/)
  }
})

test('in bash, from any folder of the project, group:feature and key= included', async () => {
  const complete = async (line: string): Promise<string> => {
    // What bash itself does at a press of TAB: it cuts the line, calls the function, and takes COMPREPLY.
    const script = `source <(asof complete bash)
      COMP_LINE=${quoted(line)} COMP_POINT=\${#COMP_LINE} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
      [[ $(complete -p asof) == *'-F _asof asof' ]] || exit 9
      _asof 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`
    return (await run(script, join(folder, 'deeper'))).trim().replaceAll('\n', ' ')
  }
  assert.equal(await complete('asof stat'), 'status')
  assert.equal(await complete('asof get '), 'fraud_model')
  assert.equal(await complete('asof get fraud_model cust'), 'customer=')
  // Bash holds `customer_activity` and `:` for words of their own: only what follows is to be written.
  assert.equal(await complete('asof lineage customer_activity:am'), 'amount_mean amount_max')
  assert.equal(await complete('asof verify '), '')
})

test('the scripts of the other shells call the command', async () => {
  for (const shell of ['zsh', 'fish'])
    assert.match(await run(`asof complete ${shell}`, root), /asof complete -- /)
  await assert.rejects(run('asof complete csh', root), /bash, zsh, fish/)
})

test('no engine is loaded to complete a name', async () => {
  const loaded = join(root, 'loaded.mjs')
  await writeFile(
    loaded,
    `import { registerHooks } from 'node:module'
     import { appendFileSync } from 'node:fs'
     registerHooks({ load: (url, context, next) => { appendFileSync(${JSON.stringify(join(root, 'urls'))}, url + '\\n'); return next(url, context) } })`,
  )
  await run(`NODE_OPTIONS="--import=${loaded}" asof complete -- get ''`, folder)
  const urls = await readFile(join(root, 'urls'), 'utf8')
  assert.match(urls, /adapters\/lmdb/)
  assert.doesNotMatch(urls, /duckdb|adapters\/delta|asof\.config/)
})

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
