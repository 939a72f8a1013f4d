// Installs and builds what the repository needs, once per change of the lockfile. Plain JavaScript on purpose: it
// runs on whatever Node a newcomer has (20 or later), before the repository's own Node 24 is there.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.asof-setup')
const npm = process.env.npm_execpath

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`Node 20 or later is needed to set up. found=${process.version}`)
}
if (!npm) fail('run this through npm: `npm run setup`')

const stamp = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform} ${process.arch}`)
  .digest('hex')

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  console.log('setting up: installing the dependencies (once)')
  const flags = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  run(process.execPath, [npm, ...flags])
  mkdirSync(modules, { recursive: true })
  writeFileSync(stampFile, stamp)
}
run(join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node'), [
  join(modules, 'typescript', 'bin', 'tsc'),
  '-b',
  'tsconfig.build.json',
])

function run(command, args) {
  try {
    execFileSync(command, args, { cwd: root, stdio: 'inherit' })
  } catch (error) {
    fail(`set-up failed at: ${args.join(' ')}. ${error.message}`)
  }
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
