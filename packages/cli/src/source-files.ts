import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { AsofError, type OfflineStore, type SourceAccess } from '@asof/core'

/**
 * Sources as files below a project's folder, links followed and checked; a path may have `*` in its last part.
 *
 * @param tables opens Delta tables by their path below the folder
 */
export function sourceFiles(projectFolder: string, tables: OfflineStore): SourceAccess {
  const inside = async (path: string): Promise<string> => {
    const asked = resolve(projectFolder, path)
    const real = await realpath(asked).catch(() => asked)
    const root = await realpath(projectFolder)
    if (isAbsolute(path) || path.includes('\0') || escapes(root, real)) {
      throw new AsofError('denied', 'path_outside_project', "a source lies outside the project's folder", {
        path,
      })
    }
    return real
  }
  return {
    async files(path) {
      const name = basename(path)
      if (!name.includes('*')) {
        const file = await inside(path)
        return (await stat(file).catch(() => undefined))?.isFile() === true ? [file] : []
      }
      const folder = await inside(dirname(path))
      const pattern = new RegExp(`^${name.split('*').map(literal).join('.*')}$`)
      const names = (await readdir(folder).catch(() => [])).filter((found) => pattern.test(found)).sort()
      return await Promise.all(names.map((found) => inside(relative(projectFolder, join(folder, found)))))
    },
    async deltaTable(path, at) {
      await inside(path)
      return await tables.snapshot(path.split(sep).join('/'), at)
    },
  }
}

function escapes(root: string, path: string): boolean {
  const from = relative(root, path)
  return from === '..' || from.startsWith(`..${sep}`) || isAbsolute(from)
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
