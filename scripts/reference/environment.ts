import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const REPOSITORY = join(import.meta.dirname, '../..')

/** What each environment variable does that a published package reads. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  ASOF_DEBUG: 'not empty: an error of the command line comes with its stack',
  ASOF_PROPERTY_RUNS: 'cases of a property-based test of `@asof/testing`; 200 by default',
  ASOF_PROPERTY_SEED: 'the seed of these cases, to repeat a failure; a fixed one by default',
  NO_COLOR: 'not empty: no colours on a terminal',
  TERM: '`dumb`: no colours on a terminal',
}

/**
 * The environment variables that the sources of the packages read, sorted.
 *
 * @throws Error for one whose meaning is not written down here
 */
export function environmentRead(): string[] {
  const files = globSync('{packages,adapters}/*/src/**/*.ts', { cwd: REPOSITORY, exclude: ['**/*.test.ts'] })
  const names = files.flatMap((file) =>
    [...readFileSync(join(REPOSITORY, file), 'utf8').matchAll(/\benv(?:\['(\w+)'\]|\.([A-Z]\w*))/g)].map(
      ([, quoted, plain]) => quoted ?? plain!,
    ),
  )
  const sorted = [...new Set(names)].sort()
  const unknown = sorted.filter((name) => !Object.hasOwn(ENVIRONMENT, name))
  if (unknown.length > 0) {
    throw new Error(`say in scripts/reference/environment.ts what these do: ${unknown.join(', ')}`)
  }
  return sorted
}
