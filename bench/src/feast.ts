import { execFile, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { debianProgram } from './debian.ts'
import { FEATURES, GROUPS } from './lookup-data.ts'
import { rivalPython } from './python.ts'
import type { ServerCommand } from './server-process.ts'

const FEAST = ['feast[redis]==0.67.0']
const SCRIPT = fileURLToPath(new URL('feast_rival.py', import.meta.url))

const run = promisify(execFile)

/**
 * Starts Redis, fills it through Feast with the rows of some users, and answers how Feast's own server is started over it.
 *
 * @param servers ends Redis
 * @throws {Error} where one of them cannot be had
 */
export async function filledFeast(
  servers: AsyncDisposableStack,
  given: {
    readonly ports: { readonly feast: number; readonly redis: number }
    readonly users: number
    readonly say: (line: string) => void
  },
): Promise<ServerCommand> {
  const { ports, users, say } = given
  const python = await rivalPython(say, FEAST, 'venv-feast')
  const packages = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2']
  const redis = await debianProgram('redis-server', packages, say)
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  // On the driver's core: it is not what is measured, and Feast has one for itself alone.
  const child = spawn(redis.file, ['--port', String(ports.redis), ...settings], {
    stdio: 'ignore',
    env: redis.env,
  })
  servers.defer(() => void child.kill())
  const repository = resolve('.cache', 'bench', 'feast')
  mkdirSync(repository, { recursive: true })
  say(`filling Redis through Feast: ${users} users`)
  const sizes = [ports.redis, users, GROUPS, FEATURES].map(String)
  await run(python, [SCRIPT, 'fill', repository, ...sizes], { maxBuffer: 2 ** 26 })
  return { command: python, args: [SCRIPT, 'serve', repository, String(ports.feast)], port: ports.feast }
}
