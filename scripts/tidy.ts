// The repository polices itself: layer order, stray dependencies, names that say nothing, file sizes, ambient time and
// chance in core. Prints every finding and exits 1 when there is one.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'

const CORE_LAYERS = [
  ['errors', 'clock', 'limits', 'telemetry'],
  ['model'],
  ['codec'],
  ['aggregate'],
  ['point-in-time'],
  ['ports'],
  ['decorate'],
  ['apply'],
  ['discover'],
  ['ingest'],
  ['serve', 'train'],
  ['observe'],
  ['memory'],
  ['feature-store'],
]
const LINES_MAX = 500
const SAYS_NOTHING = /^(utils?|helpers?|common|misc|manager|types)(\.|$)/
const AMBIENT = /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|randomUUID|performance\.now)\b/
/** What each folder of packages may import of the workspace. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'packages/core': [],
  'packages/client': [],
  'packages/server': ['@asof/core', '@asof/client'],
  'packages/testing': ['@asof/core'],
  'adapters/duckdb': ['@asof/core', '@asof/parquet'],
  adapters: ['@asof/core'],
  'packages/cli': [
    '@asof/core',
    '@asof/client',
    '@asof/server',
    '@asof/testing',
    '@asof/delta',
    '@asof/disk',
    '@asof/duckdb',
    '@asof/lmdb',
  ],
}

const findings: string[] = []
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(file))

for (const file of files) {
  if (file.split('/').some((part) => SAYS_NOTHING.test(part)))
    find(file, 'a name that says nothing about what is inside')
  if (!/\.(ts|mjs)$/.test(file)) continue
  const text = readFileSync(file, 'utf8')
  const lines = text.trimEnd().split('\n').length
  if (lines > LINES_MAX) find(file, `${lines} lines; split it by idea at ${LINES_MAX}`)
  if (/\b(TODO|FIXME|XXX)\b/.test(text) && basename(file) !== 'tidy.ts') find(file, 'unfinished business')
  checkImports(file, text)
  const isCore = file.startsWith('packages/core/src/') && !/\.test(-d)?\.ts$/.test(file)
  if (isCore && AMBIENT.test(withoutComments(text)))
    find(file, 'time, chance and identity are injected in core')
}
for (const folder of ['packages', 'adapters']) {
  for (const file of files.filter((path) => new RegExp(`^${folder}/[^/]+/package\\.json$`).test(path))) {
    if (!existsSync(join(dirname(file), 'README.md'))) find(file, 'a package needs a README.md')
  }
}

for (const finding of findings) console.error(finding)
console.log(`tidy: ${files.length} files, ${findings.length} findings`)
process.exit(findings.length === 0 ? 0 : 1)

function checkImports(file: string, text: string): void {
  const home = Object.keys(MAY_IMPORT).find((folder) => file.startsWith(`${folder}/`))
  const isTest =
    /\.test(-d)?\.ts$/.test(file) ||
    file.includes('/conformance/') ||
    file.startsWith('packages/client/src/faults/')
  for (const [, specifier] of text.matchAll(/(?:from|import)\s+'([^']+)'/g) as Iterable<[string, string]>) {
    if (specifier.startsWith('.')) checkLayer(file, specifier, isTest)
    else if (home === undefined || isTest) continue
    else if (
      specifier.startsWith('@asof/') &&
      !MAY_IMPORT[home]!.includes(specifier.split('/').slice(0, 2).join('/'))
    ) {
      find(file, `may not import ${specifier}`)
    } else if (home === 'packages/core' && !specifier.startsWith('@asof/') && specifier !== 'node:crypto') {
      find(file, `core has no dependencies: ${specifier}`)
    }
  }
}

/** Inside core imports go only leftwards. */
function checkLayer(file: string, specifier: string, isTest: boolean): void {
  const match = /^packages\/core\/src\/([^/]+)\//.exec(file)
  if (match === null || isTest) return
  const target = /^packages\/core\/src\/([^/]+)\//.exec(normalize(join(dirname(file), specifier)))
  const [from, to] = [layerOf(match[1]!), layerOf(target?.[1] ?? '')]
  if (from < 0) find(file, `no such layer: ${match[1]}`)
  else if (to > from || (to === from && match[1] !== target?.[1] && to !== 0)) {
    find(file, `imports rightwards: ${specifier}`)
  }
}

function layerOf(folder: string): number {
  return CORE_LAYERS.findIndex((layer) => layer.includes(folder))
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}

function find(file: string, what: string): void {
  findings.push(`${file}: ${what}`)
}
