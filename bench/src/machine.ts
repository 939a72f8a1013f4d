import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

/** What figures depend on beside the code. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  /** Load of the last minute when the run began: a busy machine measures badly. */
  readonly load: number
  readonly node: string
  /** Versions of what is compared, by package. */
  readonly packages: Readonly<Record<string, string>>
}

const PACKAGES = ['@duckdb/node-api', 'lmdb', 'msgpackr']

/** The machine and the versions in use. */
export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    load: loadavg()[0] ?? 0,
    node: process.version,
    packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
  }
}

/** Most packages do not export their package.json, so it is looked for above the entry point. */
function versionOf(name: string): string {
  const { resolve } = createRequire(import.meta.url)
  const entry = resolve(name)
  const folder = entry.slice(0, entry.lastIndexOf(`/node_modules/${name}/`)) + `/node_modules/${name}`
  return (JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }).version
}

/**
 * The most memory that this process has had, in bytes. On Linux the kernel's own mark of this program; what
 * `resourceUsage` says there includes the memory of the process that started this one.
 */
export function peakMemory(): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (kilobytes !== undefined) return Number(kilobytes) * 1024
  } catch {
    // Another system: the portable figure is good there.
  }
  return process.resourceUsage().maxRSS * 1024
}
