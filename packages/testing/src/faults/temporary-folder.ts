import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An empty folder for one test. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

/**
 * Makes an empty folder, which is removed with all that it holds when it is disposed of.
 *
 * @example
 * ```ts
 * await using folder = await temporaryFolder()
 * ```
 */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'asof-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
