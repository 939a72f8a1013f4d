// Every example of a doc comment compiles, runs and says what is so; what a user writes down has one.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { docExamples, exampleSources } from './doc-examples.ts'

const SCRIPT = join(import.meta.dirname, 'examples.ts')
const BUILDERS = ['entity', 'parquet', 'csv', 'jsonl', 'delta', 'sql', 'request', 'featureGroup', 'onDemand']
const PROJECTS = ['featureService', 'alias', 'project', 'defineConfig', 'openFeatureStore', 'FeatureVector']
const METHODS = ['plan', 'apply', 'push', 'materialize', 'get', 'getMany', 'train', 'verify']

test('every example of a doc comment runs, and its results are so', () => {
  const { status, output } = run([])
  assert.equal(status, 0, output)
})

test('what a user writes down has an example', () => {
  const examples = exampleSources().flatMap(docExamples)
  const symbols = new Set(examples.map(({ symbol }) => symbol))
  assert.deepEqual(
    [...BUILDERS, ...PROJECTS].filter((name) => !symbols.has(name)),
    [],
  )
  const ofStore = examples.filter(({ file }) => file.endsWith('feature-store/feature-store.ts'))
  const methods = new Set(ofStore.map(({ symbol }) => symbol))
  assert.deepEqual(
    METHODS.filter((name) => !methods.has(name)),
    [],
  )
})

const FINE = [
  "durationMicros('90s') // 90_000_000",
  "const length = durationMicros('90s')\nlength // 90_000_000",
  "durationMicros('90s') // 90, or so",
  "['a // 7'] // ['a // 7']",
  "parseInstant('today') // throws: invalid_instant",
]
const WRONG: readonly (readonly [string, RegExp])[] = [
  ["durationMicros('91s') // 91", /91000000/],
  ["durationMicros('92s')\n// 92", /92000000/],
  ["durationMicros(\n  '93s'\n) // 93", /93000000/],
  ["const length = durationMicros('94s') // 94", /94000000/],
  ["parseInstant('today') // throws: too_long", /'invalid_instant'/],
  ["parseInstant('2024-01-01T00:00:00Z') // throws: invalid_instant", /Missing expected rejection/],
  ["parseInstant('tomorrow')", /AsofError: .*tomorrow/],
  ['nothing()', /TS2304/],
  ['durationMicros(9)', /TS2345/],
  ['durationMicros(', /does not parse/],
]

test('an example that is wrong is found, whatever is wrong, and no other', () => {
  const { status, output } = runTexts([...FINE, ...WRONG.map(([text]) => text)])
  assert.equal(status, 1)
  const findings = output.split(/^.*source\.ts:/m).slice(1)
  assert.equal(findings.length, WRONG.length, output)
  for (const [text, wanted] of WRONG) {
    assert.ok(
      findings.some((finding) => wanted.test(finding)),
      `${text}\n${output}`,
    )
  }
})

/** Runs these examples, each of a symbol of its own. */
function runTexts(texts: readonly string[]): ReturnType<typeof run> {
  const folder = mkdtempSync(join(tmpdir(), 'asof-examples-'))
  try {
    const file = join(folder, 'source.ts')
    const comments = texts.map((text, index) => {
      const lines = ['@example', '```ts', ...text.split('\n'), '```'].map((line) => ` * ${line}\n`)
      return `/**\n${lines.join('')} */\nexport const symbol${index} = 0\n`
    })
    writeFileSync(file, comments.join('\n'))
    return run([file])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(files: readonly string[]): { readonly status: number | null; readonly output: string } {
  // Stripping types, by which statements are told apart, warns that it may change.
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=source', '--test-reporter=dot']
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const ran = spawnSync(process.execPath, [...flags, SCRIPT, ...files], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...env, ASOF_PROPERTY_RUNS: '10' },
  })
  return { status: ran.status, output: ran.stdout + ran.stderr }
}
