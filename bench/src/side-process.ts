import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { peakMemory } from './machine.ts'

/** What a side that is a whole process answers. */
export interface ProcessSample {
  /** From its start to its end, imports included, in seconds. */
  readonly process: number
  /** The work alone, as it measured it itself, in seconds. */
  readonly work: number
  /** Processor time of all its threads, in seconds: what it costs, however busy the machine is. */
  readonly cpu: number
  /** Most memory that it had, in bytes. */
  readonly peak: number
  /** Version of what did the work, where it says so. */
  readonly version?: string
}

/** The line that a side prints at its end, on standard output: JSON, with `work` first. */
type Answer = Omit<ProcessSample, 'process'>

/** Compiled sources are kept, so that starting costs what it costs an installed program. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: resolve('.cache', 'bench', 'compiled') }

/**
 * Runs a side as a whole process of its own.
 *
 * @throws {Error} with the end of what it printed, when it fails
 */
export async function runSide(command: string, args: readonly string[]): Promise<ProcessSample> {
  const start = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ENVIRONMENT })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const code = await new Promise<number | NodeJS.Signals | null>((done, reject) => {
    child.once('error', reject)
    child.once('close', (exit, signal) => done(exit ?? signal))
  })
  const seconds = (performance.now() - start) / 1_000
  const line = out.split('\n').findLast((each) => each.startsWith('{"work"'))
  if (code !== 0 || line === undefined) {
    throw new Error(`${command} ${args[0]} ended with ${code}: ${(errors || out).slice(-2_000)}`)
  }
  return { process: seconds, ...(JSON.parse(line) as Answer) }
}

/** Does the work of a side that is written in TypeScript, and prints its answer. */
export async function answerAsSide(work: () => Promise<void>): Promise<void> {
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage()
  const answer: Answer = { work: seconds, cpu: (user + system) / 1_000_000, peak: peakMemory() }
  console.log(JSON.stringify(answer))
}
