// npm run bench [-- NAME…] [--small] [--json FILE]
//
// Compares asof with what else could do the same work, side by side in one run; see bench/README.md.
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { BENCHMARKS, type ListedBenchmark } from './benchmark-list.ts'
import type { Comparison } from './comparison.ts'
import { describeMachine } from './machine.ts'
import { comparisonText, rowsOf, type RunDocument } from './report.ts'
import type { Told } from './run-one.ts'

const HELP = `npm run bench [-- NAME…] [--small] [--json FILE]

${BENCHMARKS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}

  --small      a tenth of the size
  --json FILE  everything measured, as JSON; .cache/bench/latest.json by default`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    small: { type: 'boolean', default: false },
    json: { type: 'string', default: '.cache/bench/latest.json' },
    help: { type: 'boolean', default: false },
  },
})
const unknown = positionals.find((name) => !BENCHMARKS.some((each) => each.name === name))
if (values.help || unknown !== undefined) {
  if (unknown !== undefined) console.error(`no such benchmark: ${unknown}\n`)
  console.log(HELP)
  process.exit(values.help ? 0 : 2)
}

const started = new Date().toISOString()
const machine = describeMachine()
const gib = (machine.memoryBytes / 2 ** 30).toFixed(0)
console.log(`${machine.cpu}, ${machine.cores} cores, ${gib} GiB, ${machine.system}, Node ${machine.node}`)
if (machine.load > 0.5)
  console.log(`the machine is busy (load ${machine.load.toFixed(1)}): figures will be noisy`)

const comparisons: Comparison[] = []
const failed: string[] = []
for (const benchmark of BENCHMARKS) {
  if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue
  try {
    const measured = await inItsOwnProcess(benchmark)
    comparisons.push(...measured)
    for (const comparison of measured) console.log(`\n${comparisonText(comparison)}`)
  } catch (error) {
    failed.push(benchmark.name)
    console.error(`\n${benchmark.name} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const document: RunDocument = {
  machine,
  small: values.small,
  started,
  comparisons: comparisons.map((comparison) => ({ ...comparison, rows: rowsOf(comparison) })),
}
const file = resolve(values.json)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`)
console.log(`\nevery sample is in ${values.json}`)
process.exit(failed.length === 0 ? 0 : 1)

async function inItsOwnProcess({ name }: ListedBenchmark): Promise<readonly Comparison[]> {
  const child = fork(new URL('run-one.ts', import.meta.url), values.small ? [name, '--small'] : [name], {
    execArgv: ['--conditions=source', '--expose-gc'],
  })
  let measured: readonly Comparison[] | undefined
  child.on('message', (told: Told) => {
    if ('say' in told) console.error(`  ${name}: ${told.say}`)
    else measured = told.comparisons
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0 || measured === undefined) throw new Error(`its process ended with ${code ?? 'a signal'}`)
  return measured
}
