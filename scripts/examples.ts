// Compiles and runs every example of a doc comment: each is a module, checked by tsc with all others and then run.
//
//   node --conditions=source scripts/examples.ts          those of the packages and adapters
//   node --conditions=source scripts/examples.ts FILE…    those of these sources
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { docExamples, exampleModule, exampleSources, place } from './doc-examples.ts'
import type * as Fixtures from './example-fixtures.ts'
import type { DocExample, ExampleModule } from './doc-examples.ts'

const REPOSITORY = join(import.meta.dirname, '..')
const FIXTURES = join(import.meta.dirname, 'example-fixtures.ts')
const TSC = join(REPOSITORY, 'node_modules/typescript/bin/tsc')

// Inside the repository, so that packages are found by name.
mkdirSync(join(REPOSITORY, '.cache'), { recursive: true })
const folder = mkdtempSync(join(REPOSITORY, '.cache/examples-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

interface Wanted extends ExampleModule {
  readonly from: string
}
const findings: string[] = []
const given = process.argv.slice(2).map((file) => resolve(file))
const examples = (given.length > 0 ? given : exampleSources()).flatMap(docExamples)
const run = await runAll(compiled(await modulesOf(examples)))

for (const finding of findings) console.error(finding)
const results = run.reduce((sum, module) => sum + module.results, 0)
console.log(`examples: ${run.length} run, ${results} results compared, ${findings.length} findings`)
if (findings.length > 0) process.exitCode = 1

/** Writes each example as a module, beside the fixtures. */
async function modulesOf(some: readonly DocExample[]): Promise<Wanted[]> {
  const fixtures = readFileSync(FIXTURES, 'utf8').match(/(?<=^export const )\w+/gm) ?? []
  copyFileSync(FIXTURES, join(folder, 'features.ts'))
  const modules: Wanted[] = []
  for (const example of some) {
    try {
      const module = { ...(await exampleModule(example, fixtures)), from: place(example) }
      writeFileSync(join(folder, module.name), module.text)
      modules.push(module)
    } catch (error) {
      findings.push(error instanceof Error ? error.message : String(error))
    }
  }
  return modules
}

/** Those that compile. What is wrong elsewhere is for `npm run types` to say. */
function compiled(modules: readonly Wanted[]): Wanted[] {
  const config = { extends: join(REPOSITORY, 'tsconfig.base.json'), include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const args = [TSC, '-p', folder, '--pretty', 'false']
  const lines = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).stdout.split('\n')
  return modules.filter(({ name, from }) => {
    const wrong = lines.filter((line) => line.startsWith(`${name}(`))
    findings.push(...wrong.map((line) => `${from}: ${line.replace(/^.*?\): /, '')}`))
    return wrong.length === 0
  })
}

/** Runs the modules one after the other in the folder, where `features.ts` has put the data that they read. */
async function runAll(modules: readonly Wanted[]): Promise<readonly Wanted[]> {
  process.chdir(folder)
  const features = (await import(urlOf('features.ts'))) as typeof Fixtures
  for (const { name, from } of modules) {
    try {
      await import(urlOf(name))
    } catch (error) {
      findings.push(`${from}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  await features.close()
  return modules
}

function urlOf(name: string): string {
  return pathToFileURL(join(folder, name)).href
}
