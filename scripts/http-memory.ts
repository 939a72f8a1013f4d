// Sends a million requests to `asof serve` and shows what the process holds meanwhile: everything a server is asked for, what
// it refuses included, no two alike. A test sends fewer of the same and has a bound (packages/cli/src/serving/memory.test.ts);
// this is the long form, for a look at the whole curve.
//
//   node --conditions=source scripts/http-memory.ts                       a million
//   node --conditions=source scripts/http-memory.ts --requests 100000     fewer
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '@asof/testing'
import { prepareStore, startServe } from '../packages/cli/src/serving/serve-process.ts'
import { sendLoad, steadyProject } from '../packages/cli/src/serving/steady-load.ts'

const STEPS = 20
const { values: options } = parseArgs({ options: { requests: { type: 'string', default: '1000000' } } })
const each = Math.ceil(Number(options.requests) / STEPS)

await using folder = await temporaryFolder()
await prepareStore(folder.path, steadyProject)
await using server = await startServe(folder.path, ['--log-level', 'error'])
console.log('requests  per second  resident MB  of these its own MB')
show(0, 0)
for (let step = 1; step <= STEPS; step++) {
  const start = performance.now()
  const statuses = await sendLoad(server.port, each, (step - 1) * each)
  for (const status of statuses.keys()) {
    if (status >= 500) throw new Error(`${statuses.get(status)} answers had status ${status}`)
  }
  show(step * each, (each / (performance.now() - start)) * 1_000)
}
const code = await server.stop()
if (code !== 0) throw new Error(`the server ended with ${code}: ${server.log()}`)

/** Mapped files are resident too, while the kernel has room for them; what is the process's own is the rest. */
function show(requests: number, rate: number): void {
  const { pid } = server.process
  const file = `/proc/${pid}/status`
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const megabytes = (name: string): string => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]
    return kilobytes === undefined ? '-' : (Number(kilobytes) / 1_024).toFixed(1)
  }
  const columns = [String(requests), rate.toFixed(0), megabytes('VmRSS'), megabytes('RssAnon')]
  console.log([8, 12, 13, 21].map((width, at) => columns[at]!.padStart(width)).join(''))
}
