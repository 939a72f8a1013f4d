// What a newcomer does, from the packages as they would be published, outside of the repository: install, init, and every line
// that the new project's README has, on the Node that this repository uses and on the oldest one that is supported.
import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'es-module-lexer'
import { npm, packPackages, type PackedPackage } from '../../../scripts/pack.ts'
import { formatBytes } from './figures.ts'

const OLDEST = '22.18.0'

let root = ''
let packed: readonly PackedPackage[] = []
/** What `npx asof init` would have run from. */
let tool = ''

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-installed-'))
})
after(async () => await rm(root, { recursive: true, force: true }))

test('the packages are packed from a clean build', async () => {
  packed = await packPackages(join(root, 'packages'))
  assert.ok(packed.some(({ name }) => name === 'asof'))
})

test('each package has all that it exports and none of its tests, and declares what it imports', () => {
  const names = new Set(packed.map(({ name }) => name))
  for (const { name, files } of packed) {
    const described = JSON.parse(files.get('package.json')!) as {
      readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>
      readonly bin?: Readonly<Record<string, string>>
      readonly dependencies: Readonly<Record<string, string>>
      readonly engines?: object
    }
    const promised = [
      ...Object.values(described.exports).flatMap((targets) => Object.values(targets)),
      ...Object.values(described.bin ?? {}),
      'README.md',
    ].map((path) => path.replace(/^\.\//, ''))
    for (const path of promised) assert.ok(files.has(path), `${name} lacks ${path}`)
    for (const [path, text] of files) {
      assert.doesNotMatch(path, /\.test\b|\.tsbuildinfo$/, name)
      if (/^dist\/.*\.(js|d\.ts)$|\.mjs$/.test(path)) {
        for (const imported of importsOf(text, path)) {
          const declared = imported === name || Object.hasOwn(described.dependencies, imported)
          assert.ok(declared, `${name}/${path} imports ${imported}, which it does not declare`)
        }
      }
    }
    for (const [dependency, version] of Object.entries(described.dependencies)) {
      if (!names.has(dependency)) continue
      const own = JSON.parse(packed.find((each) => each.name === dependency)!.files.get('package.json')!) as {
        readonly version: string
      }
      assert.equal(version, own.version, `${name} depends on another version of ${dependency}`)
    }
  }
})

test('they install from their files', async (t) => {
  tool = join(root, 'tool')
  await mkdir(tool)
  await writeFile(join(tool, 'package.json'), '{ "private": true }')
  const oldest = `node-${process.platform}-${process.arch}@${OLDEST}`
  const files = packed.map(({ file }) => file)
  const started = performance.now()
  await npm(['install', '--ignore-scripts', ...files], tool)
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  const { bytes, packages } = await sizeOf(join(tool, 'node_modules'))
  t.diagnostic(`installed in ${seconds} s: ${packages} packages, ${formatBytes(bytes)}`)
  assert.ok(bytes < 200_000_000, `${bytes} bytes`)
  await npm(['install', '--ignore-scripts', '--no-save', '--prefix', join(root, 'oldest'), oldest], root)
})

for (const version of [OLDEST, process.versions.node]) {
  test(`a new project does what its README says, on Node ${version}`, async (t) => {
    const isOldest = version === OLDEST
    const node = isOldest
      ? join(root, `oldest/node_modules/node-${process.platform}-${process.arch}/bin/node`)
      : process.execPath
    const project = join(root, version, 'my-store')
    await mkdir(dirname(project))
    const shell = shellOf(node)
    assert.equal(await shell('node --version', dirname(project)), `v${version}\n`)
    const bin = join(tool, 'node_modules/asof/bin/asof.mjs')
    assert.match(await shell(`node "${bin}" init my-store`, dirname(project)), /next:/)
    // The registry does not have the packages; on the second Node the first project's are used.
    if (isOldest) {
      await npm(['install', '--ignore-scripts', ...packed.map(({ file }) => file)], project)
    } else await symlink(join(root, OLDEST, 'my-store/node_modules'), join(project, 'node_modules'))
    await followReadme(project, shell, node, (text) => t.diagnostic(text))
  })
}

type Shell = (line: string, folder: string) => Promise<string>

/** Runs every command line of the page in order; the server is stopped in the end. */
async function followReadme(
  project: string,
  shell: Shell,
  node: string,
  say: (text: string) => void,
): Promise<void> {
  const page = await readFile(join(project, 'README.md'), 'utf8')
  const lines = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .flatMap(([, block]) =>
      block!
        .replaceAll(/\\\n\s*/g, '')
        .trimEnd()
        .split('\n'),
    )
    .map((line) => line.replace(/\s+#.*$/, ''))
    .filter((line) => line !== 'npm install')
  const port = await freePort()
  let answer = ''
  let server: ChildProcess | undefined
  try {
    for (const line of lines) {
      const started = performance.now()
      if (line.startsWith('npx asof serve')) {
        server = serve(node, project, port)
        await answering(port, server)
      } else if (line.startsWith('curl')) answer = await asked(line, port)
      else await shell(line, project)
      say(`${((performance.now() - started) / 1_000).toFixed(1)} s: ${line.slice(0, 60)}`)
    }
  } finally {
    await stop(server)
  }
  const { rows } = JSON.parse(answer) as { readonly rows: readonly Record<string, unknown>[] }
  // What was pushed a line before, and what is computed when asked.
  assert.deepEqual([rows[0]?.['country'], rows[0]?.['verified']], ['NZ', true])
  assert.equal(typeof rows[0]?.['amount_ratio'], 'number')
  assert.ok((await readdir(join(project, 'sets/first'))).includes('manifest.json'))
}

/** The page's request, without the need of a curl. */
async function asked(line: string, port: number): Promise<string> {
  const [, path, type, body] = /:8700(\S+) -H 'content-type: (\S+)' -d '(.*)'$/.exec(line) ?? []
  assert.ok(path !== undefined && type !== undefined && body !== undefined, line)
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
  return await response.text()
}

/** A shell whose `node` is a given one, and whose `npx asof` is the project's. */
function shellOf(node: string): Shell {
  const env = {
    ...process.env,
    PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}`,
    NODE_OPTIONS: '',
  }
  return async (line, folder) =>
    await new Promise((resolve, reject) => {
      const command = line.replace(/^npx asof/, 'node_modules/.bin/asof')
      execFile('sh', ['-c', command], { cwd: folder, env }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`${line}\n${stdout}${stderr}`, { cause: error }))
      })
    })
}

function serve(node: string, project: string, port: number): ChildProcess {
  const args = [join(project, 'node_modules/asof/bin/asof.mjs'), 'serve', '--port', String(port)]
  return spawn(node, args, { cwd: project, stdio: 'ignore' })
}

async function stop(server: ChildProcess | undefined): Promise<void> {
  if (server === undefined || server.exitCode !== null) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGTERM')
  await ended
}

async function answering(port: number, server: ChildProcess): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 50) {
    if (server.exitCode !== null) break
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (response?.ok === true) return
    await sleep(50)
  }
  assert.fail('the server did not get ready')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Names of the packages that a module imports. */
function importsOf(text: string, path: string): string[] {
  const [imports] = parse(text, path)
  return imports
    .flatMap(({ specifier }) => (typeof specifier === 'string' ? [specifier] : []))
    .filter((specifier) => !specifier.startsWith('.') && !isBuiltin(specifier))
    .map((specifier) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/'),
    )
}

async function sizeOf(folder: string): Promise<{ readonly bytes: number; readonly packages: number }> {
  let [bytes, packages] = [0, 0]
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name))).size
    if (entry.name === 'package.json' && /node_modules(\/@[^/]+)?\/[^/@]+$/.test(entry.parentPath)) packages++
  }
  return { bytes, packages }
}
