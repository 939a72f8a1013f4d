import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { AsofError, formatInstant, invalid, type Instant } from '@asof/core'
import { sampleShop } from '../sample-shop.ts'
import type { Terminal } from '../terminal.ts'

const PACKAGE = new URL('../../package.json', import.meta.url)
const TEMPLATE = new URL('../../templates/start/', import.meta.url)
/** Files of the template as the project has them; a package cannot carry a `.gitignore`. */
const FILES: Readonly<Record<string, string>> = {
  'README.md': 'README.md',
  'asof.config.ts': 'asof.config.ts',
  'definitions.ts': 'definitions.ts',
  'payment-in-context.ts': 'payment-in-context.ts',
  'tsconfig.json': 'tsconfig.json',
  gitignore: '.gitignore',
}

/** `asof init [FOLDER]`: writes a small project that runs. */
export async function init(terminal: Terminal, _options: object, folder = '.'): Promise<void> {
  const target = resolve(folder)
  await checkEmpty(target)
  const files = await projectFiles(basename(target))
  for (const [name, text] of files) {
    const path = join(target, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  }
  const names = [...files.keys()].sort()
  const here = relative(process.cwd(), target)
  const next = [
    ...(here === '' ? [] : [`cd ${here.includes(' ') ? `'${here}'` : here}`]),
    ...(isInstalled(target) ? [] : ['npm install']),
    'npx asof apply',
    'npx asof materialize',
    'npx asof get fraud_model customer=c001 --request amount=250',
  ]
  terminal.answer({ folder: target, files: names, next }, () =>
    [
      `a feature store is in ${here === '' ? 'this folder' : here}: ${names.join(', ')}`,
      '',
      'next:',
      ...next.map((line) => `  ${terminal.colours.bold(line)}`),
      '',
      'README.md goes on from there: training sets, pushes, the server; `npx asof dev` does it all while you edit',
    ].join('\n'),
  )
}

/** Whether the package is found from a folder, as in a workspace that has it. */
function isInstalled(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'node_modules/asof'))) return true
    if (dirname(at) === at) return false
  }
}

/** Nothing of a user's is ever written over; a folder that only git knows is empty. */
async function checkEmpty(target: string): Promise<void> {
  const found = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    if (error.code === 'ENOTDIR')
      throw invalid('not_a_folder', 'there is a file of that name', { path: target })
    throw error
  })
  const others = found.filter((name) => name !== '.git')
  if (others.length === 0) return
  throw new AsofError('conflict', 'folder_not_empty', 'the folder is not empty: name a new one', {
    folder: target,
    found: others.slice(0, 5).join(', '),
  })
}

async function projectFiles(name: string): Promise<ReadonlyMap<string, string>> {
  const { version, engines } = JSON.parse(await readFile(PACKAGE, 'utf8')) as {
    readonly version: string
    readonly engines: { readonly node: string }
  }
  const now = (Date.now() * 1_000) as Instant
  const files = new Map<string, string>()
  for (const [from, to] of Object.entries(FILES)) {
    const text = await readFile(new URL(from, TEMPLATE), 'utf8')
    files.set(to, text.replace('"NOW"', `"${formatInstant(now)}"`))
  }
  const described = {
    name: packageName(name),
    version: '0.0.0',
    private: true,
    type: 'module',
    scripts: { dev: 'asof dev', serve: 'asof serve' },
    dependencies: { asof: version },
    engines,
  }
  files.set('package.json', `${JSON.stringify(described, undefined, 2)}\n`)
  for (const [file, text] of Object.entries(sampleShop(now))) files.set(`data/${file}.csv`, text)
  return files
}

/** What npm takes for a name, made of a folder's. */
function packageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  return name === '' || name === 'asof' ? 'my-store' : name
}
