import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Another process that plays a role of a test file. */
export interface RolePlayer {
  readonly pid: number
  /** What it has told so far, a line each. */
  readonly told: readonly string[]
  /** Whether it has ended. */
  readonly over: boolean
  /** Waits for the next line told; undefined when the process has ended. */
  next(): Promise<string | undefined>
  /** kill -9; resolves when it is gone and its last line is read. */
  kill(): Promise<void>
  /** Waits for its end; the exit code, or the signal that ended it. */
  ended(): Promise<number | string>
}

/** A part that a test file plays when it is started as another process. */
export type Role = (...args: string[]) => Promise<void>

const MARK = 'role:'

/**
 * Plays the role that this process was started for; false where it was not.
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 *
 * const append = async (): Promise<void> => tell('appended')
 * if (!(await playedRole({ append }))) test('survives kill -9', () => {})
 * ```
 */
export async function playedRole(roles: Readonly<Record<string, Role>>): Promise<boolean> {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined || !name.startsWith(MARK)) return false
  await roles[name.slice(MARK.length)]!(...args)
  return true
}

/** Tells the starter a line; it has left this process when this returns, whatever happens next. */
export function tell(line: string): void {
  writeSync(1, `${line}\n`)
}

/**
 * Starts a test file once more, to play a role.
 *
 * @param fileBytesMax the size at which the system refuses to let a file grow, as a full disk would
 */
export function startRole(
  file: string,
  role: string,
  args: readonly string[] = [],
  options: { readonly fileBytesMax?: number } = {},
): RolePlayer {
  const command = commandOf(file, role, args)
  const { fileBytesMax } = options
  // `ulimit -f` counts blocks of 512 bytes in a shell that follows POSIX.
  const limited =
    fileBytesMax === undefined
      ? command
      : ['sh', '-c', `ulimit -f ${Math.ceil(fileBytesMax / 512)} && exec "$@"`, 'sh', ...command]
  const child = spawn(limited[0]!, limited.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  const told: string[] = []
  const state = { over: false, wake: (): void => {} }
  let taken = 0
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    told.push(line)
    state.wake()
  })
  const end = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      state.over = true
      state.wake()
      resolve(code ?? signal ?? 0)
    })
  })
  return {
    pid: child.pid ?? 0,
    told,
    get over() {
      return state.over
    },
    next: async () => {
      while (taken >= told.length && !state.over) await new Promise<void>((resolve) => (state.wake = resolve))
      return told[taken++]
    },
    kill: async () => {
      child.kill('SIGKILL')
      await end
    },
    ended: () => end,
  }
}

function commandOf(file: string, role: string, args: readonly string[]): string[] {
  const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions'))
  return [process.execPath, ...conditions, file, `${MARK}${role}`, ...args]
}
