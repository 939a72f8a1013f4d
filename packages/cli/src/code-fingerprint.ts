import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'es-module-lexer'
import { invalid, type OnDemandCode } from '@asof/core'

/**
 * Where on-demand functions live and a hash over their module and everything that it imports from the project:
 * packages count by their name only, as the lockfile pins them.
 *
 * @param modules URL of each function's module, by `name@version`
 * @param projectFolder what lies outside it is not the project's
 * @throws {AsofError} `code_missing`, naming the file that is not there
 */
export async function codeOf(
  modules: ReadonlyMap<string, string>,
  projectFolder: string,
): Promise<ReadonlyMap<string, OnDemandCode>> {
  const code = new Map<string, OnDemandCode>()
  for (const [id, url] of modules) {
    const entry = fileURLToPath(url)
    const module = relative(projectFolder, entry).split(sep).join('/')
    code.set(id, { module, fingerprint: await fingerprintOf(entry, projectFolder) })
  }
  return code
}

async function fingerprintOf(entry: string, projectFolder: string): Promise<string> {
  const texts = new Map<string, string>()
  const packages = new Set<string>()
  const pending = [entry]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (texts.has(path)) continue
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw invalid('code_missing', 'a module of an on-demand function cannot be read', {
        path,
        cause: String(cause),
      })
    })
    texts.set(path, text)
    for (const specifier of importsOf(text, path)) {
      const imported = specifier.startsWith('.') ? await onDisk(resolve(dirname(path), specifier)) : undefined
      if (imported !== undefined && !relative(projectFolder, imported).startsWith('..'))
        pending.push(imported)
      else packages.add(specifier)
    }
  }
  const hash = createHash('sha256')
  for (const [path, text] of [...texts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${relative(projectFolder, path).split(sep).join('/')}\0${text.length}\0${text}\0`)
  }
  for (const name of [...packages].sort()) hash.update(`${name}\0`)
  return hash.digest('hex')
}

/** What a module imports for its values; types change nothing at run time. */
function importsOf(text: string, path: string): readonly string[] {
  const [imports] = parse(text, path)
  return imports.flatMap((found) =>
    typeof found.specifier !== 'string' || ('typeOnly' in found && found.typeOnly) ? [] : [found.specifier],
  )
}

/** Built code imports `x.js` where sources have `x.ts`: whichever is there. */
async function onDisk(path: string): Promise<string | undefined> {
  for (const candidate of [path, path.replace(/\.js$/, '.ts')]) {
    if ((await stat(candidate).catch(() => undefined))?.isFile() === true) return candidate
  }
  return undefined
}
