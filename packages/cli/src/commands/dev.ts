import { spawn, type ChildProcess } from 'node:child_process'
import { dirname } from 'node:path'
import { wholeArgument } from '../command-values.ts'
import type { DevLine, DevNews, DevOrder } from '../dev/dev-worker.ts'
import { devWork, say } from '../dev/dev-worker.ts'
import { watchProject } from '../dev/watch-project.ts'
import { configFile, type ProjectOptions } from '../find-project.ts'
import type { Terminal } from '../terminal.ts'

/** In the environment of the process that does the work. */
const WORKER = 'ASOF_DEV_WORKER'
/** How long a process may take to end once it was told to. */
const STOP_MS_MAX = 10_000

/** How long one that was overtaken by a change may still take to apply what it has. */
const GIVE_UP_MS = 3_000

interface GivenOptions extends ProjectOptions {
  readonly port: string
  readonly allowBreaking?: boolean
}

/**
 * `asof dev`: applies, serves and materializes while the definitions change.
 *
 * This process watches; the work is done by another one, started anew with each change of the code, as a module that was
 * imported stays as it was. The new one applies the definitions while the old one still serves: where they are wrong, it says
 * so and ends, and nothing else has changed.
 */
export async function dev(terminal: Terminal, options: GivenOptions): Promise<number> {
  const port = wholeArgument(options.port, '--port', 0)
  if (process.env[WORKER] !== undefined && process.send !== undefined) {
    const { allowBreaking = false } = options
    try {
      return await devWork(terminal, { ...options, port, allowBreaking }, lineToParent())
    } finally {
      process.disconnect() // Else it would wait for orders for ever.
    }
  }
  const file = await configFile(options)
  const bench = new Bench(terminal)
  const stopWatching = await watchProject(dirname(file), (what) => bench.changed(what.has('code')))
  try {
    return await bench.run()
  } finally {
    stopWatching()
  }
}

/** Orders as they come; without the other side there is but one. */
function lineToParent(): DevLine {
  const orders: DevOrder[] = []
  let waiting: ((order: DevOrder) => void) | undefined
  const take = (order: DevOrder): void => {
    if (waiting === undefined) orders.push(order)
    else waiting(order)
    waiting = undefined
  }
  process.on('message', (order: DevOrder) => take(order))
  process.on('disconnect', () => take('stop'))
  return {
    next: async () =>
      orders.shift() ?? (process.connected ? await new Promise((resolve) => (waiting = resolve)) : 'stop'),
    tell: (news) => void process.send?.(news satisfies DevNews),
  }
}

/** The processes that work: one that serves, and at times one that is to follow it. */
class Bench {
  readonly #terminal: Terminal
  #serving: ChildProcess | undefined
  #coming: ChildProcess | undefined
  #ended: ((exitCode: number) => void) | undefined
  /** One change after the other. */
  #turn: Promise<void> = Promise.resolve()
  #wanted = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Works until it is interrupted, or until the port cannot be had; answers the exit code. */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => (this.#ended = resolve))
    const { signal } = this.#terminal
    if (signal.aborted) return 0
    signal.addEventListener('abort', () => this.#ended?.(0), { once: true })
    this.changed(true)
    const exitCode = await ended
    const stopAll = async (): Promise<unknown> =>
      await Promise.all([stopped(this.#serving), stopped(this.#coming)])
    await stopAll()
    await this.#turn
    await stopAll()
    return exitCode
  }

  /** Something in the project is another. */
  changed(code: boolean): void {
    if (!code) {
      send(this.#serving, 'data')
      return
    }
    const coming = this.#coming
    // What was being taken up is out of date, and may never end by itself: a loop, a host that does not answer.
    setTimeout(() => coming === this.#coming && coming?.kill('SIGKILL'), GIVE_UP_MS).unref()
    // Of several changes while one is being taken up the last one counts.
    if (this.#wanted) return
    this.#wanted = true
    this.#turn = this.#turn.then(async () => {
      this.#wanted = false
      if (!this.#terminal.signal.aborted) await this.#takeUp()
    })
  }

  async #takeUp(): Promise<void> {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      env: { ...process.env, [WORKER]: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Ctrl-C is for this process, which tells the others.
      detached: true,
    })
    this.#coming = child
    if ((await newsOf(child)) !== 'applied') {
      this.#coming = undefined
      if (!this.#terminal.signal.aborted) {
        const still = this.#serving === undefined ? '' : '; what was applied before is served on'
        say(this.#terminal, { event: 'waiting' }, `waiting for a change${still}`)
      }
      return
    }
    const before = this.#serving
    this.#serving = child
    this.#coming = undefined
    await stopped(before)
    send(child, this.#terminal.signal.aborted ? 'stop' : 'listen')
    const listening = await newsOf(child)
    if (listening !== 'listening') {
      // Another program has the port: no change of the project would help.
      this.#ended?.(typeof listening === 'number' ? listening : 1)
      return
    }
    child.once('exit', () => {
      if (this.#serving !== child || this.#terminal.signal.aborted) return
      this.#serving = undefined
      say(this.#terminal, { event: 'waiting' }, 'the server has ended; waiting for a change')
    })
  }
}

/** The next that a process says, or its exit code. */
async function newsOf(child: ChildProcess): Promise<DevNews | number> {
  // One that was killed has no exit code.
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? 1
  return await new Promise((resolve) => {
    const onMessage = (news: unknown): void => done(news as DevNews)
    const onExit = (exitCode: number | null): void => done(exitCode ?? 1)
    const done = (news: DevNews | number): void => {
      child.off('message', onMessage)
      child.off('exit', onExit)
      resolve(news)
    }
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}

function send(child: ChildProcess | undefined, order: DevOrder): void {
  // One that has ended meanwhile needs no orders.
  if (child?.connected === true) child.send(order, () => undefined)
}

async function stopped(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  send(child, 'stop')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
  await ended
  clearTimeout(late)
}
