// Proves the feature server by requests that nobody would think of: makes a Python environment with `schemathesis` (once,
// in .cache), serves the project that `asof init` writes, and lets it try everything the OpenAPI document allows, and what it
// does not. No answer may be a 5xx, a status or a body that the document does not have, and the server must outlive it.
//
//   npm run http:fuzz                    two minutes
//   npm run http:fuzz -- --seconds 600   longer; --seed N for another run
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const REQUIREMENT = 'schemathesis==4.32.5'
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'allow_header_conformance',
]
const PORT = 18_790
/** A body may be refused for its size before anybody looks at what is wrong inside. */
const CONFIG = `[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, "5xx"]
`

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, seed: { type: 'string', default: '20010101' } },
})
const root = dirname(import.meta.dirname)
// Inside the repository, so that the project's definitions find the package `asof`.
const folder = join(root, '.cache', 'fuzz', 'store')
const cli = [...process.execArgv, join(root, 'packages', 'cli', 'src', 'bin.ts')]

const schemathesis = environment()
rmSync(folder, { recursive: true, force: true })
mkdirSync(dirname(folder), { recursive: true })
writeFileSync(join(dirname(folder), 'schemathesis.toml'), CONFIG)
asof('init', folder)
asof('apply', '--project', folder)
asof('materialize', '--project', folder)
const served = spawn(process.execPath, [...cli, 'serve', '--port', String(PORT), '--project', folder], {
  stdio: ['ignore', 'ignore', 'pipe'],
})
const errors: string[] = []
let rest = ''
served.stderr.setEncoding('utf8').on('data', (text: string) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop() ?? ''
  errors.push(...lines.filter((line) => /"level":(50|60|"error"|"fatal")/.test(line)))
})
let code = 1
try {
  await ready()
  code = await fuzz()
  if (served.exitCode !== null) throw new Error(`the server ended with ${served.exitCode}`)
  await ready()
  for (const line of errors.slice(0, 20)) console.error(line)
  if (errors.length > 0) throw new Error(`the server logged ${errors.length} errors`)
} finally {
  served.kill('SIGTERM')
}
process.exitCode = code

/** The program, in an environment of its own. */
function environment(): string {
  const venv = join(root, '.cache', 'venv-schemathesis')
  const bin = join(venv, process.platform === 'win32' ? 'Scripts' : 'bin')
  const stamp = join(venv, `${REQUIREMENT}.installed`)
  if (!existsSync(stamp)) {
    console.log(`installing ${REQUIREMENT} in .cache/venv-schemathesis (once)`)
    rmSync(venv, { recursive: true, force: true })
    mkdirSync(dirname(venv), { recursive: true })
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', REQUIREMENT]
    execFileSync(join(bin, 'python'), pip, { stdio: 'inherit' })
    writeFileSync(stamp, '')
  }
  return join(bin, 'schemathesis')
}

function asof(...args: readonly string[]): void {
  execFileSync(process.execPath, [...cli, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
}

async function ready(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) {
    const answer = await fetch(`http://127.0.0.1:${PORT}/readyz`).catch(() => undefined)
    if (answer?.ok === true) return
    await sleep(100)
  }
  throw new Error('the server is not ready')
}

async function fuzz(): Promise<number> {
  const args = ['run', `http://127.0.0.1:${PORT}/openapi.json`, '--max-time', options.seconds]
  args.push(
    '--seed',
    options.seed,
    '--checks',
    CHECKS.join(','),
    '--continue-on-failure',
    '--warnings',
    'off',
  )
  const child = spawn(schemathesis, args, { stdio: 'inherit', cwd: dirname(folder) })
  return await new Promise((done, reject) => {
    child.once('error', reject)
    child.once('exit', (exit) => done(exit ?? 1))
  })
}
