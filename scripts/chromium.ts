// A real browser for tests: Debian's Chromium, fetched once into .cache/chromium without installing anything.
//
//   node --conditions=source scripts/chromium.ts     fetches it and says where it is
//
// ASOF_CHROMIUM names another one that is there already.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const CACHE = resolve(import.meta.dirname, '../.cache')

/** A browser's program, and the variables with which it finds its libraries. */
export interface Chromium {
  readonly executablePath: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * Chromium: the one that `ASOF_CHROMIUM` names, the machine's own, or Debian's, fetched once.
 *
 * @throws {Error} saying what to do where none can be had
 */
export async function findChromium(): Promise<Chromium> {
  const own = [process.env['ASOF_CHROMIUM'], '/usr/bin/chromium'].find(
    (path) => path !== undefined && existsSync(path),
  )
  if (own !== undefined) return { executablePath: own, env: {} }
  const root = join(CACHE, 'chromium')
  if (!existsSync(root)) await fetchFromDebian(root)
  const libraries = join(root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)
  return {
    executablePath: join(root, 'usr/lib/chromium/chromium'),
    env: { LD_LIBRARY_PATH: [libraries, join(libraries, 'pulseaudio')].join(':') },
  }
}

async function fetchFromDebian(root: string): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'chromium-'))
  try {
    await mkdir(join(work, 'debs/partial'), { recursive: true })
    await mkdir(join(work, 'root'))
    // What it needs and the machine has not; nothing is installed, so nothing is locked.
    const options = ['-y', '--no-install-recommends', '--download-only', '-o', 'Debug::NoLocking=1']
    const install = ['install', ...options, '-o', `Dir::Cache::archives=${join(work, 'debs')}`]
    const packages = ['chromium', 'fonts-dejavu-core']
    await run('apt-get', [...install, ...packages]).catch(async () => {
      await run('apt-get', ['update'])
      await run('apt-get', [...install, ...packages])
    })
    for (const name of await readdir(join(work, 'debs'))) {
      if (name.endsWith('.deb')) await run('dpkg', ['-x', join(work, 'debs', name), join(work, 'root')])
    }
    // Whole, or not there: another process may be fetching it too.
    await rename(join(work, 'root'), root).catch((error: unknown) => {
      if (!existsSync(root)) throw error
    })
  } catch (error) {
    throw new Error(
      'no browser for the tests: install chromium and name it with ASOF_CHROMIUM, or run on Debian, where it is fetched',
      { cause: error },
    )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { executablePath, env } = await findChromium()
  const { stdout } = await run(executablePath, ['--version', '--no-sandbox'], {
    env: { ...process.env, ...env },
  })
  console.log(`${stdout.trim()} in ${executablePath}`)
}
