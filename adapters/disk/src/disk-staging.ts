import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { invalid, type Staging } from '@asof/core'

/** A staged file, or one that is being written: of a process that died in between it stays, until it is old. */
const NAME = /^[0-9a-f-]{36}\.parquet(\.writing)?$/

/**
 * Staged files in one folder of a local disk.
 *
 * @param folder made when it is not there; must lie on the same disk as the tables, as files are linked, not copied
 */
export async function diskStaging(folder: string): Promise<Staging> {
  await mkdir(folder, { recursive: true })
  const localPath = (name: string): string => {
    if (!NAME.test(name)) throw invalid('invalid_path', 'not the name of a staged file', { name })
    return join(folder, name)
  }
  const create = (): string => `${randomUUID()}.parquet`
  return {
    create,
    localPath,
    async sync(name) {
      for (const path of [localPath(name), folder]) {
        const handle = await open(path, 'r')
        await handle.sync()
        await handle.close()
      }
    },
    async share(name) {
      const shared = create()
      await link(localPath(name), localPath(shared))
      return shared
    },
    async exists(name) {
      return (await stat(localPath(name)).catch(() => undefined)) !== undefined
    },
    async remove(name) {
      await rm(localPath(name), { force: true })
    },
    async list() {
      const names = (await readdir(folder)).filter((name) => NAME.test(name))
      const entries = await Promise.all(
        names.map(async (name) => {
          const found = await stat(join(folder, name)).catch(() => undefined)
          return found === undefined ? [] : [{ name, modifiedMs: found.mtimeMs }]
        }),
      )
      return entries.flat()
    },
  }
}
