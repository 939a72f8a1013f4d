// Packs every published package as npm would publish it, from a clean build in a folder of its own: nothing that is lying
// about in a `dist` gets into a package, and nobody who uses one meanwhile is disturbed.
//
//   node --conditions=source scripts/pack.ts FOLDER
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const ROOT = resolve(import.meta.dirname, '..')
const KINDS = ['packages', 'adapters']
/** What a build is not made of. */
const LEFT_OUT = new Set(['node_modules', 'dist', '.asof', '.cache'])

/** A package as it would be published. */
export interface PackedPackage {
  readonly name: string
  /** Absolute path of the `.tgz`. */
  readonly file: string
  /** Its files by path, with their text where it is code or JSON. */
  readonly files: ReadonlyMap<string, string>
  readonly bytes: number
  readonly unpackedBytes: number
}

/**
 * Packs all packages of the workspace into a folder.
 *
 * @param folder absolute path; made where it is not there
 */
export async function packPackages(folder: string): Promise<readonly PackedPackage[]> {
  const stage = await mkdtemp(join(tmpdir(), 'asof-pack-'))
  try {
    const folders = await stagePackages(stage)
    await run(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', 'tsconfig.build.json'],
      stage,
    )
    await mkdir(folder, { recursive: true })
    const packed = JSON.parse(
      await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...folders], stage),
    ) as readonly {
      readonly name: string
      readonly filename: string
      readonly size: number
      readonly unpackedSize: number
      readonly files: readonly { readonly path: string }[]
    }[]
    return await Promise.all(
      packed.map(async ({ name, filename, size, unpackedSize, files }, at) => ({
        name,
        file: join(folder, basename(filename)),
        files: await textsOf(
          join(stage, folders[at]!),
          files.map(({ path }) => path),
        ),
        bytes: size,
        unpackedBytes: unpackedSize,
      })),
    )
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

/** Runs npm, the one that runs this script where there is one; answers what it prints. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const path = process.env['npm_execpath']
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--prefer-offline']
  return path?.endsWith('.js') === true
    ? await run(process.execPath, [path, ...args, ...quiet], cwd)
    : await run('npm', [...args, ...quiet], cwd)
}

/** Copies sources, and links what is installed; the packages of the workspace are found in the copy. */
async function stagePackages(stage: string): Promise<string[]> {
  const folders: string[] = []
  for (const file of ['tsconfig.base.json', 'tsconfig.build.json'])
    await cp(join(ROOT, file), join(stage, file))
  for (const kind of KINDS) {
    await cp(join(ROOT, kind), join(stage, kind), {
      recursive: true,
      filter: (path) => !LEFT_OUT.has(basename(path)),
    })
    for (const name of await readdir(join(ROOT, kind))) folders.push(`./${kind}/${name}`)
  }
  const modules = join(stage, 'node_modules')
  await mkdir(join(modules, '@asof'), { recursive: true })
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    if (name === 'asof' || name === '@asof' || name.startsWith('.')) continue
    await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const folder of folders) {
    const { name } = JSON.parse(await readFile(join(stage, folder, 'package.json'), 'utf8')) as {
      name: string
    }
    await symlink(join(stage, folder), join(modules, name))
  }
  return folders
}

async function textsOf(folder: string, paths: readonly string[]): Promise<Map<string, string>> {
  const texts = paths.map(async (path) => {
    const isText = /\.(m?js|ts|json)$/.test(path)
    return [path, isText ? await readFile(join(folder, path), 'utf8') : ''] as const
  })
  return new Map(await Promise.all(texts))
}

async function run(file: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, { cwd, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`failed: ${[file, ...args].join(' ')}\n${stdout}${stderr}`, { cause: error })
  }
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('name the folder that the packages go to')
  for (const { file, bytes } of await packPackages(resolve(folder))) console.log(`${bytes}\t${file}`)
}
