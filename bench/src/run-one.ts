// Runs one benchmark in a process of its own, so that none warms up or bloats another. Beside `run.ts`, which starts it,
// it is of use under a profiler: node --conditions=source --cpu-prof bench/src/run-one.ts lookup --small
import { BENCHMARKS } from './benchmark-list.ts'
import type { Comparison } from './comparison.ts'
import { comparisonText } from './report.ts'

/** What the process that runs a benchmark tells the one that started it. */
export type Told = { readonly say: string } | { readonly comparisons: readonly Comparison[] }

const [name, ...flags] = process.argv.slice(2)
const benchmark = BENCHMARKS.find((each) => each.name === name)
if (benchmark === undefined) throw new Error(`no such benchmark: ${name}`)

const tell = (told: Told): void => {
  if (process.send !== undefined) process.send(told)
  else if ('say' in told) console.error(told.say)
  else console.log(told.comparisons.map(comparisonText).join('\n\n'))
}
const run = await benchmark.load()
const comparisons = await run({ small: flags.includes('--small'), say: (line) => tell({ say: line }) })
tell({ comparisons })
process.disconnect?.()
