// Runs every test of the repository in node's own test runner.
//
//   npm test                     everything
//   npm test -- adapters/delta   only the files whose path contains this
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'

const wanted = process.argv.slice(2)
const files = globSync('{packages,adapters,examples,bench,scripts}/**/*.test.ts', {
  exclude: (path) => path.includes('node_modules') || path.includes('dist'),
})
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
if (files.length === 0) {
  console.error(`no test file matches: ${wanted.join(' ')}`)
  process.exit(2)
}

const isCi = process.env['CI'] !== undefined
const flags = ['--conditions=source', '--test', '--test-isolation=none', '--test-timeout=600000']
const runs = process.env['ASOF_PROPERTY_RUNS'] ?? (isCi ? '400' : '100')

let failed = run(files, {})
if (isCi && !failed) {
  // Property-based tests run from a fixed seed, and again from one that is fresh with each commit: the same commit
  // gives the same answer wherever it is tested.
  const head = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' })
  const seed = String(Number.parseInt(head.slice(0, 7), 16))
  const properties = files.filter((file) => readFileSync(file, 'utf8').includes('propertyRuns('))
  console.log(`\nproperties again, from ASOF_PROPERTY_SEED=${seed}`)
  failed = run(properties, { ASOF_PROPERTY_SEED: seed })
}
process.exit(failed ? 1 : 0)

function run(some: readonly string[], extra: Readonly<Record<string, string>>): boolean {
  const env = { TZ: 'UTC', ...process.env, ASOF_PROPERTY_RUNS: runs, ...extra }
  return spawnSync(process.execPath, [...flags, ...some], { stdio: 'inherit', env }).status !== 0
}
