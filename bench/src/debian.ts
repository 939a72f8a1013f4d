import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program of a Debian package, unpacked below `.cache`, with the environment that finds its libraries. */
export interface DebianProgram {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
}

/**
 * Fetches Debian packages and unpacks them, without installing anything on the machine.
 *
 * @throws {Error} where there is no `apt-get`, or no such package
 */
export async function debianProgram(
  name: string,
  packages: readonly string[],
  say: (line: string) => void,
): Promise<DebianProgram> {
  const folder = resolve('.cache', 'debian', name)
  const root = join(folder, 'root')
  const file = join(root, 'usr', 'bin', name)
  if (!existsSync(file)) {
    say(`fetching from Debian, once: ${packages.join(', ')}`)
    mkdirSync(root, { recursive: true })
    await run('apt-get', ['download', ...packages], { cwd: folder })
    for (const each of readdirSync(folder).filter((one) => one.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(folder, each), root])
    }
  }
  const libraries = join(root, 'usr', 'lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)
  return { file, env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: libraries } }
}
