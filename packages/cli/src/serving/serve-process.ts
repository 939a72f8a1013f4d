// `asof serve` as users start it: a process of its own over a folder with definitions.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportDefinitions, type Project } from '@asof/core'
import { openFeatureStore } from '../embedded.ts'

const BIN = join(import.meta.dirname, '../bin.ts')
const NODE = ['--conditions=source', '--disable-warning=ExperimentalWarning']

/** A process that serves. */
export interface ServeProcess extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly process: ChildProcess
  /** What it has written to stderr: its log. */
  readonly log: () => string
  /** Tells it to stop, as an orchestrator does; resolves with its exit code. */
  stop(): Promise<number>
}

/** Applies a project to a store in the folder, and leaves its definitions there for `asof serve`. */
export async function prepareStore(folder: string, project: Project): Promise<void> {
  await using store = await openFeatureStore({ project, projectFolder: folder, threads: 1, memoryMb: 256 })
  await store.apply()
  await writeFile(join(folder, 'definitions.json'), exportDefinitions(project))
}

/** Starts `asof serve` over a folder of {@link prepareStore}; resolves once it answers. */
export async function startServe(
  folder: string,
  args: readonly string[] = [],
  nodeArgs: readonly string[] = [],
): Promise<ServeProcess> {
  const command = ['serve', '--json', '--project', join(folder, 'definitions.json'), ...args]
  if (!args.includes('--port')) command.push('--port', '0')
  return await startProcess([...nodeArgs, BIN, ...command])
}

/**
 * Runs `asof` to its end.
 *
 * @returns its exit code and what it wrote
 */
export async function runAsof(
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [...NODE, BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

/**
 * Starts a process that writes a JSON object with its `url` to stdout once it answers.
 *
 * @param args what node is given: flags, a file and its arguments
 */
export async function startProcess(args: readonly string[]): Promise<ServeProcess> {
  const child = spawn(process.execPath, [...NODE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-100_000)))
  const ended = once(child, 'close')
  const url = await firstUrl(child, () => log)
  return {
    url,
    port: Number(new URL(url).port),
    process: child,
    log: () => log,
    async stop() {
      child.kill('SIGTERM')
      const [code] = (await ended) as [number]
      return code
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function firstUrl(child: ChildProcess, log: () => string): Promise<string> {
  let text = ''
  return await new Promise((resolve, reject) => {
    child.once('exit', (code) =>
      reject(new Error(`the server ended with ${code} before it answered: ${log()}`)),
    )
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part
      try {
        resolve((JSON.parse(text) as { url: string }).url)
      } catch {
        // Not all of it is there yet.
      }
    })
  })
}
