import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server that runs in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly process: ChildProcess
  /** From its start until its port was open, in milliseconds. */
  readonly startMs: number
}

/** What starts a server. */
export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly port: number
  readonly env?: NodeJS.ProcessEnv
}

const PATIENCE_MS = 60_000

/**
 * Starts a server on the first core, where there is a choice, and waits until it takes connections.
 *
 * @throws {Error} with what it said, when it ends or stays silent
 */
export async function startServer({ command, args, port, env }: ServerCommand): Promise<ServerProcess> {
  const start = performance.now()
  const pinned = existsSync('/usr/bin/taskset') ? ['/usr/bin/taskset', '-c', '0'] : []
  const [file, ...rest] = [...pinned, command, ...args]
  const child = spawn(file!, rest, { stdio: ['ignore', 'ignore', 'pipe'], ...(env && { env }) })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)))
  while (!(await isOpen(port))) {
    if (child.exitCode !== null || performance.now() - start > PATIENCE_MS) {
      child.kill('SIGKILL')
      throw new Error(`${command} ${args[0] ?? ''} does not serve: ${said}`)
    }
    await sleep(10)
  }
  return {
    process: child,
    startMs: performance.now() - start,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(late)
    },
  }
}

async function isOpen(port: number): Promise<boolean> {
  return await new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}
