import { watch, type FSWatcher } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'

/** What has changed in a project: its code, or the data that it reads. */
export type ProjectChange = 'code' | 'data'

const CODE = new Set(['.ts', '.mts', '.js', '.mjs', '.sql'])
/** Editors write a file in several steps, and several files at once. */
const SETTLE_MS = 120
/** More folders are not watched: what is in them is taken for data that changes otherwise. */
const FOLDERS_MAX = 500

/**
 * Watches the folders of a project, all but `node_modules` and those whose name begins with a dot (the store, git).
 *
 * @param changed called once things have been quiet for a moment
 * @returns stops watching
 */
export async function watchProject(
  folder: string,
  changed: (what: ReadonlySet<ProjectChange>) => void,
): Promise<() => void> {
  const watchers = new Map<string, FSWatcher>()
  const seen = new Set<ProjectChange>()
  let quiet: NodeJS.Timeout | undefined
  let closed = false
  const follow = async (path: string): Promise<void> => {
    if (closed || watchers.has(path) || watchers.size >= FOLDERS_MAX) return
    try {
      const watcher = watch(path, (_event, name) => noticed(path, name))
      watcher.on('error', () => drop(path))
      watchers.set(path, watcher)
      for (const entry of await readdir(path, { withFileTypes: true }))
        if (entry.isDirectory() && isWatched(entry.name)) await follow(join(path, entry.name))
    } catch {
      drop(path) // Removed while it was looked at.
    }
  }
  const drop = (path: string): void => {
    watchers.get(path)?.close()
    watchers.delete(path)
  }
  const noticed = (path: string, name: string | null): void => {
    if (name === null || !isWatched(name)) return
    // Below the project's own folder JSON is data, such as the manifest of a training set.
    const isCode = CODE.has(extname(name)) || (extname(name) === '.json' && path === folder)
    seen.add(isCode ? 'code' : 'data')
    clearTimeout(quiet)
    quiet = setTimeout(() => {
      const what = new Set(seen)
      seen.clear()
      // A folder may have come.
      void follow(join(path, name))
      changed(what)
    }, SETTLE_MS)
  }
  await follow(folder)
  return () => {
    closed = true
    clearTimeout(quiet)
    for (const path of watchers.keys()) drop(path)
  }
}

function isWatched(name: string): boolean {
  return !name.startsWith('.') && name !== 'node_modules' && !name.endsWith('~')
}
