import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** What the rivals of training need, at fixed versions. */
const REQUIREMENTS = ['polars==2.1.0', 'duckdb==2.0.0']

const run = promisify(execFile)

/**
 * Path of a Python that has the rivals, in a virtual environment that is made once.
 *
 * @throws {Error} when there is no python3, or its packages cannot be had
 */
export async function rivalPython(
  say: (line: string) => void,
  requirements: readonly string[] = REQUIREMENTS,
  name = 'venv-bench',
): Promise<string> {
  const folder = resolve('.cache', name)
  const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin')
  const python = join(bin, 'python')
  const stamp = join(folder, 'requirements')
  const wanted = requirements.join('\n')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python
  say(`making a virtual environment for Python rivals, once: ${requirements.join(', ')}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await run(process.platform === 'win32' ? 'python' : 'python3', ['-m', 'venv', folder])
  await run(python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--only-binary=:all:',
    ...requirements,
  ])
  writeFileSync(stamp, wanted)
  return python
}
